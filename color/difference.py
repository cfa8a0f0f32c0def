"""Colour differences between Lab colours: ΔE*ab of 1976 and CIEDE2000."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .chunks import convert
from .cielab import polar
from .formulas import Planes


def delta_e76(lab1: Tensor, lab2: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Return the Euclidean distance of Lab colours, ΔE*ab (CIE 1976).

    ``lab1``, ``lab2``: shapes that broadcast, 3 channels on axis ``dim`` (negative where the ranks differ).
    Returns the broadcast shape with one channel on that axis; ``out`` takes the result when given. The
    gradient at distance 0 is 0. Raises ValueError for a wrong shape or type.
    """
    return convert(_delta_e76, (lab1, lab2), names=("lab1", "lab2"), dim=dim, channels=1, out=out)


def ciede2000(lab1: Tensor, lab2: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Return the CIEDE2000 colour difference, with kL = kC = kH = 1.

    ``lab1``, ``lab2``: shapes that broadcast, 3 channels on axis ``dim`` (negative where the ranks differ).
    Returns the broadcast shape with one channel on that axis; ``out`` takes the result when given. The
    gradient at distance 0 is 0. Raises ValueError for a wrong shape or type.
    G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula" (2005), equations 2 to 22.
    """
    return convert(_ciede2000, (lab1, lab2), names=("lab1", "lab2"), dim=dim, channels=1, out=out)


def _root(x: Tensor) -> Tensor:
    """Square root with slope 0, not infinity, at 0; NaN stays NaN."""
    zero = x <= 0
    return torch.where(zero, torch.zeros_like(x), torch.sqrt(torch.where(zero, torch.ones_like(x), x)))


def _delta_e76(L1: Tensor, a1: Tensor, b1: Tensor, L2: Tensor, a2: Tensor, b2: Tensor) -> Planes:
    return (_root((L1 - L2) ** 2 + (a1 - a2) ** 2 + (b1 - b2) ** 2),)


def _saturation(chroma: Tensor) -> Tensor:
    """Return sqrt(C⁷ / (C⁷ + 25⁷)), the term of equations 4 and 17."""
    seventh = (chroma / 25) ** 7
    return _root(seventh / (seventh + 1))


def _ciede2000(L1: Tensor, a1: Tensor, b1: Tensor, L2: Tensor, a2: Tensor, b2: Tensor) -> Planes:
    # Equations 2 to 7: a stretched so that near-neutral colours count right.
    mean_chroma = (_root(a1 * a1 + b1 * b1) + _root(a2 * a2 + b2 * b2)) / 2
    stretch = 1.5 - 0.5 * _saturation(mean_chroma)
    chroma1, hue1 = polar(a1 * stretch, b1)
    chroma2, hue2 = polar(a2 * stretch, b2)

    # Equations 8 to 11: differences; where one colour is neutral there is no hue difference.
    product = chroma1 * chroma2
    turn = hue2 - hue1
    turn = torch.where(turn > 180, turn - 360, torch.where(turn < -180, turn + 360, turn))
    turn = torch.where(product == 0, torch.zeros_like(turn), turn)
    delta_L = L2 - L1
    delta_C = chroma2 - chroma1
    delta_H = 2 * _root(product) * torch.sin(turn * (math.pi / 360))

    # Equations 12 to 14: means; the mean hue lies on the shorter arc.
    mean_L = (L1 + L2) / 2
    mean_C = (chroma1 + chroma2) / 2
    total = hue1 + hue2
    apart = (hue1 - hue2).abs() > 180
    mean_h = torch.where(apart, torch.where(total < 360, total + 360, total - 360), total) / 2
    mean_h = torch.where(product == 0, total, mean_h)

    # Equations 15 to 21: weights.
    radians = math.pi / 180
    T = (
        1
        - 0.17 * torch.cos((mean_h - 30) * radians)
        + 0.24 * torch.cos(2 * mean_h * radians)
        + 0.32 * torch.cos((3 * mean_h + 6) * radians)
        - 0.20 * torch.cos((4 * mean_h - 63) * radians)
    )
    rotation = 30 * torch.exp(-(((mean_h - 275) / 25) ** 2))
    R_T = -torch.sin(2 * rotation * radians) * 2 * _saturation(mean_C)
    from_grey = (mean_L - 50) ** 2
    S_L = 1 + 0.015 * from_grey / torch.sqrt(20 + from_grey)
    S_C = 1 + 0.045 * mean_C
    S_H = 1 + 0.015 * mean_C * T

    # Equation 22.
    l_term, c_term, h_term = delta_L / S_L, delta_C / S_C, delta_H / S_H
    return (_root(l_term**2 + c_term**2 + h_term**2 + R_T * c_term * h_term),)
