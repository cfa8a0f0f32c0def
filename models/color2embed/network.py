"""Color2Embed: a colour encoder, and a U-Net whose decoder its vector modulates.

Paper: Zhao et al., "Color2Embed: Fast Exemplar-Based Image Colorization using Color Embeddings", 2021
(arXiv:2106.08017); the modulated convolution is that of StyleGAN2 (Karras et al., CVPR 2020).
Reference source: github.com/zhaohengyuan1/Color2Embed; the lines here are written from its facts.
Code licence: Apache-2.0 (the source's: MIT). Weights licence: with the code (MIT), not shipped.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vgg19.network import VGG19, imagenet_input

#: Length of the colour vector.
VECTOR_SIZE = 512
#: The last convolution of VGG19 that the encoder has.
VGG_LAST = "conv5_2"

# Channels at strides 1, 2, 4, 8, 16, and of the decoder at strides 8, 4, 2, 1 with its kernels.
_WIDTHS = (64, 128, 256, 512, 512)
_UP = ((256, 3), (128, 3), (64, 5), (64, 5))


class Color2Embed(nn.Module):
    """Both networks of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ColorEncoder()
        self.unet = ColorUNet()


class ColorEncoder(nn.Module):
    """A reference picture to its colour vector; its VGG19 was trained along."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = VGG19(VGG_LAST)
        c = VECTOR_SIZE
        self.shrink = nn.Sequential(
            *(nn.Conv2d(c, c, 4, 2, 2), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Conv2d(c, c, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Conv2d(c, c, 4, 2, 2), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Conv2d(c, c, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True)),
        )
        self.mix = nn.Sequential(
            *(nn.Linear(c, c // 2), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Linear(c // 2, c // 2), nn.LeakyReLU(0.2, inplace=True)),
            nn.Linear(c // 2, c),
        )

    def forward(self, rgb: Tensor) -> Tensor:
        """sRGB [B,3,H,W] 0..1, sides of 16 at least → colour vectors [B,512]."""
        dtype = next(self.parameters()).dtype
        (x,) = self.vgg(imagenet_input(rgb).to(dtype), (VGG_LAST,))
        return self.mix(self.shrink(x).mean((2, 3)))


class ColorUNet(nn.Module):
    """Luminance and a colour vector to chroma."""

    def __init__(self) -> None:
        super().__init__()
        self.inc = nn.Sequential(
            *(nn.Conv2d(1, _WIDTHS[0], 3, 1, 1), nn.BatchNorm2d(_WIDTHS[0]), nn.LeakyReLU(0.1, inplace=True)),
            *(nn.Conv2d(_WIDTHS[0], _WIDTHS[0], 3, 1, 1), nn.BatchNorm2d(_WIDTHS[0])),
            nn.LeakyReLU(0.1, inplace=True),
        )
        self.down = nn.ModuleList(Down(a, b) for a, b in pairwise(_WIDTHS))
        c_in, ups = _WIDTHS[-1], []
        for (c_out, kernel), skip in zip(_UP, reversed(_WIDTHS[:-1]), strict=True):
            ups.append(Up(c_in, skip // 4, c_out, kernel))
            c_in = c_out
        self.up = nn.ModuleList(ups)
        self.outc = nn.Sequential(
            nn.Conv2d(c_in, c_in, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(c_in, 2, 3, 1, 1)
        )

    def forward(self, L: Tensor, color: Tensor) -> Tensor:
        """Luminance [B,1,H,W] -1..1, sides multiples of 16, and vectors [B,512] → ab [B,2,H,W] -1..1."""
        skips = [self.inc(L)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.up:
            x = up(x, skips.pop(), color)
        return torch.tanh(self.outc(x))


class Down(nn.Module):
    """Half the size, then a residual block."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(c_in, c_in, 4, 2, 1)
        self.widen = nn.Conv2d(c_in, c_out, 1)
        self.conv1 = nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.norm = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',H/2,W/2]."""
        x = self.widen(F.leaky_relu(self.shrink(x), 0.1, inplace=True))
        y = self.conv2(F.leaky_relu(self.norm(self.conv1(x)), 0.2, inplace=True))
        return (x + y) * 0.5**0.5


class Up(nn.Module):
    """Twice the size, with a quarter of the skip's channels, modulated by the colour vector."""

    def __init__(self, c_in: int, c_skip: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(c_in, c_out, 1)
        self.join1 = nn.Conv2d(c_in + c_skip, c_out, 1)
        self.join2 = nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.modulated = ModulatedConv(c_out, c_out, kernel)

    def forward(self, x: Tensor, skip: Tensor, color: Tensor) -> Tensor:
        """[B,C,h,w], the skip [B,4*c_skip,2h,2w], vectors [B,512] → [B,C',2h,2w]."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        y = F.leaky_relu(self.join1(torch.cat([x, skip[:, ::4]], 1)), 0.2, inplace=True)
        y = F.leaky_relu(self.join2(y), 0.2, inplace=True)
        return self.modulated(y, color) + self.narrow(x)


class ModulatedConv(nn.Module):
    """A convolution without bias, its input channels scaled by a style, its output channels of unit gain."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.style = nn.Linear(VECTOR_SIZE, c_in)

    def forward(self, x: Tensor, color: Tensor) -> Tensor:
        """[B,C,h,w] and colour vectors [B,512] → [B,C',h,w]."""
        style = self.style(color)
        # Scaling input and output equals scaling each sample's weights, without a convolution per sample.
        weight = self.weight.float()
        power = weight.square().sum((2, 3))
        fan = weight[0].numel()
        gain = torch.rsqrt(style.float().square() @ power.T + 1e-8 * fan)
        y = F.conv2d(x * style[:, :, None, None], self.weight, padding=weight.shape[-1] // 2)
        return y * gain.to(y.dtype)[:, :, None, None]
