"""Known chroma put exactly into what a network proposes, and spread from there over what belongs together.

A hint is carried on to other pixels by how cheaply they are reached from it, edges of lightness and of the
proposed chroma being in the way, and blended with others by inverse powers of these distances (L. Yatziv,
G. Sapiro, "Fast Image and Video Colorization Using Chrominance Blending", IEEE TIP 15, 2006). That is done
small; on the way up to the picture's own size, each step follows its lightness (guided filter: K. He, J. Sun,
"Fast Guided Filter", arXiv 1505.00996) and makes good what the hints still lack, within a few pixels.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.resize import resize_lightness, working_size
from .geodesic import distances, step_costs
from .merge import resize_chroma

#: Shorter side, in pixels, at which distances are measured.
WORKING_SIZE = 128
#: A hint fades, over plain ground, within this share of the picture's shorter side.
REACH = 1.5
#: Differences of L and of proposed ab, from one working pixel to the next, that cost as much as that way.
L_EDGE, AB_EDGE = 16.0, 40.0
#: How much of the proposal's own variation stays around a hint. More measures a little better on true hints,
#: but the network answers some hints with a spot of colour, which must not show.
VARIATION = 0.1

# So many hints have their distances measured apart; more are gathered into groups of like kind. And so many
# groups are measured at a time.
_SEEDS, _CHUNK = 128, 32
# Keeps the weight of a hint at its own place finite: less than one step, squared.
_NEAR = 1e-5
# Of the guided filter: half the side of its window, and the L² below which it takes ground for plain.
_WINDOW, _PLAIN = 1, 4.0
# How far, in pixels of each size on the way up, what a hint still lacks is spread, and over which L.
_NEARBY, _NEARBY_L = 3, 8.0
_SCATTER = 1 << 20


def impose_hints(L: Tensor, ab: Tensor, known_ab: Tensor, known: Tensor) -> Tensor:
    """Return chroma [2,H,W] that is ``known_ab`` where ``known`` says so, and near ``ab`` far from there.

    ``L``: [1,H,W] 0..100; ``ab``: [2,h,w] CIE units, a network's proposal at any size; ``known_ab``:
    [2,H,W]; ``known``: [H,W] bool, true at one pixel at least. Computed in float32 on the CPU, whatever the
    device: the sums have one order.
    """
    L, ab = L.detach().cpu().float(), ab.detach().cpu().float()
    known_ab, known = known_ab.detach().cpu().float(), known.detach().cpu()
    height, width = L.shape[1:]
    full = resize_chroma(ab[None], height, width)[0]
    at = known.flatten().nonzero().squeeze(1)
    target = known_ab.flatten(1)[:, at]
    lack = target - full.flatten(1)[:, at]

    sizes = _sizes(height, width)
    small = resize_lightness(L[None], *sizes[0])[0]
    proposed = resize_chroma(ab[None], *sizes[0])[0]
    cells = _Cells(at, torch.cat([lack, target]), (height, width), sizes[0])
    change = _make_good(_spread(small, proposed, cells), small, cells)
    for size in sizes[1:]:
        finer = resize_lightness(L[None], *size)[0]
        change = _upsample(change, small, finer)
        change = _make_good(change, finer, _Cells(at, lack, (height, width), size))
        small = finer
    full += change
    full.flatten(1)[:, at] = target
    return full


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes on the way from the working size to the picture's own, each at most twice the last."""
    working = working_size(height, width, WORKING_SIZE)
    size = (min(working[0], height), min(working[1], width))
    sizes = [size]
    while size != (height, width):
        size = (min(2 * size[0], height), min(2 * size[1], width))
        sizes.append(size)
    return sizes


class _Cells:
    """The hints of a picture gathered at a smaller size: where they are, and the means of their values.

    ``index``: [K] into the smaller picture, ascending, each once; ``values``: [C,K], first what is lacking.
    """

    def __init__(self, at: Tensor, values: Tensor, size: tuple[int, int], smaller: tuple[int, int]) -> None:
        self.width = smaller[1]
        if size == smaller:
            self.index, self.values = at, values
            return
        row = (at // size[1]) * smaller[0] // size[0]
        column = (at % size[1]) * smaller[1] // size[1]
        cell = row * smaller[1] + column
        self.index = torch.bincount(cell).nonzero().squeeze(1)
        self.values = _means(values, cell)[:, self.index]

    def rim(self, height: int) -> Tensor:
        """Tell which cells [K] have a neighbour that is no hint."""
        free = torch.ones(1, 1, height, self.width)
        free.view(-1)[self.index] = 0
        return F.max_pool2d(free, 3, 1, 1).view(-1)[self.index] > 0

    def groups(self) -> tuple[Tensor, Tensor]:
        """Return the group of each cell [K], and the means of the groups' values [C,S].

        Each cell is a group where they are few; else those of like values in one square, of ever larger ones.
        """
        row, column = self.index // self.width, self.index % self.width
        key, side = self.index[:, None], 1
        while True:
            groups, which = torch.unique(key, dim=0, return_inverse=True)
            if len(groups) <= _SEEDS or side >= 64:
                return which, _means(self.values, which)
            side *= 2
            kind = torch.round(self.values.T / (2.0 + side)).long()
            key = torch.cat([torch.stack([row // side, column // side], 1), kind], 1)


def _means(values: Tensor, which: Tensor) -> Tensor:
    """Return the means of ``values`` [C,K] that go ``which`` way [K]: [C,S], 0 where none go."""
    # In float64 the order of the sum does not show.
    total = torch.stack([torch.bincount(which, plane.double()) for plane in values])
    return (total / torch.bincount(which).clamp(min=1)).float()


def _spread(L: Tensor, ab: Tensor, cells: _Cells) -> Tensor:
    """Return what is to be added to the proposal ``ab`` [2,h,w] over the lightness ``L`` [1,h,w]: [2,h,w].

    ``cells``: values are what the proposal lacks, and the hints' own ab.
    """
    height, width = L.shape[1:]
    features = torch.cat([L / L_EDGE, ab / AB_EDGE]).numpy()
    steps = step_costs(features, REACH * min(height, width))
    row, column = (cells.index // width).numpy(), (cells.index % width).numpy()
    which, values = (part.numpy() for part in cells.groups())
    aim = (VARIATION * values[:2] + (1 - VARIATION) * values[2:]).T
    total = np.zeros((height, width, 2), np.float32)
    weights, felt = np.zeros((2, height, width, 1), np.float32)
    for start in range(0, len(aim), _CHUNK):
        part = aim[start : start + _CHUNK]
        inside = (which >= start) & (which < start + len(part))
        seeds = np.zeros((height, width, len(part)), bool)
        seeds[row[inside], column[inside], which[inside] - start] = True
        squared = np.square(distances(seeds, steps))
        weight = np.square(1 / (squared + np.float32(_NEAR)))
        weights += weight.sum(2, keepdims=True)
        weight *= np.exp(-squared)
        felt += weight.sum(2, keepdims=True)
        total += weight @ part
    proposed = ab.permute(1, 2, 0).numpy()
    change = (total - (1 - VARIATION) * felt * proposed) / weights
    return torch.from_numpy(change.transpose(2, 0, 1).copy())


def _upsample(change: Tensor, L: Tensor, finer: Tensor) -> Tensor:
    """Bring ``change`` [2,h,w] from the size of ``L`` [1,h,w] to that of ``finer`` [1,H,W], by its edges."""

    def mean(x: Tensor) -> Tensor:
        padded = F.pad(x[None], (_WINDOW,) * 4, mode="replicate")
        return F.avg_pool2d(padded, 2 * _WINDOW + 1, 1)[0]

    mean_L, mean_change = mean(L), mean(change)
    slope = (mean(L * change) - mean_L * mean_change) / (mean(L * L) - mean_L * mean_L + _PLAIN)
    level = mean(mean_change - slope * mean_L)
    slope = mean(slope)
    size = finer.shape[1:]
    out = torch.empty(2, *size)
    for n in range(2):  # one at a time: each takes two planes of the larger size
        lines = torch.stack([slope[n], level[n]])[None]
        large = F.interpolate(lines, size=size, mode="bilinear", align_corners=False)[0]
        torch.addcmul(large[1], large[0], finer[0], out=out[n])
    return out


def _make_good(change: Tensor, L: Tensor, cells: _Cells) -> Tensor:
    """Give ``change`` [2,h,w] the exact values at the cells, and what is alike and near there a part."""
    height, width = L.shape[1:]
    flat, lightness = change.flatten(1), L.flatten()
    lack = cells.values[:2]
    rim = cells.rim(height)
    at = cells.index[rim]
    rest = lack[:, rim] - flat[:, at]
    total, weights = torch.zeros_like(flat), torch.zeros(height * width)
    reach = range(-_NEARBY, _NEARBY + 1)
    offsets = [(dy, dx) for dy in reach for dx in reach if dy * dy + dx * dx <= _NEARBY * _NEARBY]
    for start in range(0, len(at), _SCATTER):
        index, part = at[start : start + _SCATTER], rest[:, start : start + _SCATTER]
        row, column = index // width, index % width
        for dy, dx in offsets:
            inside = (row + dy >= 0) & (row + dy < height) & (column + dx >= 0) & (column + dx < width)
            there = (index + dy * width + dx)[inside]
            fade = (1 - (dy * dy + dx * dx) / (_NEARBY + 1) ** 2) ** 2
            differs = (lightness[there] - lightness[index[inside]]) / _NEARBY_L
            weight = fade * torch.exp(-differs * differs)
            weights.index_add_(0, there, weight)
            total.index_add_(1, there, weight * weight * part[:, inside])
    flat = flat + total / weights.clamp(min=1e-6)
    flat[:, cells.index] = lack
    return flat.view(2, height, width)
