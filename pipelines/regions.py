"""What is still open in a distribution of colours: the region that would gain most from a decision."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color.ab_bins import ab_bins

#: Regions are looked for on a grid of at most so many cells along the longer side.
_CELLS = 28
#: Two places belong together as far as their distributions agree (a power of the Bhattacharyya coefficient),
#: their lightness is alike (sigma in L) and they are near (sigma as a share of the longer side).
_AGREE, _LIGHTNESS_SIGMA, _NEAR = 4.0, 12.0, 0.25


@dataclass(frozen=True)
class Cells:
    """A picture's colours on a coarse grid of n = height * width cells.

    ``probability``: [n,313]; ``lightness``: [n] 0..100; ``place``: [n,2], y and x as shares of the picture's
    longer side.
    """

    probability: Tensor
    lightness: Tensor
    place: Tensor
    height: int
    width: int


@dataclass(frozen=True)
class Region:
    """A cell that stands for a region, and the region's colours.

    ``row``, ``column``, ``place``: the cell, and its centre [2]. ``belonging``: [n] 0..1, how far each cell
    belongs to the region. ``probability``, ``lightness``: [313] and 0..100, the means of its cells.
    ``openness``: its share of the picture times the variance of its colours, in CIE units squared.
    """

    row: int
    column: int
    place: Tensor
    belonging: Tensor
    probability: Tensor
    lightness: float
    openness: float


def cells_of(probability: Tensor, L: Tensor) -> Cells:
    """Gather a distribution [313,h,w] and the lightness [h,w] behind it on the coarse grid."""
    height, width = probability.shape[1:]
    factor = -(-max(height, width) // _CELLS)
    size = (-(-height // factor), -(-width // factor))
    coarse = F.adaptive_avg_pool2d(probability, size).flatten(1).T
    lightness = F.adaptive_avg_pool2d(L[None], size).flatten()
    return Cells(coarse, lightness, places(size, L), *size)


def places(size: tuple[int, int], L: Tensor) -> Tensor:
    """Return the centres of a grid's cells over L [h,w]: [n,2], y and x as shares of the longer side of L."""
    y, x = (
        (torch.arange(cells, device=L.device) + 0.5) / cells * (side / max(L.shape))
        for cells, side in zip(size, L.shape, strict=True)
    )
    return torch.cartesian_prod(y, x)


def most_open_region(cells: Cells, settled: Tensor) -> Region:
    """Return the region that is least sure of its colour and largest; ``settled``: [n or 1], 1 leaves out."""
    bins = ab_bins(device=cells.probability.device)
    mean = cells.probability @ bins
    spread = (cells.probability @ bins.square().sum(1) - mean.square().sum(1)).clamp(min=0)
    root = cells.probability.sqrt()
    likeness = _likeness(
        root @ root.T,
        cells.lightness[:, None] - cells.lightness,
        torch.cdist(cells.place, cells.place),
    )
    unsettled = 1 - settled
    openness = likeness @ (spread * unsettled) * unsettled / len(spread)
    chosen = int(openness.argmax())
    belonging = likeness[chosen]
    share = belonging / belonging.sum()
    return Region(
        *divmod(chosen, cells.width),
        cells.place[chosen],
        belonging,
        share @ cells.probability,
        float(share @ cells.lightness),
        float(openness[chosen]),
    )


def belonging_at(region: Region, probability: Tensor, L: Tensor) -> Tensor:
    """Return how far each place of the full grid belongs to a region: [313,h,w] and [h,w] → [h,w], 0..1."""
    agreement = torch.einsum("q,qhw->hw", region.probability.sqrt(), probability.sqrt()).flatten()
    distance = (places((L.shape[0], L.shape[1]), L) - region.place).norm(dim=1)
    return _likeness(agreement, L.flatten() - region.lightness, distance).view(L.shape)


def _likeness(agreement: Tensor, lightness: Tensor, distance: Tensor) -> Tensor:
    nearness = (distance / _NEAR).square() + (lightness / _LIGHTNESS_SIGMA).square()
    return agreement.clamp(0, 1) ** _AGREE * torch.exp(-nearness / 2)
