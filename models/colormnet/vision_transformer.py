"""DINOv2's small vision transformer, the other half of ColorMNet's eyes.

Paper: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024
(arXiv:2304.07193).
Reference source: github.com/facebookresearch/dinov2; the lines here are written from the paper and the
reference notes. Code licence: Apache-2.0 (the source's: Apache-2.0). Weights licence: with ColorMNet's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Pixels a token stands for, each way; its length.
PATCH, WIDTH = 14, 384
_HEADS, _BLOCKS, _TAKEN = 6, 12, 4
# Positions were learned on a grid of so many tokens a side; resampling is told a little more, as DINOv2 does.
_GRID, _OFFSET = 37, 0.1
_EPS = 1e-6


class VisionTransformer(nn.Module):
    """Tokens of a picture as the last four blocks see them."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.empty(1, _GRID**2 + 1, WIDTH))
        self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.ModuleList(Block() for _ in range(_BLOCKS))
        self.norm = nn.LayerNorm(WIDTH, _EPS)

    def forward(self, x: Tensor) -> Tensor:
        """A picture [B,3,H,W], sides multiples of 14 → [B,1536,H/14,W/14]."""
        x = self.patch_embed(x)
        height, width = x.shape[2:]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).mT], 1)
        tokens = tokens + self._positions(height, width)
        found = []
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number >= _BLOCKS - _TAKEN:
                found.append(self.norm(tokens)[:, 1:])
        return torch.cat(found, 2).mT.unflatten(2, (height, width))

    def _positions(self, height: int, width: int) -> Tensor:
        if (height, width) == (_GRID, _GRID):
            return self.pos_embed
        grid = self.pos_embed[:, 1:].mT.unflatten(2, (_GRID, _GRID)).float()
        scale = ((height + _OFFSET) / _GRID, (width + _OFFSET) / _GRID)
        resampled = F.interpolate(grid, scale_factor=scale, mode="bicubic").flatten(2).mT
        return torch.cat([self.pos_embed[:, :1], resampled.to(self.pos_embed)], 1)


class Block(nn.Module):
    """Attention, then a perceptron, each with a norm before and a factor behind, which is in its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, _EPS), nn.LayerNorm(WIDTH, _EPS)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """[B,N,384] → the same."""
        heads = self.qkv(self.norm1(x)).unflatten(2, (3, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
