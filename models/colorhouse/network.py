"""ColorHouse's generator: a picture in colour and a colour vector to the picture in other colours.

Paper: "Neural Image Recolorization for Creative Domains", CVPR Workshops 2022: stage one is an exemplar-based
generator, trained as style transfer; its content encoder has positional normalisation, and a moment shortcut
carries mean and spread to the later layers (Li et al., "Positional Normalization", NeurIPS 2019). Stage two
maps five palette colours and a light into the same space. Sizes are not published; those here are ours, for a
processor without a GPU, and so are the encoders of the vector, which are those of the embedded network.
Reference source: none was published. Code licence: Apache-2.0. Weights licence: Apache-2.0 (docs/weights.md
names the pictures they were trained on).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embedded.conditions import ColorEncoder, PaletteEncoder
from ..embedded.decoder import COLOR_SIZE, ModulatedConv

#: Both sides of the input must divide by this.
MULTIPLE = 8
#: Channels at strides 1, 2, 4, 8.
_WIDTHS = (32, 64, 112, 160)
# Spread of the features at a position is taken to be at least this.
_EPSILON = 1e-3


class PositionalNorm(nn.Module):
    """Normalise the features of each position over the channels."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B,C,h,w] → the same normalised, and mean and spread [B,1,h,w] (equation 1 of Li 2019)."""
        mean = x.mean(1, keepdim=True)
        spread = (x.var(1, keepdim=True, correction=0) + _EPSILON**2).sqrt()
        return (x - mean) / spread, mean, spread


class EdgeConv(ModulatedConv):
    """A modulated 3x3 convolution that repeats the edges instead of padding with zeros.

    By zeros the generator knows where the edges are, and leaves colours there that are asked for and fit
    nowhere in the picture.
    """

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """As ``ModulatedConv.forward``."""
        return super().forward(F.pad(x, (1, 1, 1, 1), mode="replicate"), style)[..., 1:-1, 1:-1]


class ContentEncoder(nn.Module):
    """A picture to what it shows, without its moments, and those at every scale."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, _WIDTHS[0], 5, padding=2, padding_mode="replicate")
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, 2, 1, padding_mode="replicate") for a, b in pairwise(_WIDTHS)
        )
        self.norm = PositionalNorm()

    def forward(self, rgb: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """sRGB [B,3,H,W] 0..1 → features [B,160,H/8,W/8] and moments at strides 1, 2, 4, 8."""
        moments = []
        x = self.first(rgb * 2 - 1)
        for layer in (*self.down, None):
            x, mean, spread = self.norm(x)
            moments.append((mean, spread))
            x = F.leaky_relu(x, 0.2)
            if layer is not None:
                x = layer(x)
        return x, moments


class Block(nn.Module):
    """Two convolutions that the colour vector modulates, on top of what comes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = EdgeConv(channels, channels, 3)
        self.conv2 = EdgeConv(channels, channels, 3)
        self.style1 = nn.Linear(COLOR_SIZE, channels)
        self.style2 = nn.Linear(COLOR_SIZE, channels)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.3))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """[B,C,h,w] and a colour vector [B,448] → [B,C,h,w]."""
        y = F.leaky_relu(self.conv1(x, 1 + self.style1(code)), 0.2)
        return x + self.scale * self.conv2(y, 1 + self.style2(code))


class Decoder(nn.Module):
    """Features and a colour vector to a change of colours; the moments come back in at every scale."""

    def __init__(self) -> None:
        super().__init__()
        up = _WIDTHS[::-1]
        self.deep = nn.ModuleList(Block(up[0]) for _ in range(3))
        self.shrink = nn.ModuleList(EdgeConv(a, b, 3) for a, b in pairwise(up))
        self.style = nn.ModuleList(nn.Linear(COLOR_SIZE, a) for a in up[:-1])
        self.block = nn.ModuleList(Block(b) for b in up[1:])
        self.out = nn.Conv2d(up[-1], 3, 3, padding=1, padding_mode="replicate")
        # An untrained generator gives the picture back.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, moments: list[tuple[Tensor, Tensor]], code: Tensor) -> Tensor:
        """Features [B,160,h,w], moments, a colour vector [B,448] → what the picture changes by [B,3,H,W]."""
        for block in self.deep:
            x = block(x, code)
        mean, spread = moments[-1]
        x = x * spread + mean
        levels = zip(self.shrink, self.style, self.block, reversed(moments[:-1]), strict=True)
        for shrink, style, block, (mean, spread) in levels:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.leaky_relu(shrink(x, 1 + style(code)), 0.2)
            x = block(x * spread + mean, code)
        return self.out(F.leaky_relu(x, 0.2))


class ColorHouseNetwork(nn.Module):
    """Both stages: the generator, the encoder of references, and that of palettes and lights."""

    def __init__(self) -> None:
        super().__init__()
        self.content = ContentEncoder()
        self.decoder = Decoder()
        self.reference = ColorEncoder()
        self.palette = PaletteEncoder()

    def forward(self, rgb: Tensor, code: Tensor) -> Tensor:
        """sRGB [B,3,H,W] 0..1, sides that divide by 8, and vectors [B,448] → sRGB, not yet in 0..1."""
        dtype = self.decoder.out.weight.dtype
        features, moments = self.content(rgb.to(dtype))
        return rgb.float() + self.decoder(features, moments, code.to(dtype)).float()
