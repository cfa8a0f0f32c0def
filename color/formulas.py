"""The exact formulas and their constants: plain, differentiable, on planes of any shape and device.

They define what the package computes; kernels.py has faster ways to the same values. A plane is one channel.

sRGB: the transfer function of IEC 61966-2-1; the matrix of the ITU-R BT.709 primaries and D65 to six digits,
as OpenCV and scikit-image have it. Lab: CIE 15:2018, 8.2.1, with the exact constants, a cube root above
t = (6/29)³ and its tangent below. XYZ is scaled so that white has Y = 1. Inverses come from the matrices.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

Matrix = tuple[tuple[float, ...], ...]
Planes = tuple[Tensor, ...]

# IEC 61966-2-1: break points of the two branches, linear slope, offset and exponent.
RGB_BREAK = 0.04045
LINEAR_BREAK = 0.0031308
SLOPE = 12.92
OFFSET = 0.055
EXPONENT = 2.4

# Linear RGB to XYZ, rows X, Y, Z: ITU-R BT.709 primaries, white D65 (x = 0.312713, y = 0.329016).
RGB_TO_XYZ: Matrix = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
XYZ_TO_RGB: Matrix = tuple(map(tuple, np.linalg.inv(RGB_TO_XYZ).tolist()))

# The white of Lab is the XYZ of rgb (1, 1, 1), so that greys are neutral. The rounded white of ASTM E308
# (0.95047, 1, 1.08883), which scikit-image and kornia divide by, gives white a = -0.0025, b = 0.0047.
WHITE: tuple[float, ...] = tuple(sum(row) for row in RGB_TO_XYZ)

# Linear RGB to XYZ over white, and back: what Lab is made of.
RGB_TO_RELATIVE: Matrix = tuple(
    tuple(v / white for v in row) for row, white in zip(RGB_TO_XYZ, WHITE, strict=True)
)
RELATIVE_TO_RGB: Matrix = tuple(
    tuple(v * white for v, white in zip(row, WHITE, strict=True)) for row in XYZ_TO_RGB
)

# The curve of Lab: break point before and after it, slope and intercept of its tangent there.
F_BREAK = 6 / 29
T_BREAK = F_BREAK**3
TANGENT = 1 / (3 * F_BREAK**2)
INTERCEPT = 4 / 29


def mix(matrix: Matrix, x: Tensor, y: Tensor, z: Tensor) -> Planes:
    """Multiply a 3×3 matrix by three planes; not a matmul, which may round to TF32 or bfloat16."""
    return tuple(x * row[0] + y * row[1] + z * row[2] for row in matrix)


def decode(encoded: Tensor) -> Tensor:
    """Undo the sRGB transfer function on every value; below the break the line goes on, also below 0."""
    # The unused branch is clamped into its own domain, or its infinite slope would poison the gradient.
    curve = ((encoded.clamp_min(RGB_BREAK) + OFFSET) / (1 + OFFSET)) ** EXPONENT
    return torch.where(encoded > RGB_BREAK, curve, encoded / SLOPE)


def encode(linear: Tensor) -> Tensor:
    """Apply the sRGB transfer function to every value; below the break the line goes on, also below 0."""
    curve = linear.clamp_min(LINEAR_BREAK) ** (1 / EXPONENT) * (1 + OFFSET) - OFFSET
    return torch.where(linear > LINEAR_BREAK, curve, linear * SLOPE)


def compress(t: Tensor) -> Tensor:
    """Apply the curve of Lab: cube root above the break, its tangent below and on into negative values."""
    return torch.where(t > T_BREAK, t.clamp_min(T_BREAK) ** (1 / 3), t * TANGENT + INTERCEPT)


def expand(f: Tensor) -> Tensor:
    """Undo ``compress``."""
    return torch.where(f > F_BREAK, f * f * f, (f - INTERCEPT) / TANGENT)


def rgb_to_relative(red: Tensor, green: Tensor, blue: Tensor) -> Planes:
    """Convert planes of sRGB to X, Y, Z, each over that of white."""
    return mix(RGB_TO_RELATIVE, decode(red), decode(green), decode(blue))


def relative_to_lab(x: Tensor, y: Tensor, z: Tensor) -> Planes:
    """Convert X, Y, Z, each over that of white, to planes of Lab."""
    fx, fy, fz = compress(x), compress(y), compress(z)
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def lab_to_relative(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    """Convert planes of Lab to X, Y, Z, each over that of white."""
    fy = (L + 16) / 116
    return expand(fy + a / 500), expand(fy), expand(fy - b / 200)


def lab_to_linear(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    """Convert planes of Lab to linear RGB, unclipped."""
    return mix(RELATIVE_TO_RGB, *lab_to_relative(L, a, b))
