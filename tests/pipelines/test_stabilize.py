"""Steady colours: noise averaged away along known motion, nothing over cuts, chunks as one piece."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("cv2")

from chrominance.pipelines.clip import process_clip
from chrominance.pipelines.film import SteadyFrames
from chrominance.pipelines.stabilize import Stabilizer, stabilize_pictures
from chrominance.pipelines.video import Encoding, Frame, VideoInfo


def scene(seed: int, count: int, drift: int = 0) -> torch.Tensor:
    """A camera over a picture: [T,3,96,128] grey."""
    generator = torch.Generator().manual_seed(seed)
    picture = F.interpolate(torch.rand(1, 1, 30, 60, generator=generator), (120, 240), mode="bicubic")
    frames = [picture[0, :, 12:108, drift * n : drift * n + 128] for n in range(count)]
    return torch.stack(frames).clamp(0, 1).expand(-1, 3, -1, -1)


def noisy(count: int, ab: tuple[float, float] = (20.0, -30.0), amount: float = 6.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    per_frame = amount * torch.randn(count, 2, 1, 1, generator=generator)
    return torch.tensor(ab).view(1, 2, 1, 1) + per_frame.expand(-1, -1, 24, 32)


@pytest.mark.parametrize("drift", [0, 3])
def test_flicker_is_averaged_away(drift):
    ab = noisy(30)
    steady = stabilize_pictures(scene(0, 30, drift), ab, Stabilizer())
    inner = (slice(10, None), slice(None), slice(4, -4), slice(4, -8))
    before, after = (x[inner].diff(dim=0).abs().mean() for x in (ab, steady))
    assert after < 0.25 * before
    assert abs(float((steady - ab)[10:].mean())) < 3


def test_hues_that_disagree_do_not_turn_grey():
    ab = torch.tensor([20.0, 0.0]).view(1, 2, 1, 1).repeat(20, 1, 24, 32)
    ab[1::2] = torch.tensor([0.0, 20.0]).view(2, 1, 1)
    steady = stabilize_pictures(scene(0, 20), ab, Stabilizer())
    chroma = steady[8:, :, 4:-4, 4:-4].square().sum(1).sqrt()
    assert chroma.mean() > 18


def test_nothing_crosses_a_cut():
    frames = torch.cat([scene(0, 8), scene(5, 8)])
    ab = torch.cat([noisy(8, (40.0, 0.0), 0.0), noisy(8, (-40.0, 10.0), 0.0)])
    for ahead in (0, 3, 8):
        stabilizer, found = Stabilizer(look_ahead=ahead), []
        for one, chroma in zip(frames, ab, strict=True):
            found += stabilizer.add(one, chroma)
        found += stabilizer.finish()
        assert [n for n, steady in enumerate(found) if steady.cut] == [0, 8]
        torch.testing.assert_close(torch.stack([one.ab for one in found]), ab, atol=1e-3, rtol=0)


def test_a_shot_that_looks_like_the_last_begins_where_it_is_told_to():
    frames, ab = scene(0, 8), noisy(8, amount=0.0)
    ab[4:] = -ab[4:]
    stabilizer, found = Stabilizer(), []
    for number, (one, chroma) in enumerate(zip(frames, ab, strict=True)):
        if number == 4:
            stabilizer.begin_shot()
        found += stabilizer.add(one, chroma)
    found += stabilizer.finish()
    assert [one.cut for one in found] == [n in (0, 4) for n in range(8)]
    torch.testing.assert_close(torch.stack([one.ab for one in found]), ab, atol=1e-3, rtol=0)


def test_what_comes_into_view_has_its_colour_at_once_with_frames_looked_at_ahead():
    """A bright square appears; in its first frame it is coloured wrongly."""
    ground = scene(2, 1)[0] * 0.5
    frames, colours = [], []
    for n in range(16):
        frame, ab = ground.clone(), torch.full((2, 96, 128), 10.0)
        if n >= 5:
            frame[:, 30:60, 40:80] = 0.95
            ab[:, 30:60, 40:80] = 40.0 if n == 5 else -40.0
        frames.append(frame)
        colours.append(ab)
    pictures, ab = torch.stack(frames), torch.stack(colours)
    first = {
        ahead: stabilize_pictures(pictures, ab, Stabilizer(look_ahead=ahead))[5, 0, 35:55, 45:75].mean()
        for ahead in (0, 6)
    }
    assert first[0] > 30 and first[6] < -20


@pytest.mark.parametrize(("ahead", "waiting"), [(0, 0), (3, 5), (6, 11)])
def test_no_more_frames_are_held_than_twice_those_ahead(ahead, waiting):
    stabilizer, given = Stabilizer(look_ahead=ahead), 0
    most = 0
    for number, (one, chroma) in enumerate(zip(scene(0, 30), noisy(30), strict=True), 1):
        given += len(stabilizer.add(one, chroma))
        most = max(most, number - given)
    assert most == waiting
    assert given + len(stabilizer.finish()) == 30


def test_what_was_hidden_begins_anew():
    """A bright square moves over a still ground: its colour does not stay where it was."""
    ground = scene(2, 1)[0] * 0.5
    frames, colours = [], []
    for n in range(12):
        frame, ab = ground.clone(), torch.full((2, 96, 128), 10.0)
        frame[:, 30:60, 5 + 8 * n : 35 + 8 * n] = 0.95
        ab[:, 30:60, 5 + 8 * n : 35 + 8 * n] = -40.0
        frames.append(frame)
        colours.append(ab)
    steady = stabilize_pictures(torch.stack(frames), torch.stack(colours), Stabilizer())
    assert steady[-1][:, 35:55, 30:70].mean() > 7
    assert steady[-1][:, 38:52, 100:115].mean() < -33


def test_no_strength_changes_nothing_and_sizes():
    ab = noisy(3)
    assert torch.equal(stabilize_pictures(scene(0, 3), ab, Stabilizer(0.0)), ab)
    half = stabilize_pictures(scene(0, 3), ab, Stabilizer(0.5))
    full = stabilize_pictures(scene(0, 3), ab, Stabilizer(1.0))
    torch.testing.assert_close(half, (ab + full) / 2, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match=r"must be 0\.\.1, got 2"):
        Stabilizer(2.0)
    with pytest.raises(ValueError, match="look_ahead must be 0 or more"):
        Stabilizer(look_ahead=-1)
    for height, width in ((17, 31), (16, 200), (1, 1)):
        one = torch.rand(2, 3, height, width)
        assert stabilize_pictures(one, noisy(2), Stabilizer()).shape == (2, 2, 24, 32)


@pytest.mark.parametrize("ahead", [0, 4])
@pytest.mark.parametrize("start", [1, 4, 6, 7])
def test_a_state_goes_on_as_one_piece(ahead, start):
    frames, ab = scene(3, 17, 2), noisy(17)
    first = Stabilizer(look_ahead=ahead)
    whole = [s for one, chroma in zip(frames, ab, strict=True) for s in first.add(one, chroma)]
    whole += first.finish()
    state = whole[start].state
    assert state is not None and whole[0].state is None
    second = Stabilizer(look_ahead=ahead)
    second.go_on(state)
    rest = stabilize_pictures(frames[start:], ab[start:], second)
    assert torch.equal(rest, torch.stack([one.ab for one in whole[start:]]))


def test_a_film_marks_its_cuts(colorizer):
    pictures = torch.cat([scene(0, 5), scene(5, 5)])
    frames = [Frame(n, Fraction(n, 24), one) for n, one in enumerate(pictures)]
    info = VideoInfo("x", 128, 96, Fraction(24), Fraction(1, 24))
    done = list(SteadyFrames(colorizer).run(iter(frames), info, None))
    assert [frame.index for frame in done if frame.cut] == [0, 5]
    assert [frame.time for frame in done] == [frame.time for frame in frames]


class StoppedError(Exception):
    """The program ends here."""


def test_a_steady_film_that_was_stopped_goes_on_to_the_same_bytes(clips, colorizer, tmp_path):
    source = clips.make(tmp_path / "in.mp4", size=(128, 96), frames=20, grey=True)
    given = {"key": {}, "encoding": Encoding("ffv1"), "chunk": 4}
    process_clip(source, tmp_path / "a.mkv", SteadyFrames(colorizer), **given)
    for stop in (6, 13):
        count = 0

        def progress(done: int, stop: int = stop) -> None:
            nonlocal count
            count += done
            if count > stop:
                raise StoppedError

        with pytest.raises(StoppedError):
            process_clip(source, tmp_path / "b.mkv", SteadyFrames(colorizer), **given, progress=progress)
    process_clip(source, tmp_path / "b.mkv", SteadyFrames(colorizer), **given)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
