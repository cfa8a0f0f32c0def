"""Recolouring as in H. Chang et al., "Palette-based Photo Recoloring", SIGGRAPH 2015 (no source published).

Weights are radial basis functions in Lab, section 3.5 of the paper; each swatch moves a colour in parallel to
itself as far as the gamut has room, section 3.4; lightness follows the swatches' lightnesses by a curve of
straight pieces. Ours: locks, and lightness that can be kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import lab_to_rgb, reduce_chroma
from .recolor_soft import Exchange, with_locks

# Halvings of the interval in which the border of the gamut is looked for.
_HALVINGS = 12
# How far a ray is followed, in units of ab.
_FAR = 300.0


class Chang2015:
    """``palette``: [N,3] Lab swatches, no two alike."""

    def __init__(self, palette: Tensor) -> None:
        self.palette = palette
        apart = torch.cdist(palette.double(), palette.double())
        count = len(palette)
        # The mean over all pairs, as in the paper.
        self._sigma = float(apart.sum() / (count * (count - 1))) if count > 1 else 1.0
        self._factors = torch.linalg.inv(torch.exp(-apart.square() / (2 * self._sigma**2))).to(palette)

    def weights(self, lab: Tensor) -> Tensor:
        """Return how much of each swatch colours [3,K] hold: [N,K], 0..1, sum 1."""
        palette = self.palette.to(lab)
        # Not cdist, whose matrix product loses the digits of near colours.
        apart = torch.stack([(lab - one[:, None]).square().sum(0) for one in palette])
        raw = (self._factors.to(lab) @ torch.exp(apart / (-2 * self._sigma**2))).clamp(min=0)
        total = raw.sum(0)
        # Far from all swatches every function may be 0: the nearest one takes it.
        nearest = torch.nn.functional.one_hot(apart.argmin(0), len(palette)).T.to(lab)
        return torch.where(total > 1e-6, raw / total.clamp(min=1e-6), nearest)

    def displacement(self, lab: Tensor, weights: Tensor, exchange: Exchange) -> Tensor:
        """Return what colours [3,K] of known weights [N,K] move by: [3,K]."""
        old, difference = exchange.old.to(lab), exchange.difference.to(lab)
        weights = with_locks(weights, exchange.locked)
        # What lies outside of the gamut, as nodes of a table do, has no room to move in: its neighbour has.
        lab = reduce_chroma(lab, dim=0)
        moved = torch.zeros_like(lab)
        if exchange.lightness == "transfer":
            # The curve is one for all colours: locks have to be told to it.
            free = (weights * ~exchange.locked.to(lab.device)[:, None]).sum(0)
            moved[0] = free * (lightness_curve(lab[0], old[:, 0], difference[:, 0]) - lab[0])
        for number, (color, way) in enumerate(zip(old, difference, strict=True)):
            if bool((way[1:] != 0).any()):
                moved[1:] += weights[number] * _move(lab, color, way[1:])
        return moved


def lightness_curve(L: Tensor, old: Tensor, difference: Tensor) -> Tensor:
    """Map lightness [K] by the curve through 0, each swatch's old and new lightness [N], and 100."""
    ends = old.new_tensor([0.0, 100.0])
    order = old.argsort(stable=True)
    x = torch.cat([ends[:1], old[order].clamp(0, 100), ends[1:]]).contiguous()
    y = torch.cat([ends[:1], (old + difference)[order].clamp(0, 100), ends[1:]])
    # The paper keeps lightnesses in order while the user edits; here they may come out of order.
    y = y.cummax(0).values
    right = torch.searchsorted(x, L.contiguous(), right=True).clamp(1, len(x) - 1)
    x0, x1, y0, y1 = x[right - 1], x[right], y[right - 1], y[right]
    return torch.lerp(y0, y1, ((L - x0) / (x1 - x0).clamp(min=1e-3)).clamp(0, 1))


def _move(lab: Tensor, color: Tensor, way: Tensor) -> Tensor:
    """Return by what a swatch that goes by ``way`` [2] takes colours along: [2,K], figure 5 of the paper."""
    # The paper's swatches are in the gamut, before and after.
    goal = reduce_chroma(torch.cat([color[:1], color[1:] + way]), dim=0)
    way = torch.cat([color.new_zeros(1), goal[1:] - color[1:]])
    length = float(torch.linalg.vector_norm(way))
    room = length * _to_border(color[:, None], way[:, None])
    target = lab + way[:, None]
    inside = _inside(target)
    # Inside: on along the way to the border. Outside: from the swatch's new place towards where it would go.
    start = torch.where(inside, lab, goal[:, None])
    ray = torch.where(inside, way[:, None], target - goal[:, None])
    reach = (start + ray * _to_border(start, ray) - lab)[1:]
    far = torch.linalg.vector_norm(reach, dim=0)
    return reach / far.clamp(min=1e-6) * length * (far / room.clamp(min=1e-3)).clamp(max=1)


def _to_border(lab: Tensor, way: Tensor) -> Tensor:
    """Return how many times ``way`` [3,K] fits between colours [3,K] and the border of the gamut: [K]."""
    low = torch.zeros_like(lab[0])
    high = _FAR / torch.linalg.vector_norm(way, dim=0).clamp(min=1e-3).expand_as(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = _inside(lab + middle * way)
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return low


def _inside(lab: Tensor) -> Tensor:
    """Tell which colours [3,K] sRGB has: [K]."""
    rgb = lab_to_rgb(lab, dim=0)
    return (rgb.amin(0) >= -1e-4) & (rgb.amax(0) <= 1 + 1e-4)
