"""ColorHouse's palette extractor: the five colours of a picture, learned.

Paper: "Neural Image Recolorization for Creative Domains", CVPR Workshops 2022: "two 3 × 3 stride-1
convolutional layers", each followed by adaptive pooling, then "two linear layers". Its sizes are not
published; those here are ours, and so is the share that comes with each colour.
Reference source: none. Code licence: Apache-2.0. Weights licence: Apache-2.0 (trained here).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...color import rgb_to_lab

COLOR_COUNT = 5
#: Side of the square that the network sees.
SIZE = 64
_WIDTHS, _POOLED = (48, 64), (16, 4)
_HIDDEN = 256


class PaletteExtractor(nn.Module):
    """A picture → five Lab colours with their shares."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, padding=1)
        self.conv2 = nn.Conv2d(_WIDTHS[0], _WIDTHS[1], 3, padding=1)
        self.linear1 = nn.Linear(_WIDTHS[1] * _POOLED[1] ** 2, _HIDDEN)
        self.linear2 = nn.Linear(_HIDDEN, COLOR_COUNT * 4)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """[B,3,H,W] sRGB 0..1 of any size → Lab [B,5,3], and shares [B,5] that sum to 1."""
        return self.colors(shrink(rgb))

    def colors(self, lab: Tensor) -> tuple[Tensor, Tensor]:
        """The same of Lab pictures [B,3,64,64]."""
        x = torch.cat([(lab[:, :1] - 50) / 50, lab[:, 1:] / 60], 1).to(self.conv1.weight.dtype)
        for conv, side in ((self.conv1, _POOLED[0]), (self.conv2, _POOLED[1])):
            x = F.adaptive_avg_pool2d(F.leaky_relu(conv(x), 0.1), side)
        out = self.linear2(F.leaky_relu(self.linear1(x.flatten(1)), 0.1)).float()
        out = out.view(-1, COLOR_COUNT, 4)
        L = torch.sigmoid(out[..., :1]) * 100
        return torch.cat([L, out[..., 1:3] * 60], 2), out[..., 3].softmax(1)


def shrink(rgb: Tensor) -> Tensor:
    """Scale pictures [B,3,H,W] sRGB 0..1 down to Lab [B,3,64,64]; the whole picture, squared."""
    size = (SIZE, SIZE)
    small = F.interpolate(rgb.float(), size, mode="bilinear", antialias=True, align_corners=False)
    return rgb_to_lab(small.clamp(0, 1))
