"""Lab as OpenCV computes it of floating pictures, for reproducing to the digit what DDColor's authors get.

OpenCV looks colours up in a table of 33 steps a side, in whole numbers, with four bits between the steps:
what comes out is up to half a unit off. The way back is computed as it should be. The lines are our own,
written from how OpenCV's documentation and results describe the table.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ...color import linear_rgb_to_rgb, linear_rgb_to_xyz, rgb_to_linear_rgb, xyz_to_linear_rgb

_WHITE = (0.950456, 1.0, 1.088754)
_T_BREAK, _SLOPE, _INTERCEPT = 216 / 24389, 841 / 108, 16 / 116
_F_BREAK = _SLOPE * _T_BREAK + _INTERCEPT
# Steps of the table; what 1 is in whole numbers; parts between two steps.
_STEPS, _ONE, _PARTS = 32, 2**14, 16


def rgb_to_opencv_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB [3,H,W] 0..1 to Lab, float32 in main memory."""
    fixed = (rgb.float().cpu().clamp(0, 1) * _ONE).round().long()
    step = fixed * _STEPS // _ONE
    part = fixed * _STEPS * _PARTS // _ONE % _PARTS
    table = _table()
    total = torch.zeros(*rgb.shape[1:], 3, dtype=torch.int64)
    for corner in range(8):
        far = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2]).view(3, 1, 1)
        # At the last step nothing lies beyond, and its weight is nothing.
        red, green, blue = torch.minimum(step + far, torch.tensor(_STEPS))
        weight = torch.where(far == 1, part, _PARTS - part).prod(0)
        total += table[red, green, blue] * weight[..., None]
    found = (total + _PARTS**3 // 2) // _PARTS**3
    scale, shift = torch.tensor([100.0, 256.0, 256.0]), torch.tensor([0.0, 128.0, 128.0])
    return (found.float() / _ONE * scale - shift).permute(2, 0, 1)


def opencv_lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert Lab [3,H,W] to sRGB, float32: linear light is cut to 0..1."""
    L, a, b = lab.double().cpu()
    y = torch.where(L <= _T_BREAK * 24389 / 27, L * 27 / 24389, ((L + 16) / 116) ** 3)
    fy = torch.where(L <= _T_BREAK * 24389 / 27, _SLOPE * y + _INTERCEPT, (L + 16) / 116)
    f = torch.stack([fy + a / 500, fy - b / 200])
    x, z = torch.where(f <= _F_BREAK, (f - _INTERCEPT) / _SLOPE, f**3)
    white = torch.tensor(_WHITE, dtype=torch.float64).view(3, 1, 1)
    linear = xyz_to_linear_rgb(torch.stack([x, y, z]) * white).clamp(0, 1)
    return linear_rgb_to_rgb(linear).float()


@cache
def _table() -> Tensor:
    """Return Lab of the colours at the steps, red, green and blue the axes: [33,33,33,3], 1 being 2^14."""
    along = torch.linspace(0, 1, _STEPS + 1, dtype=torch.float64)
    rgb = torch.stack(torch.meshgrid(along, along, along, indexing="ij")).flatten(2)
    white = torch.tensor(_WHITE, dtype=torch.float64).view(3, 1, 1)
    t = linear_rgb_to_xyz(rgb_to_linear_rgb(rgb)) / white
    x, y, z = torch.where(t > _T_BREAK, t.clamp_min(_T_BREAK) ** (1 / 3), _SLOPE * t + _INTERCEPT)
    L = torch.where(t[1] > _T_BREAK, 116 * y - 16, t[1] * 24389 / 27)
    lab = torch.stack([L / 100, (500 * (x - y) + 128) / 256, (200 * (y - z) + 128) / 256], -1)
    return (lab * _ONE).round().long().view(*(3 * [_STEPS + 1]), 3)
