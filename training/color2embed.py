"""Color2Embed's recipe: a picture without its chroma, and itself, warped and noised, as the reference.

Source: Zhao et al., "Color2Embed", 2021, section 3: thin-plate-spline references with Gaussian noise of
sigma 5 (of 255), smooth-L1 distance of chroma, and a perceptual one of relu5_2 times 0.1; 256 px, batches of
64, Adam with betas 0.9 and 0.99 at 1e-4. The network is the published architecture (``models/color2embed``).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..color import lab_to_rgb, rgb_to_lab
from ..models.color2embed.network import Color2Embed
from .conditions import make_reference
from .perceptual import Distance
from .small import Loss

#: Chroma that the network's 1 stands for, and the weight of the perceptual distance.
_AB, _PERCEPTUAL = 110.0, 0.1


def color2embed_loss(perceptual: Distance | None = None) -> Loss:
    """Return the loss of the recipe; without ``perceptual`` its second term is left out."""

    def loss(network: nn.Module, rgb: Tensor, rng: np.random.Generator) -> Tensor:
        assert isinstance(network, Color2Embed)
        lab = rgb_to_lab(rgb)
        L = lab[:, :1]
        ab = network.unet((L - 50) / 50, network.encoder(make_reference(rgb, rng)))
        distance = F.smooth_l1_loss(ab, lab[:, 1:] / _AB)
        if perceptual is None:
            return distance
        made = lab_to_rgb(torch.cat([L, ab * _AB], 1)).clamp(0, 1)
        return distance + _PERCEPTUAL * perceptual(made, rgb)

    return loss
