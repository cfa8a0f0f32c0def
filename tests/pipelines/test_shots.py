"""Shots in clips whose shots are known; what only looks like a cut."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

from chrominance.pipelines.shots import (
    Shot,
    ShotDetector,
    ShotsError,
    find_shots,
    read_shots,
    starts_of,
    write_shots,
)


def scene(seed: int, count: int, drift: float = 1.0) -> list[torch.Tensor]:
    """A camera that moves over a picture: lightness [1,90,160]."""
    generator = torch.Generator().manual_seed(seed)
    picture = F.interpolate(torch.rand(1, 1, 14, 30, generator=generator), (120, 400), mode="bicubic")[0]
    return [picture[:, 10:100, int(drift * n) : int(drift * n) + 160].clamp(0, 1) for n in range(count)]


def starts(frames: list[torch.Tensor]) -> list[int]:
    return [shot.start for shot in find_shots(frames)]


def test_cuts_are_found_to_the_frame():
    assert starts(scene(0, 20) + scene(1, 17) + scene(2, 30, 3)) == [0, 20, 37]
    shots = find_shots(scene(0, 20) + scene(1, 17))
    assert shots == [Shot(0, 20), Shot(20, 37)] and list(starts_of(shots)) == [0, 20]


def test_a_cut_just_before_the_end_and_just_after_the_beginning():
    assert starts(scene(0, 20) + scene(1, 2)) == [0, 20]
    assert starts(scene(0, 2) + scene(1, 20)) == [0, 2]


@pytest.mark.parametrize("tone", [0.0, 1.0])
def test_a_fade_has_its_boundary_in_the_middle(tone):
    first, second = scene(3, 24), scene(4, 24)
    for i in range(8):
        first[-8 + i] = first[-8 + i] * (1 - (i + 1) / 8) + tone * (i + 1) / 8
        second[i] = second[i] * (i + 1) / 9 + tone * (1 - (i + 1) / 9)
    (zero, found) = starts(first + [torch.full((1, 90, 160), tone)] * 4 + second)
    assert zero == 0 and 22 <= found <= 31


def test_a_dissolve_has_its_boundary_in_the_middle():
    first, second, n = scene(5, 30, 0.3), scene(6, 30, 0.3), 12
    for i in range(n):
        share = (i + 1) / (n + 1)
        first[-n + i] = first[-n + i] * (1 - share) + second[i] * share
    (zero, found) = starts(first + second[n:])
    assert zero == 0 and 20 <= found <= 28


def test_what_is_no_cut():
    frames = scene(7, 60, 2)
    frames[20] = (frames[20] + 0.5).clamp(0, 1)  # a flash
    frames[30] = 1 - frames[30]  # one frame of something else
    frames[40:] = [frame * 0.7 for frame in frames[40:]]  # a lamp goes out
    assert starts(frames) == [0]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_short_clips(count):
    shots = find_shots(scene(8, count))
    assert shots == ([Shot(0, count)] if count else [])


def test_any_size_and_colour():
    assert len(find_shots([torch.rand(3, 1, 1)] * 3)) == 1
    small = [torch.full((3, 5, 7), 0.5)] * 9
    assert len(find_shots(small)) == 1
    red, grey = torch.zeros(3, 60, 80), torch.zeros(3, 60, 80)
    red[0, :, :40] = 1.0
    grey[:, :, :40] = 0.2126
    one, other = ShotDetector(), ShotDetector()
    for detector, picture in ((one, red), (other, grey)):
        detector.add(picture)
    assert abs(one._window[0].small - other._window[0].small).max() < 1e-5


def test_memory_does_not_grow():
    detector = ShotDetector()
    for frame in scene(9, 120):
        detector.add(frame)
    assert len(detector._window) < 40


def test_the_file(tmp_path):
    path = tmp_path / "shots.json"
    write_shots(path, [Shot(0, 5), Shot(5, 9)])
    assert json.loads(path.read_text()) == {"shots": [{"start": 0, "end": 5}, {"start": 5, "end": 9}]}
    assert read_shots(path) == [Shot(0, 5), Shot(5, 9)]
    for text in (
        '{"shots": []}',
        '{"shots": [{"start": 1, "end": 5}]}',
        "[1]",
        "{",
        '{"shots": [{"start": 0}]}',
    ):
        path.write_text(text)
        with pytest.raises(ShotsError, match="expected"):
            read_shots(path)
    with pytest.raises(ShotsError, match="cannot be read"):
        read_shots(tmp_path / "none.json")
