"""What pictures are compared by when a reference is looked for: features and luminance, never colour.

Paper: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018, section 5: features compressed by PCA,
luminance histograms of local windows.
Reference source: none. Code licence: Apache-2.0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from ..models.features import FeatureExtractor

#: Side of the square that a picture is compared at, and of the grid of places it is described on.
SIDE, GRID = 224, 7
PLACES = GRID * GRID
_PROBE_SIDE = 64
#: Bins of a place's luminance histogram.
LEVELS = 16
#: What PCA leaves of a picture's mean feature, and of each place's.
OVERALL_SIZE, PLACE_SIZE = 128, 64

#: A picture is no reference where ab, less what lightness alone tells of it, varies by less than this (CIE
#: units, root mean square). Grey has 0; 10 of 800 photos toned as sepia had more, and 798 of them in colour.
LEAST_COLOR = 1.4
#: Degree of the polynomial by which lightness tells of ab: with 2, a quarter of the sepia ones had more.
_TONE_DEGREE = 4


@dataclass(frozen=True)
class Description:
    """What is known of pictures before compression.

    ``features``: [B,49,C] float32, one of each place. ``lightness``: [B,49,16] float32, the luminance
    histogram of each place less its mean, of length 1: a product of two is their correlation.
    """

    features: Tensor
    lightness: Tensor


def describe(rgb: Tensor, extractor: FeatureExtractor) -> Description:
    """Describe pictures, rgb [B,3,224,224] 0..1, by their luminance alone; on the CPU.

    Raises FloatingPointError where the network overflows in its type.
    """
    if rgb.shape[1:] != (3, SIDE, SIDE):
        raise ValueError(f"pictures are described as [B,3,{SIDE},{SIDE}], got {list(rgb.shape)}")
    L = rgb_to_lightness(rgb.float())
    coarsest = extractor.features(L)[-1].float().cpu()
    features = F.adaptive_avg_pool2d(coarsest, GRID).flatten(2).transpose(1, 2)
    return Description(_checked(features, extractor).contiguous(), _histograms(L.cpu()))


def _checked(features: Tensor, extractor: FeatureExtractor) -> Tensor:
    if not bool(torch.isfinite(features).all()):
        raise FloatingPointError(
            f"the network overflowed in {extractor.dtype}: load the model in float32 or bfloat16"
        )
    return features


def _histograms(L: Tensor) -> Tensor:
    side = SIDE // GRID
    windows = L.view(-1, GRID, side, GRID, side).transpose(2, 3).reshape(-1, PLACES, side * side)
    bins = (windows * (LEVELS / 100)).long().clamp(0, LEVELS - 1)
    counts = torch.zeros(*windows.shape[:2], LEVELS).scatter_add_(2, bins, torch.ones_like(windows))
    return F.normalize(counts - counts.mean(2, keepdim=True), dim=2)


def color_beyond_lightness(rgb: Tensor) -> Tensor:
    """Return how much ab varies beyond what lightness tells of it: rgb [B,3,224,224] → [B], CIE units.

    Of a grey picture it is 0, of a toned one nearly: there ab is a function of the lightness, taken as a
    polynomial.
    """
    lab = rgb_to_lab(F.avg_pool2d(rgb.double(), 4)).flatten(2).transpose(1, 2)  # [B,N,3]
    L, ab = (lab[..., :1] - 50) / 50, lab[..., 1:]
    powers = torch.cat([L**degree for degree in range(_TONE_DEGREE + 1)], 2)
    # Normal equations with a little on the diagonal: a flat picture has one lightness only.
    square = powers.mT @ powers / L.shape[1] + 1e-6 * torch.eye(_TONE_DEGREE + 1, dtype=L.dtype)
    rest = ab - powers @ torch.linalg.solve(square, powers.mT @ ab / L.shape[1])
    return rest.square().sum(2).mean(1).sqrt().float()


@dataclass(frozen=True)
class Basis:
    """How descriptions are compressed: a mean [C] and matrices [C,128], [C,64]; narrower for a small C."""

    mean: Tensor
    to_overall: Tensor
    to_place: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> Basis:
        """Fit it to pictures' features [N,49,C]; with few of them, or none, it compresses all the same.

        Components are divided by the fourth root of their variance: it keeps the largest from deciding
        alone, without blowing the smallest up to noise.
        """
        channels = features.shape[2]
        points = features.reshape(-1, channels).float()
        mean = points.mean(0) if len(points) else points.new_zeros(channels)
        return cls(
            mean,
            _components(features.float().mean(1) - mean, OVERALL_SIZE),
            _components(points - mean, PLACE_SIZE),
        )

    def compress(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[B,49,C] → of whole pictures [B,128], of their places [B,49,64]; both of length 1."""
        centred = features.float() - self.mean
        overall = F.normalize(centred.mean(1) @ self.to_overall, dim=1)
        return overall, F.normalize(centred @ self.to_place, dim=2)


def _components(centred: Tensor, size: int) -> Tensor:
    channels = centred.shape[1]
    covariance = centred.T @ centred / max(1, len(centred))
    variance, axes = torch.linalg.eigh(covariance.double())
    # Some of the mean variance for every component: a few pictures do not say which matter.
    variance = variance.clamp(min=0) + 0.01 * variance.mean() + 1e-9
    largest = torch.arange(channels - 1, max(-1, channels - 1 - size), -1)
    return (axes[:, largest] * variance[largest] ** -0.25).float().contiguous()


def probe(extractor: FeatureExtractor) -> Tensor:
    """Return the mean feature [C] of a small fixed pattern: what tells one network from another.

    Raises FloatingPointError where the network overflows in its type.
    """
    ramp = torch.linspace(-1, 1, _PROBE_SIDE)
    waves = torch.sin(9 * ramp[:, None] ** 2 + 14 * ramp) + torch.cos(23 * ramp[:, None] * ramp)
    features = extractor.features((50 + 20 * waves)[None, None])[-1].float()
    return _checked(features.mean((0, 2, 3)).cpu(), extractor)
