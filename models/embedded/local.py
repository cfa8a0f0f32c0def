"""From known chroma at a picture's resolution to the network's grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: ab is divided by this before it enters the network.
AB_SCALE = 60.0


def local_to_grid(ab: Tensor, confidence: Tensor, height: int, width: int) -> Tensor:
    """Gather known chroma on a grid: [B,2,H,W] CIE units, [B,1,H,W] 0..1 → [B,3,height,width].

    The result is ab / 60 times confidence, and confidence. A cell holds the mean of what is known in it, by
    confidence, and the largest confidence: one sure pixel makes a sure cell.
    """
    confidence = confidence.float().clamp(0, 1)
    known = torch.cat([ab.float() * confidence, confidence], 1)
    if known.shape[-2] < height or known.shape[-1] < width:
        size = (max(height, known.shape[-2]), max(width, known.shape[-1]))
        known = F.interpolate(known, size=size, mode="bilinear", align_corners=False)
    peak = F.adaptive_max_pool2d(known[:, 2:], (height, width))
    mean = F.adaptive_avg_pool2d(known, (height, width))
    ab = mean[:, :2] / mean[:, 2:].clamp(min=1e-8)
    return torch.cat([ab / AB_SCALE * peak, peak], 1)
