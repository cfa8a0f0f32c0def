"""Dense correspondence: for every position of a picture, what lies at the like positions of a reference.

Exact over all reference positions, in tiles: the weights of a row are summed against its greatest cosine so
far (M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", 2018). The warp is that of
B. Zhang et al., "Deep Exemplar-based Video Colorization", CVPR 2019; the way back that of M. He et al.,
"Deep Exemplar-based Colorization", SIGGRAPH 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Queries and references a tile. On the CPU a tile stays in the cache while it is worked on; elsewhere it only
# bounds the memory.
_CPU_TILE = (1024, 1024)
_DEVICE_TILE = (4096, 2048)
# Lengths of unit features that rounding to bfloat16 may leave.
_LONGEST = 1.01
# Positions of a tile's side among which a best one is looked for at once.
_GROUP = 64
# Features checked at a time.
_CHECKED = 4096
# Powers of two below this weigh nothing beside 1, and denormal numbers are slow.
_LEAST_POWER = -126.0
_TEMPERATURES = (1e-6, 1e6)


@dataclass(frozen=True)
class Matches:
    """What N queries find among M reference positions.

    ``values``: [N,V], the references' values weighted by softmax(cosine / temperature) over all M.
    ``similarity``: [N], the greatest cosine, -1..1. ``index``: [N] int64, the position that has it, the
    lowest of equals. ``back_index``: [M] int64, each reference position's best query, and
    ``back_similarity``: [M], its cosine; both None where only one way was asked for. Floats are float32, or
    float64 from float64.
    """

    values: Tensor
    similarity: Tensor
    index: Tensor
    back_index: Tensor | None = None
    back_similarity: Tensor | None = None


def normalise(features: Tensor) -> Tensor:
    """Scale features [N,C] to unit length, float32 (float64 from float64); zeros stay zeros."""
    features = features.to(_working(features))
    return features / torch.linalg.vector_norm(features, dim=1, keepdim=True).clamp_(min=1e-12)


@torch.no_grad()
def match(
    query: Tensor,
    reference: Tensor,
    values: Tensor,
    *,
    temperature: float,
    both_ways: bool = True,
    tile: tuple[int, int] | None = None,
) -> Matches:
    """Find ``query`` [N,C] in ``reference`` [M,C], features of unit length, and fetch ``values`` [M,V].

    Any floating type and device; half types are multiplied and summed in float32. ``temperature``: of the
    softmax over cosines, 0 for the best position's value. ``both_ways``: find each reference's best query
    too. ``tile``: queries and references multiplied at a time. No gradients.
    Raises ValueError for shapes, types or devices that do not fit each other, features longer than 1, NaN or
    infinity, and a temperature or tile out of range.
    """
    _check(query, reference, values, temperature)
    if tile is not None and min(tile) < 1:
        raise ValueError(f"tile must be at least 1 query by 1 reference, got {tile}: leave it out")
    working, device = _working(query), query.device
    rows, columns = tile or (_CPU_TILE if device.type == "cpu" else _DEVICE_TILE)
    rows, columns = min(rows, len(query)), min(columns, len(reference))
    # Cosines come out of the product in powers of two: exp2 then takes them as they are.
    scale = math.log2(math.e) / (temperature or 1.0)
    # The last row sums the weights.
    fetched = torch.ones((values.shape[1] + 1, len(values)), dtype=working, device=device)
    fetched[:-1] = values.T
    result = torch.empty((len(query), values.shape[1]), dtype=working, device=device)
    best = _Best(len(query), working, device)
    back = _Best(len(reference), working, device) if both_ways else None
    memory = torch.empty(rows * columns, dtype=working, device=device)
    scaled = torch.empty((rows, query.shape[1]), dtype=working, device=device)
    for i in range(0, len(query), rows):
        block = query[i : i + rows]
        block = torch.mul(block.to(working), scale, out=scaled[: len(block)])
        sums = torch.zeros((len(fetched), len(block)), dtype=working, device=device)
        for j in range(0, len(reference), columns):
            part = reference[j : j + columns].to(working)
            powers = memory[: len(block) * len(part)].view(len(block), len(part))
            torch.mm(block, part.T, out=powers)
            before = best.power[i : i + rows].clone()
            best.update(powers, i, j, dim=1)
            if back is not None:
                back.update(powers, j, i, dim=0)
            if temperature:
                greatest = best.power[i : i + rows]
                powers.sub_(greatest[:, None]).clamp_(min=_LEAST_POWER).exp2_()
                sums.mul_(before.sub_(greatest).exp2_()).addmm_(fetched[:, j : j + columns], powers.T)
        if temperature:
            torch.div(sums[:-1].T, sums[-1][:, None], out=result[i : i + rows])
    if not temperature:
        result.copy_(values[best.index])
    similarity = best.power.div_(scale).clamp_(-1, 1)
    if back is None:
        return Matches(result, similarity, best.index)
    return Matches(result, similarity, best.index, back.index, back.power.div_(scale).clamp_(-1, 1))


def cycle_distance(index: Tensor, back_index: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return how far from itself each query comes by going to its best reference and back: float32 [N].

    ``index``: [N], ``back_index``: [M], of ``Matches``. ``shape``: height and width of the grid that the N
    queries lie on, row by row; distances are in its positions. 0 is a match that both sides agree on.
    He 2018 weighs a match by its way there and back. Raises ValueError where the grid has not N positions.
    """
    height, width = shape
    if len(index) != height * width:
        raise ValueError(
            f"the grid must have as many positions as there are queries, {len(index)}, got {height} x "
            f"{width}: give the height and width of the query's features"
        )
    start = torch.arange(len(index), device=index.device)
    end = back_index[index]
    down = torch.div(end, width, rounding_mode="floor") - torch.div(start, width, rounding_mode="floor")
    right = end % width - start % width
    return torch.hypot(down.float(), right.float())


class _Best:
    """The greatest power so far and where it was, for each of ``count`` positions."""

    def __init__(self, count: int, dtype: torch.dtype, device: torch.device) -> None:
        self.power = torch.full((count,), -math.inf, dtype=dtype, device=device)
        self.index = torch.zeros(count, dtype=torch.int64, device=device)

    def update(self, powers: Tensor, start: int, offset: int, dim: int) -> None:
        """Take in a tile, whose first position is ``start``, its others, on axis ``dim``, from ``offset``."""
        others = powers.shape[dim]
        group = _GROUP if others % _GROUP == 0 else others
        grouped = powers.unflatten(dim, (-1, group))
        peaks = grouped.amax(dim + 1)
        greatest = peaks.amax(dim)
        here = slice(start, start + len(greatest))
        # Finding where is slow, so only for those that got better, fewer with every tile, and in one group.
        better = (greatest > self.power[here]).nonzero()[:, 0]
        if len(better):
            which = peaks.index_select(1 - dim, better).argmax(dim)
            candidates = grouped.movedim(dim + 1, 2)[(which, better) if dim == 0 else (better, which)]
            where = candidates.argmax(1).add_(which, alpha=group)
            self.index[here].index_copy_(0, better, where.add_(offset))
            torch.maximum(self.power[here], greatest, out=self.power[here])


def _working(features: Tensor) -> torch.dtype:
    return torch.float64 if features.dtype == torch.float64 else torch.float32


def _check(query: Tensor, reference: Tensor, values: Tensor, temperature: float) -> None:
    """Raise ValueError for arguments of ``match`` that do not fit."""
    for name, tensor in (("query", query), ("reference", reference), ("values", values)):
        if tensor.ndim != 2 or 0 in tensor.shape or not tensor.is_floating_point():
            raise ValueError(
                f"{name} must be a floating-point tensor of positions by channels with neither empty, got "
                f"{tensor.dtype} {list(tensor.shape)}: flatten the picture's grid to rows"
            )
        if tensor.device != query.device:
            raise ValueError(
                f"{name} must be where the query is, on {query.device}, got {tensor.device}: move it there"
            )
    if reference.shape[1] != query.shape[1] or reference.dtype != query.dtype:
        raise ValueError(
            f"reference must have the query's {query.shape[1]} channels and type {query.dtype}, got "
            f"{reference.shape[1]} and {reference.dtype}: take both from the same network"
        )
    if len(values) != len(reference):
        raise ValueError(
            f"values must have a row for each of the {len(reference)} reference positions, got "
            f"{len(values)}: bring them to the size of the reference's features"
        )
    least, most = _TEMPERATURES
    if temperature and not least <= temperature <= most:
        raise ValueError(f"temperature must be 0, or {least:g} to {most:g}, got {temperature}")
    for name, features in (("query", query), ("reference", reference)):
        longest = torch.stack([_longest(part) for part in features.split(_CHECKED)]).amax().item()
        if not math.isfinite(longest):
            raise ValueError(f"{name} holds NaN or infinite values: repair the picture or the network first")
        if longest > _LONGEST:
            raise ValueError(
                f"{name} must hold features of unit length, got one of {longest:.4g}: pass them to normalise"
            )
    if not bool(torch.isfinite(values).all()):
        raise ValueError("values holds NaN or infinite values: repair the reference picture first")


def _longest(features: Tensor) -> Tensor:
    return torch.linalg.vector_norm(features, dim=1, dtype=_working(features)).amax()
