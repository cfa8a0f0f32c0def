"""The colour of a picture's light."""

from __future__ import annotations

from torch import Tensor

from ..color import linear_rgb_to_rgb, rgb_to_lab, rgb_to_linear_rgb


def estimate_illumination(rgb: Tensor, power: float = 6.0) -> Tensor:
    """Estimate the light's colour by shades of grey: rgb [B,3,H,W] 0..1 → its ab [B,2] at full power.

    The Minkowski mean of each linear channel, scaled so that the largest is 1. Source: Finlayson and Trezzi,
    "Shades of Gray and Colour Constancy", CIC 2004 (power 6).
    """
    linear = rgb_to_linear_rgb(rgb.float().clamp(0, 1))
    mean = linear.clamp(min=1e-6).pow(power).mean((2, 3)).pow(1 / power)
    light = mean / mean.amax(1, keepdim=True)
    return rgb_to_lab(linear_rgb_to_rgb(light[:, :, None, None]))[:, 1:, 0, 0]
