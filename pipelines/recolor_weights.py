"""How much of each colour of a palette a colour holds: convex, sparse and smooth weights.

For a colour x and swatches p the weights w (none below 0, sum 1) are those that minimise

    Σ w |x - p|² / 2σ²  +  Σ w log w  +  |x - Σ w p|² / 2γ

The first two terms alone give soft clusters, the last makes the swatches mix to the colour: the weights are
near to the barycentric ones of a Delaunay triangulation, and smooth where those have edges. Sources of the
idea: M. Arroyo, M. Ortiz, "Local maximum-entropy approximation schemes", IJNME 65 (2006), where the mixture
is exact and colours outside of the hull have no weights; J. Tan et al., "Efficient palette-based image
decomposition and recoloring", SIGGRAPH Asia 2018, where swatches mix to each colour. The dual has three
unknowns and is convex. Where Newton's steps overshoot they are shortened, at last to the length of F. Bach,
"Self-concordant analysis for logistic regression" (2010), which always descends.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: σ: so much of the least distance of two swatches, in these bounds of Lab units.
LOCALITY, LEAST_SIGMA, MOST_SIGMA = 0.45, 6.0, 11.0
#: How many times as fast as in a linear mixture one swatch gives way to another: 1 + γ / σ².
STEEPNESS = 1.5

_ROUNDS = 60
_TOLERANCE = 1e-5
# Times that a step is halved before the one that always descends is taken.
_HALVINGS = 5
# Colours at a time: what is computed of them stays in the cache.
_CHUNK = 8192


def soft_weights(lab: Tensor, palette: Tensor) -> Tensor:
    """Return the weights of swatches ``palette`` [N,3] in colours ``lab`` [3,K]: [N,K], of lab's type.

    0..1, sum 1, a smooth function of the colour. Lab units throughout, any device.
    """
    palette = palette.to(lab)
    if len(palette) == 1 or not lab.shape[1]:
        return lab.new_ones(len(palette), lab.shape[1])
    return torch.cat([_weights(part, palette) for part in lab.split(_CHUNK, 1)], 1)


def reach(palette: Tensor) -> float:
    """Return σ for swatches [N,3], in Lab units."""
    least = float(torch.pdist(palette.double()).min()) if len(palette) > 1 else MOST_SIGMA
    return min(max(LOCALITY * least, LEAST_SIGMA), MOST_SIGMA)


def _weights(lab: Tensor, palette: Tensor) -> Tensor:
    """Do the work of ``soft_weights``."""
    sigma = reach(palette)
    gamma = (STEEPNESS - 1) * sigma * sigma
    diameter = float(torch.pdist(palette).max())
    result = lab.new_empty(len(palette), lab.shape[1])
    left = torch.arange(lab.shape[1], device=lab.device)
    # [3,N,K]: from the colour to each swatch.
    way = palette.T[:, :, None] - lab[:, None]
    near = way.square().sum(0).div_(-2 * sigma * sigma)
    pull = torch.zeros_like(lab)
    weights, value = _dual(near, way, pull, gamma)
    for _ in range(_ROUNDS):
        # The gradient, the mean of the way less γ pull, and the Hessian, its covariance and γ.
        mean = (way * weights).sum(1)
        apart = way - mean[:, None]
        weighted = apart * weights
        xx, yy, zz = ((apart * weighted).sum(1) + gamma).unbind(0)
        xy = (apart[0] * weighted[1]).sum(0)
        xz = (apart[0] * weighted[2]).sum(0)
        yz = (apart[1] * weighted[2]).sum(0)
        step = solve_symmetric(xx, yy, zz, xy, xz, yz, mean - gamma * pull)
        length = step.square().sum(0).sqrt_() * diameter
        settled = length < _TOLERANCE
        if bool(settled.any()):
            result[:, left[settled]] = weights[:, settled]
            active = ~settled
            left = left[active]
            if not len(left):
                return result
            near, way, pull, step = near[:, active], way[:, :, active], pull[:, active], step[:, active]
            value, length = value[active], length[active]
        weights, value, pull = _advance(near, way, pull, step, value, length, gamma)
    result[:, left] = weights
    return result


def _advance(
    near: Tensor, way: Tensor, pull: Tensor, step: Tensor, value: Tensor, length: Tensor, gamma: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Go along ``step`` [3,K], as far as it descends; return the weights, the dual's value and the place."""
    weights, ahead = _dual(near, way, pull + step, gamma)
    for halving in range(_HALVINGS + 1):
        # Rounding is no ascent.
        worse = (ahead > value + 1e-6 * value.abs()).nonzero().squeeze(1)
        if not len(worse):
            break
        if halving == _HALVINGS:
            far = length[worse]
            step[:, worse] *= 2**halving * far.log1p() / far
        else:
            step[:, worse] *= 0.5
        there = pull[:, worse] + step[:, worse]
        weights[:, worse], ahead[worse] = _dual(near[:, worse], way[:, :, worse], there, gamma)
    return weights, ahead, pull + step


def _dual(near: Tensor, way: Tensor, pull: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Return the weights [N,K] that ``pull`` [3,K] leads to, and the dual's value [K]."""
    score = near - (pull[:, None] * way).sum(0)
    top = score.amax(0)
    weights = (score - top).exp_()
    total = weights.sum(0)
    return weights.div_(total), total.log_().add_(top).add_(pull.square().sum(0), alpha=gamma / 2)


def solve_symmetric(
    xx: Tensor, yy: Tensor, zz: Tensor, xy: Tensor, xz: Tensor, yz: Tensor, right: Tensor
) -> Tensor:
    """Solve symmetric 3 x 3 systems, one for each column of ``right`` [3,K], by their cofactors."""
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    x, y, z = right
    solved = torch.stack((a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z))
    return solved / (xx * a + xy * b + xz * c)
