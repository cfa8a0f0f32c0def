"""The conversions in float32 on the CPU: in place, on a chunk that stays in the cache.

Two things make them fast. Powers are exp2(e · log2 x), several times cheaper than pow. And a curve of two
branches is written without a choice: with h = max(x, break), branch(h) + slope · (x - h) is the curve above
the break and the line below it, since h stops at the break. NaN passes through every step.

A kernel takes a source [3,n,p], a result [C,n,p], which may be the same memory, and scratch [6,n,p].
The functions here build one: they make its constants once a call, not once a chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import Kernel
from .formulas import (
    EXPONENT,
    F_BREAK,
    LINEAR_BREAK,
    OFFSET,
    RELATIVE_TO_RGB,
    RGB_BREAK,
    RGB_TO_RELATIVE,
    SLOPE,
    T_BREAK,
    TANGENT,
    Matrix,
)

# Decoding leaves out this factor and the matrix after it puts it in; encoding expects it from the matrix.
GAIN = (1 + OFFSET) ** EXPONENT


def build_rgb_to_lab() -> Kernel:
    """Return the kernel from sRGB to Lab."""
    matrix = _columns(RGB_TO_RELATIVE, 1 / GAIN)
    shift = _constant(-16.0)
    ab_scale = _constant([500.0, 200.0]).view(2, 1, 1)

    def kernel(source: Tensor, result: Tensor, scratch: Tensor) -> None:
        high, low = scratch[:3], scratch[3:]
        _decode(source, high, low)
        _mix(matrix, high, low)
        _compress(low, high)
        torch.add(shift, high[1], alpha=116, out=result[0])
        torch.sub(high[:2], high[1:], out=result[1:]).mul_(ab_scale)

    return kernel


def build_rgb_to_lightness() -> Kernel:
    """Return the kernel from sRGB to the L of Lab."""
    matrix = _columns(RGB_TO_RELATIVE[1:2], 1 / GAIN)
    grey = sum(RGB_TO_RELATIVE[1]) / GAIN
    shift = _constant(-16.0)

    def kernel(source: Tensor, result: Tensor, scratch: Tensor) -> None:
        high, low = scratch[:3], scratch[3:]
        # Black-and-white pictures are what comes most.
        if torch.equal(source[0], source[1]) and torch.equal(source[0], source[2]):
            _decode(source[:1], high[:1], low[:1])
            torch.mul(high[:1], grey, out=low[:1])
        else:
            _decode(source, high, low)
            _mix(matrix, high, low[:1])
        _compress(low[:1], high[:1])
        torch.add(shift, high[:1], alpha=116, out=result)

    return kernel


def build_lab_to_rgb() -> Kernel:
    """Return the kernel from Lab to sRGB, unclipped."""
    to_linear = build_lab_to_linear()

    def kernel(source: Tensor, result: Tensor, scratch: Tensor) -> None:
        high, low = scratch[:3], scratch[3:]
        to_linear(source, low, scratch)
        encode_linear(low, high, result)

    return kernel


def build_lab_to_linear() -> Kernel:
    """Return the kernel from Lab to linear RGB times GAIN, unclipped; the result may be scratch[3:]."""
    matrix = _columns(RELATIVE_TO_RGB, GAIN)
    shift = _constant(16 / 116)
    ab_scale = _constant([1 / 500, -1 / 200]).view(2, 1, 1)

    def kernel(source: Tensor, result: Tensor, scratch: Tensor) -> None:
        high, low = scratch[:3], scratch[3:]
        torch.add(shift, source[:1], alpha=1 / 116, out=low[1:2])
        torch.addcmul(low[1:2], ab_scale, source[1:], out=low[::2])
        # The curve the other way: a cube above the break.
        torch.clamp_min(low, F_BREAK, out=high)
        low.sub_(high)
        high.pow_(3).add_(low, alpha=1 / TANGENT)
        _mix(matrix, high, result)

    return kernel


def encode_linear(linear: Tensor, high: Tensor, result: Tensor) -> None:
    """Write sRGB to ``result``, of ``linear`` RGB times GAIN, which is lost; ``high``: 3 scratch channels."""
    torch.clamp_min(linear, LINEAR_BREAK * GAIN, out=high)
    linear.sub_(high)
    high.log2_().mul_(1 / EXPONENT).exp2_().sub_(OFFSET)
    torch.add(high, linear, alpha=SLOPE / GAIN, out=result)


def _decode(source: Tensor, high: Tensor, low: Tensor) -> None:
    """Leave linear RGB times GAIN in ``high``."""
    torch.clamp_min(source, RGB_BREAK, out=high)
    torch.sub(source, high, out=low)
    high.add_(OFFSET).log2_().mul_(EXPONENT).exp2_()
    high.add_(low, alpha=GAIN / SLOPE)


def _compress(t: Tensor, high: Tensor) -> None:
    """Leave Lab's curve of ``t`` in ``high``; ``t`` is lost."""
    torch.clamp_min(t, T_BREAK, out=high)
    t.sub_(high)
    high.log2_().mul_(1 / 3).exp2_().add_(t, alpha=TANGENT)


def _constant(values: float | list[float] | list[list[float]]) -> Tensor:
    """Return a float32 tensor on the CPU, whatever type and device the caller has made the default."""
    return torch.tensor(values, dtype=torch.float32, device="cpu")


def _columns(matrix: Matrix, factor: float) -> Tensor:
    """Return the columns [3,rows,1,1] of a matrix times ``factor``, to broadcast over planes."""
    return _constant([[v * factor for v in row] for row in matrix]).t()[:, :, None, None].contiguous()


def _mix(columns: Tensor, planes: Tensor, result: Tensor) -> None:
    """Multiply a matrix by three planes; not a matmul, which may round to bfloat16."""
    torch.mul(columns[0], planes[:1], out=result)
    result.addcmul_(columns[1], planes[1:2]).addcmul_(columns[2], planes[2:])
