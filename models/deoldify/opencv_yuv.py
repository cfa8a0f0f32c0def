"""YUV as OpenCV computes it on 8 bits: in whole numbers, of 14 binary places, each result rounded.

Source: the behaviour of OpenCV's cvtColor, COLOR_BGR2YUV and COLOR_YUV2BGR; the lines here are written from
the constants of ITU-R BT.601 as it rounds them. Code licence: Apache-2.0 (OpenCV's as well).
"""

from __future__ import annotations

import torch
from torch import Tensor

_PLACES = 14
_HALF, _ZERO = 1 << (_PLACES - 1), 128
# Y of blue, green and red; U of blue - Y and V of red - Y; and back.
_Y = (1868, 9617, 4899)
_U, _V = 8061, 14369
_BLUE_U, _GREEN_U, _GREEN_V, _RED_V = 33292, -6472, -9519, 18678


def bgr_to_yuv(bgr: Tensor) -> Tensor:
    """Convert uint8 [...,3,H,W], blue first, to Y, U and V, uint8 likewise."""
    b, g, r = bgr.int().unbind(-3)
    y = _rounded(b * _Y[0] + g * _Y[1] + r * _Y[2])
    return _bytes(y, _ZERO + _rounded((b - y) * _U), _ZERO + _rounded((r - y) * _V))


def yuv_to_bgr(yuv: Tensor) -> Tensor:
    """Convert Y, U and V, uint8 [...,3,H,W], to blue, green and red, cut to 0..255."""
    y, u, v = yuv.int().unbind(-3)
    u, v = u - _ZERO, v - _ZERO
    return _bytes(
        y + _rounded(u * _BLUE_U),
        y + _rounded(u * _GREEN_U + v * _GREEN_V),
        y + _rounded(v * _RED_V),
    )


def _rounded(x: Tensor) -> Tensor:
    return (x + _HALF) >> _PLACES


def _bytes(*channels: Tensor) -> Tensor:
    return torch.stack(channels, -3).clamp(0, 255).to(torch.uint8)
