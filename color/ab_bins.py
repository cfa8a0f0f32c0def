"""Zhang's quantised ab plane: 313 bins, soft encoding, annealed mean and confidence.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, sections 2.1 to 2.3. The set of bins
is that of the authors' release (interactive-deep-colorization, data/color_bins/pts_in_hull.npy), written
here as one range of b for each a; it cannot be derived from the sRGB gamut alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Distance of two neighbouring bins in CIE units.
BIN_STEP = 10

#: Chroma up to which a bin counts as grey, and how gradually it stops to, in CIE units.
_GREY, _GREY_EDGE = 12.0, 3.0
#: How many times the temperature is as high where grey is out of the question (in open_mean).
_OPEN = 2.65

#: a of a row of bins, its lowest b, its highest b; rows in the order of the published table.
_ROWS = (
    (-90, 50, 90),
    (-80, 20, 90),
    (-70, 0, 90),
    (-60, -20, 90),
    (-50, -30, 100),
    (-40, -40, 100),
    (-30, -50, 100),
    (-20, -50, 100),
    (-10, -60, 100),
    (0, -70, 100),
    (10, -80, 90),
    (20, -80, 90),
    (30, -90, 90),
    (40, -100, 90),
    (50, -100, 80),
    (60, -110, 80),
    (70, -110, 80),
    (80, -110, 70),
    (90, -110, 70),
    (100, -90, 0),
)

#: How many bins there are.
BIN_COUNT = sum((high - low) // BIN_STEP + 1 for _, low, high in _ROWS)


def ab_bins(*, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the bin centres, [313,2], CIE units, in the published order (a-major)."""
    centres = [(a, b) for a, low, high in _ROWS for b in range(low, high + 1, BIN_STEP)]
    return torch.tensor(centres, device=device, dtype=dtype)


def nearest_ab_bin(ab: Tensor, *, dim: int = -3) -> Tensor:
    """Return the index of the nearest bin: ab [...,2,...] along ``dim`` → int64 without that axis."""
    points = ab.movedim(dim, -1)
    flat = points.reshape(-1, 2).float()
    bins = ab_bins(device=ab.device)
    nearest = torch.cat([torch.cdist(part, bins).argmin(1) for part in flat.split(1 << 16)])
    return nearest.view(points.shape[:-1])


def soft_encode(ab: Tensor, *, neighbours: int = 5, sigma: float = 5.0) -> tuple[Tensor, Tensor]:
    """Encode colours by their nearest bins, weighted by a Gaussian of the distance.

    ``ab``: [N,2], CIE units. Returns indices [N,k] int64 and weights [N,k] float32 that sum to 1.
    Source: Zhang 2016, section 2.1, note 2 (5 neighbours, sigma 5).
    """
    if ab.ndim != 2 or ab.shape[1] != 2:
        raise ValueError(f"ab must be [N,2], got {list(ab.shape)}")
    bins = ab_bins(device=ab.device)
    indices, weights = [], []
    for part in ab.float().split(1 << 16):
        distance, index = torch.cdist(part, bins).topk(neighbours, dim=1, largest=False, sorted=True)
        # Relative to the nearest one: far outside the table the plain Gaussian underflows to 0/0.
        weight = torch.exp((distance[:, :1] ** 2 - distance**2) / (2 * sigma**2))
        indices.append(index)
        weights.append(weight / weight.sum(1, keepdim=True))
    if not indices:
        return torch.empty(0, neighbours, dtype=torch.int64), torch.empty(0, neighbours)
    return torch.cat(indices), torch.cat(weights)


def annealed_mean(logits: Tensor, temperature: float = 0.38) -> Tensor:
    """Return the mean colour of the distribution sharpened by ``temperature``.

    ``logits``: [B,313,h,w]; ``temperature``: 1 is the plain mean, towards 0 the mode. Returns ab [B,2,h,w]
    float32, CIE units. Source: Zhang 2016, equation 5 (a softmax of logits / T is p^(1/T), normalised).
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    probability = torch.softmax(logits.float() / temperature, dim=1)
    return torch.einsum("bqhw,qc->bchw", probability, ab_bins(device=logits.device))


def open_mean(logits: Tensor, temperature: float = 0.38) -> Tensor:
    """Return the mean colour, sharpened by ``temperature`` where grey is likely, and less where it is not.

    Where many colours are open, sharpening makes patches of one and the other; where grey is likely, the
    plain mean tints white walls with the few colours that are not. So the temperature rises from
    ``temperature`` where grey is certain to 2.65 times as much, but no higher than 1, where it is out of the
    question. ``logits``: [B,313,h,w]. Returns ab [B,2,h,w] float32, CIE units. Source: our own; from a
    temperature of 1 on it is ``annealed_mean``.
    """
    highest = max(temperature, min(1.0, _OPEN * temperature))
    if highest == temperature or temperature <= 0:
        return annealed_mean(logits, temperature)
    logits = logits.float()
    grey = torch.sigmoid((_GREY - ab_bins(device=logits.device).norm(dim=1)) / _GREY_EDGE)
    likely = torch.einsum("bqhw,q->bhw", torch.softmax(logits, 1), grey)[:, None]
    return annealed_mean(logits / (likely * temperature + (1 - likely) * highest), 1.0)


def entropy_confidence(logits: Tensor) -> Tensor:
    """Return how sure a distribution is: 1 minus its entropy over that of 313 equal bins.

    ``logits``: [B,313,h,w]. Returns [B,1,h,w] float32, 0 (all bins alike) to 1 (one bin).
    """
    log_p = torch.log_softmax(logits.float(), dim=1)
    entropy = -(log_p.exp() * log_p).sum(1, keepdim=True)
    scale = torch.log(torch.tensor(float(logits.shape[1]), device=logits.device))
    return (1 - entropy / scale).clamp_(0, 1)
