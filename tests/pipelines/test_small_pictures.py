from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from chrominance.pipelines import small_pictures
from chrominance.pipelines.pictures import load_picture
from chrominance.pipelines.samples import PictureError
from chrominance.pipelines.small_pictures import load_small, small_square


def picture(number, size=(90, 60)):
    """A picture of colourful blobs, different for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def test_pictures_stand_upright(tmp_path):
    image = picture(5)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert torch.allclose(load_small(tmp_path / "turned.png", 64), small(image, 64), atol=0.02)


def small(image, side):
    resized = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.gif", "cmyk.jpg", "p.png", "la.png"]
)
def test_small_pictures_are_the_pictures(tmp_path, name):
    image = picture(6, (640, 400))
    mode = {"cmyk.jpg": "CMYK", "p.png": "P", "la.png": "LA"}.get(name, "RGB")
    image = image.convert(mode)
    image.save(tmp_path / name, **({"quality": 95} if name.endswith("jpg") else {}))
    tolerance = 0.1 if name in ("cmyk.jpg", "a.gif") else 0.03
    assert (load_small(tmp_path / name, 56) - small(image, 56)).abs().mean() < tolerance


@pytest.mark.parametrize("size", [(640, 400), (30, 20), (57, 300)])
def test_a_file_and_a_picture_in_memory_are_scaled_alike(tmp_path, size):
    picture(7, size).save(tmp_path / "a.png")
    whole = small_square(load_picture(tmp_path / "a.png").rgb[None], 56)[0]
    assert (load_small(tmp_path / "a.png", 56) - whole).abs().max() < 0.02
    assert torch.equal(small_square(whole[None], 56)[0], whole)


def test_sixteen_bits_and_one_bit(tmp_path):
    grey = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    expected = torch.from_numpy(grey / 65535).float()[None, None].expand(1, 3, -1, -1)
    torch.testing.assert_close(
        load_small(tmp_path / "deep.png", 32)[None], small_square(expected, 32), atol=1e-3, rtol=0
    )
    Image.new("1", (40, 30), 1).save(tmp_path / "bit.png")
    torch.testing.assert_close(load_small(tmp_path / "bit.png", 8), torch.ones(3, 8, 8))


def test_alpha_is_left_out(tmp_path):
    image = picture(8)
    clear = image.copy()
    clear.putalpha(Image.new("L", image.size, 0))
    image.save(tmp_path / "a.png")
    clear.save(tmp_path / "clear.png")
    found = load_small(tmp_path / "clear.png", 32), load_small(tmp_path / "a.png", 32)
    torch.testing.assert_close(*found, atol=0.01, rtol=0)


@pytest.mark.parametrize("kind", ["srgb", "junk"])
def test_a_profile_is_treated_as_for_the_whole_picture(tmp_path, kind):
    data = (
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if kind == "srgb" else b"junk" * 40
    )
    picture(9).save(tmp_path / "a.png", icc_profile=data)
    whole = small_square(load_picture(tmp_path / "a.png").rgb[None], 32)[0]
    assert (load_small(tmp_path / "a.png", 32) - whole).abs().max() < 0.02


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_the_profile_converts_the_small_samples(tmp_path, monkeypatch, mode):
    def negative(samples, profile):
        assert profile == b"a profile" and samples.shape == (32, 32, 1 if mode == "L" else 3)
        return 1 - torch.from_numpy(samples.copy()).permute(2, 0, 1).float() / 255

    monkeypatch.setattr(small_pictures, "icc_to_rgb", negative)
    image = picture(9).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=b"a profile")
    torch.testing.assert_close(load_small(tmp_path / "a.png", 32), 1 - small(image, 32))


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path, monkeypatch):
    sizes = []
    original = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, *a, **k: sizes.append(self.size) or original(self, *a, **k)
    )
    image = picture(10, (1600, 1200))
    image.save(tmp_path / "a.jpg", quality=95)
    sizes.clear()
    found = load_small(tmp_path / "a.jpg", 56)
    assert max(sizes[0]) <= 400
    assert (found - small(image, 56)).abs().mean() < 0.02


@pytest.mark.parametrize("how", ["absent", "folder", "empty", "text", "cut"])
def test_what_cannot_be_read_is_named(tmp_path, how):
    path = tmp_path / "a.jpg"
    if how == "folder":
        path.mkdir()
    elif how != "absent":
        picture(11, (300, 200)).save(path)
        data = path.read_bytes()
        path.write_bytes({"empty": b"", "text": b"text", "cut": data[: len(data) // 2]}[how])
    with pytest.raises(PictureError) as caught:
        load_small(path, 32)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
