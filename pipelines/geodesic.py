"""Distances through a picture: how far it is from a place to everywhere, where edges are hills to be climbed.

Raster sweeps relax each line from the one before, in four directions, and again for paths that bend
(P. Toivanen, "New geodesic distance transforms for gray-scale images", Pattern Recognition Letters 17, 1996;
A. Criminisi et al., "GeoS: Geodesic Image Segmentation", ECCV 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# How often the picture is swept in all four directions: with each, a path may bend once more.
_ROUNDS = 2


@dataclass(frozen=True)
class Steps:
    """What a step from one pixel to the next costs, for a picture of h x w pixels.

    ``down``: [h-1,w], to the pixel below; ``right``: [h,w-1]; ``falling``: [h-1,w-1], to the one below on the
    right; ``rising``: [h-1,w-1], from the one below to the one on the right.
    """

    down: Plane
    right: Plane
    falling: Plane
    rising: Plane


def step_costs(features: Plane, reach: float) -> Steps:
    """Return the costs of steps through ``features`` [C,h,w].

    A step of one pixel costs 1 / ``reach`` and, on top, the squared difference of the features: many small
    differences are a slope, and cheap; one large difference is an edge.
    """

    def cost(start: Plane, end: Plane, length: float) -> Plane:
        return np.square(end - start).sum(0) + np.float32(length / reach)

    f = features
    return Steps(
        down=cost(f[:, :-1], f[:, 1:], 1),
        right=cost(f[:, :, :-1], f[:, :, 1:], 1),
        falling=cost(f[:, :-1, :-1], f[:, 1:, 1:], 2**0.5),
        rising=cost(f[:, 1:, :-1], f[:, :-1, 1:], 2**0.5),
    )


def distances(seeds: NDArray[np.bool_], steps: Steps) -> Plane:
    """Return the cost of the cheapest way from each seed to every pixel: float32 [h,w,S].

    ``seeds``: [h,w,S], where each seed is; one that is nowhere is infinitely far.
    """
    found = np.where(seeds, np.float32(0), np.float32(np.inf))
    for _ in range(_ROUNDS):
        _sweep(found, steps.down, steps.falling, steps.rising)
        _sweep(found.swapaxes(0, 1), steps.right.T, steps.falling.T, steps.rising.T)
    return found


def _sweep(lines: Plane, straight: Plane, falling: Plane, rising: Plane) -> None:
    for n in range(1, len(lines)):
        _relax(lines[n], lines[n - 1], straight[n - 1], falling[n - 1], rising[n - 1])
    for n in range(len(lines) - 2, -1, -1):
        _relax(lines[n], lines[n + 1], straight[n], rising[n], falling[n])


def _relax(line: Plane, before: Plane, straight: Plane, ahead: Plane, back: Plane) -> None:
    np.minimum(line, before + straight[:, None], out=line)
    np.minimum(line[1:], before[:-1] + ahead[:, None], out=line[1:])
    np.minimum(line[:-1], before[1:] + back[:, None], out=line[:-1])
