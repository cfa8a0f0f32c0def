"""How a colour conversion runs over a tensor: any layout, in pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Channels in, channels out: each a tensor of one shape. Differentiable, no NaN gradient anywhere.
Formula = Callable[..., "tuple[Tensor, ...]"]
# (source [C,n,p] float32, result [C',n,p] float32, scratch rows [R,n,p]) -> whether the result was written.
# False means that the values lie outside the kernel's domain; nothing has been written then.
Kernel = Callable[[Tensor, Tensor, Tensor], bool]

# Pixels a chunk and thread: source, result and scratch of the kernels then fit the second-level cache.
_CPU_CHUNK = 16384
# Elsewhere a chunk only bounds the memory that intermediate results take.
_DEVICE_CHUNK = 1 << 22


def convert(
    formula: Formula,
    inputs: tuple[Tensor, ...],
    *,
    names: tuple[str, ...],
    dim: int,
    channels: int,
    out: Tensor | None = None,
    kernel: Kernel | None = None,
    rows: int = 0,
    input_channels: int = 3,
) -> Tensor:
    """Apply ``formula`` to the channels of ``inputs``, which broadcast; the result has ``channels``.

    Channels lie on axis ``dim``. float32 and float64 are computed as they are, bfloat16 and float16 in
    float32; the result has the inputs' type. ``kernel`` is a faster way for float32 on the CPU, with
    ``rows`` scratch channels. ``out`` is written and returned when given; it may be an input.
    Where a gradient is needed the formula runs on whole tensors.
    Raises ValueError for a wrong channel count, type or device, and for an ``out`` that does not fit.
    """
    axis = _check_inputs(inputs, names, dim, input_channels)
    inputs = tuple(torch.broadcast_tensors(*inputs))
    first = inputs[0]
    shape = list(first.shape)
    shape[axis] = channels
    dtype, device = first.dtype, first.device
    working = dtype if dtype in (torch.float32, torch.float64) else torch.float32

    graph = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
    if out is not None:
        _check_out(out, shape, dtype, device, graph)
    if graph or torch.compiler.is_compiling():
        planes = [plane for x in inputs for plane in x.to(working).unbind(axis)]
        result = torch.stack(formula(*planes), axis).to(dtype)
        return result if out is None else out.copy_(result)

    result = out if out is not None else torch.empty(shape, dtype=dtype, device=device)
    if result.numel() == 0 or first.numel() == 0:
        return result
    sources = [_as_planes(x, axis) for x in inputs]
    # An `out` of a layout that cannot be seen as planes gets its values in one copy at the end.
    target = _planes_view(result, axis)
    indirect = target is None
    if target is None:
        target = torch.empty((sources[0].shape[0], channels, sources[0].shape[2]), dtype=dtype, device=device)
    fast = kernel if device.type == "cpu" and working == torch.float32 and len(sources) == 1 else None
    _run(formula, sources, target, working, fast, rows)
    if indirect:
        result.copy_(target.view(*shape[:axis], channels, *shape[axis + 1 :]))
    return result


def _run(
    formula: Formula,
    sources: list[Tensor],
    target: Tensor,
    working: torch.dtype,
    kernel: Kernel | None,
    rows: int,
) -> None:
    """Walk over the planes [N,C,P] chunk by chunk."""
    batch, channels, pixels = target.shape
    on_cpu = target.device.type == "cpu"
    chunk = _CPU_CHUNK * torch.get_num_threads() if on_cpu else _DEVICE_CHUNK
    width = min(pixels, chunk)
    height = min(batch, max(1, chunk // pixels))
    cast = target.dtype != working
    scratch = None
    if kernel is not None:
        extra = sources[0].shape[1] + channels if cast else 0
        scratch = torch.empty((rows + extra, height * width), dtype=working)
    for n in range(0, batch, height):
        for p in range(0, pixels, width):
            pieces = [x[n : n + height, :, p : p + width].movedim(1, 0) for x in sources]
            piece = target[n : n + height, :, p : p + width].movedim(1, 0)
            if kernel is not None and scratch is not None:
                size = piece.shape[1] * piece.shape[2]
                free = scratch[:, :size].view(-1, *piece.shape[1:])
                source, result = pieces[0], piece
                if cast:
                    source = free[rows : rows + source.shape[0]].copy_(source)
                    result = free[rows + source.shape[0] :]
                if kernel(source, result, free[:rows]):
                    if cast:
                        piece.copy_(result)
                    continue
            planes = [plane for x in pieces for plane in x.to(working).unbind(0)]
            # Every result exists before the first is written: the target may be a source.
            for plane, values in zip(piece.unbind(0), formula(*planes), strict=True):
                plane.copy_(values)


def _check_inputs(inputs: tuple[Tensor, ...], names: tuple[str, ...], dim: int, channels: int) -> int:
    """Return the channel axis of the broadcast shape, counted from the front; raise ValueError otherwise."""
    ndim = max(x.ndim for x in inputs)
    for x, name in zip(inputs, names, strict=True):
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"{name} must have a channel axis {dim}, got shape {list(x.shape)}: pass dim=")
        if x.shape[dim] != channels:
            raise ValueError(
                f"{name} must have {channels} channels on axis {dim}, got shape {list(x.shape)}: pass dim="
            )
        if not x.is_floating_point():
            raise ValueError(f"{name} must be a floating-point tensor, got {x.dtype}: convert it first")
        if x.dtype != inputs[0].dtype or x.device != inputs[0].device:
            raise ValueError(
                f"{' and '.join(names)} must share type and device, got {inputs[0].dtype} on "
                f"{inputs[0].device} and {x.dtype} on {x.device}"
            )
        if dim >= 0 and x.ndim != ndim:
            raise ValueError(f"{' and '.join(names)} differ in rank: pass a negative dim")
    return dim if dim >= 0 else ndim + dim


def _check_out(out: Tensor, shape: list[int], dtype: torch.dtype, device: torch.device, graph: bool) -> None:
    """Raise ValueError unless ``out`` can take the result."""
    if graph or (torch.is_grad_enabled() and out.requires_grad):
        raise ValueError("out= cannot be used where a gradient is needed: drop it, or use torch.no_grad()")
    if list(out.shape) != shape or out.dtype != dtype or out.device != device:
        raise ValueError(
            f"out must be {shape} {dtype} on {device}, got {list(out.shape)} {out.dtype} on {out.device}"
        )


def _as_planes(x: Tensor, axis: int) -> Tensor:
    """Return ``x`` as [N,C,P]: a view where the strides allow it."""
    batch = 1
    for side in x.shape[:axis]:
        batch *= side
    return x.reshape(batch, x.shape[axis], -1)


def _planes_view(x: Tensor, axis: int) -> Tensor | None:
    """Return ``x`` as a view [N,C,P], or None where its strides do not allow one."""
    planes = _as_planes(x, axis)
    return planes if planes.data_ptr() == x.data_ptr() else None
