from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from chrominance.color import rgb_to_lab
from chrominance.pipelines.recolor_weights import STEEPNESS, reach, soft_weights


def colors(count, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return rgb_to_lab(torch.rand(3, count, generator=generator, dtype=torch.float64), dim=0).to(dtype)


@pytest.mark.parametrize("count", [2, 3, 6, 16])
def test_the_weights_are_those_of_the_least_sum(count):
    """Against SciPy's general minimizer, on the formula of the docstring."""
    palette, lab = colors(count, 1, torch.float64).T, colors(5, 2, torch.float64)
    sigma = reach(palette)
    gamma = (STEEPNESS - 1) * sigma**2
    found = soft_weights(lab, palette)
    p = palette.numpy()
    for number in range(lab.shape[1]):
        x = lab[:, number].numpy()

        def value(w, x=x):
            near = (w * ((x - p) ** 2).sum(1)).sum() / (2 * sigma**2)
            return near + (w * np.log(w)).sum() + ((x - w @ p) ** 2).sum() / (2 * gamma)

        def free(z, value=value):
            w = np.exp(z - z.max())
            return value(np.maximum(w / w.sum(), 1e-300))

        ours = np.maximum(found[:, number].numpy(), 1e-300)
        best = minimize(free, np.log(ours) + 0.1, method="BFGS", options={"gtol": 1e-9}).fun
        assert value(ours) <= best + 1e-6 * abs(best)


@pytest.mark.parametrize("count", [1, 2, 6, 16])
def test_the_weights_are_convex(count):
    weights = soft_weights(colors(500), colors(count, 3).T)
    assert weights.shape == (count, 500) and weights.min() >= 0
    torch.testing.assert_close(weights.sum(0), torch.ones(500))


def test_swatches_apart_hold_themselves_and_few_others():
    palette = torch.tensor([[50.0, 60, 40], [40, -40, 30], [30, 20, -60], [90, 0, 0], [10, 0, 0]])
    assert soft_weights(palette.T.contiguous(), palette).diagonal().min() > 0.95
    assert (soft_weights(colors(500), palette) > 0.05).sum(0).float().mean() < 3


def test_between_two_swatches_one_gives_way_smoothly():
    palette = torch.tensor([[50.0, 30, 0], [50, -30, 0]])
    line = torch.lerp(palette[:1].T, palette[1:].T, torch.linspace(0, 1, 601, dtype=torch.float64).float())
    weights = soft_weights(line, palette)[1].double()
    steps = weights.diff()
    assert steps.min() > -1e-5 and steps.max() < 1.1 * STEEPNESS / 600
    assert weights[300] == pytest.approx(0.5, abs=1e-3)


def test_it_holds_in_float32_and_whatever_comes_together():
    palette, lab = colors(6, 4).T, colors(3000, 5)
    both = soft_weights(lab, palette)
    torch.testing.assert_close(both.double(), soft_weights(lab.double(), palette.double()), atol=5e-5, rtol=0)
    torch.testing.assert_close(both[:, 7:8], soft_weights(lab[:, 7:8], palette), atol=2e-5, rtol=0)
    assert soft_weights(lab[:, :0], palette).shape == (6, 0)
