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
# With 4 starts, or a sample of 12,288, one palette in twenty is 2 to 4 % farther than full k-means.
_STARTS, _ROUNDS, _LAST_ROUNDS = 6, 10, 3
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

    ``pictures``: rgb [B,3,H,W], 0..1 or uint8, or [3,H,W] each, of any sizes. ``count``: 2 to 16, None for
    automatic; a picture of fewer colours has fewer. ``masks``: [H,W] each, 0..1, how much a pixel counts. The
    same seed gives the same palette. Raises PaletteError for a count out of range, NaN, and masks that leave
    nothing.
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
        """Take pixels of rgb [3,H,W], 0..1 or uint8, each counting by ``mask`` [H,W] 0..1.

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
        at = index.to(rgb.device)
        # By row and column: flattening would copy a picture whose channels lie together.
        chosen = rgb[:, at // width, at % width].float()
        if rgb.dtype == torch.uint8:
            chosen = chosen / 255
        weight = None if mask is None else mask.flatten()[index.to(mask.device)].float()
        if not bool(torch.isfinite(chosen).all()) or (
            weight is not None and not bool(torch.isfinite(weight).all())
        ):
            raise PaletteError("the picture or its mask holds NaN or infinite values: repair it first")
        self._lab.append(rgb_to_lab(chosen, dim=0).cpu().numpy())
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
        points, weight = np.concatenate(self._lab, 1), np.concatenate(self._weight)
        points, weight = points[:, weight > 0], weight[weight > 0]
        if not len(weight):
            raise PaletteError("the mask leaves no pixel to take a palette of: make some of it white")
        # Many frames: no more points than one picture has.
        if len(weight) > 2 * SAMPLE:
            kept = np.random.default_rng(self.seed).choice(len(weight), SAMPLE, replace=False)
            points, weight = points[:, kept], weight[kept]
        cloud = _Cloud(points, weight)
        if count is None:
            centres = _automatic(cloud, self.seed)
        else:
            centres = _cluster(cloud, cloud.merged(), count, self.seed)
        share = np.bincount(cloud.nearest(centres), weight, len(centres))
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


class _Cloud:
    """Weighted points of Lab: ``planes`` [3,N], which is the fast order for few centres, ``weight`` [N]."""

    def __init__(self, planes: NDArray[np.float32], weight: NDArray[np.float32]) -> None:
        self.planes, self.weight = np.ascontiguousarray(planes), weight
        self._parts = np.concatenate([weight[None], weight * planes])

    def merged(self) -> _Cloud:
        """Replace the points of each small cell by their mean."""
        L, a, b = np.floor(self.planes / _CELL).astype(np.int64) + 512
        _, place = np.unique((L * 1024 + a) * 1024 + b, return_inverse=True)
        mass, *sums = (np.bincount(place, part) for part in self._parts)
        return _Cloud(np.stack([part / mass for part in sums]).astype(np.float32), mass.astype(np.float32))

    def squared(self, other: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the squared distances [N] from other points [3,N or 1]."""
        apart = np.square(self.planes - other)
        return apart[0] + apart[1] + apart[2]

    def sums(self, centres: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return for centres [K,3] the weight of the points nearest to each, and their sum: [K,4]."""
        apart = self._apart(centres)
        # Far faster than argmin; a point as near to two centres counts for both.
        return (apart == apart.min(0)).astype(np.float32) @ self._parts.T

    def nearest(self, centres: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the number [N] of each point's nearest centre."""
        return self._apart(centres).argmin(0)

    def error(self, centres: NDArray[np.float32]) -> float:
        """Return the mean distance of points from their nearest centres."""
        distance = np.sqrt(self.squared(centres.T[:, self.nearest(centres)]))
        return float(np.dot(self.weight, distance) / self.weight.sum())

    def _apart(self, centres: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the squared distances [K,N], less the square of the point: the same for all centres."""
        apart = (-2 * centres) @ self.planes
        apart += np.square(centres).sum(1)[:, None]
        return apart


def _automatic(cloud: _Cloud, seed: int) -> NDArray[np.float32]:
    """Return so many colours that one more would bring little."""
    merged = cloud.merged()
    best = _cluster(cloud, merged, 2, seed)
    before = cloud.error(best)
    for count in range(3, MOST_COLORS + 1):
        more = _cluster(cloud, merged, count, seed)
        after = cloud.error(more)
        if before <= 1e-3 or after > (1 - LEAST_GAIN) * before:
            break
        best, before = more, after
    return best


def _cluster(cloud: _Cloud, merged: _Cloud, count: int, seed: int) -> NDArray[np.float32]:
    """Find ``count`` colours by k-means: starts by k-means++ among merged points, the best one refined."""
    count = min(count, len(merged.weight))
    random = np.random.default_rng(seed)
    best, least = merged.planes.T[:count], math.inf
    for _ in range(_STARTS):
        centres = _lloyd(merged, _spread(merged, count, random), _ROUNDS)
        error = merged.error(centres)
        if error < least:
            best, least = centres, error
    return _lloyd(cloud, best, _LAST_ROUNDS)


def _spread(cloud: _Cloud, count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Choose starts far from each other: D. Arthur, S. Vassilvitskii, "k-means++", SODA 2007."""
    chosen: list[int] = []
    distance = np.ones(len(cloud.weight), np.float32)
    while len(chosen) < count:
        pull = np.cumsum(cloud.weight * distance, dtype=np.float64)
        if pull[-1] <= 0:
            break
        chosen.append(int(np.searchsorted(pull[:-1], random.random() * pull[-1], side="right")))
        apart = cloud.squared(cloud.planes[:, chosen[-1], None])
        distance = np.minimum(distance, apart) if len(chosen) > 1 else apart
    return cloud.planes[:, chosen].T


def _lloyd(cloud: _Cloud, centres: NDArray[np.float32], rounds: int) -> NDArray[np.float32]:
    for _ in range(rounds):
        sums = cloud.sums(centres)
        mass = sums[:, :1]
        moved = np.where(mass > 0, sums[:, 1:] / np.maximum(mass, 1e-12), centres)
        if np.abs(moved - centres).max() < 1e-3:
            return moved
        centres = moved
    return centres
