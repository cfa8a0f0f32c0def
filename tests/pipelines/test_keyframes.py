"""Keyframes on a clip: carried along motion that is known, up to cuts, and never past what was asked."""

from __future__ import annotations

import warnings
from fractions import Fraction

import pytest
import torch

from chrominance.color import rgb_to_lightness
from chrominance.models.contract import Chroma, Colorizer, ModelSpec
from chrominance.pipelines.carry import Carrier, Lookahead, Still, step
from chrominance.pipelines.colorize import ColorizeSettings, colorize
from chrominance.pipelines.exemplar import Guide
from chrominance.pipelines.keyframes import Candidate, ClipColorizer, average
from chrominance.pipelines.metrics import psnr
from chrominance.pipelines.optical_flow import make_guided_flow
from chrominance.pipelines.references import References
from chrominance.pipelines.video_types import Frame, VideoError, VideoInfo

from .conftest import CountingFeatures, embedded, greyed, photo

HEIGHT, WIDTH = 144, 192


def pan(name: str, count: int, start: int = 0) -> list[torch.Tensor]:
    """Frames of a camera that goes right over a photo, 3 pixels a frame."""
    wide = photo(name, HEIGHT + 20, WIDTH + 60)
    return [wide[:, n : n + HEIGHT, 3 * n : 3 * n + WIDTH] for n in range(start, start + count)]


def frames(pictures: list[torch.Tensor]) -> list[Frame]:
    grey = greyed(torch.stack(pictures))
    return [Frame(n, Fraction(n, 25), rgb) for n, rgb in enumerate(grey)]


def info(count: int | None = None) -> VideoInfo:
    return VideoInfo("clip", WIDTH, HEIGHT, Fraction(25), Fraction(1, 25), count)


def stage(pictures, numbers=None, clip=None, **options) -> ClipColorizer:
    references = References(pictures, CountingFeatures())
    again = None if clip is None else (lambda: iter(frames(clip)))
    return ClipColorizer(Guide(embedded(), references), numbers, open_again=again, **options)


def scores(coloured: list[Frame], true: list[torch.Tensor]) -> list[float]:
    return [float(psnr(one.rgb[None], rgb[None])) for one, rgb in zip(coloured, true, strict=True)]


def automatic(true: list[torch.Tensor]) -> list[float]:
    return [
        float(psnr(colorize(one.rgb[None], embedded()).rgb, rgb[None]))
        for one, rgb in zip(frames(true), true, strict=True)
    ]


def stills(pictures: list[torch.Tensor]) -> list[Still]:
    return [Still.from_lightness(rgb_to_lightness(one[None]), HEIGHT, WIDTH) for one in pictures]


def test_the_first_frame_colours_the_clip():
    clip = pan("astronaut", 8)
    found = scores(list(stage([clip[0]], [0])(iter(frames(clip)), info())), clip)
    assert found[0] > 36
    assert min(found) > max(automatic(clip)) + 6


def test_frame_by_frame_is_beaten_by_keyframes_at_both_ends():
    clip = pan("coffee", 9)
    one = scores(list(stage([clip[0]], [0], clip)(iter(frames(clip)), info())), clip)
    both = scores(list(stage([clip[8], clip[0]], [8, 0], clip)(iter(frames(clip)), info())), clip)
    assert sum(both) > sum(one)
    assert both[8] > one[8] + 1


def test_a_keyframe_is_carried_back():
    clip = pan("astronaut", 7)
    back = scores(list(stage([clip[6]], [6], clip)(iter(frames(clip)), info())), clip)
    unbound = scores(list(stage([clip[6]], None, clip)(iter(frames(clip)), info())), clip)
    assert sum(back) > sum(unbound) + 3
    short = scores(list(stage([clip[6]], [6], clip, reach=2)(iter(frames(clip)), info())), clip)
    assert back[4] == pytest.approx(short[4], abs=1.5)
    assert back[1] > short[1]


def test_it_stops_at_cuts():
    clip = [*pan("astronaut", 4), *pan("coffee", 4), *pan("astronaut", 3, start=4)]
    coloured = stage([clip[0], clip[5]], [0, 5], clip)
    found = scores(list(coloured(iter(frames(clip)), info())), clip)
    assert coloured.cuts == [4, 8]
    assert min(found) > max(automatic(clip)) + 3


@pytest.mark.parametrize(
    ("known", "shown"),
    [("astronaut", "coffee"), ("astronaut", "chelsea"), ("coffee", "astronaut"), ("coffee", "chelsea")],
)
def test_a_foreign_keyframe_costs_little(known, shown):
    clip = [*pan(known, 1), *pan(shown, 4)]
    found = scores(list(stage([clip[0]], [0], clip)(iter(frames(clip)), info())), clip)
    lost = [alone - one for alone, one in zip(automatic(clip[1:]), found[1:], strict=True)]
    assert -1.5 < sum(lost) / len(lost) < 0.25 and max(lost) < 0.5


def test_each_shot_takes_its_own_reference_in_any_order():
    shots = [pan("astronaut", 2), pan("chelsea", 2), pan("coffee", 2)]
    clip = [frame for shot in shots for frame in shot]
    coloured = stage([shots[2][0], shots[0][0], shots[1][0]])
    best = []
    for frame in frames(clip):
        coloured.color(frame)
        best.append(coloured.best)
    assert best == [1, 1, 2, 2, 0, 0]


def test_references_are_looked_at_once():
    clip = pan("coffee", 5)
    coloured = stage([clip[0], photo("chelsea"), clip[4]], [0, None, 4], clip)
    list(coloured(iter(frames(clip)), info()))
    assert coloured.references.extractor.calls == 3 + 5


def test_going_back_is_going_forward_on_the_reversed_clip():
    clip, flow = pan("astronaut", 6), make_guided_flow()
    small = stills(clip)
    carrier = Carrier(small[5], flow)
    carrier.begin(small[5])
    ahead = Lookahead(lambda: iter(frames(clip)), {5: (0, small[5])}, flow, reach=9)
    carried = [ahead.at(n) for n in range(6)]
    assert carried[5] is None
    for n in range(4, -1, -1):
        carrier.move(small[n], step(flow, small[n + 1], small[n]).there)
        assert carried[n].distance == 5 - n
        assert torch.allclose(carried[n].motion, carrier.motion, atol=0.3)
    interior = carried[0].motion[..., 20:-20, 20:-20]
    assert torch.allclose(interior.flatten(2).median(2).values, torch.tensor([-15.0, -5.0]), atol=0.3)


def test_far_keyframes_make_no_long_wait():
    clip, flow, read = pan("astronaut", 12), make_guided_flow(), []

    def again():
        for frame in frames(clip):
            read.append(frame.index)
            yield frame

    ahead = Lookahead(again, {11: (0, stills(clip)[11])}, flow, reach=2)
    counts = []
    for n in range(12):
        ahead.at(n)
        counts.append(len(read))
    assert counts == [*range(1, 10), 12, 12, 12]


def test_looking_ahead_is_bounded_and_closed():
    clip, flow, closed = pan("astronaut", 12), make_guided_flow(), []

    def again():
        try:
            yield from frames(clip)
        finally:
            closed.append(True)

    small = stills(clip)
    ahead = Lookahead(again, {9: (0, small[9]), 11: (1, small[11])}, flow, reach=3)
    found = [ahead.at(n) for n in range(12)]
    assert [one and (one.key, one.distance) for one in found] == [
        *[None] * 6, (0, 3), (0, 2), (0, 1), (1, 2), (1, 1), None
    ]  # fmt: skip
    ahead.close()
    assert closed == [True]


def test_a_keyframe_that_is_a_little_off_is_aligned():
    flow = make_guided_flow()
    clip = pan("astronaut", 2)
    small = stills(clip)
    carrier = Carrier(small[1], flow)
    carrier.begin(small[0])
    middle = carrier.motion[..., 20:-20, 20:-20].flatten(2).median(2).values
    assert torch.allclose(middle, torch.tensor([[-3.0, -1.0]]), atol=0.2)
    assert carrier.mismatch[..., 20:-20, 20:-20].mean() < 1


def test_the_average_leans_to_the_smaller_error():
    def candidate(ab: float, error: float) -> Candidate:
        return Candidate(torch.full((1, 2, 2, 2), float(ab)), torch.full((1, 1, 2, 2), float(error)))

    result = average([candidate(10, 0.7), candidate(20, 3.7)])
    assert result.ab.flatten()[0] == pytest.approx((10 * 16 + 20) / 17)
    assert result.error.flatten()[0] == pytest.approx((0.7 * 16 + 3.7) / 17)
    alone = average([candidate(3, 5)])
    assert (alone.ab == 3).all() and (alone.error == 5).all()


def test_what_is_not_a_colour_passes_through():
    clip = pan("coffee", 2)
    alpha = torch.rand(1, HEIGHT, WIDTH)
    given = [Frame(n + 5, Fraction(n, 30), one.rgb, alpha) for n, one in enumerate(frames(clip))]
    out = list(stage([clip[0]])(iter(given), info()))
    assert [(one.index, one.time) for one in out] == [(5, 0), (6, Fraction(1, 30))]
    assert all(one.alpha is alpha for one in out)


def test_strength_and_saturation():
    clip = pan("coffee", 2)
    for settings, same in ((ColorizeSettings(strength=0), True), (ColorizeSettings(saturation=0), True)):
        out = list(stage([clip[0]], [0], settings=settings)(iter(frames(clip)), info()))
        for one, grey in zip(out, frames(clip), strict=True):
            assert torch.allclose(one.rgb, grey.rgb, atol=2e-3) is same


def test_another_system_is_told_of_the_frame_before_up_to_cuts():
    class Sequential(Colorizer):
        spec = ModelSpec("s", "S", "", "", "", conditions=frozenset({"local", "similarity", "previous"}),
            required=frozenset({"local", "similarity"}))  # fmt: skip

        def __init__(self):
            self.network, self.told = torch.nn.Linear(1, 1), []

        def _colorize(self, L, conditions, *, size, temperature):
            self.told.append(conditions.names())
            return Chroma(torch.zeros(1, 2, 8, 8), torch.ones(1, 1, 8, 8))

    clip = [*pan("astronaut", 2), *pan("coffee", 2)]
    colorizer = Sequential()
    coloured = ClipColorizer(Guide(colorizer, References([clip[0]], CountingFeatures())), [0])
    list(coloured(iter(frames(clip)), info()))
    assert ["previous" in names for names in colorizer.told] == [False, True, False, True]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0], "1 frame numbers were given for 2 references"),
        ([0, -1], "reference 2: frames are counted from 0, got -1"),
        ([3, 3], "reference 2 and reference 1 are both bound to frame 3"),
    ],
)
def test_numbers_that_do_not_fit(numbers, message):
    with pytest.raises(ValueError, match=message):
        stage([photo("coffee"), photo("chelsea")], numbers)


def test_a_keyframe_after_the_end():
    clip = pan("coffee", 3)
    with pytest.raises(ValueError, match="bound to frame 90, but the clip has only about 3 frames"):
        list(stage([clip[0]], [90])(iter(frames(clip)), info(3)))
    with pytest.warns(UserWarning, match="bound to frame 90, but the last frame is 2"):
        list(stage([clip[0]], [90])(iter(frames(clip)), info()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(stage([clip[0]], [2])(iter(frames(clip)), info(3)))


def test_a_keyframe_has_the_shape_of_its_frame():
    clip = pan("coffee", 2)
    with pytest.raises(
        ValueError, match=r"reference 1 is 144×144, and frame 0 192×144: a keyframe is that frame"
    ):
        list(stage([photo("coffee", 144, 144)], [0])(iter(frames(clip)), info()))
    out = list(stage([photo("coffee", 288, 384)], [0])(iter(frames(clip)), info()))
    assert len(out) == 2


def test_frames_of_another_size_are_refused():
    clip = pan("coffee", 1)
    coloured = stage([clip[0]])
    coloured.color(frames(clip)[0])
    with pytest.raises(VideoError, match="frame 1 has another size"):
        coloured.color(Frame(1, Fraction(0), torch.rand(3, 288, 150)))


def test_no_frames_are_no_frames():
    assert list(stage([photo("coffee")])(iter([]), info(0))) == []
