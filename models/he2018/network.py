"""The colour network of He 2018 and, with other norms and upsampling, of Zhang 2019.

Paper: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018; B. Zhang et al., "Deep Exemplar-based
Video Colorization", CVPR 2019.
Reference source: github.com/msracver/Deep-Exemplar-based-Colorization, github.com/zhangmozhe/Deep-Exemplar-
based-Video-Colorization; the lines here are written from their facts.
Code licence: Apache-2.0 (the sources': MIT). Weights licence: with the code (MIT), not shipped.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: What the convolutions of each block are called, behind the first: block, channels, how many, dilation.
_MIDDLE = ((4, 512, 3, 1), (5, 512, 3, 2), (6, 512, 3, 2), (7, 512, 3, 1))
_SHRINKING = ((1, 64), (2, 128), (3, 256))


class ColorNet(nn.Module):
    """A U-Net of ten blocks; the modules have the names of the published files.

    ``channels``: of the input. ``norm`` makes what ends a block, from its channels. ``up`` makes what doubles
    the size, from channels in and out. ``scale``: CIE units that the tanh's 1 stands for.
    """

    def __init__(
        self,
        channels: int,
        norm: Callable[[int], nn.Module],
        up: Callable[[int, int], nn.Module],
        scale: float,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.conv1_1 = nn.Sequential(_conv(channels, 32), nn.ReLU(inplace=True), _conv(32, 64))
        self.conv1_2 = _conv(64, 64)
        self.conv2_1, self.conv2_2 = _conv(64, 128), _conv(128, 128)
        self.conv3_1, self.conv3_2, self.conv3_3 = _conv(128, 256), _conv(256, 256), _conv(256, 256)
        for block, width in _SHRINKING:
            last = 3 if block == 3 else 2
            self.add_module(f"conv{block}_{last}norm", norm(width))
            self.add_module(
                f"conv{block}_{last}norm_ss", nn.Conv2d(width, width, 1, 2, groups=width, bias=False)
            )
        c_in = 256
        for block, width, repeats, dilation in _MIDDLE:
            for number in range(1, repeats + 1):
                self.add_module(f"conv{block}_{number}", _conv(c_in, width, dilation))
                c_in = width
            self.add_module(f"conv{block}_{repeats}norm", norm(width))
        self.conv8_1, self.conv3_3_short = up(512, 256), _conv(256, 256)
        self.conv8_2, self.conv8_3, self.conv8_3norm = _conv(256, 256), _conv(256, 256), norm(256)
        self.conv9_1, self.conv2_2_short = up(256, 128), _conv(128, 128)
        self.conv9_2, self.conv9_2norm = _conv(128, 128), norm(128)
        self.conv10_1, self.conv1_2_short = up(128, 128), _conv(64, 128)
        self.conv10_2, self.conv10_ab = _conv(128, 128), nn.Conv2d(128, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W], sides multiples of 8 → ab [B,2,H,W] in CIE units."""
        x1 = self._block(F.relu(self.conv1_1(x), inplace=True), "conv1_2")
        x2 = self._block(self._shrunk(x1, "conv1_2"), "conv2_1", "conv2_2")
        x3 = self._block(self._shrunk(x2, "conv2_2"), "conv3_1", "conv3_2", "conv3_3")
        x = self._shrunk(x3, "conv3_3")
        for block, _, repeats, _ in _MIDDLE:
            x = self._block(x, *(f"conv{block}_{number}" for number in range(1, repeats + 1)))
        x = F.relu(self.conv8_1(x) + self.conv3_3_short(x3), inplace=True)
        x = self._block(x, "conv8_2", "conv8_3")
        x = F.relu(self.conv9_1(x) + self.conv2_2_short(x2), inplace=True)
        x = self._block(x, "conv9_2")
        x = F.relu(self.conv10_1(x) + self.conv1_2_short(x1), inplace=True)
        x = F.leaky_relu(self.conv10_2(x), 0.2, inplace=True)
        return torch.tanh(self.conv10_ab(x)) * self.scale

    def _block(self, x: Tensor, *names: str) -> Tensor:
        """Convolve and rectify by each name, then normalise."""
        for name in names:
            x = F.relu(self.get_submodule(name)(x), inplace=True)
        return self.get_submodule(f"{names[-1]}norm")(x)

    def _shrunk(self, x: Tensor, name: str) -> Tensor:
        return self.get_submodule(f"{name}norm_ss")(x)


def build_he2018() -> ColorNet:
    """Return the network of He 2018: 13 channels in, tanh of 100 CIE units."""
    return ColorNet(13, lambda c: nn.BatchNorm2d(c, affine=False), _transposed, 100.0)


def _transposed(c_in: int, c_out: int) -> nn.Module:
    return nn.ConvTranspose2d(c_in, c_out, 4, 2, 1)


def _conv(c_in: int, c_out: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, 1, dilation, dilation)
