"""A clip made in segments, in any order, is the clip made in one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from chrominance.pipelines.clip import process_clip
from chrominance.pipelines.clip_segments import ClipTask, color_segment, find_segments
from chrominance.pipelines.clip_stage import ClipStage, EachFrame, FromTheStart
from chrominance.pipelines.video import Encoding, Frame, VideoError, VideoInfo

CUTS = (5, 6, 13)


def upside_down(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
    for frame in frames:
        yield replace(frame, rgb=frame.rgb.flip(1))


class Smeared(ClipStage):
    """Each frame is a mean of those before it in the shot."""

    def run(self, frames, info, state) -> Iterator[Frame]:
        mean = None if state is None else state["mean"]
        for frame in frames:
            cut = frame.index in CUTS
            self.before = {} if mean is None or cut else {"mean": mean}
            mean = frame.rgb if mean is None or cut else (mean * 3 + frame.rgb) / 4
            yield replace(frame, rgb=mean, cut=cut)

    def resume_at(self, frame):
        return frame.index, self.before or None

    def splits(self, frames, chunk):
        return (frame for frame in frames if frame.index in CUTS)


def frames(first: int, last: int) -> Iterator[Frame]:
    return (Frame(n, Fraction(n, 25), torch.zeros(3, 4, 4)) for n in range(first, last))


def spans(stage: ClipStage, chunk: int, first: int = 0, last: int = 21) -> list[tuple[int, int, int, bool]]:
    found = find_segments(frames(max(0, first - 2), last), stage, chunk, first)
    return [(one.begin[0], one.first, one.end, one.last) for one in found]


def test_where_segments_begin():
    assert spans(Smeared(), 4) == [(0, 0, 5, False), (5, 5, 6, False), (6, 6, 13, False), (13, 13, 21, True)]
    # Going on at 8: read from 6 on, as the stage wants it.
    assert spans(Smeared(), 4, first=8) == [(6, 8, 13, False), (13, 13, 21, True)]
    assert spans(EachFrame(upside_down), 4) == [(0, 0, 8, False), (8, 8, 16, False), (16, 16, 21, True)]
    assert spans(EachFrame(upside_down), 4, last=16) == [(0, 0, 8, False), (8, 8, 16, True)]
    assert spans(FromTheStart(upside_down), 4) == [(0, 0, 21, True)]
    assert spans(Smeared(), 4, last=0) == []


def shuffled(stage):
    """Make all segments here, the last first, each part twice."""

    def spread(segments, task):
        for segment in reversed(list(segments)):
            for part in color_segment(task, stage(), segment):
                yield segment, part
                yield segment, part

    return spread


@pytest.mark.parametrize("stage", [lambda: EachFrame(upside_down), Smeared])
@pytest.mark.parametrize(
    ("target", "codec"), [("o.mp4", None), ("o.mkv", "h265"), ("o.mov", "prores"), ("o", None)]
)
def test_in_any_order_it_is_the_clip_in_one_go(clips, tmp_path, stage, target, codec):
    source = clips.make(tmp_path / "in.mp4", frames=21, sound="aac" if target[-1] != "v" else None)
    given = {"key": {}, "encoding": Encoding(codec), "chunk": 4}
    for name, spread in (("a", None), ("b", shuffled(stage))):
        (tmp_path / name).mkdir()
        counted = []
        process_clip(
            source, tmp_path / name / target, stage(), **given, spread=spread, progress=counted.append
        )
        assert sum(counted) == 21
        assert [path.name for path in (tmp_path / name).iterdir()] == [target]
    for path in (tmp_path / "a" / target).rglob("*") if "." not in target else [tmp_path / "a" / target]:
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_folder_may_be_called_as_files_are(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=9)
    (tmp_path / "frames.v2").mkdir()
    process_clip(source, tmp_path / "frames.v2", Smeared(), key={}, chunk=4, spread=shuffled(Smeared))
    assert len(list((tmp_path / "frames.v2").iterdir())) == 9


@pytest.mark.parametrize("stage", [lambda: EachFrame(upside_down), Smeared])
def test_begun_in_one_way_it_is_ended_in_the_other(clips, tmp_path, stage):
    source = clips.make(tmp_path / "in.mp4", frames=21)
    given = {"key": {}, "encoding": Encoding("ffv1"), "chunk": 4}
    process_clip(source, tmp_path / "a.mkv", stage(), **given)

    def spread(segments, task):
        for number, one in enumerate(shuffled_forward(segments, task)):
            if number == 3:
                raise KeyboardInterrupt
            yield one

    def shuffled_forward(segments, task):
        for segment in segments:
            for part in color_segment(task, stage(), segment):
                yield segment, part

    def stop(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise KeyboardInterrupt

    for left in (11, 0):
        ways = (spread, None) if left else (None, shuffled_forward)
        target = tmp_path / f"b{left}.mkv"
        with pytest.raises(KeyboardInterrupt):
            told = {"progress": stop} if ways[0] is None else {}
            left = 11
            process_clip(source, target, stage(), **given, spread=ways[0], **told)
        process_clip(source, target, stage(), **given, spread=ways[1])
        assert target.read_bytes() == (tmp_path / "a.mkv").read_bytes()


def test_a_source_that_got_shorter_is_said(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=9)
    task = ClipTask(source, tmp_path / "o.mkv", Encoding("ffv1"), None, 4, False)
    (segment,) = find_segments(frames(0, 12), FromTheStart(upside_down), 4, 0)
    with pytest.raises(VideoError, match="has no frame 9 any more"):
        list(color_segment(task, FromTheStart(upside_down), segment))
