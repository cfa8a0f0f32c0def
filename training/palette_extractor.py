"""What the palette extractor learns: five colours that all pixels of a photo are near to."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..models.colorhouse.palette_extractor import PaletteExtractor, shrink

# Pixels of each photo that are compared, and how softly they choose their colour, in ΔE.
_PIXELS, _SOFTNESS = 1024, 3.0


def palette_loss(network: nn.Module, rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Compare pixels with the nearest of their photo's colours, and shares with how many chose each.

    k-means' own measure, with distances instead of squares, and soft choices so that colours that no pixel
    chose are drawn in. Hues are turned and saturation is varied by chance: a palette has to follow.
    """
    assert isinstance(network, PaletteExtractor)
    lab = shrink(rgb)
    angle = np.where(rng.random(len(rgb)) < 0.5, 0, rng.uniform(-np.pi, np.pi, len(rgb)))
    gain = rng.uniform(0.6, 1.3, len(rgb))
    cos, sin = (
        torch.from_numpy((gain * f(angle)).astype(np.float32))[:, None, None] for f in (np.cos, np.sin)
    )
    a, b = lab[:, 1], lab[:, 2]
    lab = torch.stack([lab[:, 0], cos * a - sin * b, sin * a + cos * b], 1)
    colors, shares = network.colors(lab)
    chosen = torch.from_numpy(rng.integers(lab.shape[2] * lab.shape[3], size=_PIXELS))
    pixels = lab.flatten(2)[:, :, chosen].transpose(1, 2)
    apart = (torch.cdist(pixels, colors).square() + 1e-2).sqrt()
    near = (-apart / _SOFTNESS).softmax(2)
    distance = (near * apart).sum(2).mean()
    found = near.detach().mean(1)
    return distance + 2 * (shares - found).abs().sum(1).mean()
