"""What is measured on the photos before a training begins: the prior over the bins, the features' spread."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..color import rgb_to_lab
from ..color.ab_bins import BIN_COUNT, nearest_ab_bin
from ..models.embedded.conditions import DESCRIBED_SIZE
from ..models.embedded.network import EmbeddedNetwork
from ..pipelines.photo_set import PhotoSet
from .photos import random_crop
from .rebalance import smooth_prior

#: Photos from which the prior over the bins is measured.
_PRIOR_PHOTOS = 3000
#: Photos from which the mean and spread of the encoder's features are.
_KINSHIP_PHOTOS = 400


@torch.no_grad()
def measure_kinship(network: EmbeddedNetwork, photos: PhotoSet, seed: int) -> None:
    """Set what descriptors are measured from: the encoder's coarsest features, over 400 photos."""
    rng = np.random.default_rng([seed, 4])
    pooled = []
    for index in rng.permutation(len(photos))[:_KINSHIP_PHOTOS]:
        pixels = torch.from_numpy(random_crop(photos.load(int(index)), DESCRIBED_SIZE, rng).copy())
        L = rgb_to_lab(pixels.permute(2, 0, 1)[None].float() / 255)[:, :1]
        pooled.append(network.encoder(L)[-1].mean((2, 3)))
    spread, mean = torch.std_mean(torch.cat(pooled), 0, correction=0)
    network.kinship.mean.copy_(mean)
    network.kinship.spread.copy_(spread + 0.05 * spread.mean() + 1e-6)
    nn.init.orthogonal_(network.kinship.project.weight)


def measure_prior(photos: PhotoSet, seed: int) -> Tensor:
    """Return the smoothed distribution of chroma over the 313 bins, [313], from up to 3,000 photos."""
    rng = np.random.default_rng([seed, 0])
    counts = torch.zeros(BIN_COUNT)
    for index in rng.permutation(len(photos))[:_PRIOR_PHOTOS]:
        pixels = torch.from_numpy(random_crop(photos.load(int(index)), 32, rng).copy())
        ab = rgb_to_lab(pixels.permute(2, 0, 1).float() / 255)[1:]
        counts += torch.bincount(nearest_ab_bin(ab).flatten(), minlength=BIN_COUNT)
    return smooth_prior(counts)
