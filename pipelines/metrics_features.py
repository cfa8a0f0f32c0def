"""Measures by what a classifier sees: the Fréchet distance of its features, and whether it agrees."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .metrics import check_pair, to_8_bits

#: From rgb [B,3,H,W] 0..1 to features [B,F] and logits [B,K]: models.classifier.Classifier.
Classify = Callable[[Tensor], tuple[Tensor, Tensor]]


def gaussian_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """Fit a Gaussian to features [N,F]: mean [F] and unbiased covariance [F,F], float64.

    Raises ValueError for fewer than two rows, NaN or infinity.
    """
    if features.ndim != 2 or features.shape[0] < 2:
        raise ValueError(
            "a Fréchet distance needs features [N,F] of at least two pictures on either side, got "
            f"{list(features.shape)}: add pictures"
        )
    if not bool(torch.isfinite(features).all()):
        raise ValueError("the features hold NaN or infinite values: look for a broken picture or network")
    x = features.double()
    mean = x.mean(0)
    x = x - mean
    return mean, x.T @ x / (len(x) - 1)


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Return the (squared) Fréchet distance of two Gaussians: means [F], covariances [F,F].

    |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½). Source: Dowson and Landau, "The Fréchet distance between
    multivariate normal distributions", 1982; as a measure of pictures Heusel et al., "GANs trained by a two
    time-scale update rule", 2017. Raises ValueError for shapes that do not fit.
    """
    size = len(mean1)
    for name, value, shape in (
        ("mean1", mean1, (size,)),
        ("mean2", mean2, (size,)),
        ("cov1", cov1, (size, size)),
        ("cov2", cov2, (size, size)),
    ):
        if tuple(value.shape) != shape:
            raise ValueError(
                f"{name} must be {list(shape)} as mean1 has {size} features, got {list(value.shape)}"
            )
    mean = (mean1.double() - mean2.double()).square().sum()
    # tr (C1 C2)^½ is the sum of the singular values of C1^½ C2^½: unlike a root of the product, which is
    # not symmetric, this stays real and exact where the covariances are singular (few pictures).
    cross = torch.linalg.svdvals(_root(cov1) @ _root(cov2)).sum()
    trace = cov1.double().trace() + cov2.double().trace()
    return max(0.0, float(mean + trace - 2 * cross))


def _root(covariance: Tensor) -> Tensor:
    """Return the symmetric square root of a symmetric matrix without negative eigenvalues, float64."""
    symmetric = covariance.double()
    values, vectors = torch.linalg.eigh((symmetric + symmetric.T) / 2)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


class RecognitionScores:
    """What a classifier makes of a set of coloured photos, beside what it makes of the originals."""

    def __init__(self, classify: Classify) -> None:
        self._classify = classify
        self._features: list[Tensor] = []
        self._true_features: list[Tensor] = []
        self._agreed = 0

    def add(self, rgb: Tensor, truth: Tensor) -> None:
        """Add coloured pictures and their originals, [B,3,H,W] 0..1, rounded to 8 bits here."""
        check_pair(rgb, truth)
        features, logits = self._classify(to_8_bits(rgb))
        true_features, true_logits = self._classify(to_8_bits(truth))
        self._features.append(features.cpu())
        self._true_features.append(true_features.cpu())
        self._agreed += int((logits.argmax(1) == true_logits.argmax(1)).sum())

    def figures(self) -> dict[str, float]:
        """Return ``frechet``, and ``top1``: percent of pictures named as their originals are.

        The Fréchet distance depends on the number of pictures: compare only what was measured on the same
        ones. Naming what it sees is the test of Zhang 2016, section 3.1 (there with VGG, against labels).
        Raises ValueError for fewer than two pictures.
        """
        if not self._features:
            raise ValueError("no pictures were added: give at least two before asking for figures")
        features, true_features = torch.cat(self._features), torch.cat(self._true_features)
        distance = frechet_distance(*gaussian_of(features), *gaussian_of(true_features))
        return {"frechet": distance, "top1": 100 * self._agreed / len(features)}
