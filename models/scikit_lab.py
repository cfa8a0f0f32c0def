"""Lab as scikit-image computes it, for reproducing to the digit what authors who used it get.

It differs from ``chrominance.color`` in its constants: the white of ASTM E308 and a rounded curve.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import linear_rgb_to_rgb, linear_rgb_to_xyz, rgb_to_linear_rgb, xyz_to_linear_rgb

_WHITE = (0.95047, 1.0, 1.08883)
_T_BREAK, _F_BREAK = 0.008856, 0.2068966
_SLOPE, _INTERCEPT = 7.787, 16 / 116


def rgb_to_scikit_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB [...,3,H,W] 0..1 to Lab, L 0..100, in float64."""
    xyz = linear_rgb_to_xyz(rgb_to_linear_rgb(rgb.double()))
    t = xyz / _white(xyz)
    x, y, z = torch.where(t > _T_BREAK, t.clamp_min(_T_BREAK) ** (1 / 3), _SLOPE * t + _INTERCEPT).unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def scikit_lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert Lab [...,3,H,W] to sRGB in float64: a negative Z becomes 0, each channel is cut to 0..1."""
    L, a, b = lab.double().unbind(-3)
    y = (L + 16) / 116
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], -3)
    t = torch.where(f > _F_BREAK, f**3, (f - _INTERCEPT) / _SLOPE)
    return linear_rgb_to_rgb(xyz_to_linear_rgb(t * _white(t))).clamp(0, 1)


def _white(xyz: Tensor) -> Tensor:
    return torch.tensor(_WHITE, dtype=xyz.dtype, device=xyz.device).view(3, 1, 1)
