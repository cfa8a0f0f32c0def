"""DDColor's encoder: a ConvNeXt, whose features at four sizes the decoders read.

Paper: Kang et al., "DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders", ICCV 2023
(arXiv:2212.11613); Liu et al., "A ConvNet for the 2020s", CVPR 2022.
Reference source: github.com/piddnad/DDColor; the lines here are written from its facts.
Code licence: Apache-2.0 (the source's: Apache-2.0). Weights licence: Apache-2.0, not shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-6


class Encoder(nn.Module):
    """``depths``: blocks of each stage; ``widths``: their channels.

    Inside, channels are last: [B,h,w,C].
    """

    def __init__(self, depths: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 4, 4)
        self.stem_norm = nn.LayerNorm(widths[0], _EPS)
        self.shrink = nn.ModuleList(Shrink(a, b) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, _EPS) for width in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised RGB [B,3,H,W], sides multiples of 32 → [B,h,w,C] at 1/4, 1/8, 1/16 and 1/32."""
        x = self.stem_norm(self.stem(x).permute(0, 2, 3, 1))
        features = []
        for number, (stage, norm) in enumerate(zip(self.stages, self.norms, strict=True)):
            if number:
                x = self.shrink[number - 1](x)
            x = stage(x)
            # The trunk goes on without the norm.
            features.append(norm(x))
        return features


class Shrink(nn.Module):
    """Half the size: a norm, and a convolution whose windows do not overlap, which is a product."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(c_in, _EPS)
        self.conv = nn.Conv2d(c_in, c_out, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B,h,w,C] → [B,h/2,w/2,C']."""
        return self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Block(nn.Module):
    """A depthwise convolution, then a perceptron at each place, on top of what came in.

    The norm's affine and the block's factor are in the perceptron's weights.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, 1, 3, groups=width)
        self.expand = nn.Linear(width, 4 * width)
        self.reduce = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B,h,w,C] → the same."""
        y = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = F.layer_norm(y, y.shape[3:], eps=_EPS)
        return torch.add(x, self.reduce(F.gelu(self.expand(y))))
