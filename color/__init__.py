"""Colour science: pure tensor functions over any batch shape, type and device."""

from __future__ import annotations

from .cielab import (
    lab_to_lch,
    lab_to_rgb,
    lab_to_xyz,
    lch_to_lab,
    rgb_to_lab,
    rgb_to_lightness,
    xyz_to_lab,
)
from .difference import ciede2000, delta_e76
from .gamut import lab_to_rgb_in_gamut, reduce_chroma
from .oklab import oklab_to_rgb, rgb_to_oklab
from .srgb import linear_rgb_to_rgb, linear_rgb_to_xyz, rgb_to_linear_rgb, xyz_to_linear_rgb

__all__ = [
    "ciede2000",
    "delta_e76",
    "lab_to_lch",
    "lab_to_rgb",
    "lab_to_rgb_in_gamut",
    "lab_to_xyz",
    "lch_to_lab",
    "linear_rgb_to_rgb",
    "linear_rgb_to_xyz",
    "oklab_to_rgb",
    "reduce_chroma",
    "rgb_to_lab",
    "rgb_to_lightness",
    "rgb_to_linear_rgb",
    "rgb_to_oklab",
    "xyz_to_lab",
    "xyz_to_linear_rgb",
]
