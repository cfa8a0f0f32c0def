from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.pipelines.video import VideoError, VideoReader

requires_rotation = pytest.mark.skipif(
    not hasattr(av.VideoFrame, "rotation") or int(av.__version__.split(".")[0]) < 16,
    reason="this PyAV cannot write a rotation",
)


def read(source, **options):
    with VideoReader(source, **options) as reader:
        return reader.info, list(reader)


def times(frames):
    return [frame.time for frame in frames]


def test_frames_carry_index_time_and_rgb(clips, tmp_path):
    path = clips.make(tmp_path / "clip.mp4", frames=12, rate=25)
    info, frames = read(path)
    assert (info.width, info.height, info.rate, info.frames, info.bits) == (64, 48, 25, 12, 8)
    assert [frame.index for frame in frames] == list(range(12))
    assert times(frames) == [Fraction(n, 25) for n in range(12)]
    assert all(f.rgb.shape == (3, 48, 64) and f.rgb.dtype == torch.float32 for f in frames)
    assert len({f.rgb.data_ptr() for f in frames}) == 12


def test_rgb_is_what_ffmpeg_makes_of_it(clips, tmp_path):
    """Within the scaler's own rounding, where chroma is at full size."""
    path = clips.make(tmp_path / "clip.mp4", pix_fmt="yuv444p", frames=2)
    _, frames = read(path)
    with av.open(str(path)) as container:
        for ours, decoded in zip(frames, container.decode(video=0), strict=True):
            theirs = decoded.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709")
            expected = theirs.to_ndarray().transpose(2, 0, 1) / 255
            assert np.abs(ours.rgb.numpy() - expected).mean() < 0.01


def test_varying_frame_rate(clips, tmp_path):
    ticks = [0, 400, 1500, 1700, 4000, 4512, 9000, 9100]
    path = clips.make(tmp_path / "clip.mp4", frames=8, ticks=ticks)
    _, frames = read(path)
    assert times(frames) == [Fraction(t, 12800) for t in ticks]


def test_times_count_from_the_start(clips, tmp_path):
    ticks = [90_000 + 3600 * n for n in range(6)]
    path = clips.make(tmp_path / "clip.ts", frames=6, ticks=ticks, time_base=Fraction(1, 90_000))
    _, frames = read(path)
    assert times(frames) == [Fraction(n, 25) for n in range(6)]
    _, part = read(path, trim=(0.08, 0.08))
    assert times(part) == [0, Fraction(1, 25)]
    assert torch.equal(part[0].rgb, frames[2].rgb)


def test_a_bare_stream_has_times_by_counting(clips, tmp_path):
    path = clips.make(tmp_path / "clip.h264", frames=6)
    _, frames = read(path)
    assert times(frames) == [Fraction(n, 25) for n in range(6)]


@pytest.mark.parametrize("start", [0, 0.2, 0.31])
@pytest.mark.parametrize("length", [None, 0, 0.2, 5])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_trim(clips, tmp_path, name, start, length):
    options = {"crf": "0", "preset": "ultrafast", "g": "5"}
    base = Fraction(1, 25) if name.endswith("avi") else Fraction(1, 12800)
    path = clips.make(tmp_path / name, frames=20, options=options, time_base=base)
    _, whole = read(path)
    end = start + length if length else 10
    expected = [f for f in whole if start <= float(f.time) + 1e-9 < end]
    info, frames = read(path, trim=(start, length))
    assert len(frames) == len(expected)
    assert abs((info.frames or 0) - len(frames)) <= 1
    assert frames[0].time == 0
    assert [f.index for f in frames] == list(range(len(expected)))
    for one, two in zip(frames, expected, strict=True):
        assert torch.equal(one.rgb, two.rgb)
        assert one.time == two.time - expected[0].time


def test_file_like_source(clips, tmp_path):
    path = clips.make(tmp_path / "clip.mp4")
    memory = io.BytesIO(path.read_bytes())
    memory.seek(100)
    _, frames = read(memory)
    _, expected = read(path)
    assert len(frames) == len(expected)
    assert torch.equal(frames[5].rgb, expected[5].rgb)


@requires_rotation
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_stand_upright(clips, tmp_path, rotation):
    straight = clips.make(tmp_path / "straight.mp4", aspect=Fraction(4, 3))
    turned = clips.make(tmp_path / "turned.mp4", aspect=Fraction(4, 3), rotation=rotation)
    with av.open(str(turned)) as container:
        shown = next(container.decode(video=0)).rotation
    _, plain = read(straight)
    info, frames = read(turned)
    # PyAV: the angle by which to turn anticlockwise for showing.
    expected = torch.rot90(plain[0].rgb, shown // 90, dims=(1, 2))
    assert torch.equal(frames[0].rgb, expected)
    assert (info.width, info.height) == ((48, 64) if rotation % 180 else (64, 48))
    assert info.sample_aspect == (Fraction(3, 4) if rotation % 180 else Fraction(4, 3))
    assert info.rotation == -shown % 360


def test_mirrored_frames_stand_upright(clips, tmp_path):
    """A display matrix with a mirror in it, written into the file's track header."""
    path = clips.make(tmp_path / "clip.mp4", frames=3)
    _, plain = read(path)
    one = 1 << 16
    unit = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    for matrix, expected in [
        ((-one, 0, 0, 0, one, 0), lambda rgb: rgb.flip(2)),
        ((one, 0, 0, 0, -one, 0), lambda rgb: rgb.flip(1)),
        # Transposed: x and y change places.
        ((0, one, 0, one, 0, 0), lambda rgb: rgb.transpose(1, 2)),
    ]:
        data = path.read_bytes()
        track = data.index(b"tkhd")
        at = data.index(unit, track)
        changed = struct.pack(">9i", *matrix, 0, 0, 1 << 30)
        turned = tmp_path / "turned.mp4"
        turned.write_bytes(data[:at] + changed + data[at + len(unit) :])
        _, frames = read(turned)
        assert torch.equal(frames[0].rgb, expected(plain[0].rgb))


def test_color_tags_decide_the_conversion(clips, tmp_path):
    for tags in [(1, 1, 1, 1), (1, 6, 6, 6), (2, 1, 1, 1), (2, 5, 6, 5)]:
        path = clips.make(tmp_path / "clip.mp4", pix_fmt="yuv444p", frames=1, tags=tags)
        info, frames = read(path)
        assert (info.tags.range, info.tags.primaries, info.tags.transfer, info.tags.matrix) == tags
        y, _, cr = (clips.picture(0, n, (48, 64), 8) for n in range(3))
        red = 0.2126 if tags[3] == 1 else 0.299
        if tags[0] == 1:
            expected = (y - 16) / 219 + 2 * (1 - red) * (cr - 128) / 224
        else:
            expected = y / 255 + 2 * (1 - red) * (cr - 128) / 255
        np.testing.assert_allclose(frames[0].rgb[0].numpy(), expected.clip(0, 1), atol=1e-5)


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), 6), ((1280, 720), 1)])
def test_untagged_clips_follow_the_players(clips, tmp_path, size, matrix):
    path = clips.make(tmp_path / "clip.mp4", size=size, frames=1, tags=(0, 2, 2, 2))
    info, _ = read(path)
    assert (info.tags.matrix, info.tags.range, info.tags.primaries) == (matrix, 1, 2)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "bits", "alpha"),
    [
        ("libx264", "yuv420p10le", 10, False),
        ("ffv1", "yuv444p16le", 16, False),
        ("ffv1", "gray", 8, False),
        ("ffv1", "yuva420p", 8, True),
        ("ffv1", "bgr0", 8, False),
        ("ffv1", "bgra", 8, True),
        ("ffv1", "gbrp16le", 16, False),
        ("ffv1", "yuv411p", 8, False),
        ("rawvideo", "nv12", 8, False),
        ("rawvideo", "yuyv422", 8, False),
        ("rawvideo", "rgb24", 8, False),
        ("rawvideo", "gray16le", 16, False),
        ("mpeg4", "yuv420p", 8, False),
        ("mjpeg", "yuvj420p", 8, False),
    ],
)
def test_pixel_formats(tmp_path, codec, pix_fmt, bits, alpha):
    """A flat grey of 60 % comes out as such, whatever holds it."""
    path = tmp_path / ("clip.nut" if codec == "rawvideo" else "clip.mkv")
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, pix_fmt
        full = pix_fmt == "yuvj420p" or pix_fmt.startswith(("gray", "rgb", "bgr", "gbr"))
        stream.codec_context.color_range = 2 if full else 1
        level = np.full((16, 32, 3), 153, np.uint8)
        picture = av.VideoFrame.from_ndarray(level, "rgb24")
        frame = picture.reformat(
            format=pix_fmt, src_color_range="JPEG", dst_color_range="JPEG" if full else "MPEG"
        )
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    info, frames = read(path)
    assert (info.bits, info.alpha) == (bits, alpha)
    assert (frames[0].rgb - 0.6).abs().max() < 0.015
    assert (frames[0].alpha is not None) == alpha
    if frames[0].alpha is not None:
        assert (frames[0].alpha == 1).all()


def test_hdr_is_refused(clips, tmp_path):
    for transfer, name in [(16, "PQ"), (18, "HLG")]:
        path = clips.make(tmp_path / "clip.mkv", pix_fmt="yuv420p10le", frames=1, tags=(1, 9, transfer, 9))
        with pytest.raises(VideoError, match=rf"HDR \({name}.*tone-map"):
            VideoReader(path)


def test_bad_files(clips, tmp_path):
    with pytest.raises(VideoError, match="no such file"):
        VideoReader(tmp_path / "missing.mp4")
    text = tmp_path / "text.mp4"
    text.write_text("This is not a video. " * 200)
    with pytest.raises(VideoError, match=r"text\.mp4 cannot be read as a video"):
        VideoReader(text)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(VideoError, match="cannot be read"):
        VideoReader(empty)
    with pytest.raises(VideoError, match="the clip in memory cannot be read"):
        VideoReader(io.BytesIO(b"nothing"))
    with pytest.raises(VideoError, match="must not be negative"):
        VideoReader(clips.make(tmp_path / "clip.mp4"), trim=(-1, None))
    with pytest.raises(VideoError, match="no frames from 9 s on"):
        VideoReader(tmp_path / "clip.mp4", trim=(9, None))


def test_no_video_stream(clips, tmp_path):
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=48000)
        block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        block.sample_rate, block.pts = 48000, 0
        output.mux(stream.encode(block))
        output.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        VideoReader(path)


def test_no_frames(clips, tmp_path):
    path = clips.make(tmp_path / "clip.mkv", frames=0, sound="aac")
    with pytest.raises(VideoError, match=r"no frames|cannot be read"):
        VideoReader(path)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "clip.flv"])
@pytest.mark.parametrize("sound", [None, "aac"])
def test_cut_file(clips, tmp_path, name, sound):
    base = Fraction(1, 25) if name.endswith("avi") else Fraction(1, 1000)
    container = {"movflags": "+faststart"} if name.endswith("mp4") else {}
    path = clips.make(
        tmp_path / name,
        frames=60,
        time_base=base,
        sound=sound,
        container=container,
        options={"g": "5", "bf": "0"},
    )
    _, whole = read(path)
    assert len(whole) == 60
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(VideoError, match=r"is cut off|cannot be decoded") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    _, part = read(path, trim=(0, 0.4))
    assert len(part) == 10


def test_mp4_without_its_index(clips, tmp_path):
    path = clips.make(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(VideoError, match="damaged, cut off"):
        VideoReader(path)


def test_changing_size_is_an_error(clips, tmp_path):
    first = clips.make(tmp_path / "a.ts", frames=5).read_bytes()
    second = clips.make(tmp_path / "b.ts", frames=5, size=(32, 32)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(first + second)
    with pytest.raises(VideoError, match="is 32x32, the clip began as 64x48"):
        read(path)


def test_still_picture_formats_do_not_pass_for_sound_covers(tmp_path):
    """An animated GIF is a clip like any other."""
    path = tmp_path / "clip.gif"
    pictures = [Image.new("RGB", (20, 10), (40 * n, 20, 30)) for n in range(4)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    info, frames = read(path)
    assert len(frames) == 4
    assert info.rate == 10
    np.testing.assert_allclose(frames[2].rgb[:, 0, 0].numpy(), np.array([80, 20, 30]) / 255, atol=0.02)
