"""Palettes: the few colours of a picture, by k-means in Lab."""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import rgb_to_lab

_SAMPLE = 4096
_ROUNDS = 12


def cluster_colors(lab: Tensor, count: int, *, rounds: int = _ROUNDS) -> tuple[Tensor, Tensor]:
    """Cluster points by k-means, every set by itself: lab [B,N,3] → colours [B,count,3], shares [B,count].

    It begins with colours far from the mean and from each other, weakened so that single stray pixels are not
    chosen: no randomness, the same input gives the same palette. The largest share comes first; a colour that
    no point is nearest to has share 0.
    """
    points = lab.shape[1]
    if not 1 <= count <= points:
        raise ValueError(f"a palette of {count} colours needs at least as many pixels, got {points}")
    lab = lab.float()
    centres = lab.mean(1, keepdim=True)
    while centres.shape[1] <= count:
        near = torch.cdist(lab, centres).amin(2)
        # The mean around the farthest point: of what is near to it, and itself far from the rest.
        far = lab.gather(1, near.argmax(1).view(-1, 1, 1).expand(-1, 1, 3))
        pull = (-(torch.cdist(lab, far)[..., 0] / 12).square()).exp() * near
        new = (lab * pull[..., None]).sum(1, keepdim=True) / pull.sum(1).clamp(min=1e-9).view(-1, 1, 1)
        # A picture of one colour has no farther point.
        new = torch.where((near.amax(1) > 1e-3).view(-1, 1, 1), new, centres[:, :1])
        centres = torch.cat([centres, new], 1)
    centres = centres[:, 1:]  # of the mean no more is needed
    for _ in range(rounds):
        member = _members(lab, centres)
        size = member.sum(1)
        moved = member.transpose(1, 2) @ lab / size.clamp(min=1)[..., None]
        centres = torch.where((size > 0)[..., None], moved, centres)
    share = _members(lab, centres).mean(1)
    order = share.argsort(dim=1, descending=True, stable=True)
    return centres.gather(1, order[..., None].expand(-1, -1, 3)), share.gather(1, order)


def _members(lab: Tensor, centres: Tensor) -> Tensor:
    nearest = torch.cdist(lab, centres).argmin(2)
    return torch.nn.functional.one_hot(nearest, centres.shape[1]).to(lab.dtype)


def extract_palette(rgb: Tensor, count: int = 5) -> tuple[Tensor, Tensor]:
    """Return the palette of each picture: rgb [B,3,H,W] 0..1 → Lab colours [B,count,3], shares [B,count].

    Large pictures are averaged down to 4,096 points. Raises ValueError for more colours than pixels.
    """
    height, width = rgb.shape[-2:]
    scale = min(1.0, (_SAMPLE / (height * width)) ** 0.5)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = rgb.float()
    if size != (height, width):
        small = torch.nn.functional.adaptive_avg_pool2d(small, size)
    return cluster_colors(rgb_to_lab(small).flatten(2).transpose(1, 2), count)
