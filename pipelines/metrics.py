"""Measures of a coloured picture against the true one, and the figures of a set of photos.

Colours over a whole set are in ``metrics_sets``, what a classifier sees in ``metrics_features``, clips in
``metrics_video``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import ciede2000, rgb_to_lab
from .metrics_sets import AUC_LIMIT, AreaUnderCurve, FrequentColors

__all__ = [
    "AUC_LIMIT",
    "EPSILONS",
    "AreaUnderCurve",
    "ColorScores",
    "FrequentColors",
    "PhotoScores",
    "check_pair",
    "check_rgb",
    "colorfulness",
    "delta_e",
    "epsilon_accuracy",
    "psnr",
    "to_8_bits",
]

#: The ε of the accuracies that are tabled, of the channels' range: at most 5 and 12 of 255.
EPSILONS = (0.02, 0.05)
#: Equal pictures count as this many dB, so that a mean over pictures stays finite.
PSNR_LIMIT = 100.0


def psnr(rgb: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture in dB: rgb [B,3,H,W] 0..1 → [B]; inf where equal.

    Raises ValueError for shapes that differ, NaN or infinity.
    """
    check_pair(rgb, truth)
    error = (rgb.double() - truth.double()).square().mean((1, 2, 3))
    return (-10 * torch.log10(error)).float()


def delta_e(rgb: Tensor, truth: Tensor) -> Tensor:
    """Mean CIEDE2000 difference of each picture: rgb [B,3,H,W] 0..1 → [B]; about 1 is just visible.

    Source: Sharma, Wu, Dalal 2005, as in ``color.ciede2000``. Raises as ``psnr``.
    """
    check_pair(rgb, truth)
    difference = ciede2000(rgb_to_lab(rgb.float()), rgb_to_lab(truth.float()))
    return difference.double().mean((1, 2, 3)).float()


def epsilon_accuracy(rgb: Tensor, truth: Tensor, epsilon: float = EPSILONS[0]) -> Tensor:
    """Share of pixels whose R, G and B all lie within ``epsilon`` of the true: rgb [B,3,H,W] 0..1 → [B] 0..1.

    ``epsilon``: share of the channels' range. Source: Nazeri, Ng, Ebrahimi, "Image Colorization using
    Generative Adversarial Networks", 2018 (two colours are the same where every channel lies within ε), here
    on the channels of sRGB. Raises as ``psnr``, and for an epsilon outside 0..1.
    """
    check_pair(rgb, truth)
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must be a share of the range, 0..1, got {epsilon}")
    distance = (rgb.double() - truth.double()).abs().amax(1)
    return (distance <= epsilon).double().mean((1, 2)).float()


def colorfulness(rgb: Tensor) -> Tensor:
    """Colourfulness of each picture: rgb [B,3,H,W] 0..1 → [B], 0 for grey, about 110 at the most vivid.

    Source: Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003 (M3, on 0..255).
    Raises ValueError for another shape, NaN or infinity.
    """
    check_rgb(rgb)
    r, g, b = (rgb.float() * 255).unbind(1)
    rg, yb = r - g, (r + g) / 2 - b
    spread = torch.sqrt(rg.var((1, 2), correction=0) + yb.var((1, 2), correction=0))
    mean = torch.sqrt(rg.mean((1, 2)).square() + yb.mean((1, 2)).square())
    return spread + 0.3 * mean


class ColorScores:
    """How colourful a set of pictures is; this needs no originals."""

    def __init__(self) -> None:
        self._colors = FrequentColors()
        self._colorfulness: list[float] = []

    def add(self, rgb: Tensor) -> None:
        """Add pictures, [B,3,H,W] 0..1, rounded to 8 bits here."""
        check_rgb(rgb)
        rgb = to_8_bits(rgb)
        self._colors.add(rgb_to_lab(rgb)[:, 1:])
        self._colorfulness += colorfulness(rgb).tolist()

    def figures(self) -> dict[str, float]:
        """Return the mean ``colorfulness``, and ``frequent`` in percent: NaN where no pixel has a colour.

        Raises ValueError before the first picture.
        """
        return {"colorfulness": _mean(self._colorfulness), "frequent": self._colors.share()}


class PhotoScores:
    """The figures of one colorizer on a set of photos."""

    def __init__(self) -> None:
        self._auc = AreaUnderCurve()
        self._colors, self._true_colors = ColorScores(), ColorScores()
        self._values: dict[str, list[float]] = {}

    def add(self, rgb: Tensor, truth: Tensor) -> None:
        """Add coloured pictures and their originals, [B,3,H,W] 0..1, rounded to 8 bits here."""
        check_pair(rgb, truth)
        rgb, truth = to_8_bits(rgb), to_8_bits(truth)
        self._auc.add(rgb_to_lab(rgb)[:, 1:], rgb_to_lab(truth)[:, 1:])
        self._colors.add(rgb)
        self._true_colors.add(truth)
        values = {"psnr": psnr(rgb, truth).clamp(max=PSNR_LIMIT), "delta_e": delta_e(rgb, truth)}
        for epsilon in EPSILONS:
            values[f"accuracy_{100 * epsilon:.0f}"] = 100 * epsilon_accuracy(rgb, truth, epsilon)
        for name, value in values.items():
            self._values.setdefault(name, []).extend(value.tolist())

    def figures(self) -> dict[str, float]:
        """Return the figures of the set; ValueError before the first picture.

        ``auc_rebalanced``, ``auc``, ``accuracy_2``, ``accuracy_5``, ``frequent`` and ``true_frequent`` in
        percent; means over the pictures of ``psnr`` (dB), ``delta_e``, ``colorfulness`` and
        ``true_colorfulness``; ``colorfulness_difference`` is that of the two means, as in table 1 of DDColor
        (Kang 2023). ``frequent`` is NaN where no pixel has a colour.
        """
        own, true = self._colors.figures(), self._true_colors.figures()
        return {
            "auc_rebalanced": self._auc.rebalanced(),
            "auc": self._auc.plain(),
            **{name: _mean(values) for name, values in self._values.items()},
            **own,
            **{f"true_{name}": value for name, value in true.items()},
            "colorfulness_difference": abs(own["colorfulness"] - true["colorfulness"]),
        }


def _mean(values: list[float]) -> float:
    if not values:
        raise ValueError("no pictures were added: give at least one before asking for figures")
    return sum(values) / len(values)


def to_8_bits(rgb: Tensor) -> Tensor:
    """Round rgb 0..1 to what a file of 8 bits holds; the same shape, 0..1."""
    return rgb.clamp(0, 1).mul(255).round().div(255)


def check_rgb(rgb: Tensor, name: str = "the picture") -> None:
    """Raise ValueError, naming it ``name``, unless rgb is [B,3,H,W], not empty and finite."""
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"{name} must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    if not bool(torch.isfinite(rgb).all()):
        raise ValueError(f"{name} holds NaN or infinite values: repair it before measuring")


def check_pair(rgb: Tensor, truth: Tensor) -> None:
    """Raise ValueError unless a picture and its original are alike in shape and finite."""
    if rgb.shape != truth.shape:
        raise ValueError(
            f"the picture and its original differ in shape: {list(rgb.shape)}, {list(truth.shape)}; "
            "bring them to one size first"
        )
    check_rgb(rgb)
    check_rgb(truth, "the original")
