"""DDColor's colour decoder: a hundred learned queries look at the picture, and become colours.

Paper, reference source and licences: as ``encoder``. The transformer is Mask2Former's (Cheng et al., CVPR
2022): cross-attention first, norms behind.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Length of a query; how many heads look with it.
WIDTH, HEADS = 256, 8
_INNER = 2048
_LEVELS = 3


class ColorDecoder(nn.Module):
    """``queries`` of them, ``layers`` rounds; the picture's features have ``channels`` at each level."""

    def __init__(self, channels: tuple[int, ...], queries: int, layers: int) -> None:
        super().__init__()
        self.content = nn.Parameter(torch.empty(queries, WIDTH))
        self.position = nn.Parameter(torch.empty(queries, WIDTH))
        # What tells the levels apart is in the biases.
        self.project = nn.ModuleList(nn.Linear(c, WIDTH) for c in channels)
        self.rounds = nn.ModuleList(Round() for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.embed = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Features [B,h,w,C], the smallest first → a vector for each query, [B,Q,256]."""
        seen = []
        for x, project in zip(levels, self.project, strict=True):
            memory = project(x)
            place = sine_positions(x.shape[1], x.shape[2], x.device).to(memory.dtype)
            seen.append(((memory + place).flatten(1, 2), memory.flatten(1, 2)))
        queries = self.content.expand(len(levels[0]), -1, -1)
        for number, step in enumerate(self.rounds):
            queries = step(queries, self.position, *seen[number % _LEVELS])
        return self.embed(self.norm(queries))


class Round(nn.Module):
    """Each query looks at the picture, then at the others, then thinks by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.talk = Attention(), Attention()
        self.think = nn.Sequential(nn.Linear(WIDTH, _INNER), nn.ReLU(), nn.Linear(_INNER, WIDTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))

    def forward(self, queries: Tensor, position: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Queries [B,Q,256], the picture's keys and values [B,N,256] → queries."""
        queries = self.norms[0](queries + self.look(queries + position, keys, values))
        placed = queries + position
        queries = self.norms[1](queries + self.talk(placed, placed, queries))
        return self.norms[2](queries + self.think(queries))


class Attention(nn.Module):
    """Multi-head attention."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """[B,Q,256], [B,N,256] twice → [B,Q,256]."""
        parts = (self.q(queries), self.k(keys), self.v(values))
        heads = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in parts)
        return self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


def sine_positions(height: int, width: int, device: torch.device) -> Tensor:
    """Return [h,w,256]: sines and cosines of the row in the first half, of the column in the second.

    Rows and columns count from 1 and end at 2 pi.
    """
    half = WIDTH // 2
    speed = 10000 ** (2 * torch.arange(half // 2, device=device) / half)

    def waves(count: int) -> Tensor:
        along = torch.arange(1, count + 1, device=device) / (count + 1e-6) * 2 * math.pi
        angle = along[:, None] / speed
        return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)

    rows, columns = waves(height)[:, None], waves(width)[None]
    return torch.cat([rows.expand(-1, width, -1), columns.expand(height, -1, -1)], 2)
