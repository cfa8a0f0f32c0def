"""How alike a picture and its matches are, and what is warped from there, as He 2018 tell their network.

Paper: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018, section 4.1; how values are rounded, and
where features are sampled: its repository's data, as the reference notes have them. Code licence: Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: A map says, for each pixel [2,H,W], column and row in the other picture, whole numbers.
PixelMap = Tensor


def error_levels(first: Sequence[Tensor], second: Sequence[Tensor], there: PixelMap) -> Tensor:
    """Return how far pixels and their matches differ, level by level, the finest first: uint8 [5,H,W].

    ``first``, ``second``: features [1,C,h,w] at 1, 1/2, 1/4, 1/8, 1/16 of the pictures' sizes. 0 is a perfect
    match. Features are sampled between positions; cosines are cut off at 0.
    """
    height, width = there.shape[1:]
    rows, columns = torch.meshgrid(
        *(torch.arange(n, device=there.device) for n in (height, width)), indexing="ij"
    )
    here = torch.stack([columns, rows])
    found = []
    for level, (a, b) in enumerate(zip(first, second, strict=True)):
        scale = 2**level
        one, other = (_sample(features, place, scale) for features, place in ((a, here), (b, there)))
        cosine = F.cosine_similarity(one, other, dim=0)
        found.append(((1 - cosine).clamp(0, 1) * 255).to(torch.uint8))
    return torch.stack(found)


def _sample(features: Tensor, place: PixelMap, scale: int) -> Tensor:
    """Return features [C,H,W] at pixels ``place``, bilinear, the outermost going on."""
    at = place.float() if scale == 1 else (place + scale / 2) / scale
    size = torch.tensor([features.shape[3], features.shape[2]], device=at.device).view(2, 1, 1)
    at = torch.minimum(at.clamp(min=0), size - 1.0)
    # Of -1 to 1 from the middle of the first to that of the last.
    grid = (at / (size - 1).clamp(min=1) * 2 - 1).permute(1, 2, 0)[None]
    return F.grid_sample(features, grid.to(features), mode="bilinear", align_corners=True)[0]


def follow(levels: Tensor, there: PixelMap) -> Tensor:
    """Return planes [N,H',W'] of the other picture at each pixel's match: [N,H,W]."""
    return levels[:, there[1], there[0]]


def warp_mean(ab: Tensor, there: PixelMap) -> Tensor:
    """Return chroma uint8 [2,H',W'] at each pixel's match, as the nine around it see it: uint8 [2,H,W].

    A neighbour's match, moved back by as much, is another opinion; the mean is cut down to a whole number.
    """
    height, width = there.shape[1:]
    total = torch.zeros(2, height, width, device=ab.device)
    count = torch.zeros(height, width, device=ab.device)
    far_rows, far_columns = ab.shape[1:]
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            rows = torch.arange(height, device=ab.device)[:, None] + down
            columns = torch.arange(width, device=ab.device)[None] + right
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            match = there[:, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
            x, y = match[0] - right, match[1] - down
            inside = inside & (x >= 0) & (x < far_columns) & (y >= 0) & (y < far_rows)
            total += ab[:, y.clamp(0, far_rows - 1), x.clamp(0, far_columns - 1)] * inside
            count += inside
    return (total / count.clamp(min=1)).to(torch.uint8)
