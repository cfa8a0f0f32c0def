"""Palettes that are not the photo's own: the embedded network learns to meet what is asked for.

A photo's own palette, which ``training embedded`` gives, fits what the photo shows, so that the network may
believe what it sees as much as what it is told. Users bring other palettes. Half the batches here get that of
another photo; no true colours go with it, so what counts is ColorHouse's distance of a picture from a palette
(``training/colorhouse.py``), and that things alike in the automatic picture are changed alike.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab
from ..color.ab_bins import annealed_mean
from ..models.embedded.network import STRIDE
from ..pipelines.photo_set import PhotoSet
from .colorhouse import palette_distance, parted
from .conditions import asked_palette
from .embedded import TEMPERATURE, EmbeddedTrainer, Places, Recipe
from .photos import Batch, degrade_lightness

#: Share of the batches whose palettes are other photos'.
_OTHERS = 0.5
# Weights of how differently alike things are changed, anywhere and side by side, and how far apart alike
# neighbours may be. Distances are in CIE units, the classification's loss is not.
_ALIKE, _SMOOTH, _SAME, _UNIT = 0.5, 0.4, 8.0, 110


class PaletteTrainer(EmbeddedTrainer):
    """A run in which half the palettes are other photos'; ``weight``: of the distance from these."""

    def __init__(self, photos: PhotoSet, recipe: Recipe, places: Places, weight: float = 4.0) -> None:
        super().__init__(photos, recipe, places)
        self.weight = weight

    def loss(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        """Return the loss of one batch: that of ``training embedded``, or how far other palettes are off."""
        if batch.references is None or batch.rng.random() >= _OTHERS:
            return super().loss(batch, dtype)
        return self.weight * self.distance(batch, dtype) / _UNIT

    def distance(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        """Return how far photos with the palette of the next one are from that, in CIE units."""
        rgb, _ = batch.pictures()
        lab, rng = rgb_to_lab(rgb), batch.rng
        order = np.roll(np.arange(len(rgb)), 1)
        asked = [part.to(self.device) for part in asked_palette(rgb[order], lab[order], rng)]
        seen = degrade_lightness(lab[:, :1], rng).to(self.device)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            with torch.no_grad():
                alone = self.network(seen)
            color = self.network.encode_palette(*asked)
            logits = self.network(seen, None, color)
        L = F.avg_pool2d(seen, STRIDE)
        before = torch.cat([L, annealed_mean(alone, TEMPERATURE)], 1)
        got = torch.cat([L, annealed_mean(logits, TEMPERATURE)], 1)
        moved = got - before
        uneven = _ALIKE * parted(moved, before) + _SMOOTH * patched(moved, before)
        return palette_distance(got, asked[0], asked[1], rng) + uneven


def patched(moved: Tensor, before: Tensor) -> Tensor:
    """Return how differently neighbours that were alike are changed, in CIE units: what is seen as patches.

    ``moved``: the change, ``before``: the Lab that is changed, both [B,3,h,w].
    """
    apart = []
    for dim in (2, 3):
        alike = torch.exp(-before.diff(dim=dim).square().sum(1) / (2 * _SAME**2))
        change = (moved.diff(dim=dim).square().sum(1) + 1).sqrt() - 1
        apart.append((alike * change).mean())
    return torch.stack(apart).sum()
