"""How a colour conversion runs over a tensor: any layout, in pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Channels in, channels out: each a tensor of one shape. Differentiable, no NaN gradient anywhere.
Formula = Callable[..., "tuple[Tensor, ...]"]
# Source [3,n,p], result [C,n,p], which may be the same memory, scratch [6,n,p]; all float32 on the CPU.
# It may return pixels that it leaves to a slower way: their flat indices [K] and colours [3,K].
Kernel = Callable[[Tensor, Tensor, Tensor], "tuple[Tensor, Tensor] | None"]
# The slower way: colours [3,K] float32 to results [C,K].
Repair = Callable[[Tensor], Tensor]

# Pixels a chunk, for each thread that PyTorch splits an operation among: source, result and scratch of the
# kernels then stay in the cache, and the threads meet seldom enough not to wait for each other.
_CPU_CHUNK = 65536
# More threads than this share one chunk's size: a larger one would leave the cache.
_MOST_THREADS = 8
# Scratch channels that a kernel gets.
_SCRATCH = 6
# On other devices a chunk only bounds the memory that intermediate results take.
_DEVICE_CHUNK = 1 << 22

_Tile = tuple[slice, slice]


def convert(
    formula: Formula,
    inputs: tuple[Tensor, ...],
    *,
    names: tuple[str, ...],
    dim: int,
    channels: int,
    out: Tensor | None = None,
    build_kernel: Callable[[], Kernel] | None = None,
    repair: Repair | None = None,
) -> Tensor:
    """Apply ``formula`` to the channels of ``inputs``, which broadcast; the result has ``channels``.

    Channels lie on axis ``dim``. float32 and float64 are computed as they are, bfloat16 and float16 in
    float32; the result has the inputs' type. ``out`` is written and returned when given; it may be an
    input. ``build_kernel`` makes a faster way for what is computed in float32 on the CPU; ``repair`` sees
    to the pixels that it leaves.
    Where a gradient is needed the formula runs on whole tensors.
    Raises ValueError for a wrong channel count, type or device, and for an ``out`` that does not fit.
    """
    axis = _check_inputs(inputs, names, dim)
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
    kernel = None
    if build_kernel is not None and device.type == "cpu" and working == torch.float32:
        kernel = build_kernel()

    def run(tiles: list[_Tile], largest: int) -> None:
        if kernel is None:
            _run_formula(formula, sources, target, working, tiles)
        else:
            _run_kernel(kernel, repair, sources[0], target, tiles, largest)

    tiles, largest = _tiles(target)
    with torch.no_grad():
        run(tiles, largest)
    if indirect:
        result.copy_(target.view(*shape[:axis], channels, *shape[axis + 1 :]))
    return result


def _tiles(target: Tensor) -> tuple[list[_Tile], int]:
    """Return the chunks of planes [N,C,P], and how many pixels the largest has."""
    batch, _, pixels = target.shape
    if target.device.type == "cpu":
        limit = _CPU_CHUNK * min(torch.get_num_threads(), _MOST_THREADS)
    else:
        limit = _DEVICE_CHUNK
    width = min(pixels, limit)
    height = min(batch, max(1, limit // pixels))
    tiles = [
        (slice(n, n + height), slice(p, p + width))
        for n in range(0, batch, height)
        for p in range(0, pixels, width)
    ]
    return tiles, width * height


def _run_formula(
    formula: Formula, sources: list[Tensor], target: Tensor, working: torch.dtype, tiles: list[_Tile]
) -> None:
    """Apply ``formula`` to chunks of planes [N,C,P]."""
    for n, p in tiles:
        planes = [plane for x in sources for plane in x[n, :, p].to(working).unbind(1)]
        # Every result exists before the first is written: the target may be a source.
        for plane, values in zip(target[n, :, p].unbind(1), formula(*planes), strict=True):
            plane.copy_(values)


def _run_kernel(
    kernel: Kernel, repair: Repair | None, source: Tensor, target: Tensor, tiles: list[_Tile], largest: int
) -> None:
    """Apply ``kernel`` to chunks of planes [N,C,P], ``repair`` to what it leaves, many pixels at a time."""
    rows_needed = _SCRATCH + 3 + target.shape[1]
    scratch = torch.empty((rows_needed, largest), dtype=torch.float32, device="cpu")
    left: list[tuple[Tensor, Tensor, Tensor]] = []
    waiting = 0
    for n, p in tiles:
        given, piece = source[n, :, p].movedim(1, 0), target[n, :, p].movedim(1, 0)
        rows = scratch[:, : piece.shape[1] * piece.shape[2]].view(-1, *piece.shape[1:])
        # What a kernel cannot read or write at speed goes through scratch.
        if not _is_plain(given):
            given = rows[_SCRATCH : _SCRATCH + 3].copy_(given)
        result = piece if _is_plain(piece) else rows[_SCRATCH + 3 :]
        leftover = kernel(given, result, rows[:_SCRATCH])
        if result is not piece:
            piece.copy_(result)
        if leftover is not None:
            left.append((piece, *leftover))
            waiting += leftover[0].numel()
        if repair is not None and waiting >= largest:
            _repair(repair, left, largest)
            waiting = 0
    if repair is not None and left:
        _repair(repair, left, largest)


def _repair(repair: Repair, left: list[tuple[Tensor, Tensor, Tensor]], largest: int) -> None:
    """Replace the pixels that kernels left, each (chunk, indices, colours), and empty the list."""
    given = torch.cat([colours for _, _, colours in left], dim=1)
    parts = -(-given.shape[1] // largest)
    values = torch.cat([repair(part) for part in given.chunk(parts, dim=1)], dim=1)
    sizes = [index.numel() for _, index, _ in left]
    for (piece, index, _), part in zip(left, values.split(sizes, dim=1), strict=True):
        part = part.to(piece.dtype)
        if piece.shape[1] == 1:
            piece[:, 0].index_copy_(1, index, part)
        else:
            piece[:, index // piece.shape[2], index % piece.shape[2]] = part
    left.clear()


def pick(planes: Tensor, index: Tensor) -> Tensor:
    """Return a copy of the colours [C,K] at flat indices of planes [C,n,p]."""
    # Both ways give the same; most chunks are one run of pixels, and indexing on two axes is slow.
    if planes.shape[1] == 1:
        return planes[:, 0].index_select(1, index)
    return planes[:, index // planes.shape[2], index % planes.shape[2]]


def _is_plain(planes: Tensor) -> bool:
    """Tell whether a chunk [C,n,p] is float32 with its pixels side by side."""
    return planes.dtype == torch.float32 and planes.shape[2] > 1 and planes.stride(2) == 1


def _check_inputs(inputs: tuple[Tensor, ...], names: tuple[str, ...], dim: int) -> int:
    """Return the channel axis of the broadcast shape, counted from the front; raise ValueError otherwise."""
    ndim = max(x.ndim for x in inputs)
    for x, name in zip(inputs, names, strict=True):
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"{name} must have a channel axis {dim}, got shape {list(x.shape)}: pass dim=")
        if x.shape[dim] != 3:
            raise ValueError(
                f"{name} must have 3 channels on axis {dim}, got shape {list(x.shape)}: pass dim="
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
