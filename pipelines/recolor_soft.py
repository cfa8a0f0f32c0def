"""Recolouring by soft mixtures: a colour goes where its swatches go, and what is left over turns along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .recolor_weights import soft_weights

Lightness = Literal["keep", "transfer"]

#: Weight of the locked swatches from which on a colour stays as it is.
LOCKED_FROM = 0.85
# Chroma of a mixture below which it has no hue to turn from, and how far the rest may grow.
_NEUTRAL, _MOST_GAIN = 18.0, 1.2
# Colours at a time: what is computed of them stays in the cache.
_CHUNK = 8192


@dataclass(frozen=True)
class Exchange:
    """Swatches and what becomes of them: ``old`` and ``new`` [N,3] Lab, ``locked`` [N] bool."""

    old: Tensor
    new: Tensor
    locked: Tensor
    lightness: Lightness = "keep"

    @property
    def difference(self) -> Tensor:
        """What each swatch moves by, [N,3]: nothing where it is locked, no lightness where that is kept."""
        moved = torch.where(self.locked[:, None], 0, self.new - self.old)
        if self.lightness == "keep":
            moved[:, 0] = 0
        return moved

    def to(self, device: torch.device) -> Exchange:
        """Return this exchange on a device."""
        return Exchange(self.old.to(device), self.new.to(device), self.locked.to(device), self.lightness)


class SoftMixture:
    """The default method. ``palette``: [N,3] Lab swatches, no two alike."""

    def __init__(self, palette: Tensor) -> None:
        self.palette = palette

    def weights(self, lab: Tensor) -> Tensor:
        """Return how much of each swatch colours [3,K] hold: [N,K]."""
        return soft_weights(lab, self.palette)

    def displacement(self, lab: Tensor, weights: Tensor, exchange: Exchange) -> Tensor:
        """Return what colours [3,K] of known weights [N,K] move by: [3,K].

        That of their mixture, Σ w (new - old). What the mixture leaves over of a colour turns and scales as
        the mixture's own a and b do: else saturated colours, which lie beyond all swatches, would keep the
        old hue on top of the new one.
        """
        difference, old = exchange.difference.to(lab).T, exchange.old.to(lab).T
        parts = zip(lab.split(_CHUNK, 1), weights.split(_CHUNK, 1), strict=True)
        return torch.cat([_move(*part, old, difference, exchange) for part in parts], 1)


def _move(lab: Tensor, weights: Tensor, old: Tensor, difference: Tensor, exchange: Exchange) -> Tensor:
    """Do the work of ``SoftMixture.displacement``; ``old`` and ``difference``: [3,N]."""
    out = difference @ with_locks(weights, exchange.locked)
    mixture = old @ weights
    rest = lab - mixture
    if exchange.lightness == "transfer":
        out[0] += (_room(mixture[0], mixture[0] + out[0], rest[0]) - 1) * rest[0]
    # Complex numbers: factor is what leads from the old mixture's ab to the new one's.
    (a, b), (ra, rb), (ma, mb) = mixture[1:], rest[1:], out[1:]
    strength = (a * a).addcmul_(b, b).add_(_NEUTRAL**2)
    real = (ma * a).addcmul_(mb, b).div_(strength).add_(1)
    imaginary = (mb * a).addcmul_(ma, b, value=-1).div_(strength)
    gain = (real * real).addcmul_(imaginary, imaginary).sqrt_()
    shrink = gain.clamp_(min=_MOST_GAIN).reciprocal_().mul_(_MOST_GAIN)
    real.mul_(shrink).sub_(1)
    imaginary.mul_(shrink)
    ma.addcmul_(real, ra).addcmul_(imaginary, rb, value=-1)
    mb.addcmul_(real, rb).addcmul_(imaginary, ra)
    return out


def with_locks(weights: Tensor, locked: Tensor) -> Tensor:
    """Let locked swatches take over before they have all the weight: [N,K] → [N,K], sums stay."""
    if not bool(locked.any()):
        return weights
    locked = locked.to(weights.device)[:, None]
    share = (weights * locked).sum(0)
    t = (share / LOCKED_FROM).clamp(0, 1)
    left = 1 - t * t * (3 - 2 * t)
    others = weights * (left / (1 - share).clamp(min=1e-6))
    return torch.where(locked, weights * ((1 - left) / share.clamp(min=1e-6)), others)


def _room(old: Tensor, new: Tensor, rest: Tensor) -> Tensor:
    """Return the factor 0..1 on the rest of a lightness that keeps it in 0..100: no flat highlights."""
    above = (100 - new).clamp(min=0) / (100 - old).clamp(min=1e-3)
    below = new.clamp(min=0) / old.clamp(min=1e-3)
    return torch.where(rest > 0, above, below).clamp(max=1)
