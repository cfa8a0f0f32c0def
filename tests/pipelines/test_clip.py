"""A clip in chunks: what an interruption leaves is taken up, to the same bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from chrominance.pipelines.clip import process_clip
from chrominance.pipelines.clip_join import in_ticks, ordered
from chrominance.pipelines.clip_sinks import VideoSink, reorder_delay
from chrominance.pipelines.clip_stage import ClipStage, EachFrame, FromTheStart
from chrominance.pipelines.clip_work import Chunk, ClipWork
from chrominance.pipelines.video import Encoding, Frame, VideoError, VideoInfo, process_video

# At these, shots begin.
CUTS = (5, 6, 13)


class StoppedError(Exception):
    """The program ends here."""


def upside_down(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
    for frame in frames:
        yield replace(frame, rgb=frame.rgb.flip(1), cut=frame.index in CUTS)


class Smeared(ClipStage):
    """Each frame is a mean of those before it in the shot: needs its state, and looks one frame ahead."""

    def run(self, frames, info, state) -> Iterator[Frame]:
        mean = None if state is None else state["mean"]
        self.before = {}
        waiting = None
        for frame in [*frames, None]:
            if waiting is not None:
                cut = waiting.index in CUTS
                self.before = {} if mean is None or cut else {"mean": mean}
                mean = waiting.rgb if mean is None or cut else (mean * 3 + waiting.rgb) / 4
                yield replace(waiting, rgb=mean, cut=cut)
            waiting = frame

    def resume_at(self, frame):
        return frame.index, self.before or None


STAGES = {
    "each": lambda: EachFrame(upside_down),
    "state": Smeared,
    "start": lambda: FromTheStart(upside_down),
}
TARGETS = (("o.mp4", None), ("o.mkv", "h265"), ("o.mov", "prores"), ("o", None))
LOSSLESS = Encoding("ffv1")


def stop_after(count: int):
    left = count

    def progress(done: int) -> None:
        nonlocal left
        left -= done
        if left < 0:
            raise StoppedError

    return progress


def ticks_of(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.pts * frame.time_base for frame in frames]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize(("target", "codec"), TARGETS)
def test_stopped_at_any_moment_it_gives_the_same_bytes(clips, tmp_path, name, target, codec):
    source = clips.make(tmp_path / "in.mp4", frames=21, sound="aac" if target[-1] != "v" else None)
    given = {"key": {}, "encoding": Encoding(codec), "chunk": 4}
    (tmp_path / "a").mkdir()
    process_clip(source, tmp_path / "a" / target, STAGES[name](), **given)
    (tmp_path / "b").mkdir()
    seen: list[int] = []
    for count in (0, 3, 5, 1, 9):
        with pytest.raises(StoppedError):
            process_clip(
                source,
                tmp_path / "b" / target,
                STAGES[name](),
                **given,
                progress=stop_after(count),
                on_info=lambda info, done: seen.append(done),
            )
        assert not (tmp_path / "b" / target).exists()
    result = process_clip(source, tmp_path / "b" / target, STAGES[name](), **given)
    assert result.frames == 21 and seen == sorted(seen) and seen[-1] > 0
    for path in (tmp_path / "a" / target).rglob("*") if "." not in target else [tmp_path / "a" / target]:
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    assert leftovers(tmp_path / "a") == leftovers(tmp_path / "b") == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi"])
@pytest.mark.parametrize("codec", ["h264", "h265", "ffv1", "prores"])
def test_times_tags_and_sound_are_kept(clips, tmp_path, suffix, codec):
    if (suffix, codec) in {(".avi", "h265"), (".avi", "prores"), (".mov", "ffv1"), (".mp4", "prores")}:
        pytest.skip("this container does not hold that codec")
    uneven = [0, 512, 1024, 2048, 2560, 4096, 4608, 5120, 5632, 6144, 7168, 7680]
    even = suffix == ".avi"
    source = clips.make(
        tmp_path / "in.mp4",
        ticks=None if even else uneven,
        sound="aac",
        tags=(1, 5, 6, 5),
        metadata={"title": "X"},
    )
    target = tmp_path / f"out{suffix}"
    result = process_clip(source, target, EachFrame(upside_down), key={}, encoding=Encoding(codec), chunk=5)
    assert result.frames == 12
    found, wanted = ticks_of(target), ticks_of(source)
    before, after = clips.sound(source), clips.sound(target)
    # Matroska has no times below zero: there all is later, by as much as the sound's first samples are early.
    late = after[0][0] - before[0][0] if suffix == ".mkv" else 0.0
    for a, b in zip(found, wanted, strict=True):
        if suffix != ".avi":  # which tells no times
            assert float(a - b) - late == pytest.approx(0, abs=1.1e-3 if suffix == ".mkv" else 1e-9)
    assert [data for _, data in after] == [data for _, data in before]
    with av.open(str(target)) as container:
        context = container.streams.video[0].codec_context
        (first, *_) = container.decode(video=0)
        if codec != "ffv1":
            assert (context.color_primaries, context.color_trc) == (5, 6)
            assert first.colorspace == 5
        assert container.metadata.get("title", container.metadata.get("TITLE")) == "X"
        if codec == "h265" and suffix != ".mkv":
            assert context.codec_tag == "hvc1"


def test_the_picture_is_what_the_stage_gave(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=9)
    process_clip(
        source, tmp_path / "o.mkv", EachFrame(upside_down), key={}, encoding=Encoding("ffv1"), chunk=4
    )
    process_clip(
        source, tmp_path / "p.mkv", EachFrame(lambda f, i: f), key={}, encoding=Encoding("ffv1"), chunk=9
    )
    for turned, frame in zip(*(decoded(tmp_path / name) for name in ("o.mkv", "p.mkv")), strict=True):
        assert (turned[::-1] == frame).all()


def decoded(path: Path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def begin(source, target, key=None):
    stage = EachFrame(upside_down)
    with pytest.raises(StoppedError):
        process_clip(source, target, stage, key=key or {}, chunk=4, progress=stop_after(14))


def done_before(source, target, key=None, **more) -> int:
    """Finish the clip; return how much of it was done already."""
    found = []

    def note(info, done):
        found.append(done)

    process_clip(source, target, EachFrame(upside_down), key=key or {}, chunk=4, on_info=note, **more)
    return found[0]


def test_other_settings_begin_anew(clips, tmp_path):
    source, target = clips.make(tmp_path / "in.mp4", frames=21), tmp_path / "o.mp4"
    begin(source, target, {"strength": 1})
    assert done_before(source, target, {"strength": 1}) >= 8
    begin(source, target, {"strength": 1})
    assert done_before(source, target, {"strength": 0.5}) == 0
    begin(source, target)
    assert done_before(source, target, encoding=Encoding(crf=30)) == 0


def test_a_changed_source_and_damaged_work_begin_anew(clips, tmp_path):
    source, target = clips.make(tmp_path / "in.mp4", frames=21), tmp_path / "o.mp4"
    begin(source, target)
    os.utime(source, ns=(1, 1))
    assert done_before(source, target) == 0
    folder = tmp_path / ".o.mp4.chrominance"
    begin(source, target)
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text()[:-30])
    assert done_before(source, target) == 0
    begin(source, target)
    (folder / "0000000.nut").unlink()
    process_clip(source, target, EachFrame(upside_down), key={}, chunk=4)
    assert len(ticks_of(target)) == 21


def test_a_clip_that_seeks_wrongly_is_read_from_its_beginning(clips, tmp_path, monkeypatch):
    """A key frame index that lies: the look of the frame that is found is another."""
    from chrominance.pipelines.video_read import VideoReader

    source = clips.make(tmp_path / "in.mp4", frames=21)
    process_clip(source, tmp_path / "a.mp4", EachFrame(upside_down), key={}, chunk=4)
    begin(source, tmp_path / "b.mp4")
    honest = VideoReader._from
    seeks = []

    def wrong(self, index, time):
        seeks.append(index)
        frames = honest(self, index - 2, time - Fraction(2, 25))
        self._decoded = index
        return frames

    monkeypatch.setattr(VideoReader, "_from", wrong)
    process_clip(source, tmp_path / "b.mp4", EachFrame(upside_down), key={}, chunk=4)
    assert seeks and (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_full_disk_keeps_what_is_done(clips, tmp_path, monkeypatch):
    source, target = clips.make(tmp_path / "in.mp4", frames=21), tmp_path / "o.mp4"
    write = VideoSink.write

    def full(self, frame):
        if frame.index == 15:
            raise VideoError(f"{self.target} cannot be written ({os.strerror(errno.ENOSPC)})")
        write(self, frame)

    monkeypatch.setattr(VideoSink, "write", full)
    with pytest.raises(VideoError, match="No space left"):
        process_clip(source, target, EachFrame(upside_down), key={}, chunk=4)
    monkeypatch.undo()
    assert done_before(source, target) == 13


def test_a_frame_that_cannot_be_decoded_keeps_what_is_done(clips, tmp_path):
    source = clips.make(tmp_path / "in.mkv", frames=41, codec="ffv1", pix_fmt="yuv420p", options={"g": "1"})
    data = bytearray(source.read_bytes())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(bytes(data[: len(data) * 2 // 3]))
    with pytest.raises(VideoError, match="cut off"):
        process_clip(cut, tmp_path / "o.mp4", EachFrame(upside_down), key={}, chunk=4)
    work = tmp_path / ".o.mp4.chrominance"
    assert len(list(work.glob("*.nut"))) >= 4
    assert not (tmp_path / "o.mp4").exists()


def test_nothing_is_left_where_nothing_was_done(clips, tmp_path):
    with pytest.raises(VideoError, match="no such file"):
        process_clip(tmp_path / "none.mp4", tmp_path / "o.mp4", EachFrame(upside_down), key={})
    source = clips.make(tmp_path / "in.mp4", frames=3)
    with pytest.raises(VideoError, match="cannot hold"):
        process_clip(source, tmp_path / "o.mp4", EachFrame(upside_down), key={}, encoding=Encoding("prores"))
    with pytest.raises(VideoError, match="no frames to write"):
        process_clip(source, tmp_path / "o.mp4", EachFrame(lambda f, i: iter(())), key={})
    assert leftovers(tmp_path) == []


def test_an_interlaced_clip_is_said_to_be_one(clips, tmp_path, caplog):
    options = {"x264-params": "tff=1", "crf": "10"}
    woven = clips.make(tmp_path / "woven.mp4", frames=4, options=options)
    plain = clips.make(tmp_path / "plain.mp4", frames=4)
    process_clip(plain, tmp_path / "a.mkv", EachFrame(upside_down), key={})
    assert "interlaced" not in caplog.text
    process_clip(woven, tmp_path / "b.mkv", EachFrame(upside_down), key={})
    process_video(woven, tmp_path / "c.mkv", upside_down)
    assert caplog.text.count("woven.mp4 is interlaced") == 2


@pytest.mark.parametrize("sound", ["aac", "ac3", "libmp3lame", "pcm_s16le"])
def test_from_avi_to_avi(clips, tmp_path, sound):
    source = clips.make(tmp_path / "in.mkv", frames=21, sound=sound)
    for before, after in (("in.mkv", "a.avi"), ("a.avi", "b.avi")):
        process_clip(tmp_path / before, tmp_path / after, EachFrame(upside_down), key={})
        shown = ticks_of(tmp_path / after)
        assert [time - shown[0] for time in shown] == ticks_of(source)
        heard = clips.sound(tmp_path / after)
        assert heard[-1][0] - heard[0][0] == pytest.approx(21 / 25, abs=0.06)


def test_the_order_of_decoding():
    assert reorder_delay([0, 1, 2, 3]) == 0
    assert reorder_delay([0, 4, 2, 1, 3]) == 2
    assert reorder_delay([0, 2, 1]) == 1
    assert reorder_delay([]) == 0


def test_decoding_times_rise_and_are_not_later_than_showing():
    def packet(pts):
        made = av.Packet(1)
        made.pts, made.time_base = pts, Fraction(1, 100)
        return made

    chunks = [[packet(p) for p in (0, 8, 4, 2, 6)], [packet(p) for p in (10, 30, 20, 11)]]
    tick = Fraction(1, 50)
    found = list(ordered((in_ticks(packets, tick) for packets in chunks), tick, 2, Fraction(25)))
    assert [p.pts for p in found] == [0, 4, 2, 1, 3, 5, 15, 10, 6]
    assert [p.dts for p in found] == [-2, -1, 0, 1, 2, 3, 4, 5, 6]
    assert all(p.time_base == Fraction(1, 50) and p.duration > 0 for p in found)


def test_work_without_gaps_alone_is_taken_up(tmp_path):
    target = tmp_path / "x.mp4"
    work = ClipWork(target, {"a": 1})
    times = (Fraction(0), Fraction(3, 25), 7, 8)
    work.add(Chunk(0, 4, *times), 4, 4, {"s": torch.ones(2)})
    again = ClipWork(target, {"a": 1})
    assert again.done == 4 and torch.equal(again.load_state()["s"], torch.ones(2))
    assert again.checks() == {0: 7, 3: 8} and again.time_of(3) == Fraction(3, 25)
    again.add(Chunk(4, 6, *times), None)
    assert ClipWork(target, {"a": 1}).complete
    assert not list(work.folder.glob("*.state.safetensors"))
    assert ClipWork(target, {"a": 2}).done == 0
