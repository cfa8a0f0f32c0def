"""What the extractor is asked for: the true colours and shares cost least."""

from __future__ import annotations

import numpy as np
import torch

from chrominance.color import lab_to_rgb
from chrominance.models.colorhouse.palette_extractor import PaletteExtractor
from chrominance.training.palette_extractor import palette_loss

COLORS = torch.tensor([[30.0, 10, 10], [50, -10, 10], [60, 10, -20], [80, 0, 15], [45, 20, 20]])


class Told(PaletteExtractor):
    """Finds the colours of stripes, in their order, moved by ``off``."""

    def __init__(self, off: float, shares: torch.Tensor) -> None:
        super().__init__()
        self.off, self.shares = off, shares

    def colors(self, lab: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = lab[:, :, 32, [6, 19, 32, 45, 58]].transpose(1, 2)
        return found + self.off, self.shares.expand(len(lab), -1)


def stripes() -> torch.Tensor:
    edges = [0, 13, 26, 39, 52, 64]
    rgb = lab_to_rgb(COLORS, dim=1, clip=True)
    out = torch.empty(3, 64, 64)
    for n in range(5):
        out[:, :, edges[n] : edges[n + 1]] = rgb[n][:, None, None]
    return out.expand(8, -1, -1, -1)


def cost(off: float, shares: torch.Tensor) -> float:
    return palette_loss(Told(off, shares), stripes(), np.random.default_rng(0)).item()


def test_the_truth_costs_least():
    true = torch.tensor([13.0, 13, 13, 13, 12]) / 64
    wrong = torch.tensor([0.8, 0.05, 0.05, 0.05, 0.05])
    assert cost(0, true) < 0.5
    assert cost(0, true) < cost(2, true) < cost(5, true)
    assert cost(0, wrong) > cost(0, true) + 1
