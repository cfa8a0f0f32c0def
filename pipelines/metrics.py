"""Measures of a colouring against the true picture: AuC, rebalanced AuC, PSNR, colourfulness."""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import rgb_to_lab

#: Thresholds of the AuC run from 0 to this, in CIE units.
AUC_LIMIT = 150
_BIN_STEP, _BIN_HALF = 10.0, 13
_BIN_SIDE = 2 * _BIN_HALF + 1


def psnr(rgb: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture in dB: rgb [B,3,H,W] 0..1 → [B]; inf where equal."""
    _same_shape(rgb, truth)
    error = (rgb.double() - truth.double()).square().mean((1, 2, 3))
    return (-10 * torch.log10(error)).float()


def colorfulness(rgb: Tensor) -> Tensor:
    """Colourfulness of each picture: rgb [B,3,H,W] 0..1 → [B], 0 for grey, about 110 at the most vivid.

    Source: Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003 (M3, on 0..255).
    """
    r, g, b = (rgb.float() * 255).unbind(1)
    rg, yb = r - g, (r + g) / 2 - b
    spread = torch.sqrt(rg.var((1, 2), correction=0) + yb.var((1, 2), correction=0))
    mean = torch.sqrt(rg.mean((1, 2)).square() + yb.mean((1, 2)).square())
    return spread + 0.3 * mean


class AreaUnderCurve:
    """AuC of the ab error over thresholds 0 to 150, plain and rebalanced, over a set of pictures.

    Rebalanced: every pixel weighs the inverse frequency of its true 10-unit ab bin in the set (lambda 0), so
    that each bin present counts alike. Source: Zhang 2016, section 3.1 and table 1.
    """

    def __init__(self) -> None:
        self._score = torch.zeros(_BIN_SIDE**2, dtype=torch.float64)
        self._count = torch.zeros(_BIN_SIDE**2, dtype=torch.float64)

    def add(self, ab: Tensor, truth: Tensor) -> None:
        """Add pictures: ab and its truth, [B,2,H,W] in CIE units."""
        _same_shape(ab, truth)
        error = (ab.double() - truth.double()).square().sum(1).sqrt().flatten()
        # A pixel is right at the thresholds from ceil(error) to 150: this share of the 151.
        score = ((AUC_LIMIT + 1 - error.ceil()) / (AUC_LIMIT + 1)).clamp(min=0)
        cell = (truth / _BIN_STEP).round().clamp(-_BIN_HALF, _BIN_HALF).long() + _BIN_HALF
        index = (cell[:, 0] * _BIN_SIDE + cell[:, 1]).flatten()
        self._score += torch.bincount(index, score, _BIN_SIDE**2)
        self._count += torch.bincount(index, minlength=_BIN_SIDE**2)

    def plain(self) -> float:
        """Return the AuC in percent; NaN before the first picture."""
        return float(100 * self._score.sum() / self._count.sum())

    def rebalanced(self) -> float:
        """Return the rebalanced AuC in percent; NaN before the first picture."""
        present = self._count > 0
        return float(100 * (self._score[present] / self._count[present]).mean())


class PhotoScores:
    """The figures of one colorizer on a set of photos."""

    def __init__(self) -> None:
        self._auc = AreaUnderCurve()
        self._psnr: list[float] = []
        self._colorfulness: list[float] = []
        self._true_colorfulness: list[float] = []

    def add(self, rgb: Tensor, truth: Tensor) -> None:
        """Add coloured pictures and their originals, [B,3,H,W] 0..1, rounded to 8 bits here."""
        _same_shape(rgb, truth)
        rgb, truth = (x.clamp(0, 1).mul(255).round().div(255) for x in (rgb, truth))
        self._auc.add(rgb_to_lab(rgb)[:, 1:], rgb_to_lab(truth)[:, 1:])
        self._psnr += psnr(rgb, truth).clamp(max=100).tolist()
        self._colorfulness += colorfulness(rgb).tolist()
        self._true_colorfulness += colorfulness(truth).tolist()

    def figures(self) -> dict[str, float]:
        """Return the means; ValueError before the first picture."""
        if not self._psnr:
            raise ValueError("no pictures were added: give at least one before asking for figures")
        count = len(self._psnr)
        return {
            "auc_rebalanced": self._auc.rebalanced(),
            "auc": self._auc.plain(),
            "psnr": sum(self._psnr) / count,
            "colorfulness": sum(self._colorfulness) / count,
            "true_colorfulness": sum(self._true_colorfulness) / count,
        }


def _same_shape(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise ValueError(f"the picture and its original differ in shape: {list(x.shape)}, {list(y.shape)}")
