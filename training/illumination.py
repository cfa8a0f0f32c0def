"""What the illumination predictor learns: photos under lights that are known."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..color import delta_e76, linear_rgb_to_rgb, rgb_to_lab, rgb_to_linear_rgb
from ..models.colorhouse.illumination import IlluminationPredictor, unit_luminance

# Shares of photos that are overexposed, so that channels are cut off, made grey, and seen in part.
_OVEREXPOSED, _GREY, _MASKED = 0.3, 0.03, 0.2
# Weight of ΔE76 beside the distance of log chroma.
_DELTA_E = 0.04


def draw_lights(batch: int, rng: np.random.Generator) -> Tensor:
    """Return lights as gains on linear red, green and blue, [batch,3], the largest 1.

    Three in four go from bluish to reddish as daylight and lamps do, the others anywhere.
    """
    warmth, tint = rng.uniform(-0.55, 0.55, batch), rng.normal(0, 0.08, batch)
    anywhere = rng.random(batch) < 0.25
    red = np.where(anywhere, rng.normal(0, 0.25, batch), warmth)
    blue = np.where(anywhere, rng.normal(0, 0.25, batch), -1.2 * warmth)
    log = np.stack([red + tint, np.zeros(batch), blue + tint], 1)
    gains = np.exp(log - log.max(1, keepdims=True))
    return torch.from_numpy(gains.astype(np.float32))


def draw_masks(batch: int, side: int, rng: np.random.Generator) -> Tensor:
    """Return where to look, [batch,1,side,side]: mostly everywhere, else inside or outside of a rectangle."""
    masks = np.ones((batch, 1, side, side), np.float32)
    for mask in masks:
        if rng.random() < _MASKED:
            height, width = rng.integers(side // 4, side * 7 // 8, size=2)
            y, x = rng.integers(side - height + 1), rng.integers(side - width + 1)
            outside = rng.random() < 0.5
            mask[:] = float(outside)
            mask[:, y : y + height, x : x + width] = float(not outside)
    return torch.from_numpy(masks)


def illumination_loss(network: nn.Module, rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Relight photos, taken as lit by neutral light, and compare the predicted light with the true one.

    The mean distance of the logarithms of red to green and of blue to green, and the mean ΔE76 between photos
    and what the predicted light makes of them. Some are overexposed, so that channels are cut off; some are
    seen in part; a few are grey, since toned black-and-white pictures have no colours but the light's.
    """
    assert isinstance(network, IlluminationPredictor)
    batch = len(rgb)
    gains = draw_lights(batch, rng)
    over = np.where(
        rng.random(batch) < _OVEREXPOSED, rng.uniform(0, 0.35, batch), -rng.uniform(0, 0.3, batch)
    )
    exposure = torch.from_numpy(np.exp(over).astype(np.float32))
    true = rgb_to_linear_rgb(rgb)
    grey = torch.from_numpy(rng.random(batch) < _GREY)[:, None, None, None]
    true = torch.where(grey, true.mean(1, keepdim=True), true)
    linear = (true * (exposure[:, None] * gains)[:, :, None, None]).clamp(max=1)
    log = network.log_light(linear, draw_masks(batch, rgb.shape[2], rng))
    error = log - torch.log(gains)
    apart = (error[:, ::2] - error[:, 1:2]).square().sum(1).add(1e-5).sqrt().mean()
    small = F.avg_pool2d(true, 4)
    back = small / unit_luminance(torch.exp(error))[:, :, None, None]
    lab, wanted = (rgb_to_lab(linear_rgb_to_rgb(x.clamp(1e-4, 1))) for x in (back, small))
    return apart + _DELTA_E * (delta_e76(lab, wanted).square() + 1e-2).sqrt().mean()
