"""What the predictor is asked for: the truth costs nothing, and lights are as wide as they are said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chrominance.models.colorhouse.illumination import IlluminationPredictor
from chrominance.training import illumination
from chrominance.training.illumination import draw_lights, draw_masks, illumination_loss


class Told(IlluminationPredictor):
    """Knows the light, but for a factor on blue."""

    def __init__(self, light: torch.Tensor, blue: float = 1.0) -> None:
        super().__init__()
        self.light, self.blue = light, blue

    def log_light(self, linear: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (self.light * torch.tensor([1.0, 1.0, self.blue]) * 3).log()


def pictures(batch: int = 6) -> torch.Tensor:
    return torch.rand(batch, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


def test_the_truth_costs_nothing_and_errors_cost_their_size():
    lights = draw_lights(6, np.random.default_rng(4))
    costs = [
        illumination_loss(Told(lights, blue), pictures(), np.random.default_rng(4)).item()
        for blue in (1.0, 1.1, 1.3)
    ]
    assert costs[0] < 0.02
    assert 0.08 < costs[1] - costs[0] < 0.4 and costs[2] > 2 * costs[1]


def test_lights_are_spread_and_repeat():
    lights = draw_lights(4000, np.random.default_rng(0))
    assert torch.equal(lights, draw_lights(4000, np.random.default_rng(0)))
    assert lights.amax(1).eq(1).all() and lights.min() > 0.1
    log = lights.log()
    red, blue = (log[:, 0] - log[:, 1], log[:, 2] - log[:, 1])
    assert np.corrcoef(red, blue)[0, 1] < -0.5
    assert red.quantile(0.05) < np.log(0.65) and red.quantile(0.95) > np.log(1.55)


def test_some_masks_are_rectangles_or_what_is_around_them():
    masks = draw_masks(500, 64, np.random.default_rng(1))
    assert masks.shape == (500, 1, 64, 64) and set(masks.unique().tolist()) == {0, 1}
    share = masks.mean((1, 2, 3))
    assert (share < 1).float().mean() == pytest.approx(illumination._MASKED, abs=0.06)
    assert share.min() >= 1 / 16 and masks.amax((1, 2, 3)).min() == 1
