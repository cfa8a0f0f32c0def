from __future__ import annotations

import io
import threading
from dataclasses import replace
from itertools import islice

import pytest
import torch

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.pipelines.colorize import ColorizeSettings, colorize
from chrominance.pipelines.video import (
    Encoding,
    VideoError,
    VideoReader,
    colorize_frames,
    colorize_video,
    process_video,
)


class Interrupted(BaseException):
    """As ComfyUI's interrupt: no Exception."""


def same(frames, info):
    return frames


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def no_threads_left():
    return not [t for t in threading.enumerate() if t.name.startswith("chrominance-")]


def read(path):
    with VideoReader(path) as reader:
        return list(reader)


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_clip_is_coloured_like_its_frames(clips, tmp_path, colorizer, batch):
    source = clips.make(tmp_path / "in.mp4", frames=10, grey=True)
    settings = ColorizeSettings(strength=0.7, saturation=1.2)
    lossless = Encoding("ffv1", bits=16)
    result = colorize_video(source, tmp_path / "out.mkv", colorizer, settings, batch=batch, codec=lossless)
    assert (result.frames, result.seconds, result.target) == (10, 0.4, tmp_path / "out.mkv")
    assert sum(colorizer.batches) == 10
    assert max(colorizer.batches) == min(batch, 10)
    for before, after in zip(read(source), read(tmp_path / "out.mkv"), strict=True):
        expected = colorize(before.rgb[None], colorizer, settings).rgb[0]
        assert (after.rgb - expected).abs().max() < 1e-5
        assert after.time == pytest.approx(before.time, abs=0.001)


def test_lightness_is_the_sources(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mp4", grey=True)
    colorize_video(source, tmp_path / "out.mkv", colorizer, codec=Encoding("ffv1", bits=16))
    for before, after in zip(read(source), read(tmp_path / "out.mkv"), strict=True):
        difference = rgb_to_lightness(after.rgb) - rgb_to_lightness(before.rgb)
        assert difference.abs().max() < 0.01
        assert rgb_to_lab(after.rgb)[1:].mean(dim=(1, 2)) == pytest.approx([20, 30], abs=2)
    colorize_video(source, tmp_path / "out.mp4", colorizer, codec=Encoding("h264", crf=0))
    for before, after in zip(read(source), read(tmp_path / "out.mp4"), strict=True):
        difference = rgb_to_lightness(after.rgb) - rgb_to_lightness(before.rgb)
        assert difference.abs().mean() < 0.4  # 8-bit codes with chroma at half the size


def test_progress_and_info(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mp4", frames=9)
    told, done = [], []
    main = threading.current_thread()

    def progress(count):
        assert threading.current_thread() is main
        done.append(count)

    colorize_video(source, tmp_path / "out.mp4", colorizer, batch=4, on_info=told.append, progress=progress)
    assert sum(done) == 9
    assert [info.frames for info in told] == [9]


@pytest.mark.parametrize("kind", [Interrupted, KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("moment", [1, 15])
@pytest.mark.parametrize("name", ["out.mp4", "out"])
def test_cancel_leaves_nothing_behind(clips, tmp_path, colorizer, kind, moment, name):
    source = clips.make(tmp_path / "in.mp4", frames=40, sound="aac")
    done = []

    def progress(count):
        done.append(count)
        if sum(done) >= moment:
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        colorize_video(source, tmp_path / name, colorizer, progress=progress)
    assert names(tmp_path) == ["in.mp4"]
    assert no_threads_left()
    (tmp_path / "in.mp4").rename(tmp_path / "moved.mp4")  # nothing holds it open


def test_cancel_before_the_first_frame(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mp4")

    def on_info(info):
        raise Interrupted("stop")

    with pytest.raises(Interrupted):
        colorize_video(source, tmp_path / "out.mp4", colorizer, on_info=on_info)
    assert names(tmp_path) == ["in.mp4"]


def test_cancel_keeps_the_old_target(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mp4")
    (tmp_path / "out.mp4").write_bytes(b"an older film")

    def progress(count):
        raise Interrupted

    with pytest.raises(Interrupted):
        colorize_video(source, tmp_path / "out.mp4", colorizer, progress=progress)
    assert (tmp_path / "out.mp4").read_bytes() == b"an older film"


def test_a_failing_stage_is_told_and_closed(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=30)
    closed = []

    def stage(frames, info):
        try:
            yield next(frames)
            raise ValueError("out of colours")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="out of colours"):
        process_video(source, tmp_path / "out.mp4", stage)
    assert closed == [True]
    assert names(tmp_path) == ["in.mp4"]
    assert no_threads_left()


def test_a_stage_may_hold_frames_back_and_end_early(clips, tmp_path):
    """Frames kept by a stage stay what they were while others are decoded."""
    source = clips.make(tmp_path / "in.mp4", frames=40)
    expected = [frame.rgb for frame in read(source)]

    def stage(frames, info):
        held = list(islice(frames, 20))
        for frame in held:
            assert torch.equal(frame.rgb, expected[frame.index])
            yield replace(frame, rgb=1 - frame.rgb)

    result = process_video(source, tmp_path / "out.mp4", stage)
    assert result.frames == 20
    assert no_threads_left()


def test_the_target_may_be_the_source(clips, tmp_path, colorizer):
    path = clips.make(tmp_path / "clip.mp4", grey=True, sound="aac")
    colorize_video(path, path, colorizer)
    assert names(tmp_path) == ["clip.mp4"]
    frames = read(path)
    assert len(frames) == 12
    assert rgb_to_lab(frames[0].rgb)[1].mean() > 10


def test_a_cut_source_leaves_no_target(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mkv", frames=60, options={"g": "5"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"cut off|cannot be decoded"):
        colorize_video(source, tmp_path / "out.mp4", colorizer)
    assert names(tmp_path) == ["in.mkv"]
    assert no_threads_left()


def test_memory_source_and_trim(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mp4", frames=25, sound="aac")
    memory = io.BytesIO(source.read_bytes())
    result = colorize_video(memory, tmp_path / "out.mp4", colorizer, trim=(0.2, 0.4))
    assert result.frames == 10
    frames = read(tmp_path / "out.mp4")
    assert [float(f.time) for f in frames] == pytest.approx([n / 25 for n in range(10)])


def test_wrong_settings(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mp4", frames=3)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        colorize_video(source, tmp_path / "out.mp4", colorizer, batch=0)
    with pytest.raises(VideoError, match="a video has its own"):
        colorize_video(source, tmp_path / "out.mp4", colorizer, rate=24)
    with pytest.raises(VideoError, match="leave the codec"):
        colorize_video(source, tmp_path / "frames", colorizer, codec="h264")
    assert names(tmp_path) == ["in.mp4"]


def test_frames_pass_their_facts_on(clips, tmp_path, colorizer):
    source = clips.make(tmp_path / "in.mkv", codec="ffv1", pix_fmt="yuva420p", options={}, frames=5)
    before = read(source)
    after = list(colorize_frames(iter(before), colorizer, batch=2))
    assert [(f.index, f.time) for f in after] == [(f.index, f.time) for f in before]
    assert all(torch.equal(a.alpha, b.alpha) for a, b in zip(after, before, strict=True))
    process_video(source, tmp_path / "out.mkv", same, codec="ffv1")
    assert all(torch.equal(a.alpha, b.alpha) for a, b in zip(read(tmp_path / "out.mkv"), before, strict=True))
