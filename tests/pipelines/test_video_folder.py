from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.pipelines.pictures import load_picture
from chrominance.pipelines.video import (
    Encoding,
    FolderReader,
    VideoError,
    VideoReader,
    colorize_video,
    process_video,
)


def same(frames, info):
    return frames


def save(path, level, size=(40, 30)):
    Image.new("RGB", size, (level, level, level)).save(path)


@pytest.fixture
def folder(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(1, 13):
        save(frames / f"frame{number}.png", number * 10)
    (frames / "notes.txt").write_text("scanned by hand")
    return frames


def test_frames_come_in_natural_order(folder):
    with FolderReader(folder, rate=16) as reader:
        frames = list(reader)
    assert (reader.info.width, reader.info.height, reader.info.frames, reader.info.rate) == (40, 30, 12, 16)
    assert [round(float(f.rgb[0, 0, 0]) * 255) for f in frames] == [n * 10 for n in range(1, 13)]
    assert [f.time for f in frames] == [Fraction(n, 16) for n in range(12)]
    assert [f.index for f in frames] == list(range(12))


def test_formats_may_mix(tmp_path):
    save(tmp_path / "a1.png", 100)
    save(tmp_path / "a2.jpg", 100)
    save(tmp_path / "a3.tiff", 100)
    with FolderReader(tmp_path) as reader:
        assert [round(float(f.rgb.mean()) * 255) for f in reader] == [100, 100, 100]
    assert reader.info.rate == 24


def test_trim(folder):
    with FolderReader(folder, rate=10, trim=(0.2, 0.3)) as reader:
        frames = list(reader)
    assert [round(float(f.rgb[0, 0, 0]) * 255) for f in frames] == [30, 40, 50]
    assert [f.time for f in frames] == [0, Fraction(1, 10), Fraction(2, 10)]
    with FolderReader(folder, rate=10, trim=(1.05, None)) as reader:
        assert len(list(reader)) == 1


def test_to_a_video_and_back(folder, tmp_path, colorizer):
    result = process_video(folder, tmp_path / "clip.mkv", same, codec="ffv1", rate=12)
    assert (result.frames, result.seconds) == (12, 1.0)
    with VideoReader(tmp_path / "clip.mkv") as reader:
        assert reader.info.rate == 12
    process_video(tmp_path / "clip.mkv", tmp_path / "again", same)
    names = sorted(p.name for p in (tmp_path / "again").iterdir())
    assert names == [f"{n:06d}.png" for n in range(12)]
    for number in range(12):
        one = load_picture(folder / f"frame{number + 1}.png")
        two = load_picture(tmp_path / "again" / f"{number:06d}.png")
        assert torch.equal(one.rgb, two.rgb)
        assert two.bits == 8


def test_sixteen_bits_in_sixteen_out(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    values = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40) * 50
    Image.fromarray(values).save(source / "1.png")
    process_video(source, tmp_path / "out", same)
    one, two = load_picture(source / "1.png"), load_picture(tmp_path / "out" / "000000.png")
    assert two.bits == 16
    assert torch.equal(one.rgb, two.rgb)
    process_video(source, tmp_path / "eight", same, codec=Encoding(bits=8))
    assert load_picture(tmp_path / "eight" / "000000.png").bits == 8


def test_alpha_is_kept(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    Image.fromarray(pixels, "RGBA").save(source / "1.png")
    process_video(source, tmp_path / "out", same)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "000000.png")), pixels)


def test_a_folder_of_frames_is_replaced_whole(folder, tmp_path, colorizer):
    target = tmp_path / "out"
    process_video(folder, target, same)
    process_video(folder, target, same, trim=(0, 0.25))
    assert len(list(target.iterdir())) == 6
    (target / "notes.txt").write_text("mine")
    with pytest.raises(VideoError, match=r"holds other files \(notes\.txt\)"):
        process_video(folder, target, same)
    assert len(list(target.iterdir())) == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frames", "out"]


def test_an_error_keeps_the_old_folder(folder, tmp_path, colorizer):
    target = tmp_path / "out"
    process_video(folder, target, same)
    (folder / "frame7.png").write_bytes(b"broken")
    with pytest.raises(VideoError, match=r"frame7\.png"):
        colorize_video(folder, target, colorizer)
    assert len(list(target.iterdir())) == 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frames", "out"]


def test_bad_folders(folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(VideoError, match="holds no pictures"):
        FolderReader(empty)
    with pytest.raises(VideoError, match="rate must be above 0"):
        FolderReader(folder, rate=0)
    with pytest.raises(VideoError, match="no frames from 9 s on"):
        FolderReader(folder, trim=(9, None))
    save(folder / "frame5.png", 50, size=(41, 30))
    with pytest.raises(VideoError, match=r"frame5\.png is 41x30, the clip began as 40x30"):
        process_video(folder, tmp_path / "out", same)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "frames"]
    with pytest.raises(VideoError, match="8 or 16 bits"):
        process_video(folder, tmp_path / "out", same, codec=Encoding(bits=10))
    with pytest.raises(VideoError, match="cannot be written"):
        process_video(folder, tmp_path / "missing" / "out", same)
