"""Steady colours of a clip's frames: where shots begin, and shots made apart."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("cv2")

from chrominance.pipelines.film import SteadyFrames
from chrominance.pipelines.video import Frame, VideoInfo

INFO = VideoInfo("x", 96, 64, Fraction(25), Fraction(1, 25))
CUT = 9


def film(count: int = 20) -> list[Frame]:
    """Two scenes that move, each frame in a tint of its own."""
    generator = torch.Generator().manual_seed(3)
    scenes = [
        F.interpolate(torch.rand(1, 1, 9, 24, generator=generator), (64, 200), mode="bicubic").clamp(0, 1)
        for _ in range(2)
    ]
    made = []
    for number in range(count):
        picture = scenes[number >= CUT][0, :, :, 2 * number : 2 * number + 96].expand(3, -1, -1)
        tint = 0.1 * torch.randn(3, 1, 1, generator=generator)
        made.append(Frame(number, Fraction(number, 25), (0.2 + 0.6 * picture + tint).clamp(0, 1)))
    return made


@pytest.mark.parametrize("ahead", [0, 4])
@pytest.mark.parametrize("cuts", [(), (14,)])
def test_shots_made_apart_are_those_of_the_whole(ahead, cuts):
    frames = film()
    whole = list(SteadyFrames(None, look_ahead=ahead, cuts=cuts).run(iter(frames), INFO, None))
    begun = [frame.index for frame in whole if frame.cut]
    assert begun == [0, CUT, *cuts]
    starts = [frame.index for frame in SteadyFrames(None, cuts=cuts).splits(iter(frames), 96)]
    assert starts == begun
    for start, end in zip(starts, [*starts[1:], len(frames)], strict=True):
        stage = SteadyFrames(None, look_ahead=ahead, cuts=cuts)
        apart = list(stage.run(iter(frames[start:end]), INFO, None))
        assert all(torch.equal(a.rgb, b.rgb) for a, b in zip(apart, whole[start:end], strict=True))
        assert (
            max(float((a.rgb - b.rgb).abs().max()) for a, b in zip(apart, frames[start:end], strict=True))
            > 0.02
        )


def test_what_moves_fast_or_flashes_is_no_split():
    frames = film(CUT)
    frames[4] = replace(frames[4], rgb=frames[4].rgb * 1.25)
    assert [frame.index for frame in SteadyFrames(None).splits(iter(frames), 96)] == [0]
