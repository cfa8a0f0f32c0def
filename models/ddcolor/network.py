"""DDColor: two decoders on one encoder, one for what is where, one for which colours there are.

Paper, reference source and licences: as ``encoder``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..convolution import Conv
from .color_decoder import WIDTH, ColorDecoder
from .encoder import Encoder

#: Both sides of the input must divide by this.
MULTIPLE = 32
# Channels of the pixel decoder's levels.
_LEVELS = (512, 512, 256)
# The last enlargement, and the places whose sixteen parts are worked on together.
_LAST = 4
_PLACES = 1024


class DDColor(nn.Module):
    """``depths`` and ``widths`` of the encoder; ``queries`` and ``layers`` of the colour decoder."""

    mean: Tensor
    std: Tensor

    def __init__(self, depths: Sequence[int], widths: Sequence[int], queries: int, layers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.empty(1, 3, 1, 1))
        self.register_buffer("std", torch.empty(1, 3, 1, 1))
        self.encoder = Encoder(depths, widths)
        below = (widths[3], *_LEVELS[:2])
        self.up = nn.ModuleList(
            Up(c_in, skip, c_out) for c_in, skip, c_out in zip(below, widths[2::-1], _LEVELS, strict=True)
        )
        self.last = nn.Linear(_LEVELS[2], _LAST**2 * WIDTH)
        self.colors = ColorDecoder(_LEVELS, queries, layers)
        self.refine = nn.Linear(queries + 3, 2)

    def forward(self, rgb: Tensor) -> Tensor:
        """Grey RGB 0..1 [B,3,H,W] → ab [B,2,H,W] in CIE units."""
        x = (rgb - self.mean) / self.std
        features = self.encoder(x)
        levels, below = [], features[3]
        for up, skip in zip(self.up, features[2::-1], strict=True):
            below = up(below, skip)
            levels.append(below)
        # Each query's map and the refinement are linear: together two sums of the last features.
        weights = self.refine.weight
        mixing = weights[:, :-3] @ self.colors(levels)
        ab = blur(F.pixel_shuffle(self._parts(below, mixing).permute(0, 3, 1, 2), _LAST))
        return ab + F.conv2d(x, weights[:, -3:, None, None], self.refine.bias)

    def _parts(self, x: Tensor, mixing: Tensor) -> Tensor:
        """Features [B,h,w,256], weights [B,2,256] → what the 16 pixels of each place have: [B,h,w,32].

        The 256 values of every pixel are made and summed up a few places at a time: all of them would take
        more memory than the rest of the network together.
        """
        found = []
        for picture, weights in zip(x.flatten(1, 2), mixing, strict=True):
            sums = []
            for places in picture.split(_PLACES):
                values = self.last(places).relu_().unflatten(1, (WIDTH, -1))
                sums.append(weights @ values)
            found.append(torch.cat(sums))
        return torch.stack(found).view(*x.shape[:3], -1)


class Up(nn.Module):
    """Twice the size, joined with the encoder's features there."""

    def __init__(self, c_in: int, skip: int, c_out: int) -> None:
        super().__init__()
        self.shuffle = nn.Linear(c_in, 4 * c_out)
        self.scale, self.shift = (nn.Parameter(torch.empty(skip)) for _ in range(2))
        self.conv = Conv(c_out + skip, c_out, 3, rectify=True)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[B,h,w,C] and [B,2h,2w,S] → [B,2h,2w,C']."""
        large = F.pixel_shuffle(self.shuffle(x).relu_().permute(0, 3, 1, 2), 2)
        beside = torch.addcmul(self.shift, skip, self.scale).relu_().permute(0, 3, 1, 2)
        return self.conv(torch.cat([blur(large), beside], 1)).permute(0, 2, 3, 1)


def blur(x: Tensor) -> Tensor:
    """Mean of a pixel, the one above, the one left and the one left above; the edges go on."""
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, 1)
