"""The colour of a picture's light, predicted by a small network, as ColorHouse does.

Paper: "Neural Image Recolorization for Creative Domains", CVPR Workshops 2022, which says no more than that
"a differentiable network" predicts the illumination. The confidence-weighted pooling of local estimates is
that of Hu, Wang and Lin, "FC4: Fully Convolutional Color Constancy with Confidence-Weighted Pooling", CVPR
2017; the histograms of log chroma are those of Barron, "Convolutional Color Constancy", ICCV 2015.
Reference source: none. Code licence: Apache-2.0. Weights licence: Apache-2.0 (trained here).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...color import rgb_to_linear_rgb

#: Side of the square that the network sees.
SIZE = 64
#: Luminance of linear sRGB, for the scale of a light.
LUMINANCE = (0.2126, 0.7152, 0.0722)

_WIDTHS, _STRIDES = (4, 32, 64, 96, 128, 128), (2, 2, 2, 1, 1)
_HISTOGRAM_WIDTHS = (2, 16, 32, 32)
_CONTEXT = 64
# Powers of the mean: of what is taken out first, and of the other estimates that the network is told.
_POWER, _POWERS = 6.0, (1.0, 2.0, 12.0, 32.0)
# Cells of a histogram along each axis, and their side in log chroma.
_CELLS, _CELL = 32, 0.1
# Linear values below this are black.
_BLACK = 1e-4


class IlluminationPredictor(nn.Module):
    """A picture in colour → the colour of its light.

    The light is first estimated by shades of grey and divided out; the network sees what is left and says by
    how much that estimate was wrong. So a picture under other light leads to the same correction.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = zip(pairwise(_WIDTHS), _STRIDES, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for (a, b), stride in pairs)
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in _WIDTHS[1:])
        self.counts = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(_HISTOGRAM_WIDTHS))
        cells = (_CELLS // 2 ** len(self.counts)) ** 2
        self.context1 = nn.Linear(
            _WIDTHS[-1] + _HISTOGRAM_WIDTHS[-1] * cells + 2 * len(_POWERS), 2 * _CONTEXT
        )
        self.context2 = nn.Linear(2 * _CONTEXT, _CONTEXT)
        self.local = nn.Conv2d(_WIDTHS[-1] + _CONTEXT, 64, 1)
        self.out = nn.Conv2d(64, 3, 1)
        self.whole = nn.Linear(_CONTEXT, 2)
        for layer in (self.out, self.whole):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, rgb: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the lights of pictures [B,3,H,W] sRGB 0..1 of any size: linear sRGB of luminance 1, [B,3].

        ``mask``: [B,1,H,W] 0..1, where to look. What is black tells nothing: neutral, all 1.
        """
        linear, weight = shrink(rgb, mask)
        light = unit_luminance(torch.exp(self.log_light(linear, weight)))
        black = (linear * weight).amax((1, 2, 3)) < _BLACK
        return torch.where(black[:, None], 1.0, light)

    def log_light(self, linear: Tensor, weight: Tensor) -> Tensor:
        """Return the logarithms of the lights [B,3] of linear pictures [B,3,64,64], weighted [B,1,64,64]."""
        first = shades_of_grey(linear, _POWER, weight)
        balanced = linear / first[:, :, None, None]
        told = [shades_of_grey(balanced, power, weight) for power in _POWERS]
        estimates = torch.cat([_log_chroma(mean) for mean in told], 1)
        # What is near to white in the file may be cut off, and then says little of the light.
        seen = torch.cat([balanced / 2, linear.amax(1, keepdim=True)], 1).clamp(1e-5, 2).pow(1 / 2.2)
        red, blue = self._correction(seen * weight, _histograms(balanced, weight), estimates, weight)
        return torch.log(first) + torch.stack([red, torch.zeros_like(red), blue], 1)

    def _correction(
        self, seen: Tensor, histograms: Tensor, estimates: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        dtype = self.out.weight.dtype
        x = seen.to(dtype) - 0.5
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), 0.1)
        y = histograms.to(dtype)
        for conv in self.counts:
            y = F.leaky_relu(conv(y), 0.1)
        counted = F.adaptive_avg_pool2d(weight.to(dtype), (x.shape[2], x.shape[3]))
        mean = (x * counted).sum((2, 3)) / counted.sum((2, 3)).clamp(min=1e-6)
        context = torch.cat([mean, y.flatten(1), estimates.to(dtype)], 1)
        context = F.leaky_relu(self.context2(F.leaky_relu(self.context1(context), 0.1)), 0.1)
        x = torch.cat([x, context[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
        red, blue, sure = self.out(F.leaky_relu(self.local(x), 0.1)).float().flatten(2).unbind(1)
        share = (sure + counted.float().flatten(1).clamp(min=1e-6).log()).softmax(1)
        whole = self.whole(context).float()
        return (red * share).sum(1) + whole[:, 0], (blue * share).sum(1) + whole[:, 1]


def shrink(rgb: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scale pictures [B,3,H,W] sRGB 0..1 down, the whole of each, squared.

    ``mask``: [B,1,H,W] 0..1, where to look. Returns linear sRGB [B,3,64,64], in which what is masked out has
    left no trace, and how much of each pixel was seen [B,1,64,64].
    """
    rgb = rgb.float().clamp(0, 1)
    if mask is None:
        linear = _halve(rgb_to_linear_rgb(_scale(rgb)))
        return linear, torch.ones_like(linear[:, :1])
    mask = mask.float()
    seen = _scale(mask).clamp(0, 1)
    linear = rgb_to_linear_rgb((_scale(rgb * mask) / seen.clamp(min=1e-6)).clamp(0, 1))
    weight = _halve(seen)
    return _halve(linear * seen) / weight.clamp(min=1e-6), weight


def _scale(x: Tensor) -> Tensor:
    twice = (2 * SIZE, 2 * SIZE)
    return F.interpolate(x, twice, mode="bilinear", antialias=True, align_corners=False)


def _halve(x: Tensor) -> Tensor:
    # After the first scaling in linear light, where a gain stays one.
    return F.avg_pool2d(x, 2)


def shades_of_grey(linear: Tensor, power: float, weight: Tensor | None = None) -> Tensor:
    """Return the Minkowski means of linear pictures [B,3,H,W], weighted by [B,1,H,W]: [B,3], none 0.

    Power 1 is the grey world; the higher, the more the brightest pixels count. Source: Finlayson and Trezzi,
    "Shades of Gray and Colour Constancy", CIC 2004.
    """
    # By the largest, so that high powers do not leave the range of float32.
    scale = linear.amax((2, 3), keepdim=True).clamp(min=1e-5)
    powers = (linear / scale).clamp(min=1e-5).pow(power)
    if weight is None:
        mean = powers.mean((2, 3))
    else:
        mean = (powers * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1e-6)
    return mean.clamp(min=1e-30).pow(1 / power) * scale[:, :, 0, 0]


def unit_luminance(light: Tensor) -> Tensor:
    """Scale lights [...,3], linear sRGB, to luminance 1."""
    return light / (light @ light.new_tensor(LUMINANCE))[..., None]


def _log_chroma(light: Tensor) -> Tensor:
    log = torch.log(light.clamp(min=1e-5))
    return log[:, ::2] - log[:, 1:2]


def _histograms(balanced: Tensor, weight: Tensor) -> Tensor:
    """Count log chroma, once as it is and once the bright pixels alone: [B,2,32,32], roots of shares."""
    batch = len(balanced)
    pixels = balanced.flatten(2).clamp(min=1e-4)
    log = torch.log(pixels)
    place = ((log[:, ::2] - log[:, 1:2]) / _CELL + (_CELLS - 1) / 2).clamp(0, _CELLS - 1 - 1e-3)
    low = place.floor()
    part = place - low
    bright = pixels.mean(1).clamp(max=2)
    # Chroma of what is nearly black is noise.
    masses = torch.stack([bright.sqrt(), bright.pow(4)], 1) * weight.flatten(2)
    counts = torch.zeros(batch, 2, _CELLS * _CELLS, device=balanced.device)
    for red in (0, 1):
        for blue in (0, 1):
            share = (part[:, 0] if red else 1 - part[:, 0]) * (part[:, 1] if blue else 1 - part[:, 1])
            cell = ((low[:, 0] + red) * _CELLS + low[:, 1] + blue).long()
            counts.scatter_add_(2, cell[:, None].expand(-1, 2, -1), masses * share[:, None])
    counts = counts / counts.sum(2, keepdim=True).clamp(min=1e-8)
    return (counts + 1e-6).sqrt().view(batch, 2, _CELLS, _CELLS) * 8
