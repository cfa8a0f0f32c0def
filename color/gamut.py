"""Bringing Lab colours into the sRGB gamut by chroma alone: lightness and hue angle stay.

A pixel's a and b are scaled by a factor for which linear RGB touches the cube's surface from inside. It is
found by bracketing (regula falsi, Illinois variant: M. Dowell, P. Jarratt, BIT 11, 1971), since on the way
from grey to the colour six faces of the cube compete, each along a piecewise cubic. A few rays near yellow
leave the gamut and come back: there the factor is one of the crossings.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import Kernel, convert, pick
from .cielab import lab_to_rgb
from .formulas import (
    F_BREAK,
    RELATIVE_TO_RGB,
    SLOPE,
    TANGENT,
    Planes,
    encode,
    expand,
    lab_to_linear,
)
from .kernels import GAIN, build_lab_to_linear, encode_linear

# A colour counts as inside the gamut up to this excess of an encoded channel: float dust, later clamped.
_DUST = 1e-6
# Distance of linear RGB from the surface that is aimed at, so that float32 rounding does not leave it;
# the search ends within half of it.
_MARGIN = 1e-7
# Rounds of the search; after each of these the colours that have arrived are set aside. One in a thousand
# needs the third group, and the last of 200,000 random colours is then within 0.03 of its largest chroma.
_ROUNDS = (6, 3, 3, 4)
# Pixels beside each other that are looked at as one first.
_RUN = 64


def reduce_chroma(lab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Scale a and b down, at constant L and hue, just enough to be inside the sRGB gamut.

    ``lab``: any shape with 3 channels on axis ``dim``. Pixels that are inside come back bit-identical;
    where L is not between 0 and 100 only grey is left. Returns the same shape and type; ``out`` takes the
    result when given and may be ``lab`` itself. In gradients the factor counts as a constant. Raises
    ValueError for a wrong shape or type.
    """
    return convert(
        _reduce,
        (lab,),
        names=("lab",),
        dim=dim,
        channels=3,
        out=out,
        build_kernel=_build_reduce,
        repair=_reduce_pixels,
    )


def lab_to_rgb_in_gamut(lab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert Lab to sRGB in 0..1, colours outside the gamut with their chroma reduced: fast where few are.

    ``lab``: any shape with 3 channels on axis ``dim``; L is limited to 0..100. Equals lab_to_rgb of
    reduce_chroma, clamped. Returns rgb in the same shape and type; ``out`` takes the result when given and
    may be ``lab`` itself. In gradients the factor counts as a constant. Raises ValueError for a wrong shape
    or type.
    """
    return convert(
        _to_rgb_in_gamut,
        (lab,),
        names=("lab",),
        dim=dim,
        channels=3,
        out=out,
        build_kernel=_build_to_rgb_in_gamut,
        repair=_pixels_to_rgb,
    )


def _reduce(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    with torch.no_grad():
        index = _outside(torch.stack(lab_to_linear(L, a, b)))
        if index is None:
            return L, a, b
        scale = torch.ones_like(L).flatten()
        scale[index] = _largest_scale(*(plane.flatten()[index] for plane in (L, a, b))).to(scale.dtype)
        scale = scale.view(L.shape)
    return L, a * scale, b * scale


def _to_rgb_in_gamut(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    return tuple(encode(plane).clamp(0, 1) for plane in lab_to_linear(*_reduce(L, a, b)))


def _build_reduce() -> Kernel:
    to_linear = build_lab_to_linear()

    def kernel(source: Tensor, result: Tensor, scratch: Tensor) -> tuple[Tensor, Tensor] | None:
        linear = scratch[3:]
        to_linear(source, linear, scratch)
        index = _outside(linear, GAIN)
        result.copy_(source)
        return None if index is None else (index, pick(source, index))

    return kernel


def _build_to_rgb_in_gamut() -> Kernel:
    to_linear = build_lab_to_linear()

    def kernel(source: Tensor, result: Tensor, scratch: Tensor) -> tuple[Tensor, Tensor] | None:
        high, linear = scratch[:3], scratch[3:]
        to_linear(source, linear, scratch)
        index = _outside(linear, GAIN)
        # Taken before the result is written: it may be the same memory.
        leftover = None if index is None else (index, pick(source, index))
        encode_linear(linear, high, result)
        result.clamp_(0, 1)
        return leftover

    return kernel


def _reduce_pixels(lab: Tensor) -> Tensor:
    scale = _largest_scale(*lab)
    return torch.cat((lab[:1], lab[1:] * scale)).to(lab.dtype)


def _pixels_to_rgb(lab: Tensor) -> Tensor:
    return lab_to_rgb(_reduce_pixels(lab), dim=0, clip=True)


def _outside(linear: Tensor, white: float = 1.0) -> Tensor | None:
    """Return the flat indices of the pixels of ``linear`` [3,...] outside 0..``white``, or None."""
    # Mostly there are none, and one look at the whole tells. NaN fails both comparisons, here and below.
    least, most = torch.aminmax(linear)
    if bool(least >= -_DUST / SLOPE * white) and bool(most <= (1 + _DUST) * white):
        return None
    low, high = linear.amin(0), linear.amax(0)
    excess = torch.maximum(low.mul_(-SLOPE), high.sub_(white))
    index = _above(excess.flatten(), _DUST * white)
    return index if index.numel() else None


def _above(values: Tensor, least: float) -> Tensor:
    """Return where values [K] are above ``least``, which few runs of them hold."""
    whole = len(values) // _RUN * _RUN
    runs = values[:whole].view(-1, _RUN)
    # Not gt: NaN in a run must not hide the others in it.
    some = runs.amax(1).le(least).logical_not_().nonzero().squeeze(1)
    found = runs.index_select(0, some).gt(least).nonzero()
    index = some.index_select(0, found[:, 0]) * _RUN + found[:, 1]
    rest = values[whole:].gt(least).nonzero().squeeze(1) + whole
    return torch.cat((index, rest)) if rest.numel() else index


def _largest_scale(L: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the factor 0..1 [K] that brings each colour [K] into the gamut: 1 for those inside.

    In float64, except on devices that lack it: float32 leaves linear RGB uncertain by more than the dust
    that is allowed near black.
    """
    exact = torch.float32 if L.device.type == "mps" else torch.float64
    aim = _MARGIN if exact == torch.float64 else 10 * _MARGIN
    L, a, b = L.to(exact), a.to(exact), b.to(exact)
    columns = torch.tensor(RELATIVE_TO_RGB, dtype=exact, device=L.device).t()[:, :, None]
    fy = (L + 16) / 116
    y = expand(fy)
    slope = torch.stack((a / 500, b / -200))
    room_grey = torch.minimum(y, 1 - y)

    linear = _linear_at(torch.ones_like(L), fy, y, slope, columns)
    inside = (linear.amin(0) >= -_DUST / SLOPE) & (linear.amax(0) <= 1 + _DUST)
    # Where no grey of that lightness is in the gamut there is nothing to search: the factor is 0.
    scale = inside.to(exact)
    active = (~inside & (room_grey > 0)).nonzero().squeeze(1)
    if not active.numel():
        return scale
    room_first = _room(linear)
    fy, y, slope, room_grey, room_first = (
        x.index_select(-1, active) for x in (fy, y, slope, room_grey, room_first)
    )
    margin = (room_grey / 2).clamp_max(aim)
    # A bracket: `last` is the newest end, `other` the newest end on the other side of the surface.
    other, room_other = torch.zeros_like(margin), room_grey - margin
    last, room_last = torch.ones_like(margin), room_first - margin
    for rounds in _ROUNDS:
        for _ in range(rounds):
            middle = last - room_last * (last - other) / (room_last - room_other)
            room = _room(_linear_at(middle, fy, y, slope, columns)) - margin
            # 1 or 0, as lerp is many times faster than torch.where. An end that stays counts half, or the
            # bracket would shrink from one side only.
            crossed = (room_last * room).lt_(0)
            other.lerp_(last, crossed)
            room_other.mul_(0.5).lerp_(room_last, crossed)
            last, room_last = middle, room
        tolerance = margin / 2
        scale.index_copy_(0, active, other.lerp(last, (room_last + tolerance).ge_(0)))
        left = (room_last.abs() - tolerance).gt_(0).nonzero().squeeze(1)
        if not left.numel():
            break
        active, margin, fy, y, slope, other, room_other, last, room_last = (
            x.index_select(-1, left)
            for x in (active, margin, fy, y, slope, other, room_other, last, room_last)
        )
    return scale


def _linear_at(scale: Tensor, fy: Tensor, y: Tensor, slope: Tensor, columns: Tensor) -> Tensor:
    """Return linear RGB [3,K] of colours whose chroma is scaled."""
    f = torch.addcmul(fy, scale, slope)
    # The curve of `expand`, without the costly choice: see kernels.py.
    high = f.clamp_min(F_BREAK)
    f.sub_(high)
    relative = high.pow_(3).add_(f, alpha=1 / TANGENT)
    return (columns[1] * y).addcmul_(columns[0], relative[0]).addcmul_(columns[2], relative[1])


def _room(linear: Tensor) -> Tensor:
    """Return the distance of linear RGB [3,K] to the cube's nearest face, negative outside."""
    return torch.minimum(linear.amin(0), 1 - linear.amax(0))
