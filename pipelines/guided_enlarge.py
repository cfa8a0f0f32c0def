"""Enlarge chroma with the edges that lightness has at the larger size.

Paper: K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013, whose linear model is applied to the
detail alone: nothing that the chroma has is smoothed.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..models.resize import resize_lightness, working_size
from .merge import resize_chroma

# Squared L below which ground counts as plain, where edges of lightness are not edges of colour.
_PLAIN = 64.0
# From so many pixels of what a position of the chroma stands for, edges of lightness are brought in: of 400
# photos of 160 to 192 pixels, with 2.5 to 3, they took 0.06 dB more than they gave.
_COARSE = 4


def enlarge_guided(ab: Tensor, L: Tensor) -> Tensor:
    """Bring chroma [B,2,h,w] to the size of L [B,1,k*h,k*w] 0..100, with L's edges.

    Bicubic, and of what L varies beside its own enlarged means, as much as ab went along with L around the
    place. Float32, on ab's device. Raises ValueError where L's sides are not a multiple of ab's.
    """
    times = L.shape[2] // ab.shape[2]
    if L.shape[2:] != (times * ab.shape[2], times * ab.shape[3]):
        raise ValueError(f"L {list(L.shape)} must be a whole number of times as large as ab {list(ab.shape)}")
    # Without its mean, chroma that is the same all over stays that to the bit.
    mean = ab.mean((2, 3), keepdim=True)
    ab = ab - mean
    small = F.avg_pool2d(L, times)
    mean_L, mean_ab = _around(small), _around(ab)
    varies = _around(small.square()) - mean_L.square()
    slope = _around((_around(small * ab) - mean_L * mean_ab) / (varies + _PLAIN))
    detail = L - resize_chroma(small, *L.shape[2:])
    slope = F.interpolate(slope, L.shape[2:], mode="bilinear", align_corners=False)
    return resize_chroma(ab, *L.shape[2:]).addcmul(slope, detail) + mean


def sharpen_proposal(ab: Tensor, L: Tensor, size: int) -> Tensor:
    """Bring the chroma [B,2,h,w] that a network gives at a part of its working size to about all of that.

    ``L``: [B,1,H,W] 0..100, of the pictures; ``size``: the working size, their shorter side. Smaller pictures
    get about their own size; chroma that is fine enough for what it would get comes back as it is.
    """
    height, width = ab.shape[2:]
    most = working_size(L.shape[2], L.shape[3], size)
    longer = max(min(most[0], L.shape[2]), min(most[1], L.shape[3]))
    times = round(longer / max(height, width))
    if times < _COARSE:
        return ab
    return enlarge_guided(ab.float(), resize_lightness(L.to(ab.device), times * height, times * width))


def _around(x: Tensor) -> Tensor:
    """Average over the 3 x 3 positions around each, the edges going on."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
