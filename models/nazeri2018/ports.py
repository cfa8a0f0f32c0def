"""The generators of the pix2pix colorizer that is Nazeri 2018's most common PyTorch form: L in, ab out.

Paper: Nazeri, Ng, Ebrahimi, "Image Colorization using Generative Adversarial Networks", AMDO 2018
(arXiv:1803.05400); Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
CVPR 2017; the second generator is fastai's DynamicUnet around ResNet-18 (He et al., CVPR 2016).
Reference source: github.com/moein-shariatnia/Deep-Learning, "Image Colorization Tutorial"; the lines here are
written from its facts.
Code licence: Apache-2.0 (the sources': MIT, fastai's Apache-2.0). Weights licence: not stated, not shipped.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the own U-Net's levels, each half the size of the one before.
UNET_WIDTHS = (64, 128, 256, 512, 512, 512, 512, 512)
#: Channels of ResNet-18's stages.
RESNET_WIDTHS = (64, 128, 256, 512)
#: Of the steps up: channels of the input, of the skip, and of both convolutions' outputs.
RESNET_STEPS = ((512, 256, 512), (512, 128, 384), (384, 64, 256), (256, 64, 96))


class TutorialUNet(nn.Module):
    """The own U-Net of eight levels, its batch norms folded into the convolutions."""

    def __init__(self) -> None:
        super().__init__()
        widths = UNET_WIDTHS
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise((1, *widths)))
        # From the deepest level up; all but the deepest get the skip as well.
        outs = (*widths[-2::-1], 2)
        ins = (widths[-1], *(2 * width for width in widths[-2::-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in zip(ins, outs, strict=True))

    def forward(self, L: Tensor) -> Tensor:
        """L/50 - 1 as [B,1,H,W], sides multiples of 256 → ab/110 as [B,2,H,W], -1..1."""
        x, skips = L, []
        *down, deepest = self.down
        for conv in down:
            # The rectifier that opens the next level works in place: the skip has its result.
            x = F.leaky_relu(conv(x), 0.2, inplace=True)
            skips.append(x)
        x = F.relu(deepest(x), inplace=True)
        *up, last = self.up
        for conv in up:
            x = F.relu(torch.cat([skips.pop(), conv(x)], 1), inplace=True)
        return torch.tanh(last(x))


class ResNetUNet(nn.Module):
    """ResNet-18 for one channel with fastai's decoder; the encoder's batch norms are folded in."""

    def __init__(self) -> None:
        super().__init__()
        widths = RESNET_WIDTHS
        self.stem = nn.Conv2d(1, widths[0], 7, 2, 3)
        self.stages = nn.ModuleList(
            nn.Sequential(BasicBlock(a, b), BasicBlock(b, b)) for a, b in pairwise((widths[0], *widths))
        )
        c = widths[-1]
        self.norm = nn.BatchNorm2d(c)
        self.middle = nn.ModuleList([_conv3(c, 2 * c), _conv3(2 * c, c)])
        self.up = nn.ModuleList(UpBlock(*step) for step in RESNET_STEPS)
        c = RESNET_STEPS[-1][-1]
        self.last = nn.Conv2d(c, 4 * c, 1)
        self.residual = nn.ModuleList([_conv3(c + 1, c + 1), _conv3(c + 1, c + 1)])
        self.out = nn.Conv2d(c + 1, 2, 1)

    def forward(self, L: Tensor) -> Tensor:
        """L/50 - 1 as [B,1,H,W], any size → ab/110 as [B,2,H,W], unbounded."""
        x = F.relu(self.stem(L), inplace=True)
        skips = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        *stages, deepest = self.stages
        for stage in stages:
            x = stage(x)
            skips.append(x)
        x = F.relu(self.norm(deepest(x)), inplace=True)
        for conv in self.middle:
            x = F.relu(conv(x), inplace=True)
        for block in self.up:
            x = block(x, skips.pop())
        x = torch.cat([_fit(_shuffled(self.last, x), L), L], 1)
        first, second = self.residual
        x = F.relu(second(F.relu(first(x), inplace=True)) + x, inplace=True)
        return self.out(x)


class BasicBlock(nn.Module):
    """ResNet's residual block of two convolutions; where the channels change it halves the size."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        stride = 1 if c_in == c_out else 2
        self.conv1, self.conv2 = _conv3(c_in, c_out, stride), _conv3(c_out, c_out)
        self.short = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → [B,C',h,w], or half the size rounded up."""
        y = self.conv2(F.relu(self.conv1(x), inplace=True))
        return F.relu(y.add_(self.short(x)), inplace=True)


class UpBlock(nn.Module):
    """Twice the size by pixel shuffle, joined with the skip."""

    def __init__(self, c_in: int, c_skip: int, c_out: int) -> None:
        super().__init__()
        half = c_in // 2
        self.shuffle = nn.Conv2d(c_in, 4 * half, 1)
        self.norm = nn.BatchNorm2d(c_skip)
        self.conv1, self.conv2 = _conv3(half + c_skip, c_out), _conv3(c_out, c_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[B,C,h,w] and the skip [B,c_skip,H,W] → [B,C',H,W]."""
        x = _fit(_shuffled(self.shuffle, x), skip)
        # What comes from below is rectified already.
        x = torch.cat([x, F.relu(self.norm(skip), inplace=True)], 1)
        return F.relu(self.conv2(F.relu(self.conv1(x), inplace=True)), inplace=True)


def _shuffled(conv: nn.Module, x: Tensor) -> Tensor:
    return F.pixel_shuffle(F.relu(conv(x), inplace=True), 2)


def _fit(x: Tensor, like: Tensor) -> Tensor:
    """Return ``x`` at the size of ``like``, by the nearest pixel as the original does."""
    return x if x.shape[-2:] == like.shape[-2:] else F.interpolate(x, like.shape[-2:], mode="nearest")


def _conv3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, stride, 1)
