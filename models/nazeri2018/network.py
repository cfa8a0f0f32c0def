"""The U-Net of Nazeri 2018: grey in, the whole Lab picture out, its batch norms always by the picture itself.

Paper: Nazeri, Ng, Ebrahimi, "Image Colorization using Generative Adversarial Networks", AMDO 2018
(arXiv:1803.05400).
Reference source: github.com/ImagingLab/Colorizing-with-GANs; the lines here are written from its facts.
Code licence: Apache-2.0 (the source's: Apache-2.0). Weights licence: not stated, not shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the encoder's levels, the first at full size, and of the decoder's, by training set.
PLACES365 = ((64, 64, 128, 256, 512, 512, 512, 512), (512, 512, 512, 256, 128, 64, 64))
CIFAR10 = ((64, 128, 256, 512, 512), (512, 256, 128, 64))

_EPS = 1e-3


class GanUNet(nn.Module):
    """The generator; ``encoder`` and ``decoder`` are the channels of their levels.

    The convolutions before a norm have no bias, although the published ones do: a norm by the statistics of
    its own input takes away whatever constant was added.
    """

    def __init__(self, encoder: Sequence[int], decoder: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(1, encoder[0], 4, bias=False)])
        self.down.extend(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(encoder))
        self.down_norm = nn.ModuleList(LiveBatchNorm(c) for c in encoder)
        self.up, self.up_norm = nn.ModuleList(), nn.ModuleList(LiveBatchNorm(c) for c in decoder)
        c_in = encoder[-1]
        for c_out, skip in zip(decoder, reversed(encoder[:-1]), strict=True):
            self.up.append(nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False))
            c_in = c_out + skip
        self.last = nn.Conv2d(c_in, 3, 1)

    def forward(self, grey: Tensor) -> Tensor:
        """Grey [B,1,H,W] 0..255, sides multiples of 2**(levels - 1) → [B,3,H,W] -1..1.

        The first channel is L/50 - 1, the others ab/110. Pictures of one batch share their statistics, and
        so change each other's colours.
        """
        # TensorFlow's "same" for an even kernel: one before, two behind.
        x = F.pad(grey, (1, 2, 1, 2))
        skips = []
        for conv, norm in zip(self.down, self.down_norm, strict=True):
            x = F.leaky_relu(norm(conv(x)), 0.2, inplace=True)
            skips.append(x)
        x = skips.pop()
        for conv, norm in zip(self.up, self.up_norm, strict=True):
            x = torch.cat([skips.pop(), F.relu(norm(conv(x)), inplace=True)], 1)
        return torch.tanh(self.last(x))


class LiveBatchNorm(nn.Module):
    """A batch norm that normalises by its input's own mean and biased variance, also when not training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → the same shape; a single value per channel becomes the bias, as in TensorFlow."""
        if x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return self.bias.view(1, -1, 1, 1).clone()
        # In two passes: torch's own norm sums less exactly over channels that are last in memory.
        wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
        wide = wide - wide.mean((0, 2, 3), keepdim=True)
        variance = (wide * wide).mean((0, 2, 3))
        gain = self.weight * torch.rsqrt(variance + _EPS)
        return torch.addcmul(self.bias.view(1, -1, 1, 1), wide, gain.view(1, -1, 1, 1)).to(x.dtype)
