"""The palette of a picture, a batch or a whole clip: k-means in Lab, seeded, once for all frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color import rgb_to_lab
from .palette import MOST_COLORS, Palette, PaletteError

#: Pixels that the colours are found among, in the mean; all where there are fewer.
SAMPLE = 16_384
#: Automatic: the least number of colours whose next one would lessen the mean ΔE76 by less than this share.
LEAST_GAIN = 0.12

# Starts of k-means, of which the best counts, and its rounds: among few merged points, then on the sample.
_STARTS, _ROUNDS, _LAST_ROUNDS = 6, 14, 6
# Side, in Lab units, of the cells in which points are merged for the starts.
_CELL = 5.0


def extract(
    pictures: Tensor | Sequence[Tensor],
    count: int | None = 6,
    *,
    seed: int = 0,
    masks: Tensor | Sequence[Tensor] | None = None,
) -> Palette:
    """Return one palette of all ``pictures``, the largest share first.

    ``pictures``: rgb [B,3,H,W] 0..1, or [3,H,W] each, of any sizes. ``count``: 2 to 16, None for automatic; a
    picture of fewer colours has fewer. ``masks``: [H,W] each, 0..1, how much a pixel counts. The same seed
    gives the same palette. Raises PaletteError for a count out of range, NaN, and masks that leave nothing.
    """
    sampler = Sampler(seed)
    for number, picture in enumerate(pictures):
        sampler.add(picture, None if masks is None else masks[number])
    return sampler.palette(count)


class Sampler:
    """Pixels of frames that come one by one; memory does not grow with their number."""

    def __init__(self, seed: int = 0, frames: int = 1) -> None:
        """Take pixels by ``seed``; ``frames``: how many are expected, which share the sample."""
        self.seed = seed
        self._random = np.random.default_rng(seed)
        self._each = max(256, SAMPLE // max(1, frames))
        self._lab: list[NDArray[np.float32]] = []
        self._weight: list[NDArray[np.float32]] = []

    def add(self, rgb: Tensor, mask: Tensor | None = None) -> None:
        """Take pixels of rgb [3,H,W] 0..1, each counting by ``mask`` [H,W] 0..1.

        Raises PaletteError for another shape, NaN, and a mask of another size.
        """
        if rgb.ndim != 3 or rgb.shape[0] != 3 or 0 in rgb.shape:
            raise PaletteError(f"a picture must be [3,H,W] with no empty side, got {list(rgb.shape)}")
        if mask is not None and mask.shape != rgb.shape[1:]:
            raise PaletteError(
                f"the mask must be {list(rgb.shape[1:])} as the picture, got {list(mask.shape)}"
            )
        height, width = rgb.shape[1:]
        index = self._places(height, width)
        chosen = rgb.flatten(1)[:, index.to(rgb.device)].float()
        weight = None if mask is None else mask.flatten()[index.to(mask.device)].float()
        if not bool(torch.isfinite(chosen).all()) or (
            weight is not None and not bool(torch.isfinite(weight).all())
        ):
            raise PaletteError("the picture or its mask holds NaN or infinite values: repair it first")
        self._lab.append(rgb_to_lab(chosen, dim=0).T.cpu().numpy())
        share = height * width / len(index)
        counted = np.ones(len(index), np.float32) if weight is None else weight.clamp(0, 1).cpu().numpy()
        self._weight.append(counted * np.float32(share))

    def _places(self, height: int, width: int) -> Tensor:
        """Choose one pixel, at random, of each cell of a grid over the picture; all where it is small."""
        step = math.sqrt(height * width / self._each)
        if step <= 1:
            return torch.arange(height * width)
        rows, columns = max(1, round(height / step)), max(1, round(width / step))
        y = (np.arange(rows)[:, None] + self._random.random((rows, columns))) * (height / rows)
        x = (np.arange(columns)[None] + self._random.random((rows, columns))) * (width / columns)
        places = np.minimum(y, height - 1).astype(np.int64) * width + np.minimum(x, width - 1).astype(
            np.int64
        )
        return torch.from_numpy(places.ravel())

    def palette(self, count: int | None = 6) -> Palette:
        """Return the palette of what was added; see ``extract``."""
        if count is not None and not 2 <= count <= MOST_COLORS:
            raise PaletteError(f"a palette can have 2 to {MOST_COLORS} colours, got {count}")
        if not self._lab:
            raise PaletteError("there is no picture to take a palette of")
        points, weight = np.concatenate(self._lab), np.concatenate(self._weight)
        points, weight = points[weight > 0], weight[weight > 0]
        if not len(points):
            raise PaletteError("the mask leaves no pixel to take a palette of: make some of it white")
        # Many frames: no more points than one picture has.
        if len(points) > 2 * SAMPLE:
            kept = np.random.default_rng(self.seed).choice(len(points), SAMPLE, replace=False)
            points, weight = points[kept], weight[kept]
        centres = (
            _automatic(points, weight, self.seed)
            if count is None
            else _cluster(points, weight, count, self.seed)
        )
        nearest = _nearest(points, centres)
        share = np.bincount(nearest, weight, len(centres))
        order = np.argsort(-share, kind="stable")
        order = order[share[order] > 0]
        lab, share = torch.from_numpy(centres[order]), torch.from_numpy(share[order] / share.sum())
        return Palette.from_lab(lab, share, seed=self.seed)


def extract_from_frames(
    frames: Iterable[Tensor], count: int | None = 6, *, seed: int = 0, expected: int = 32
) -> Palette:
    """Return one palette of the frames [3,H,W] of a clip, each seen once; ``expected``: about how many."""
    sampler = Sampler(seed, expected)
    for frame in frames:
        sampler.add(frame)
    return sampler.palette(count)


def spread_out(frames: Iterator[Tensor], total: int | None, wanted: int = 32) -> Iterator[Tensor]:
    """Give about ``wanted`` of ``total`` frames, evenly; every 24th where nobody knows how many there are."""
    step = max(1, total // wanted) if total else 24
    return (frame for number, frame in enumerate(frames) if number % step == 0)


def _automatic(points: NDArray[np.float32], weight: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return so many colours that one more would bring little."""
    best = _cluster(points, weight, 2, seed)
    before = _error(points, weight, best)
    for count in range(3, MOST_COLORS + 1):
        more = _cluster(points, weight, count, seed)
        after = _error(points, weight, more)
        if before <= 1e-3 or after > (1 - LEAST_GAIN) * before:
            break
        best, before = more, after
    return best


def _cluster(
    points: NDArray[np.float32], weight: NDArray[np.float32], count: int, seed: int
) -> NDArray[np.float32]:
    """Find ``count`` colours by k-means: starts by k-means++ among merged points, the best one refined."""
    merged, mass = _merge(points, weight)
    count = min(count, len(merged))
    random = np.random.default_rng(seed)
    best, least = merged[:count], math.inf
    for _ in range(_STARTS):
        centres = _lloyd(merged, mass, _spread(merged, mass, count, random), _ROUNDS)
        error = _error(merged, mass, centres)
        if error < least:
            best, least = centres, error
    return _lloyd(points, weight, best, _LAST_ROUNDS)


def _merge(
    points: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Replace the points of each small cell of Lab by their mean."""
    cells = np.floor(points / _CELL).astype(np.int64)
    key = ((cells[:, 0] + 512) * 1024 + cells[:, 1] + 512) * 1024 + cells[:, 2] + 512
    _, place = np.unique(key, return_inverse=True)
    mass = np.bincount(place, weight)
    means = np.stack([np.bincount(place, weight * points[:, n]) / mass for n in range(3)], 1)
    return means.astype(np.float32), mass.astype(np.float32)


def _spread(
    points: NDArray[np.float32], mass: NDArray[np.float32], count: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Choose starts far from each other: D. Arthur, S. Vassilvitskii, "k-means++", SODA 2007."""
    chosen = [int(random.choice(len(points), p=mass / mass.sum(dtype=np.float64)))]
    distance = _squared(points, points[chosen[0]])
    while len(chosen) < count:
        pull = (mass * distance).astype(np.float64)
        if pull.sum() <= 0:
            break
        chosen.append(int(random.choice(len(points), p=pull / pull.sum())))
        distance = np.minimum(distance, _squared(points, points[chosen[-1]]))
    return points[chosen]


def _squared(points: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared distances of points [N,3] from one."""
    apart = np.square(points - centre)
    return apart[:, 0] + apart[:, 1] + apart[:, 2]


def _lloyd(
    points: NDArray[np.float32], weight: NDArray[np.float32], centres: NDArray[np.float32], rounds: int
) -> NDArray[np.float32]:
    parts = [weight * points[:, n] for n in range(3)]
    for _ in range(rounds):
        nearest = _nearest(points, centres)
        mass = np.bincount(nearest, weight, len(centres))
        sums = np.stack([np.bincount(nearest, part, len(centres)) for part in parts], 1)
        moved = np.where(mass[:, None] > 0, sums / np.maximum(mass, 1e-12)[:, None], centres).astype(
            np.float32
        )
        if np.abs(moved - centres).max() < 1e-3:
            return moved
        centres = moved
    return centres


def _nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of each point's nearest centre."""
    # Without the square of the point, which is the same for all centres.
    return (points @ (-2 * centres.T) + np.square(centres).sum(1)).argmin(1)


def _error(points: NDArray[np.float32], weight: NDArray[np.float32], centres: NDArray[np.float32]) -> float:
    """Return the mean distance of points from their nearest centres."""
    distance = np.sqrt(_squared(points, centres[_nearest(points, centres)]))
    return float(np.dot(weight, distance) / weight.sum())
