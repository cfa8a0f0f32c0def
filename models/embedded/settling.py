"""One colour for a plain area whose colour is open: patches of two or three give way to their mean.

Paper: Min et al., "Fast Global Image Smoothing Based on Weighted Least Squares", TIP 2014, for the
smoother; what is sure counts more, as in Knutsson and Westin, "Normalized and Differential Convolution",
CVPR 1993.
Code licence: Apache-2.0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..global_smoother import smooth_globally

#: From this confidence up chroma stays as it is. Told a palette or a reference, the network is surer all
#: over, of patches too.
SURE, SURE_WHEN_TOLD = 0.45, 0.65
#: So far below that, chroma is the plain area's; between them a part of each.
_BETWEEN = 0.1
#: A difference of lightness between neighbours at which they have 1/e of the tie of equal ones. Skin and the
#: backdrop behind it differ more, a backdrop's own shading less.
_EDGE = 0.4
#: How strongly equal neighbours are tied: a plain area as wide as the picture gets one colour.
_TIE = 2000.0
#: What the least sure counts, beside the square of the confidence.
_LEAST = 0.02


def settle_open_areas(ab: Tensor, confidence: Tensor, L: Tensor, sure: float = SURE) -> Tensor:
    """Give plain areas whose colour is open one colour, that of their surest places above all.

    ``ab``: [B,2,h,w] CIE units; ``confidence``: [B,1,h,w] 0..1; ``L``: [B,1,h,w] 0..100, the lightness there.
    Returns ab of the same shape, float32, on the same device; where the confidence is ``sure`` or more,
    nothing changes.
    """
    share = ((sure - confidence) / _BETWEEN).clamp(0, 1)
    counts = confidence.square() + _LEAST
    # Hundreds of small steps, each on the one before: quicker on the processor than launched on a GPU.
    planes = torch.cat([ab.float() * counts, counts], 1).cpu()
    smooth = smooth_globally(planes, L.cpu(), strength=_TIE, sigma=_EDGE).to(ab.device)
    return ab + share * (smooth[:, :2] / smooth[:, 2:] - ab)
