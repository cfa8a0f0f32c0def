"""Convolutions in float32 on a processor, faster than PyTorch's own there: 1x1, and 3x3 by Winograd's way.

Paper: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016 (arXiv:1509.09308),
section 4: F(4x4, 3x3), a quarter of the multiplications. Its points are 0, 1, -1, 1/2, -2 and infinity here:
with the paper's 2 in place of 1/2, three times as much is lost to rounding (Barabasz et al., "Error Analysis
and Improving the Accuracy of Winograd Convolution for DNNs", ACM TOMS 2020, choose points by that).
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

#: Side of what one tile gives, and of what it needs for that.
_GIVES, _NEEDS = 4, 6
# To what is multiplied, of one axis: a tile of the input, by rows, and a kernel; from there to the output.
_INPUT = (
    (1, -1.5, -2, 1.5, 1, 0),
    (0, -1, 0.5, 2.5, 1, 0),
    (0, 1, -2.5, 0.5, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 0.5, -1, -0.5, 1, 0),
    (0, 1, -1.5, -2, 1.5, 1),
)
_KERNEL = (
    (1, 0, 0),
    (1 / 3, 1 / 3, 1 / 3),
    (-1 / 3, 1 / 3, -1 / 3),
    (-16 / 15, -8 / 15, -4 / 15),
    (1 / 15, -2 / 15, 4 / 15),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 0.5, -2, 0),
    (0, 1, 1, 0.25, 4, 0),
    (0, 1, -1, 0.125, -8, 1),
)


def _both_axes(rows: tuple[tuple[float, ...], ...]) -> Tensor:
    """Return the matrix that does to a flattened square what ``rows`` does to each of its axes."""
    one = torch.tensor(rows, dtype=torch.float64, device="cpu")
    return torch.kron(one, one).float()


_INPUT_2D, _KERNEL_2D, _OUTPUT_2D = (_both_axes(rows) for rows in (_INPUT, _KERNEL, _OUTPUT))
# Tiles at once: few enough to stay in the processor's cache, enough for products at full speed.
_TILES_AT_ONCE = 512
# On one thread PyTorch leaves convolutions 1x1 to oneDNN from this many pictures on.
_PICTURES = 16


@cache
def has_bfloat16() -> bool:
    """Return whether this machine's processor computes in bfloat16 by itself; to imitate it is slow."""
    told = getattr(torch.cpu, "get_capabilities", None)
    if told is None:  # an older PyTorch
        return torch.backends.cpu.get_cpu_capability() == "AVX512"
    return bool(told().get("avx512_bf16"))


def multiply_rows(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``linear(rows, weight, bias)``, rows [N,C], float32: a third faster where 16 divides N.

    A convolution 1x1 is the same product, and oneDNN, which does those, is faster than MKL, which does these.
    """
    count, c_in = rows.shape
    if count % _PICTURES:
        return F.linear(rows, weight, bias)
    pictures = rows.view(_PICTURES, count // _PICTURES, 1, c_in).permute(0, 3, 1, 2)
    return F.conv2d(pictures, weight[:, :, None, None], bias).permute(0, 2, 3, 1).reshape(count, -1)


def winograd_kernels(weight: Tensor) -> Tensor:
    """Return what ``winograd_conv3`` multiplies by: of a weight [K,C,3,3], float32 [36,K,C]."""
    flat = weight.float().permute(2, 3, 0, 1).reshape(9, -1)
    return (_KERNEL_2D @ flat).view(-1, *weight.shape[:2])


def winograd_conv3(x: Tensor, kernels: Tensor, bias: Tensor, *, rectify: bool = False) -> Tensor:
    """Return ``conv2d(x, weight, bias, padding=1)`` in memory format channels_last.

    ``x``: [B,C,H,W] in main memory, any floating type; the sums are in float32, about as exact as the direct
    ones. ``kernels``: of the weight [K,C,3,3], by ``winograd_kernels``. ``bias``: [K]. ``rectify``: cut off
    what is negative as well.
    """
    batch, c_in, height, width = x.shape
    c_out = kernels.shape[1]
    down, across = -(-height // _GIVES), -(-width // _GIVES)
    offset = bias.float()
    out = x.new_empty(batch, _GIVES * down, _GIVES * across, c_out)
    pixels = x.permute(0, 2, 3, 1)
    step = _rows_at_once(down, across)
    # Of small pictures several together, or the products would be too short.
    together = min(batch, max(1, _TILES_AT_ONCE // (down * across))) if step == down else 1
    # Fresh memory costs as much as what is done in it: two pieces serve for everything.
    most = _NEEDS**2 * together * step * across * max(c_in, c_out)
    here, there = torch.empty(most), torch.empty(most)
    band = torch.zeros(together, _GIVES * step + 2, _GIVES * across + 2, c_in)
    for n in range(0, batch, together):
        some = min(together, batch - n)
        for first in range(0, down, step):
            rows, top = min(step, down - first), _GIVES * first
            low, high = max(top - 1, 0), min(top + _GIVES * rows + 1, height)
            band[:, : low - top + 1] = 0
            band[:some, low - top + 1 : high - top + 1, 1 : width + 1] = pixels[n : n + some, low:high]
            band[:, high - top + 1 :] = 0
            count = some * rows * across
            tiles = _part(here, _NEEDS, _NEEDS, some, rows, across, c_in)
            tiles.copy_(_overlapping(band, some, rows, across))
            spread = _part(there, _NEEDS**2, count * c_in)
            torch.mm(_INPUT_2D, tiles.view(_NEEDS**2, -1), out=spread)
            product = _part(here, _NEEDS**2, count, c_out)
            for one, kernel, place in zip(spread.view(-1, count, c_in), kernels, product, strict=True):
                place.copy_(multiply_rows(one, kernel))
            found = _part(there, _GIVES**2, count * c_out)
            torch.mm(_OUTPUT_2D, product.view(_NEEDS**2, -1), out=found)
            found = found.view(-1, c_out).add_(offset)
            if rectify:
                found.relu_()
            place = out[n : n + some, top : top + _GIVES * rows]
            place = place.view(some, rows, _GIVES, across, _GIVES, c_out)
            found = found.view(_GIVES, _GIVES, some, rows, across, c_out)
            place.copy_(found.permute(2, 3, 0, 4, 1, 5))
    return out.permute(0, 3, 1, 2)[:, :, :height, :width]


def _rows_at_once(down: int, across: int) -> int:
    """Return how many rows of tiles to take: of a number that 16 divides, where there are so many."""
    step = min(down, max(1, _TILES_AT_ONCE // across))
    return step - step % (_PICTURES // math.gcd(_PICTURES, across)) or step


def _overlapping(band: Tensor, some: int, rows: int, across: int) -> Tensor:
    """Return the first ``some`` of ``band`` [P,4*rows+2,4*across+2,C] as tiles [6,6,P,rows,across,C]."""
    picture, line, channels = band.stride(0), band.stride(1), band.shape[3]
    return band.as_strided(
        (_NEEDS, _NEEDS, some, rows, across, channels),
        (line, channels, picture, _GIVES * line, _GIVES * channels, 1),
    )


def _part(memory: Tensor, *shape: int) -> Tensor:
    """Return the beginning of ``memory`` as a tensor of that shape."""
    return memory[: math.prod(shape)].view(shape)
