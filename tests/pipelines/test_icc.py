"""Colour profiles: LittleCMS at 8 bits and the profiles' own formulas are the oracles."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from chrominance.color import rgb_to_lab
from chrominance.pipelines.icc import ProfileError, icc_to_rgb, profile_space, srgb_profile
from chrominance.pipelines.pictures import load_picture, save_picture

# Colorants under D50, as the profiles of the trade carry them.
ADOBE_RGB = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
DISPLAY_P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
SRGB_CURVE = [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]


def fixed(value: float) -> int:
    return round(value * 65536)


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", fixed(x), fixed(y), fixed(z))


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def parametric(values: list[float]) -> bytes:
    kind = {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(values)]
    return b"para\0\0\0\0" + struct.pack(f">HH{len(values)}i", kind, 0, *map(fixed, values))


def sampled(values: list[float]) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(
        f">I{len(values)}H", len(values), *(round(v * 65535) for v in values)
    )


def profile(space: bytes, tags: dict[str, bytes], pcs: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """Build an ICC profile from its tags."""
    body, table, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name.encode(), offset + len(body), len(data))
        body += data
    head = (0, b"test", 0x04200000, kind, space, pcs, 2020, 1, 1, 0, 0, 0, b"acsp")
    header = struct.pack(">I4sI4s4s4s6H4s", *head)
    header = header.ljust(68, b"\0") + xyz(0.9642, 1, 0.8249)[8:]
    whole = header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def matrix_profile(colorants: list[tuple[float, float, float]], curve: bytes) -> bytes:
    tags = {f"{c}XYZ": xyz(*values) for c, values in zip("rgb", colorants, strict=True)}
    tags |= {f"{c}TRC": curve for c in "rgb"}
    return profile(b"RGB ", tags | {"wtpt": xyz(0.9642, 1, 0.8249)})


def table_profile() -> bytes:
    """Build an RGB profile made of a 9-node table to Lab: gamma 2 and sRGB's colorants."""
    nodes = np.linspace(0, 1, 9) ** 2
    r, g, b = np.meshgrid(nodes, nodes, nodes, indexing="ij")
    pcs = np.stack([r, g, b], -1).reshape(-1, 3) @ np.array(SRGB)
    f = np.cbrt(pcs / np.array([0.9642, 1, 0.8249]))
    t = pcs / np.array([0.9642, 1, 0.8249])
    f = np.where(t > (6 / 29) ** 3, f, t / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)
    codes = np.stack([lab[:, 0] / 100 * 65280, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], -1)
    clut = codes.round().clip(0, 65535).astype(">u2").tobytes()
    identity = struct.pack(">9i", *map(fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    ramp = struct.pack(">2H", 0, 65535) * 3
    tag = b"mft2\0\0\0\0" + bytes([3, 3, 9, 0]) + identity + struct.pack(">HH", 2, 2) + ramp + clut + ramp
    return profile(b"RGB ", {"A2B0": tag, "wtpt": xyz(0.9642, 1, 0.8249)}, pcs=b"Lab ", kind=b"scnr")


def lcms(samples: np.ndarray, data: bytes, table: bool = False) -> np.ndarray:
    image = Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples)
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    target = ImageCms.createProfile("sRGB")
    # The perceptual intent would also move the black of version 4 profiles.
    intent = ImageCms.Intent.PERCEPTUAL if table else ImageCms.Intent.RELATIVE_COLORIMETRIC
    out = ImageCms.profileToProfile(image, source, target, renderingIntent=intent, outputMode="RGB")
    assert out is not None
    return np.asarray(out)


def convert(samples: np.ndarray, data: bytes) -> torch.Tensor:
    rgb = icc_to_rgb(samples, data)
    assert rgb is not None
    assert rgb.dtype == torch.float32 and rgb.shape == (3, *samples.shape[:2])
    return rgb


@pytest.fixture
def soft_colors() -> np.ndarray:
    """Colours near grey, inside of every gamut here."""
    rng = np.random.default_rng(3)
    grey = rng.integers(60, 216, (40, 50, 1))
    return (grey + rng.integers(-15, 16, (40, 50, 3))).astype(np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        matrix_profile(ADOBE_RGB, gamma(2.19921875)),
        matrix_profile(DISPLAY_P3, parametric(SRGB_CURVE)),
        matrix_profile(SRGB, gamma(1.0)),
        matrix_profile(SRGB, parametric([1.8])),
        matrix_profile(SRGB, parametric([2.2, 0.9, 0.1])),
        matrix_profile(SRGB, parametric([2.2, 0.8, 0.1, 0.05])),
        matrix_profile(SRGB, parametric([3.0, 0.86, 0.14, 0.11, 0.08, 0.001, 0.002])),
        matrix_profile(ADOBE_RGB, sampled([(i / 63) ** 1.8 for i in range(64)])),
    ],
)
def test_matrix_profiles_agree_with_littlecms(data: bytes, soft_colors: np.ndarray) -> None:
    expected = lcms(soft_colors, data).astype(np.float32).transpose(2, 0, 1)
    found = convert(soft_colors, data).numpy() * 255
    assert np.abs(found - expected).max() <= 1.0
    assert np.abs(found - expected).mean() <= 0.3


def test_sixteen_bits_are_converted_at_sixteen_bits() -> None:
    data = matrix_profile(SRGB, gamma(2.0))
    ramp = np.arange(0, 65536, 7, dtype=np.uint16)[None, :, None].repeat(3, axis=2)
    found = convert(ramp, data).numpy()
    linear = (ramp[0, :, 0] / 65535.0) ** 2
    expected = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    # The colorants are rounded to four or five digits, so neutral is neutral to 1e-4.
    assert np.abs(found[:, 0] - expected).max() < 2e-4
    assert len(np.unique(found[1])) > 9000


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_profiles_follow_their_curve(dtype: type) -> None:
    top = np.iinfo(dtype).max
    ramp = np.linspace(0, top, 200).round().astype(dtype)[None, :, None]
    found = convert(ramp, profile(b"GRAY", {"kTRC": gamma(1.0), "wtpt": xyz(0.9642, 1, 0.8249)})).numpy()
    linear = ramp[0, :, 0] / top
    expected = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    for channel in found:
        assert np.abs(channel[0] - expected).max() < 1e-5


def test_a_grey_profile_over_lab_gives_lightness() -> None:
    data = profile(b"GRAY", {"kTRC": gamma(1.0)}, pcs=b"Lab ")
    ramp = np.arange(256, dtype=np.uint8)[None, :, None]
    L = rgb_to_lab(convert(ramp, data))[0, 0].numpy()
    assert np.abs(L - np.arange(256) / 2.55).max() < 2e-3


def test_grey_samples_under_an_rgb_profile() -> None:
    data = matrix_profile(ADOBE_RGB, gamma(1.8))
    ramp = np.arange(256, dtype=np.uint8)[None, :, None]
    assert torch.equal(convert(ramp, data), convert(ramp.repeat(3, axis=2), data))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_table_profiles_go_through_littlecms(dtype: type, soft_colors: np.ndarray) -> None:
    data = table_profile()
    expected = lcms(soft_colors, data, table=True).astype(np.float32).transpose(2, 0, 1)
    samples = soft_colors.astype(dtype) * (257 if dtype is np.uint16 else 1)
    assert np.abs(convert(samples, data).numpy() * 255 - expected).max() <= 1.6


def test_tables_keep_sixteen_bit_ramps_smooth() -> None:
    ramp = np.arange(20000, 30000, 10, dtype=np.uint16)[None, :, None].repeat(3, axis=2)
    steps = np.diff(convert(ramp, table_profile())[1, 0].numpy())
    assert steps.min() > 0
    assert steps.max() < 1e-3


@pytest.mark.parametrize(
    "data",
    [
        srgb_profile(),
        matrix_profile(SRGB, parametric(SRGB_CURVE)),
        profile(b"GRAY", {"kTRC": parametric(SRGB_CURVE)}),
    ],
)
def test_srgb_is_left_alone(data: bytes) -> None:
    channels = 1 if profile_space(data) == "GRAY" else 3
    assert icc_to_rgb(np.zeros((2, 2, channels), np.uint8), data) is None
    assert icc_to_rgb(np.zeros((2, 2, channels), np.uint16), data) is None


def test_colours_outside_keep_lightness_and_hue() -> None:
    data = matrix_profile(ADOBE_RGB, gamma(2.0))
    green = np.array([[[0, 255, 0], [60, 200, 40]]], dtype=np.uint8)
    found = rgb_to_lab(convert(green, data)).double().numpy()
    linear = (green[0] / 255.0) ** 2
    pcs = linear @ np.array(ADOBE_RGB)
    L = 116 * np.cbrt(pcs[:, 1]) - 16
    # Bradford moves Y of saturated colours a little.
    assert np.abs(found[0, 0] - L).max() < 0.6
    assert (found[1, 0] < -40).all()


def test_the_embedded_profile_repeats_and_is_srgb() -> None:
    assert srgb_profile() == srgb_profile()
    assert profile_space(srgb_profile()) == "RGB"


@pytest.mark.parametrize(
    ("data", "channels"),
    [
        (b"", 3),
        (b"not a profile" * 20, 3),
        (srgb_profile()[:300], 3),
        (profile(b"RGB ", {"rXYZ": xyz(1, 1, 1)}), 3),
        (profile(b"GRAY", {"kTRC": gamma(1.0)}), 3),
        (profile(b"CMYK", {}), 3),
        (profile(b"GRAY", {"kTRC": b"curv\0\0\0\0\0\xff\xff\xff"}), 1),
        (profile(b"RGB ", {"A2B0": b"junk"}), 3),
        (profile(b"GRAY", {"kTRC": parametric([2.2, 0.0, 0.1])}), 1),
    ],
)
def test_bad_profiles_are_refused(data: bytes, channels: int) -> None:
    with pytest.raises(ProfileError):
        icc_to_rgb(np.zeros((2, 2, channels), np.uint8), data)


def test_a_picture_is_read_through_its_profile(tmp_path, soft_colors: np.ndarray) -> None:
    data = matrix_profile(DISPLAY_P3, parametric(SRGB_CURVE))
    source = tmp_path / "p3.png"
    Image.fromarray(soft_colors).save(source, icc_profile=data)
    picture = load_picture(source)
    assert torch.equal(picture.rgb, convert(soft_colors, data))
    save_picture(tmp_path / "out.png", picture)
    with Image.open(tmp_path / "out.png") as saved:
        assert saved.info["icc_profile"] == srgb_profile()
    again = load_picture(tmp_path / "out.png").rgb
    assert (again - picture.rgb).abs().max() <= 0.5 / 255 + 1e-6


def test_a_damaged_profile_is_said_and_passed_over(tmp_path, caplog, soft_colors: np.ndarray) -> None:
    source = tmp_path / "bad.png"
    Image.fromarray(soft_colors).save(source, icc_profile=b"junk" * 100)
    rgb = load_picture(source).rgb
    assert np.array_equal((rgb.numpy() * 255).round(), soft_colors.transpose(2, 0, 1))
    assert "not an ICC profile" in caplog.text and "bad.png" in caplog.text


def test_cmyk_through_a_profile_it_does_not_fit(tmp_path, caplog) -> None:
    source = tmp_path / "ink.tif"
    Image.new("CMYK", (3, 2), (0, 128, 255, 10)).save(source, icc_profile=srgb_profile())
    assert load_picture(source).rgb.shape == (3, 2, 3)
