from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from chrominance.pipelines.video import (
    Encoding,
    Frame,
    VideoError,
    VideoInfo,
    VideoReader,
    VideoWriter,
    process_video,
)
from chrominance.pipelines.video_types import ColorTags


def same(frames, info):
    return frames


def stream_of(path):
    """Size, format, tags (range, primaries, transfer, matrix), aspect, frame count, as FFmpeg has them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        frame, *others = container.decode(stream)
        tags = (context.color_range, context.color_primaries, context.color_trc, context.colorspace)
        return (
            (frame.width, frame.height),
            frame.format.name,
            tags,
            stream.sample_aspect_ratio,
            1 + len(others),
        )


def write(path, frames, info, encoding=None):
    writer = VideoWriter(path, info, encoding)
    for frame in frames:
        writer.write(frame)
    writer.finish()
    writer.commit()


def noise(count, width, height, alpha=False):
    generator = torch.Generator().manual_seed(0)
    for n in range(count):
        rgb = torch.rand(3, height, width, generator=generator)
        yield Frame(
            n, Fraction(n, 25), rgb, torch.rand(1, height, width, generator=generator) if alpha else None
        )


def info_for(width, height, **facts):
    return VideoInfo("test", width, height, Fraction(25), Fraction(1, 12800), **facts)


@pytest.mark.parametrize("size", [(33, 17), (641, 359), (64, 47), (1, 1)])
@pytest.mark.parametrize(
    ("codec", "name"), [("h264", "out.mp4"), ("h265", "out.mp4"), ("ffv1", "out.mkv"), ("prores", "out.mov")]
)
def test_odd_sizes_are_kept(tmp_path, codec, name, size):
    target = tmp_path / name
    if codec == "h265" and min(size) < 32:
        with pytest.raises(VideoError, match="h265 needs at least 32 pixels a side"):
            write(target, noise(3, *size), info_for(*size), Encoding(codec))
        return
    write(target, noise(3, *size), info_for(*size), Encoding(codec))
    found, _, _, _, count = stream_of(target)
    assert found == size
    assert count == 3


@pytest.mark.parametrize(
    ("codec", "name"), [("h264", "out.mp4"), ("h264", "out.mkv"), ("h265", "out.mp4"), ("prores", "out.mov")]
)
@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (1, 6, 6, 6), (2, 1, 13, 5), (1, 9, 1, 9)])
def test_color_tags_are_kept_and_used(clips, tmp_path, codec, name, tags):
    source = clips.make(tmp_path / "in.mp4", frames=3, tags=tags)
    target = tmp_path / name
    process_video(source, target, same, codec=codec)
    _, _, found, _, _ = stream_of(target)
    assert found[1:] == tags[1:]
    if codec != "prores":  # limited range by definition; MOV does not store it
        assert found[0] == tags[0]
    with VideoReader(source) as one, VideoReader(target) as two:
        for before, after in zip(one, two, strict=True):
            assert (before.rgb - after.rgb).abs().mean() < 0.012


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(8, 9)])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
def test_pixel_aspect_is_kept(clips, tmp_path, name, aspect):
    source = clips.make(tmp_path / "in.mp4", frames=3, aspect=aspect)
    process_video(source, tmp_path / name, same)
    assert stream_of(tmp_path / name)[3] == aspect


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_varying_frame_rate_is_kept(clips, tmp_path, name):
    ticks = [0, 512, 1536, 2560, 6400, 6912, 8960, 12800]
    source = clips.make(tmp_path / "in.mp4", frames=8, ticks=ticks)
    process_video(source, tmp_path / name, same)
    with VideoReader(tmp_path / name) as reader:
        found = [float(frame.time) for frame in reader]
    tolerance = 0.0005 if name.endswith("mkv") else 1e-9  # Matroska counts milliseconds
    np.testing.assert_allclose(found, [t / 12800 for t in ticks], atol=tolerance)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(18)])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov", "out.avi"])
def test_frame_rate_and_count_are_kept(clips, tmp_path, name, rate):
    source = clips.make(tmp_path / "in.mp4", frames=17, rate=rate, time_base=1 / rate / 512)
    result = process_video(source, tmp_path / name, same)
    assert result.frames == 17
    assert result.seconds == pytest.approx(float(17 / rate))
    with VideoReader(tmp_path / name) as reader:
        assert float(reader.info.rate) == pytest.approx(float(rate), rel=2e-3)
        assert len(list(reader)) == 17


def test_avi_refuses_a_varying_rate(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=4, ticks=[0, 512, 1536, 5000])
    with pytest.raises(VideoError, match="AVI has no varying frame rate"):
        process_video(source, tmp_path / "out.avi", same)
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_luma_is_the_sources(clips, tmp_path):
    """Lossless in, untouched frames, lossless out: every luma sample of a grey clip is equal."""
    for pix_fmt, codec in [("yuv420p", "h264"), ("yuv420p10le", "h264"), ("yuv420p10le", "h265")]:
        source = clips.make(tmp_path / "in.mp4", grey=True, pix_fmt=pix_fmt)
        process_video(source, tmp_path / "out.mp4", same, codec=Encoding(codec, crf=0))
        for before, after in zip(clips.planes(source), clips.planes(tmp_path / "out.mp4"), strict=True):
            for one, two in zip(before, after, strict=True):
                np.testing.assert_array_equal(one, two)


def test_luma_of_a_coloured_clip_is_the_sources(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4")
    process_video(source, tmp_path / "out.mp4", same, codec=Encoding("h264", crf=0))
    for before, after in zip(clips.planes(source), clips.planes(tmp_path / "out.mp4"), strict=True):
        assert np.abs(before[0].astype(int) - after[0]).max() <= 1


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
@pytest.mark.parametrize("alpha", [False, True])
def test_ffv1_holds_exactly_the_frames(tmp_path, bits, top, alpha):
    frames = list(noise(4, 37, 21, alpha))
    target = tmp_path / "out.mkv"
    write(target, frames, info_for(37, 21, bits=bits), Encoding("ffv1"))
    with VideoReader(target) as reader:
        assert (reader.info.bits, reader.info.alpha) == (bits, alpha)
        for before, after in zip(frames, reader, strict=True):
            assert ((after.rgb * top).round() - before.rgb.double() * top).abs().max() <= 0.51
            if alpha:
                assert ((after.alpha * top).round() - before.alpha.double() * top).abs().max() <= 0.51


def test_ten_bits_stay_ten_bits(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", pix_fmt="yuv420p10le", frames=3)
    for codec, name, expected in [
        ("h264", "a.mp4", "yuv420p10le"),
        ("h265", "b.mp4", "yuv420p10le"),
        ("prores", "c.mov", "yuv422p10le"),
        ("ffv1", "d.mkv", "gbrp10le"),
        (Encoding("h264", bits=8), "e.mp4", "yuv420p"),
    ]:
        process_video(source, tmp_path / name, same, codec=codec)
        assert stream_of(tmp_path / name)[1] == expected


def test_transparency_that_cannot_be_kept_is_told(tmp_path, caplog):
    frames, info = list(noise(2, 32, 32, alpha=True)), info_for(32, 32, alpha=True)
    write(tmp_path / "out.mp4", frames, info)
    assert caplog.text.count("holds no transparency") == 1
    write(
        tmp_path / "out.mov", noise(2, 32, 32, alpha=True), info_for(32, 32, alpha=True), Encoding("prores")
    )
    with VideoReader(tmp_path / "out.mov") as reader:
        assert reader.info.alpha


def test_metadata_and_timecode_are_kept(clips, tmp_path):
    source = clips.make(
        tmp_path / "in.mov", frames=3, metadata={"title": "A train", "timecode": "01:00:00:00"}
    )
    process_video(source, tmp_path / "out.mov", same)
    with VideoReader(tmp_path / "out.mov") as reader:
        assert reader.info.metadata["title"] == "A train"
        assert reader.info.timecode == "01:00:00:00"


def test_an_error_leaves_the_target_as_it_was(tmp_path):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"an older film")
    writer = VideoWriter(target, info_for(32, 32))
    for frame in noise(2, 32, 32):
        writer.write(frame)
    writer.finish()
    assert target.read_bytes() == b"an older film"
    writer.abort()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    write(target, noise(2, 32, 32), info_for(32, 32))
    assert stream_of(target)[4] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_bad_frames(tmp_path):
    def attempt(frames, message):
        writer = VideoWriter(tmp_path / "out.mp4", info_for(32, 32))
        with pytest.raises(VideoError, match=message):
            for frame in frames:
                writer.write(frame)
        writer.abort()
        assert list(tmp_path.iterdir()) == []

    one, two = noise(2, 32, 32)
    attempt([one, replace(two, rgb=two.rgb[:, :16])], "frame 1 is 32x16, the clip began as 32x32")
    attempt([two, one], "frame 0 does not come after")
    attempt([replace(one, rgb=one.rgb * float("nan"))], "NaN")


def test_bad_targets(tmp_path):
    info = info_for(32, 32)
    with pytest.raises(VideoError, match="is not a folder: create it first"):
        VideoWriter(tmp_path / "missing" / "out.mp4", info)
    with pytest.raises(VideoError, match=r"ends in \.mp4"):
        VideoWriter(tmp_path / "out.xyz", info)
    with pytest.raises(VideoError, match=r"ends in \.mp4"):
        VideoWriter(tmp_path / "out.webm", info)
    with pytest.raises(VideoError, match=r"\.avi files cannot hold"):
        VideoWriter(tmp_path / "out.avi", info, Encoding("prores"))
    with pytest.raises(VideoError, match="codec must be one of h264"):
        Encoding("divx")
    with pytest.raises(VideoError, match="crf"):
        Encoding("ffv1", crf=10)
    with pytest.raises(VideoError, match="crf must be"):
        Encoding(crf=99)
    with pytest.raises(VideoError, match="bits must be"):
        Encoding(bits=7)
    with pytest.raises(VideoError, match="preset must be one of ultrafast"):
        Encoding(preset="quick")
    with pytest.raises(VideoError, match="libx264 writes 8 or 10 bits a sample, got 16"):
        VideoWriter(tmp_path / "out.mp4", info, Encoding(bits=16))
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    with pytest.raises(VideoError, match="is a folder"):
        VideoWriter(folder, info)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.mp4"]


def test_no_frames_is_an_error(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=3)
    with pytest.raises(VideoError, match="no frames to write"):
        process_video(source, tmp_path / "out.mp4", lambda frames, info: iter(()))
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("codec", "name"), [("h264", "out.mp4"), ("h265", "out.mp4"), ("h265", "out.mkv")])
def test_very_short_clips(tmp_path, codec, name, count):
    write(tmp_path / name, noise(count, 64, 48), info_for(64, 48), Encoding(codec))
    with VideoReader(tmp_path / name) as reader:
        assert [frame.time for frame in reader] == [Fraction(n, 25) for n in range(count)]


def test_rgb_sources_get_a_matrix(tmp_path):
    rgb_tags = ColorTags(2, 1, 13, 0)
    write(tmp_path / "out.mp4", noise(2, 64, 48), info_for(64, 48, tags=rgb_tags))
    assert stream_of(tmp_path / "out.mp4")[2] == (1, 1, 13, 6)
