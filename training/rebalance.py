"""Zhang's soft targets and class rebalancing (Colorful Image Colorization, section 2.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color.ab_bins import ab_bins, nearest_ab_bin, soft_encode

#: The soft code is read from a table with one entry a CIE unit: |a|, |b| up to this.
_LIMIT = 128


class SoftTargets:
    """A table of the soft code of every whole-unit ab colour: a look-up instead of a search each step."""

    def __init__(self) -> None:
        axis = torch.arange(-_LIMIT, _LIMIT + 1, dtype=torch.float32)
        grid = torch.cartesian_prod(axis, axis)
        self.index, self.weight = soft_encode(grid)
        self.nearest = nearest_ab_bin(grid, dim=-1)

    def _row(self, ab: Tensor) -> Tensor:
        cell = ab.round().clamp(-_LIMIT, _LIMIT).long() + _LIMIT
        return cell[:, 0] * (2 * _LIMIT + 1) + cell[:, 1]

    def encode(self, ab: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ab [N,2] → indices [N,5], weights [N,5], nearest bin [N]."""
        row = self._row(ab)
        return self.index[row], self.weight[row], self.nearest[row]


def smooth_prior(counts: Tensor, sigma: float = 5.0) -> Tensor:
    """Turn counts of the 313 bins into a smoothed distribution (Gaussian in ab, ``sigma`` CIE units)."""
    bins = ab_bins()
    kernel = torch.exp(-torch.cdist(bins, bins).square() / (2 * sigma**2))
    kernel /= kernel.sum(0, keepdim=True)
    prior = kernel @ (counts.float() / counts.sum())
    return prior / prior.sum()


def rebalancing_weights(prior: Tensor, *, uniform: float = 0.5, power: float = 1.0) -> Tensor:
    """Return a weight for each bin: rare colours count more, 1 on the average over ``prior``.

    ``uniform``: the share of the uniform distribution mixed in (the paper's lambda); ``power``: 1 is the
    paper's weighting, 0.5 its square root, 0 none. Source: Zhang 2016, equation 4.
    """
    weights = ((1 - uniform) * prior + uniform / len(prior)) ** -power
    return weights / (prior * weights).sum()


def rebalanced_cross_entropy(logits: Tensor, ab: Tensor, targets: SoftTargets, weights: Tensor) -> Tensor:
    """Return the mean rebalanced cross entropy, a scalar.

    ``logits``: [B,313,h,w]; ``ab``: [B,2,h,w] the true chroma in CIE units; ``weights``: [313].
    Source: Zhang 2016, equations 2 and 3.
    """
    points = ab.permute(0, 2, 3, 1).reshape(-1, 2)
    index, share, nearest = targets.encode(points)
    log_p = F.log_softmax(logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1]).float(), dim=1)
    loss = -(log_p.gather(1, index) * share).sum(1)
    return (loss * weights[nearest]).mean()


def favour_rare_bins(
    tensors: dict[str, Tensor], prior: Tensor, strength: float, uniform: float = 0.5
) -> None:
    """Multiply what an exported network predicts by the rebalancing weights ^ ``strength``, in place.

    A network trained with weights w^a predicts p w^a; this makes it p w^(a + strength), by its last bias,
    without training: the strength of rebalancing can be tuned as the temperature can. ``prior``: [313].
    """
    weights = rebalancing_weights(prior, power=strength)
    bias = tensors["head.bias"]
    tensors["head.bias"] = (bias.float() + weights.log()).to(bias.dtype)
