"""Measures of colours over a whole set of pictures: AuC, and how much the commonest colours take."""

from __future__ import annotations

import torch
from torch import Tensor

#: Thresholds of the AuC run from 0 to this, in CIE units.
AUC_LIMIT = 150
#: Chroma from which a pixel counts as coloured, in CIE units: below, its hue is hardly seen.
CHROMATIC = 10.0
#: How many of the most frequent colours are counted together.
FREQUENT = 10
_BIN_STEP, _BIN_HALF = 10.0, 13
_BIN_SIDE = 2 * _BIN_HALF + 1


class AreaUnderCurve:
    """AuC of the ab error over thresholds 0 to 150, plain and rebalanced, over a set of pictures.

    Rebalanced: every pixel weighs the inverse frequency of its true 10-unit ab bin in the set (lambda 0), so
    that each bin present counts alike. Source: Zhang 2016, section 3.1 and table 1.
    """

    def __init__(self) -> None:
        self._score = torch.zeros(_BIN_SIDE**2, dtype=torch.float64)
        self._count = torch.zeros(_BIN_SIDE**2, dtype=torch.float64)

    def add(self, ab: Tensor, truth: Tensor) -> None:
        """Add pictures: ab and its truth, [B,2,H,W] in CIE units. Raises ValueError where they differ."""
        if ab.shape != truth.shape:
            raise ValueError(
                f"the picture's ab and its original's differ in shape: {list(ab.shape)}, {list(truth.shape)}"
            )
        _check_ab(ab)
        _check_ab(truth)
        error = (ab.double() - truth.double()).square().sum(1).sqrt().flatten().cpu()
        # A pixel is right at the thresholds from ceil(error) to 150: this share of the 151.
        score = ((AUC_LIMIT + 1 - error.ceil()) / (AUC_LIMIT + 1)).clamp(min=0)
        index = _bin_of(truth)
        self._score += torch.bincount(index, score, _BIN_SIDE**2)
        self._count += torch.bincount(index, minlength=_BIN_SIDE**2)

    def plain(self) -> float:
        """Return the AuC in percent; NaN before the first picture."""
        return float(100 * self._score.sum() / self._count.sum())

    def rebalanced(self) -> float:
        """Return the rebalanced AuC in percent; NaN before the first picture."""
        present = self._count > 0
        return float(100 * (self._score[present] / self._count[present]).mean())


class FrequentColors:
    """Share of a set's coloured pixels that the set's most frequent 10-unit ab bins take.

    A colorizer that paints every car red and every texture green, the bias that Nazeri 2018 reports,
    crowds its pixels into fewer bins than the originals have; so does one whose colours are faint.
    Pixels of chroma below 10 are left out.
    """

    def __init__(self) -> None:
        self._count = torch.zeros(_BIN_SIDE**2, dtype=torch.float64)

    def add(self, ab: Tensor) -> None:
        """Add pictures: ab [B,2,H,W] in CIE units."""
        _check_ab(ab)
        coloured = ab.square().sum(1).flatten().cpu() >= CHROMATIC**2
        self._count += torch.bincount(_bin_of(ab)[coloured], minlength=_BIN_SIDE**2)

    def share(self, bins: int = FREQUENT) -> float:
        """Return the share of the ``bins`` most frequent bins in percent; NaN without a coloured pixel."""
        if not 1 <= bins <= _BIN_SIDE**2:
            raise ValueError(f"bins must be 1..{_BIN_SIDE**2}, got {bins}")
        return float(100 * self._count.topk(bins).values.sum() / self._count.sum())


def _bin_of(ab: Tensor) -> Tensor:
    """Return the number of the 10-unit bin of each pixel: ab [B,2,H,W] → int64 [B*H*W], on the CPU."""
    cell = (ab / _BIN_STEP).round().clamp(-_BIN_HALF, _BIN_HALF).long() + _BIN_HALF
    return (cell[:, 0] * _BIN_SIDE + cell[:, 1]).flatten().cpu()


def _check_ab(ab: Tensor) -> None:
    if ab.ndim != 4 or ab.shape[1] != 2 or 0 in ab.shape:
        raise ValueError(f"ab must be [B,2,H,W] with no empty side, got {list(ab.shape)}")
    if not bool(torch.isfinite(ab).all()):
        raise ValueError("ab holds NaN or infinite values: repair the picture before measuring")
