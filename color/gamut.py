"""Bringing Lab colours into the sRGB gamut by chroma alone: lightness and hue angle stay.

A pixel's a and b are scaled by the largest factor for which linear RGB lies in 0..1. The factor is found
by bracketing (regula falsi, Illinois variant: M. Dowell, P. Jarratt, BIT 11, 1971), since on the way from
grey to the colour six faces of the cube compete, each along a piecewise cubic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import convert
from .cielab import RELATIVE_TO_RGB, expand, lab_planes_to_relative, lab_planes_to_rgb
from .srgb import SLOPE, mix

# A colour counts as inside the gamut up to this excess of an encoded channel: float dust, later clamped.
_DUST = 1e-6
# Linear RGB keeps this distance from the faces, so that rounding the result to float32 stays inside.
_MARGIN = 5e-8
_ROUNDS = 16


def reduce_chroma(lab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Scale a and b down, at constant L and hue, just enough to be inside the sRGB gamut.

    ``lab``: any shape with 3 channels on axis ``dim``. Pixels that are inside come back bit-identical;
    where L is not between 0 and 100 only grey is left. Returns the same shape and type; ``out`` takes the
    result when given and may be ``lab`` itself. In gradients the factor counts as a constant. Raises
    ValueError for a wrong shape or type.
    """
    return convert(_reduce, (lab,), names=("lab",), dim=dim, channels=3, out=out)


def lab_to_rgb_in_gamut(lab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert Lab to sRGB in 0..1, colours outside the gamut with their chroma reduced: fast where few are.

    ``lab``: any shape with 3 channels on axis ``dim``; L is limited to 0..100. Equals lab_to_rgb of
    reduce_chroma. Returns rgb in the same shape and type; ``out`` takes the result when given and may be
    ``lab`` itself. In gradients the factor counts as a constant. Raises ValueError for a wrong shape or
    type.
    """
    return convert(_to_rgb_in_gamut, (lab,), names=("lab",), dim=dim, channels=3, out=out)


def _reduce(L: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        linear = mix(RELATIVE_TO_RGB, *lab_planes_to_relative(L, a, b))
        least, most = _extremes(linear)
        # Both in linear values; near 1 the transfer function is flatter, which only makes this stricter.
        index = _where((least < -_DUST / SLOPE) | (most > 1 + _DUST))
        if index is None:
            return L, a, b
        scale = torch.ones_like(L).flatten()
        scale[index] = _largest_scale(*(plane.flatten()[index] for plane in (L, a, b)))
        scale = scale.view(L.shape)
    return L, a * scale, b * scale


def _to_rgb_in_gamut(L: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    L, a, b = _reduce(L, a, b)
    return tuple(plane.clamp(0, 1) for plane in lab_planes_to_rgb(L, a, b))


def _extremes(planes: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    first, second, third = planes
    least = torch.minimum(torch.minimum(first, second), third)
    return least, torch.maximum(torch.maximum(first, second), third)


def _where(outside: Tensor) -> Tensor | None:
    """Return the flat indices at which ``outside`` holds, or None if nowhere."""
    index = outside.flatten().nonzero().squeeze(1)
    return index if index.numel() else None


def _largest_scale(L: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the factor 0..1 [K] that brings each colour [K] to the gamut's surface, from inside."""
    given = L.dtype
    # float32 leaves linear RGB uncertain by more than the dust that is allowed near black.
    exact = given if L.device.type == "mps" else torch.float64
    L, a, b = L.to(exact), a.to(exact), b.to(exact)
    fy = (L + 16) / 116
    y = expand(fy)
    dx, dz = a / 500, b / -200
    margin = torch.minimum(y, 1 - y).clamp_min(0) / 2
    margin = margin.clamp_max(_MARGIN)

    def room(scale: Tensor) -> Tensor:
        linear = mix(RELATIVE_TO_RGB, expand(fy + scale * dx), y, expand(fy + scale * dz))
        least, most = _extremes(linear)
        return torch.minimum(least, 1 - most) - margin

    low, high = torch.zeros_like(L), torch.ones_like(L)
    room_low, room_high = torch.minimum(y, 1 - y) - margin, room(high)
    inside = room_high >= 0
    side = torch.zeros_like(L)
    for _ in range(_ROUNDS):
        middle = low + (high - low) * (room_low / (room_low - room_high))
        room_middle = room(middle)
        rising = room_middle >= 0
        # An end that stays twice counts half, or the bracket would shrink from one side only.
        room_high = torch.where(rising, torch.where(side > 0, room_high / 2, room_high), room_middle)
        room_low = torch.where(rising, room_middle, torch.where(side < 0, room_low / 2, room_low))
        high = torch.where(rising, high, middle)
        low = torch.where(rising, middle, low)
        side = torch.where(rising, torch.ones_like(L), -torch.ones_like(L))
    scale = torch.where(inside, torch.ones_like(low), low)
    # Without a grey of that lightness in the gamut there is nothing to search.
    possible = (L > 0) & (L < 100)
    return torch.where(possible, scale, torch.zeros_like(scale)).to(given)
