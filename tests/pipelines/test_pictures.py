"""Reading and writing pictures: Pillow (8 bits) and tifffile (16 bits) are the oracles."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageOps

from chrominance.pipelines import pictures
from chrominance.pipelines.pictures import Picture, PictureError, load_picture, save_picture

SIZES = [(33, 17), (1, 1), (64, 48)]


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(sum(shape)).integers(0, top + 1, shape).astype(dtype)


def write_png16(path: Path, samples: np.ndarray, extra: bytes = b"") -> None:
    """Write a 16-bit PNG by the book, without filters."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + extra
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def levels(tensor: torch.Tensor, bits: int) -> np.ndarray:
    """Turn [C,H,W] 0..1 into [H,W,C] integers, insisting that they are integers."""
    values = tensor.double().numpy().transpose(1, 2, 0) * (2**bits - 1)
    assert np.abs(values - values.round()).max() < 0.01
    return values.round().astype(np.int64)


# Reading: modes and depths


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "gif", "ppm"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_every_mode_gives_what_pillow_sees(tmp_path, mode: str, suffix: str, size) -> None:
    image = Image.fromarray(noise(*size[::-1], 4)).convert(mode)
    path = tmp_path / f"in.{suffix}"
    try:
        image.save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    except OSError:
        pytest.skip("this format has no such mode")
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGBA"))
        transparent = opened.has_transparency_data
    picture = load_picture(path)
    assert picture.bits == 8 and picture.rgb.dtype == torch.float32
    assert np.array_equal(levels(picture.rgb, 8), expected[:, :, :3])
    assert (picture.alpha is not None) == transparent
    if picture.alpha is not None:
        assert np.array_equal(levels(picture.alpha, 8), expected[:, :, 3:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits(tmp_path, channels: int, size) -> None:
    samples = noise(*size[::-1], channels, dtype=np.uint16)
    write_png16(tmp_path / "in.png", samples.squeeze(2) if channels == 1 else samples)
    picture = load_picture(tmp_path / "in.png")
    assert picture.bits == 16
    color = samples[:, :, : channels - 1 + channels % 2]
    assert np.array_equal(levels(picture.rgb, 16), np.broadcast_to(color, (*size[::-1], 3)))
    assert (picture.alpha is not None) == (channels in (2, 4))
    if picture.alpha is not None:
        assert np.array_equal(levels(picture.alpha, 16), samples[:, :, -1:])


def test_png_of_16_bits_with_a_transparent_colour(tmp_path) -> None:
    rgb, grey = noise(4, 5, 3, dtype=np.uint16), noise(4, 5, dtype=np.uint16)
    write_png16(tmp_path / "rgb.png", rgb, chunk(b"tRNS", struct.pack(">3H", *rgb[1, 2])))
    write_png16(tmp_path / "grey.png", grey, chunk(b"tRNS", struct.pack(">H", grey[1, 2])))
    for name in ("rgb", "grey"):
        alpha = load_picture(tmp_path / f"{name}.png").alpha
        assert alpha is not None
        assert alpha[0, 1, 2] == 0 and alpha.sum() == 19


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}, {"rowsperstrip": 5}]
)
def test_tiff_of_16_bits(tmp_path, channels: int, order: str, options: dict) -> None:
    samples = noise(37, 21, channels, dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "in.tif",
        samples.squeeze(2) if channels == 1 else samples,
        photometric="minisblack" if channels == 1 else "rgb",
        extrasamples=["unassalpha"] if channels == 4 else None,
        byteorder=order,
        **options,
    )
    picture = load_picture(tmp_path / "in.tif")
    assert picture.bits == 16
    assert np.array_equal(levels(picture.rgb, 16), np.broadcast_to(samples[:, :, :3], (37, 21, 3)))
    if channels == 4:
        assert picture.alpha is not None
        assert np.array_equal(levels(picture.alpha, 16), samples[:, :, 3:])


def test_tiff_where_white_is_zero(tmp_path) -> None:
    for dtype, bits in ((np.uint8, 8), (np.uint16, 16)):
        samples = noise(9, 7, dtype=dtype)
        tifffile.imwrite(tmp_path / "in.tif", samples, photometric="miniswhite")
        expected = (2**bits - 1 - samples.astype(np.int64))[:, :, None].repeat(3, axis=2)
        assert np.array_equal(levels(load_picture(tmp_path / "in.tif").rgb, bits), expected)


def test_premultiplied_alpha_becomes_straight(tmp_path) -> None:
    straight = noise(8, 9, 4, dtype=np.uint16) // 2 + 20000
    product = straight.astype(np.int64)
    product[:, :, :3] = product[:, :, :3] * product[:, :, 3:] // 65535
    tifffile.imwrite(
        tmp_path / "in.tif", product.astype(np.uint16), photometric="rgb", extrasamples=["assocalpha"]
    )
    picture = load_picture(tmp_path / "in.tif")
    assert picture.alpha is not None
    assert np.abs(levels(picture.rgb, 16) - straight[:, :, :3]).max() <= 4
    assert np.array_equal(levels(picture.alpha, 16), straight[:, :, 3:])


def test_cmyk_and_jpeg(tmp_path) -> None:
    Image.new("CMYK", (20, 10), (0, 255, 255, 0)).save(tmp_path / "ink.jpg", quality=95)
    red = levels(load_picture(tmp_path / "ink.jpg").rgb, 8)
    assert red.shape == (10, 20, 3) and (red[:, :, 0] > 250).all() and (red[:, :, 1:] < 5).all()


# Reading: what files say of themselves


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientation_is_applied_once(tmp_path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Acme"
    source = tmp_path / f"in.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(noise(6, 9, 3)).save(source, exif=exif.tobytes(), **options)
    with Image.open(source) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    picture = load_picture(source)
    assert np.array_equal(levels(picture.rgb, 8), expected)
    target = tmp_path / f"out.{suffix}"
    save_picture(target, picture)
    with Image.open(target) as saved:
        assert saved.getexif()[0x0112] == 1 and saved.getexif()[0x010F] == "Acme"
    assert torch.equal(load_picture(target).rgb, picture.rgb)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
def test_exif_dpi_and_profile_are_kept(tmp_path, suffix: str, bits: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "a photographer"
    exif.get_ifd(0x8769).update({0x9003: "1912:06:01 12:00:00", 0xA001: 2, 0xA002: 9, 0xA003: 6})
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.5)
    Image.fromarray(noise(6, 9, 3)).save(tmp_path / "in.jpg", exif=exif.tobytes(), dpi=(300, 600))
    picture = load_picture(tmp_path / "in.jpg")
    assert picture.rgb.shape == (3, 9, 6)
    assert picture.dpi == (600, 300)
    target = tmp_path / f"out.{suffix}"
    save_picture(target, Picture(picture.rgb, bits=bits, exif=picture.exif, dpi=picture.dpi))
    with Image.open(target) as saved:
        saved.load()
        found = saved.getexif()
        assert found[0x0112] == 1 and found[0x8298] == "a photographer"
        details = found.get_ifd(0x8769)
        assert details[0x9003] == "1912:06:01 12:00:00"
        assert (details[0xA001], details[0xA002], details[0xA003]) == (1, 6, 9)
        assert tuple(found.get_ifd(0x8825)[2]) == (52.0, 31.0, 12.5)
        assert b"sRGB" in saved.info["icc_profile"] or b"acsp" in saved.info["icc_profile"]
        if suffix != "webp":
            assert saved.info["dpi"] == pytest.approx((600, 300), abs=0.02)


def test_tiff_tags_of_the_old_layout_do_not_return(tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "in.tif",
        noise(40, 30, 3),
        photometric="rgb",
        tile=(16, 16),
        description="a street",
        metadata=None,
    )
    save_picture(tmp_path / "out.tif", load_picture(tmp_path / "in.tif"))
    with tifffile.TiffFile(tmp_path / "out.tif") as saved:
        page = saved.pages[0]
        assert not page.is_tiled and page.shape == (40, 30, 3)
        assert page.description == "a street"
        assert np.array_equal(page.asarray(), noise(40, 30, 3))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_at_16_bits(tmp_path, orientation: int) -> None:
    samples = noise(6, 9, 3, dtype=np.uint16)
    tag = (274, 3, 1, orientation, True)
    tifffile.imwrite(tmp_path / "in.tif", samples, photometric="rgb", extratags=[tag])
    block = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, orientation, 0, 0)
    write_png16(tmp_path / "in.png", samples, chunk(b"eXIf", block))
    image = Image.fromarray((samples >> 8).astype(np.uint8))
    image.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    for suffix in ("tif", "png"):
        picture = load_picture(tmp_path / f"in.{suffix}")
        assert np.array_equal(levels(picture.rgb, 16) >> 8, expected)
        save_picture(tmp_path / f"out.{suffix}", picture)
        assert torch.equal(load_picture(tmp_path / f"out.{suffix}").rgb, picture.rgb)


# Writing


@pytest.mark.parametrize("size", [*SIZES, (700, 400)])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("suffix", "bits"), [("png", 8), ("png", 16), ("tif", 8), ("tiff", 16), ("webp", 8)])
def test_lossless_formats_round_trip(tmp_path, suffix: str, bits: int, channels: int, size) -> None:
    top = 2**bits - 1
    samples = noise(*size[::-1], channels, dtype=np.uint8 if bits == 8 else np.uint16)
    tensor = torch.from_numpy(samples.astype(np.float32) / np.float32(top)).permute(2, 0, 1)
    alpha = tensor[3:] if channels == 4 else None
    path = tmp_path / f"out.{suffix}"
    save_picture(path, Picture(tensor[:3], alpha, bits=bits))
    again = load_picture(path)
    assert again.bits == bits
    assert np.array_equal(levels(again.rgb, bits), samples[:, :, :3])
    if channels == 4:
        assert again.alpha is not None
        assert np.array_equal(levels(again.alpha, bits), samples[:, :, 3:])
    if suffix.startswith("tif"):
        assert np.array_equal(tifffile.imread(path), samples)


def test_saving_rounds_and_limits(tmp_path) -> None:
    row = torch.tensor([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 1.0, 7.0])
    save_picture(tmp_path / "out.png", Picture(row.expand(3, 1, -1)))
    with Image.open(tmp_path / "out.png") as saved:
        assert np.asarray(saved)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255, 255]


def test_jpeg_keeps_the_chroma_at_full_resolution(tmp_path) -> None:
    save_picture(tmp_path / "out.jpg", Picture(torch.rand(3, 32, 32), bits=16))
    with Image.open(tmp_path / "out.jpg") as saved:
        assert [component[1:3] for component in saved.layer] == [(1, 1)] * 3
        assert max(saved.quantization[0]) <= 12


def test_bmp_is_written(tmp_path) -> None:
    save_picture(tmp_path / "out.bmp", Picture(torch.ones(3, 4, 5), dpi=(72.0, 72.0)))
    assert load_picture(tmp_path / "out.bmp").rgb.shape == (3, 4, 5)


# Bad input


def damaged(folder: Path) -> dict[str, Path]:
    whole = Image.fromarray(noise(64, 64, 3))
    paths = {}
    for suffix in ("jpg", "png", "tif", "webp", "gif"):
        paths[suffix] = folder / f"cut.{suffix}"
        whole.save(paths[suffix])
        data = paths[suffix].read_bytes()
        paths[suffix].write_bytes(data[: len(data) * 6 // 10])
    paths["png16"] = folder / "cut16.png"
    write_png16(paths["png16"], noise(64, 64, 3, dtype=np.uint16))
    data = paths["png16"].read_bytes()
    paths["png16"].write_bytes(data[: len(data) * 6 // 10])
    paths["tif16"] = folder / "cut16.tif"
    tifffile.imwrite(paths["tif16"], noise(64, 64, 3, dtype=np.uint16), compression="zlib")
    data = paths["tif16"].read_bytes()
    paths["tif16"].write_bytes(data[: len(data) * 6 // 10])
    paths["text"] = folder / "text.png"
    paths["text"].write_text("this is not a picture\n" * 20)
    paths["empty"] = folder / "empty.jpg"
    paths["empty"].touch()
    paths["absent"] = folder / "absent.png"
    paths["folder"] = folder
    return paths


def test_damaged_files_are_refused_in_one_line(tmp_path) -> None:
    for path in damaged(tmp_path).values():
        with pytest.raises(PictureError) as caught:
            load_picture(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and "\n" not in message


def test_a_flipped_byte_in_a_png_is_noticed(tmp_path) -> None:
    write_png16(tmp_path / "in.png", noise(64, 64, 3, dtype=np.uint16))
    data = bytearray((tmp_path / "in.png").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "in.png").write_bytes(data)
    with pytest.raises(PictureError):
        load_picture(tmp_path / "in.png")


def test_animations_and_documents_are_refused(tmp_path) -> None:
    frames = [Image.fromarray(noise(8, 8, 3) // (i + 1)) for i in range(3)]
    for suffix in ("gif", "webp", "png", "tif"):
        path = tmp_path / f"many.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        with pytest.raises(PictureError, match=r"of 3 (frames|pages)"):
            load_picture(path)


def test_a_tiff_with_a_preview_is_one_picture(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif") as tiff:
        tiff.write(noise(32, 32, 3), photometric="rgb")
        tiff.write(noise(8, 8, 3), photometric="rgb", subfiletype=1)
    assert load_picture(tmp_path / "in.tif").rgb.shape == (3, 32, 32)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32])
def test_samples_without_a_white_are_refused(tmp_path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.ones((4, 4), dtype=dtype))
    with pytest.raises(PictureError):
        load_picture(tmp_path / "in.tif")


def test_planes_of_16_bits_are_refused(tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "in.tif", noise(3, 9, 9, dtype=np.uint16), photometric="rgb", planarconfig="separate"
    )
    with pytest.raises(PictureError):
        load_picture(tmp_path / "in.tif")


def test_the_limit_of_size_is_ours_not_pillows(tmp_path, monkeypatch) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "in.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_picture(tmp_path / "in.png").rgb.shape == (3, 30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100
    header = struct.pack(">IIBBBBB", 40000, 30000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"0"))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(PictureError, match="40000×30000 is 1200 megapixels"):
        load_picture(tmp_path / "bomb.png")


def test_formats_that_cannot_be_written(tmp_path) -> None:
    rgb, alpha = torch.zeros(3, 2, 2), torch.ones(1, 2, 2)
    for name, picture in {
        "a.gif": Picture(rgb),
        "a": Picture(rgb),
        "a.jpg": Picture(rgb, alpha),
        "a.bmp": Picture(rgb, alpha),
        "b.webp": Picture(torch.zeros(3, 1, 17000)),
    }.items():
        with pytest.raises(PictureError, match=r"choose|at most"):
            save_picture(tmp_path / name, picture)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def broken(file, suffix, picture, error=error):
            file.write(b"half of a picture")
            raise error

        monkeypatch.setattr(pictures, "write_picture", broken)
        with pytest.raises((PictureError, KeyboardInterrupt)):
            save_picture(target, Picture(torch.zeros(3, 2, 2)))
        assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
        assert target.read_bytes() == b"precious"


def test_a_missing_folder_is_said(tmp_path) -> None:
    with pytest.raises(PictureError, match="cannot be written"):
        save_picture(tmp_path / "absent" / "out.png", Picture(torch.zeros(3, 2, 2)))


def test_damaged_exif_does_not_stop_a_picture(tmp_path, caplog) -> None:
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "in.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff junk")
    assert load_picture(tmp_path / "in.jpg").rgb.shape == (3, 4, 4)


def test_other_colours_keep_the_rest() -> None:
    picture = Picture(torch.zeros(3, 2, 2), torch.ones(1, 2, 2), 16, b"x", (1.0, 1.0))
    other = picture.with_rgb(torch.ones(3, 2, 2))
    assert other.alpha is picture.alpha and other.bits == 16 and other.exif == b"x"
    with pytest.raises(ValueError, match="rgb must be"):
        picture.with_rgb(torch.ones(3, 4, 4))
