"""Some frames of a finished clip anew: they are what the new stage makes, all else stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from chrominance.pipelines.clip import process_clip
from chrominance.pipelines.clip_redo import closed_starts, parameter_sets, redo_frames
from chrominance.pipelines.clip_stage import ClipStage, EachFrame, FromTheStart
from chrominance.pipelines.video import Encoding, Frame, VideoError, VideoInfo

# One tick is not like another: 21 frames of a varying rate.
UNEVEN = [512 * n + 256 * (n > 4) + 512 * (n > 12) for n in range(21)]


def upside_down(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
    for frame in frames:
        yield replace(frame, rgb=frame.rgb.flip(1))


def inverted(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
    for frame in frames:
        yield replace(frame, rgb=1 - frame.rgb)


class Late(ClipStage):
    """Inverts; looks at three frames before and two after, and says which."""

    def __init__(self):
        self.seen = []

    def run(self, frames, info, state):
        waiting = []
        for frame in frames:
            self.seen.append(frame.index)
            waiting.append(frame)
            if len(waiting) > 2:
                yield from inverted(iter([waiting.pop(0)]), info)
        yield from inverted(iter(waiting), info)

    def reach(self):
        return 3, 2


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)]).astype(int)


def packets(path: Path) -> list[tuple[int | None, int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(video=0) if p.size]


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [f.pts * f.time_base for f in container.decode(video=0)]


TARGETS = [
    *(("o.mp4", None), ("o.mkv", None), ("o.mov", None), ("o.avi", None)),
    *(("o.mp4", "h265"), ("o.mkv", "h265"), ("o.mkv", "ffv1"), ("o.mov", "prores")),
]


@pytest.mark.parametrize("stage", [lambda: EachFrame(inverted), Late, lambda: FromTheStart(inverted)])
@pytest.mark.parametrize(("target", "codec"), TARGETS)
def test_these_frames_and_no_others(clips, tmp_path, target, codec, stage):
    even = target.endswith("avi")
    source = clips.make(tmp_path / "in.mp4", frames=21, ticks=None if even else UNEVEN, sound="aac")
    target, encoding = tmp_path / target, Encoding(codec)
    process_clip(source, target, EachFrame(upside_down), key={}, encoding=encoding, chunk=4)
    before, coded, when, sound = pictures(target), packets(target), times(target), clips.sound(target)
    other = tmp_path / f"other{target.suffix}"
    process_clip(source, other, EachFrame(inverted), key={}, encoding=encoding, chunk=4)
    wanted = pictures(other)
    told, steps = [], []
    redo_frames(
        source,
        target,
        stage(),
        9,
        14,
        encoding=encoding,
        on_info=lambda info, done: told.append((info.frames, done)),
        progress=steps.append,
    )
    after = pictures(target)
    assert told == [(5, 0)] and sum(steps) == 5
    assert times(target) == when and clips.sound(target) == sound
    assert np.abs(after[9:14] - wanted[9:14]).mean() < 3 < 30 < np.abs(after[9:14] - before[9:14]).mean()
    assert np.abs(after[:9] - before[:9]).mean() < 3 and np.abs(after[14:] - before[14:]).mean() < 3
    # Chunks begin at 0, 4, 8, 12, 16: those without a frame to redo are copied, and found as they were.
    copied = range(8), range(16, 21)
    again = packets(target)
    assert len(again) == len(coded) == 21
    for span in copied:
        assert [again[n] for n in span] == [coded[n] for n in span]
        assert np.array_equal(after[span.start : span.stop], before[span.start : span.stop])
    if codec in ("ffv1", "prores"):
        assert [n for n in range(21) if again[n][2] != coded[n][2]] == [9, 10, 11, 12, 13]
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_no_more_is_read_than_the_stage_needs(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=21)
    process_clip(source, tmp_path / "o.mkv", EachFrame(upside_down), key={}, encoding=Encoding("ffv1"))
    stage = Late()
    redo_frames(source, tmp_path / "o.mkv", stage, 9, 14)
    assert stage.seen == list(range(6, 16))
    redo_frames(source, tmp_path / "o.mkv", Late(), 0, 21)
    process_clip(source, tmp_path / "p.mkv", EachFrame(inverted), key={}, encoding=Encoding("ffv1"))
    assert (tmp_path / "o.mkv").read_bytes() == (tmp_path / "p.mkv").read_bytes()


def test_frames_of_a_folder(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=8)
    process_clip(source, tmp_path / "o", EachFrame(upside_down), key={})
    before = {path.name: path.read_bytes() for path in (tmp_path / "o").iterdir()}
    redo_frames(source, tmp_path / "o", Late(), 3, 5)
    after = {path.name: path.read_bytes() for path in (tmp_path / "o").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"000003.png", "000004.png"}
    assert after.keys() == before.keys()
    with pytest.raises(VideoError, match=r"has no 000008\.png"):
        redo_frames(source, tmp_path / "o", Late(), 3, 9)


def test_a_clip_whose_picture_begins_after_its_sound(clips, tmp_path):
    plain = clips.make(tmp_path / "plain.mkv", frames=12, sound="pcm_s16le")
    with av.open(str(plain)) as given, av.open(str(tmp_path / "in.mkv"), "w") as made:
        streams = [made.add_stream_from_template(stream) for stream in given.streams]
        for packet in given.demux():
            if packet.size:
                if packet.stream.type == "video":
                    packet.pts, packet.dts = packet.pts + 400, packet.dts + 400
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    source, target = tmp_path / "in.mkv", tmp_path / "o.mkv"
    assert times(source)[0] == Fraction(2, 5)
    process_clip(source, target, EachFrame(upside_down), key={}, encoding=Encoding("ffv1"))
    assert times(target) == times(source) and clips.sound(target) == clips.sound(source)
    redo_frames(source, target, EachFrame(inverted), 2, 4)
    assert times(target) == times(source) and clips.sound(target) == clips.sound(source)


def test_what_does_not_go_together_is_said_and_nothing_lost(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=12)
    target = tmp_path / "o.mp4"
    with pytest.raises(VideoError, match="is not there: redo frames of a clip that is finished"):
        redo_frames(source, target, EachFrame(inverted), 2, 4)
    process_clip(source, target, EachFrame(upside_down), key={})
    kept = target.read_bytes()

    def refused(text: str, source: Path = source, first: int = 2, end: int = 4, **given) -> None:
        with pytest.raises(VideoError, match=text):
            redo_frames(source, target, EachFrame(inverted), first, end, **given)
        assert target.read_bytes() == kept
        assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]

    refused("has the frames 0 to 11: asked for 8 to 12", first=8, end=13)
    refused("is h264, not ffv1", encoding=Encoding("ffv1"))
    refused("encoded in another way", encoding=Encoding(crf=40))
    refused("is 96x48, the clip began as 64x48", clips.make(tmp_path / "wide.mp4", frames=12, size=(96, 48)))
    refused("made of another one", clips.make(tmp_path / "slow.mp4", frames=12, rate=10))
    refused("frame 8 is not there", clips.make(tmp_path / "short.mp4", frames=6), first=8, end=10)
    refused("must come before the end", first=4, end=4)

    def breaks(frames, info):
        yield next(frames)
        raise VideoError("broken here")

    with pytest.raises(VideoError, match="broken here"):
        redo_frames(source, target, EachFrame(breaks), 2, 4)
    assert target.read_bytes() == kept
    (tmp_path / ".o.mp4.chrominance").mkdir()
    with pytest.raises(VideoError, match="still being made"):
        redo_frames(source, target, EachFrame(inverted), 2, 4)


def test_groups_that_stand_by_themselves():
    times = [Fraction(n) for n in (0, 4, 2, 1, 3, 5, 9, 8, 7, 10, 11)]
    # Decoded at 5: shown at 5, after all before. At 6: shown at 9, but 7 and 8 come after it.
    assert closed_starts(times, [0, 5, 6, 9]) == [0, 5, 9]
    assert closed_starts([Fraction(n) for n in (0, 2, 1, 3)], [0, 1, 2]) == [0]


def test_text_in_a_header_tells_decoders_nothing():
    def sets(kind: int, *content: bytes) -> bytes:
        body = b"".join(len(one).to_bytes(2, "big") + one for one in content)
        return bytes([0x80 | kind]) + len(content).to_bytes(2, "big") + body

    start = b"\x01" + bytes(21)
    one = start + b"\x03" + sets(32, b"vps") + sets(33, b"sps") + sets(39, b"x265 on 2 cores")
    other = start + b"\x03" + sets(32, b"vps") + sets(33, b"sps") + sets(39, b"x265 on 64 cores")
    third = start + b"\x03" + sets(32, b"vps") + sets(33, b"spt") + sets(39, b"x265 on 2 cores")
    assert parameter_sets("hevc", one) == parameter_sets("hevc", other) != parameter_sets("hevc", third)
    assert parameter_sets("h264", one) == one and parameter_sets("ffv1", None) is None
