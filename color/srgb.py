"""sRGB, linear RGB and CIE XYZ."""

from __future__ import annotations

from torch import Tensor

from .chunks import convert
from .formulas import RGB_TO_XYZ, XYZ_TO_RGB, Planes, decode, encode, mix


def rgb_to_linear_rgb(rgb: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert sRGB to linear RGB.

    ``rgb``: any shape with 3 channels on axis ``dim``, nominally 0..1. Returns the same shape and type;
    ``out`` takes the result when given. Raises ValueError for a wrong shape or type. IEC 61966-2-1.
    """
    return convert(_decode_planes, (rgb,), names=("rgb",), dim=dim, channels=3, out=out)


def linear_rgb_to_rgb(linear_rgb: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert linear RGB to sRGB, unclipped.

    ``linear_rgb``: any shape with 3 channels on axis ``dim``, nominally 0..1. Returns the same shape and
    type; ``out`` takes the result when given. Raises ValueError for a wrong shape or type. IEC 61966-2-1.
    """
    return convert(_encode_planes, (linear_rgb,), names=("linear_rgb",), dim=dim, channels=3, out=out)


def linear_rgb_to_xyz(linear_rgb: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert linear RGB (BT.709 primaries) to CIE XYZ with Y = 1 for white.

    ``linear_rgb``: any shape with 3 channels on axis ``dim``. Returns the same shape and type; ``out`` takes
    the result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(_to_xyz, (linear_rgb,), names=("linear_rgb",), dim=dim, channels=3, out=out)


def xyz_to_linear_rgb(xyz: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert CIE XYZ with Y = 1 for white to linear RGB (BT.709 primaries), unclipped.

    ``xyz``: any shape with 3 channels on axis ``dim``. Returns the same shape and type; ``out`` takes the
    result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(_from_xyz, (xyz,), names=("xyz",), dim=dim, channels=3, out=out)


def _decode_planes(*planes: Tensor) -> Planes:
    return tuple(decode(plane) for plane in planes)


def _encode_planes(*planes: Tensor) -> Planes:
    return tuple(encode(plane) for plane in planes)


def _to_xyz(red: Tensor, green: Tensor, blue: Tensor) -> Planes:
    return mix(RGB_TO_XYZ, red, green, blue)


def _from_xyz(x: Tensor, y: Tensor, z: Tensor) -> Planes:
    return mix(XYZ_TO_RGB, x, y, z)
