"""From any ICC profile to sRGB.

Matrix and grey profiles are evaluated here, in floating point and at 16 bits a channel, because Pillow hands
LittleCMS pictures of 8 bits only. Profiles made of look-up tables (scanners, CMYK) go through LittleCMS.
Source: ICC.1:2022 (profile version 4.4), sections 7.2, 7.3, 10.6, 10.18 and Annex F.3; Bradford adaptation
from Annex E.
"""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ..color import lab_to_rgb_in_gamut, linear_rgb_to_rgb, linear_rgb_to_xyz, xyz_to_lab

logger = logging.getLogger(__name__)

#: How far a profile may be from sRGB to be taken for it: one step of an 8-bit picture. Copies of sRGB with
#: colorants of four digits differ by three quarters of a step, in the purest green.
SRGB_TOLERANCE = 1 / 255

# Pixels a step: the working set of a conversion stays within the cache.
CHUNK = 1 << 18

# Nodes a side of the table through which 16-bit pictures pass LittleCMS: 255 / (52 - 1) is a whole number.
TABLE_SIDE = 52

FloatArray = NDArray[np.float64]


class ProfileError(ValueError):
    """A profile that is damaged, or that does not fit its picture."""


@dataclass(frozen=True)
class MatrixProfile:
    """What an RGB or a grey profile of the matrix kind says.

    ``curves``: one table of linear light a channel, sampled at the picture's own levels. ``matrix``: from the
    profile's linear light to linear sRGB.
    """

    curves: tuple[FloatArray, ...]
    matrix: FloatArray


def srgb_profile() -> bytes:
    """Return the sRGB profile to embed: LittleCMS's own, with a fixed date, so that results repeat."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    return bytes(profile)


def profile_space(profile: bytes) -> str:
    """Return the colour space that a profile is for: "RGB", "GRAY", "CMYK", …

    Raises ProfileError where ``profile`` is not an ICC profile.
    """
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise ProfileError("the embedded colour profile is not an ICC profile")
    return profile[16:20].decode("latin-1").strip()


def icc_to_rgb(samples: NDArray[np.unsignedinteger], profile: bytes) -> torch.Tensor | None:
    """Convert RGB or grey samples from their profile to sRGB.

    ``samples``: [H,W,3] or [H,W,1], uint8 or uint16. Returns float32 [3,H,W], 0..1, colours outside of sRGB
    reduced in chroma at constant lightness and hue; or None where the profile is sRGB to within a step of an
    8-bit picture, and nothing is to be done.
    Raises ProfileError for a damaged profile, or one for another number of channels.
    """
    space = profile_space(profile)
    if space == "GRAY" and samples.shape[2] != 1:
        raise ProfileError("the embedded colour profile is for grey pictures, this one has three channels")
    if space not in ("GRAY", "RGB"):
        raise ProfileError(f"the embedded colour profile is for {space} pictures, this one is RGB or grey")
    matrix_profile = parse_matrix_profile(profile, levels=int(np.iinfo(samples.dtype).max) + 1)
    if matrix_profile is None:
        return table_to_rgb(samples, profile)
    if is_srgb(matrix_profile):
        return None
    return matrix_to_rgb(samples, matrix_profile)


def parse_matrix_profile(profile: bytes, levels: int) -> MatrixProfile | None:
    """Read a profile of the matrix kind; return None where it is of the look-up-table kind.

    ``levels``: how many values a sample may have, 256 or 65536. Raises ProfileError for a damaged profile.
    """
    space = profile_space(profile)
    try:
        tags = read_tags(profile)
        if "A2B0" in tags:
            return None
        if space == "GRAY":
            curve = read_curve(tags["kTRC"], levels)
            if profile[20:24] == b"Lab ":
                curve = lightness_to_luminance(curve)
            # Grey is the neutral axis in any space: no matrix is needed to stay on it.
            return MatrixProfile((curve,) * 3, np.eye(3))
        columns = [read_xyz(tags[name]) for name in ("rXYZ", "gXYZ", "bXYZ")]
        curves = tuple(read_curve(tags[name], levels) for name in ("rTRC", "gTRC", "bTRC"))
    except (KeyError, struct.error, ValueError) as error:
        raise ProfileError(f"the embedded colour profile is damaged ({error})") from error
    return MatrixProfile(curves, np.linalg.inv(srgb_to_pcs()) @ np.stack(columns, axis=1))


def srgb_to_pcs() -> FloatArray:
    """Return the matrix from linear sRGB to XYZ under D50, the profiles' white, by Bradford adaptation."""
    to_xyz = linear_rgb_to_xyz(torch.eye(3, dtype=torch.float64), dim=0).numpy()
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1.0, 0.8249])
    gains = (bradford @ d50) / (bradford @ to_xyz.sum(axis=1))
    return np.linalg.inv(bradford) @ np.diag(gains) @ bradford @ to_xyz


def read_tags(profile: bytes) -> dict[str, bytes]:
    """Return a profile's tags by signature. Raises ValueError for offsets outside of the profile."""
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for index in range(min(count, 1024)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if offset + size > len(profile):
            raise ValueError("a tag reaches beyond the end")
        tags[name.decode("latin-1")] = profile[offset : offset + size]
    return tags


def read_xyz(tag: bytes) -> FloatArray:
    """Read an XYZ tag: [3], relative to D50."""
    if tag[:4] != b"XYZ ":
        raise ValueError("a colorant is not an XYZ tag")
    return np.array(struct.unpack_from(">3i", tag, 8), dtype=np.float64) / 65536


def read_curve(tag: bytes, levels: int) -> FloatArray:
    """Evaluate a tone curve at ``levels`` even steps from 0 to 1: [levels], linear light."""
    x = np.linspace(0.0, 1.0, levels)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return x
        if len(tag) < 12 + 2 * count:
            raise ValueError("a tone curve is cut short")
        table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return x ** (table[0] / 256)
        return np.interp(x, np.linspace(0.0, 1.0, count), table / 65535)
    if tag[:4] != b"para":
        raise ValueError("a tone curve is of an unknown kind")
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind > 4:
        raise ValueError("a parametric curve is of an unknown kind")
    values = struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)
    g, a, b, c, d, e, f = parametric([value / 65536 for value in values])
    power = np.maximum(a * x + b, 0.0) ** g + e
    return np.clip(np.where(x >= d, power, c * x + f), 0.0, 1.0)


def parametric(values: list[float]) -> tuple[float, ...]:
    """Write any kind of parametric curve as the fifth: Y = (aX + b)^g + e from d on, cX + f below."""
    if len(values) == 1:
        return (values[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if len(values) in (3, 4):
        g, a, b, *c = values
        if a == 0:
            raise ValueError("a parametric curve has no slope")
        offset = c[0] if c else 0.0
        return (g, a, b, 0.0, -b / a, offset, offset)
    return (*values, 0.0, 0.0) if len(values) == 5 else tuple(values)


def lightness_to_luminance(lightness: FloatArray) -> FloatArray:
    """Convert L*/100 to luminance Y, 0..1."""
    f = (lightness * 100 + 16) / 116
    return np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))


def is_srgb(profile: MatrixProfile) -> bool:
    """Tell whether a profile is sRGB to within a step of an 8-bit picture, over the whole cube."""
    levels = len(profile.curves[0])
    steps = np.linspace(0, levels - 1, 18).round().astype(np.int64)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1)
    linear = np.stack([curve[channel] for curve, channel in zip(profile.curves, cube, strict=True)])
    rgb = linear_rgb_to_rgb(torch.from_numpy((profile.matrix @ linear).clip(0.0, 1.0)), dim=0).numpy()
    return bool(np.abs(rgb - cube / (levels - 1)).max() <= SRGB_TOLERANCE)


def matrix_to_rgb(samples: NDArray[np.unsignedinteger], profile: MatrixProfile) -> torch.Tensor:
    """Apply a matrix profile: samples [H,W,1 or 3] to sRGB float32 [3,H,W]."""
    height, width, channels = samples.shape
    flat = samples.reshape(-1, channels)
    rgb = torch.empty(3, height * width)
    curves = [curve.astype(np.float32) for curve in profile.curves]
    matrix = torch.from_numpy(profile.matrix).float()
    for start in range(0, len(flat), CHUNK):
        part = flat[start : start + CHUNK]
        linear = torch.stack(
            [torch.from_numpy(curve[part[:, i % channels]]) for i, curve in enumerate(curves)]
        )
        rgb[:, start : start + CHUNK] = linear_to_rgb_in_gamut(matrix @ linear)
    return rgb.reshape(3, height, width)


def linear_to_rgb_in_gamut(linear: torch.Tensor) -> torch.Tensor:
    """Encode linear sRGB [3,N]; colours outside of the gamut lose chroma, not lightness or hue."""
    # Rounding in profiles puts pure colours a trace outside: clipping that is below any step.
    outside = ((linear < -2e-4) | (linear > 1 + 2e-4)).any(dim=0)
    rgb = linear_rgb_to_rgb(linear.clamp(0.0, 1.0), dim=0)
    if bool(outside.any()):
        lab = xyz_to_lab(linear_rgb_to_xyz(linear[:, outside], dim=0), dim=0)
        rgb[:, outside] = lab_to_rgb_in_gamut(lab, dim=0)
    return rgb


def table_to_rgb(samples: NDArray[np.unsignedinteger], profile: bytes) -> torch.Tensor:
    """Apply a look-up-table profile by LittleCMS: samples [H,W,1 or 3] to sRGB float32 [3,H,W].

    16-bit samples are interpolated in a table that LittleCMS fills with 8 bits a channel: smooth, and right
    to about one step of an 8-bit picture. Raises ProfileError for a damaged profile.
    """
    if samples.shape[2] == 1:
        ramp = image_to_rgb(Image.fromarray(np.arange(256, dtype=np.uint8)[None]), profile)[0] / 255
        levels = np.linspace(0.0, 255.0, int(np.iinfo(samples.dtype).max) + 1)
        table = np.stack([np.interp(levels, np.arange(256), ramp[:, i]) for i in range(3)]).astype(np.float32)
        return torch.from_numpy(table[:, samples[:, :, 0]])
    if samples.dtype == np.uint8:
        rgb = image_to_rgb(Image.fromarray(np.ascontiguousarray(samples)), profile)
        return torch.from_numpy(rgb).permute(2, 0, 1).float().div_(255)
    steps = np.linspace(0, 255, TABLE_SIDE).astype(np.uint8)
    b, g, r = np.meshgrid(steps, steps, steps, indexing="ij")
    nodes = np.stack([r, g, b], axis=-1).reshape(TABLE_SIDE, -1, 3)
    table = torch.from_numpy(image_to_rgb(Image.fromarray(nodes), profile)).float().div_(255)
    table = table.reshape(1, TABLE_SIDE, TABLE_SIDE, TABLE_SIDE, 3).permute(0, 4, 1, 2, 3).contiguous()
    height, width, _ = samples.shape
    rgb = torch.empty(3, height, width)
    rows = max(1, CHUNK // width)
    for top in range(0, height, rows):
        part = torch.from_numpy(samples[top : top + rows].astype(np.float32)).div_(65535 / 2).sub_(1)
        found = torch.nn.functional.grid_sample(
            table, part[None, None], mode="bilinear", padding_mode="border", align_corners=True
        )
        rgb[:, top : top + rows] = found[0, :, 0]
    return rgb


def image_to_rgb(image: Image.Image, profile: bytes) -> NDArray[np.uint8]:
    """Convert an 8-bit picture (grey, RGB or CMYK) by LittleCMS, perceptual intent: [H,W,3] sRGB.

    Raises ProfileError for a profile that LittleCMS cannot use for this picture.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ProfileError(f"the embedded colour profile is unusable ({error})") from error
    if converted is None:
        raise ProfileError("the embedded colour profile gave no picture")
    return np.array(converted)
