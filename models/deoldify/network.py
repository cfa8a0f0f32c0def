"""DeOldify's two networks: fastai's DynamicUnet around ResNet-34 or ResNet-101, grey in, colour out.

Papers, as it has none of its own: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016;
Ronneberger et al., "U-Net", MICCAI 2015; H. Zhang et al., "Self-Attention Generative Adversarial Networks",
ICML 2019; Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018; Sugawara et
al., "Super-Resolution Using Convolutional Neural Networks Without Any Checkerboard Artifacts", ICIP 2018.
Reference source: github.com/jantic/DeOldify; the lines here are written from its facts.
Code licence: Apache-2.0 (the source's: MIT, fastai's Apache-2.0). Weights licence: MIT, not shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Affine, Conv, Residual, SelfAttention, shuffle_blurred

#: Channels behind the first convolution.
STEM = 64
#: Which of the steps up has self-attention.
ATTENTIVE = 1


class Step(NamedTuple):
    """Channels of a step up: of its input, of that at twice the size, of the skip, of the output."""

    below: int
    enlarged: int
    skip: int
    out: int


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network: ``blocks`` and channels of ResNet's ``stages``, ``convs`` of each step up."""

    blocks: tuple[int, int, int, int]
    stages: tuple[int, int, int, int]
    bottleneck: bool
    steps: tuple[Step, Step, Step, Step]
    convs: int

    @property
    def last(self) -> int:
        """Channels at full size, the picture's left out."""
        return self.steps[-1].out

    @property
    def padded(self) -> int:
        """Channels at full size, the picture's with them, and zeros up to what processors like."""
        return -(-(self.last + 3) // 8) * 8


#: Decoder "deep", half as wide again.
ARTISTIC = Architecture(
    blocks=(3, 4, 6, 3),
    stages=(64, 128, 256, 512),
    bottleneck=False,
    steps=(
        Step(512, 256, 256, 768),
        Step(768, 384, 128, 768),
        Step(768, 384, 64, 672),
        Step(672, 336, 64, 300),
    ),
    convs=2,
)
#: Decoder "wide", twice as wide: DeOldify's "stable" and "video".
STABLE = Architecture(
    blocks=(3, 4, 23, 3),
    stages=(256, 512, 1024, 2048),
    bottleneck=True,
    steps=(
        Step(2048, 512, 1024, 512),
        Step(512, 512, 512, 512),
        Step(512, 512, 256, 512),
        Step(512, 256, 64, 256),
    ),
    convs=1,
)


class DeOldify(nn.Module):
    """Either network, its norms folded into its convolutions where that is exact."""

    def __init__(self, kind: Architecture) -> None:
        super().__init__()
        self.kind = kind
        self.stem = Conv(3, STEM, 7, 2, rectify=True)
        widths = pairwise((STEM, *kind.stages))
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Residual(b if i else a, b, 2 if n and not i else 1, bottleneck=kind.bottleneck)
                    for i in range(count)
                )
            )
            for n, ((a, b), count) in enumerate(zip(widths, kind.blocks, strict=True))
        )
        c = kind.stages[-1]
        self.norm = Affine(c)
        self.middle = nn.Sequential(
            Conv(c, 2 * c, 3, rectify=True), Affine(2 * c), Conv(2 * c, c, 3, rectify=True)
        )
        self.up = nn.ModuleList(
            UpBlock(step, kind.convs, attentive=n == ATTENTIVE) for n, step in enumerate(kind.steps)
        )
        self.shuffle = Conv(kind.last, 4 * kind.last, 1, rectify=True)
        c = kind.padded
        self.residual = nn.Sequential(Conv(c, c, 3, rectify=True), Conv(c, c, 3, rectify=True))
        self.out = Conv(c, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Grey as RGB, ImageNet-normalised [B,3,H,W] → colour likewise, -3..3.

        Raises ValueError for sides that are odd: the original cannot take them either.
        """
        height, width = x.shape[2:]
        if height % 2 or width % 2 or not height or not width:
            raise ValueError(f"DeOldify needs even sides, got {height}x{width}: resize or pad the picture")
        picture = x.contiguous(memory_format=torch.channels_last)
        x = self.stem(picture)
        skips = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        *stages, deepest = self.stages
        for stage in stages:
            x = stage(x)
            skips.append(x)
        x = self.middle(self.norm(deepest(x)).relu_())
        for block in self.up:
            x = block(x, skips.pop())
        whole = _channels_last(x, self.kind.padded, height, width)
        last = self.kind.last
        shuffle_blurred(self.shuffle(x), whole[:, :last])
        whole[:, last : last + 3] = picture
        whole[:, last + 3 :] = 0
        return self.out(self.residual(whole).add_(whole)).sigmoid_().mul_(6).sub_(3)


class UpBlock(nn.Module):
    """Twice the size by pixel shuffle and blur, joined with the skip; its last norm is the next one's."""

    def __init__(self, step: Step, convs: int, *, attentive: bool) -> None:
        super().__init__()
        self.enlarged = step.enlarged
        self.shuffle = Conv(step.below, 4 * step.enlarged, 1, rectify=True)
        self.norm = Affine(step.skip)
        layers: list[nn.Module] = [Conv(step.enlarged + step.skip, step.out, 3, rectify=True)]
        for _ in range(convs - 1):
            layers += [Affine(step.out), Conv(step.out, step.out, 3, rectify=True)]
        if attentive:
            layers += [Affine(step.out), SelfAttention(step.out)]
        self.convs = nn.Sequential(*layers)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[B,C,h,w] and the skip [B,c,H,W] → [B,C',H,W], by the nearest value where that is not 2h, 2w."""
        small, (height, width) = self.shuffle(x), skip.shape[2:]
        joined = _channels_last(x, self.enlarged + skip.shape[1], height, width)
        place = joined[:, : self.enlarged]
        twice = (2 * x.shape[2], 2 * x.shape[3])
        if twice == (height, width):
            shuffle_blurred(small, place)
        else:
            large = shuffle_blurred(small, _channels_last(x, self.enlarged, *twice))
            place.copy_(F.interpolate(large, (height, width), mode="nearest"))
        # What comes from below has no negative values.
        self.norm(skip, joined[:, self.enlarged :]).relu_()
        return self.convs(joined)


def _channels_last(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Return an empty tensor of the type and on the device of ``like``."""
    return like.new_empty(len(like), height, width, channels).permute(0, 3, 1, 2)
