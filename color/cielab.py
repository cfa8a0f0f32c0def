"""CIE 1976 L*a*b* under D65, its cylindrical form, and the shortcuts from and to sRGB."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .chunks import convert
from .formulas import (
    RGB_TO_RELATIVE,
    WHITE,
    Planes,
    compress,
    decode,
    encode,
    lab_to_linear,
    lab_to_relative,
    relative_to_lab,
    rgb_to_relative,
)
from .kernels import build_lab_to_rgb, build_rgb_to_lab, build_rgb_to_lightness


def xyz_to_lab(xyz: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert CIE XYZ (Y = 1 for white) to Lab under D65.

    ``xyz``: any shape with 3 channels on axis ``dim``. Returns L 0..100 and a, b in CIE units, in the same
    shape and type; ``out`` takes the result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(_xyz_to_lab, (xyz,), names=("xyz",), dim=dim, channels=3, out=out)


def lab_to_xyz(lab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert Lab under D65 to CIE XYZ (Y = 1 for white), unclipped.

    ``lab``: any shape with 3 channels on axis ``dim``, L 0..100. Returns the same shape and type; ``out``
    takes the result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(_lab_to_xyz, (lab,), names=("lab",), dim=dim, channels=3, out=out)


def rgb_to_lab(rgb: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert sRGB to Lab under D65.

    ``rgb``: any shape with 3 channels on axis ``dim``, nominally 0..1; values beyond go on smoothly, NaN
    stays NaN. Returns L 0..100 and a, b in CIE units, in the same shape and type; ``out`` takes the result
    when given and may be ``rgb`` itself. Raises ValueError for a wrong shape or type.
    """
    return convert(
        _rgb_to_lab,
        (rgb,),
        names=("rgb",),
        dim=dim,
        channels=3,
        out=out,
        build_kernel=build_rgb_to_lab,
    )


def lab_to_rgb(lab: Tensor, *, dim: int = -3, out: Tensor | None = None, clip: bool = False) -> Tensor:
    """Convert Lab under D65 to sRGB.

    ``lab``: any shape with 3 channels on axis ``dim``, L 0..100. Returns rgb in the same shape and type,
    beyond 0..1 for colours outside the sRGB gamut unless ``clip``, which cuts each channel off (and so
    changes lightness and hue: see reduce_chroma). ``out`` takes the result when given and may be ``lab``
    itself. Raises ValueError for a wrong shape or type.
    """
    rgb = convert(
        _lab_to_rgb,
        (lab,),
        names=("lab",),
        dim=dim,
        channels=3,
        out=out,
        build_kernel=build_lab_to_rgb,
    )
    if not clip:
        return rgb
    return rgb.clamp(0, 1) if rgb.requires_grad else rgb.clamp_(0, 1)


def rgb_to_lightness(rgb: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert sRGB to the L of Lab alone.

    ``rgb``: any shape with 3 channels on axis ``dim``, nominally 0..1. Returns L 0..100 with one channel on
    that axis; ``out`` takes the result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(
        _rgb_to_lightness,
        (rgb,),
        names=("rgb",),
        dim=dim,
        channels=1,
        out=out,
        build_kernel=build_rgb_to_lightness,
    )


def lab_to_lch(lab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert Lab to lightness, chroma and hue.

    ``lab``: any shape with 3 channels on axis ``dim``. Returns L, C >= 0 and h in degrees, 0 <= h < 360 (0
    for neutrals), in the same shape and type; ``out`` takes the result when given. Raises ValueError for a
    wrong shape or type.
    """
    return convert(_lab_to_lch, (lab,), names=("lab",), dim=dim, channels=3, out=out)


def lch_to_lab(lch: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert lightness, chroma and hue in degrees to Lab.

    ``lch``: any shape with 3 channels on axis ``dim``. Returns the same shape and type; ``out`` takes the
    result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(_lch_to_lab, (lch,), names=("lch",), dim=dim, channels=3, out=out)


def _rgb_to_lab(red: Tensor, green: Tensor, blue: Tensor) -> Planes:
    return relative_to_lab(*rgb_to_relative(red, green, blue))


def _lab_to_rgb(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    return tuple(encode(plane) for plane in lab_to_linear(L, a, b))


def _xyz_to_lab(x: Tensor, y: Tensor, z: Tensor) -> Planes:
    return relative_to_lab(x / WHITE[0], y / WHITE[1], z / WHITE[2])


def _lab_to_xyz(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    x, y, z = lab_to_relative(L, a, b)
    return x * WHITE[0], y * WHITE[1], z * WHITE[2]


def _rgb_to_lightness(red: Tensor, green: Tensor, blue: Tensor) -> Planes:
    row = RGB_TO_RELATIVE[1]
    y = decode(red) * row[0] + decode(green) * row[1] + decode(blue) * row[2]
    return (116 * compress(y) - 16,)


def _lab_to_lch(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    chroma, hue = polar(a, b)
    return L, chroma, hue


def polar(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return length and angle in degrees, 0 <= h < 360, of (a, b); 0 without gradient at the origin."""
    neutral = (a == 0) & (b == 0)
    a = torch.where(neutral, torch.ones_like(a), a)
    b = torch.where(neutral, torch.zeros_like(b), b)
    # An angle just below zero may round up to 360 itself.
    degrees = torch.atan2(b, a) * (180 / math.pi)
    degrees = torch.where(degrees < 0, degrees + 360, degrees)
    degrees = torch.where(degrees >= 360, torch.zeros_like(degrees), degrees)
    return torch.where(neutral, torch.zeros_like(a), torch.hypot(a, b)), degrees


def _lch_to_lab(L: Tensor, chroma: Tensor, hue: Tensor) -> Planes:
    angle = hue * (math.pi / 180)
    return L, chroma * torch.cos(angle), chroma * torch.sin(angle)
