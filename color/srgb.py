"""sRGB, linear RGB and CIE XYZ.

The transfer function is that of IEC 61966-2-1. The matrix is that of the ITU-R BT.709 primaries and D65 to
six digits, as OpenCV and scikit-image have it. XYZ is scaled so that white has Y = 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .chunks import convert

# IEC 61966-2-1: break points of the two branches, linear slope, offset and exponent.
RGB_BREAK = 0.04045
LINEAR_BREAK = 0.0031308
SLOPE = 12.92
OFFSET = 0.055
EXPONENT = 2.4

# Linear RGB to XYZ, rows X, Y, Z: ITU-R BT.709 primaries, white D65 (x = 0.312713, y = 0.329016).
RGB_TO_XYZ: tuple[tuple[float, ...], ...] = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
XYZ_TO_RGB: tuple[tuple[float, ...], ...] = tuple(map(tuple, np.linalg.inv(RGB_TO_XYZ).tolist()))

# The white of Lab is the XYZ of rgb (1, 1, 1), so that greys are neutral. The rounded white of ASTM E308
# (0.95047, 1, 1.08883), which scikit-image and kornia divide by, gives white a = -0.0025, b = 0.0047.
WHITE: tuple[float, ...] = tuple(sum(row) for row in RGB_TO_XYZ)


def decode(encoded: Tensor) -> Tensor:
    """Undo the sRGB transfer function on every value; below the break the line goes on, also below 0."""
    # The unused branch is clamped into its own domain, or its infinite slope would poison the gradient.
    curve = ((encoded.clamp_min(RGB_BREAK) + OFFSET) / (1 + OFFSET)) ** EXPONENT
    return torch.where(encoded > RGB_BREAK, curve, encoded / SLOPE)


def encode(linear: Tensor) -> Tensor:
    """Apply the sRGB transfer function to every value; below the break the line goes on, also below 0."""
    curve = linear.clamp_min(LINEAR_BREAK) ** (1 / EXPONENT) * (1 + OFFSET) - OFFSET
    return torch.where(linear > LINEAR_BREAK, curve, linear * SLOPE)


def mix(matrix: tuple[tuple[float, ...], ...], x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, ...]:
    """Multiply a 3×3 matrix by three planes; not a matmul, which may round to TF32 or bfloat16."""
    return tuple(x * row[0] + y * row[1] + z * row[2] for row in matrix)


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


def _decode_planes(*planes: Tensor) -> tuple[Tensor, ...]:
    return tuple(decode(plane) for plane in planes)


def _encode_planes(*planes: Tensor) -> tuple[Tensor, ...]:
    return tuple(encode(plane) for plane in planes)


def _to_xyz(red: Tensor, green: Tensor, blue: Tensor) -> tuple[Tensor, ...]:
    return mix(RGB_TO_XYZ, red, green, blue)


def _from_xyz(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, ...]:
    return mix(XYZ_TO_RGB, x, y, z)
