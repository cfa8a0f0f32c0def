"""The two networks of Zhang: eccv16, classification, and siggraph17, with a user's hints.

Papers: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016; Zhang, Zhu, Isola, Geng, Lin, Yu and
Efros, "Real-Time User-Guided Image Colorization with Learned Deep Priors", SIGGRAPH 2017.
Reference source: github.com/richzhang/colorization; the lines here are written from its facts.
Code licence: Apache-2.0 (the source's: BSD-2-Clause). Weights licence: BSD-2-Clause, not shipped.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..convolution import Conv

#: Both sides of the input must divide by this.
MULTIPLE = 8
#: Colours that eccv16 decides between.
BIN_COUNT = 313


def _block(
    widths: tuple[int, ...], *, stride: int = 1, dilation: int = 1, norm: bool = True
) -> nn.Sequential:
    """Convolutions 3x3, each with ReLU, and a batch norm behind them; ``stride``: of the last."""
    layers: list[nn.Module] = []
    for number, (a, b) in enumerate(pairwise(widths)):
        last = number == len(widths) - 2
        # The second stands where the file has a ReLU, which the convolution does.
        layers += [
            Conv(a, b, 3, stride if last else 1, dilation=dilation, rectify=True),
            nn.Identity(),
        ]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(widths[-1])] if norm else []))


def _middle() -> tuple[nn.Sequential, ...]:
    """Blocks 4 to 7, which both networks share: 512 wide, two of them dilated."""
    wide = (512, 512, 512, 512)
    return _block((256, *wide[1:])), _block(wide, dilation=2), _block(wide, dilation=2), _block(wide)


class Eccv16(nn.Module):
    """Luminance to a distribution over 313 colours at a quarter of the size, and to their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.model1 = _block((1, 64, 64), stride=2)
        self.model2 = _block((64, 128, 128), stride=2)
        self.model3 = _block((128, 256, 256, 256), stride=2)
        self.model4, self.model5, self.model6, self.model7 = _middle()
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 4, 2, 1),
            nn.ReLU(inplace=True),
            *_block((256, 256, 256), norm=False),
            Conv(256, BIN_COUNT, 1),
        )
        self.model_out = nn.Conv2d(BIN_COUNT, 2, 1, bias=False)

    def forward(self, L: Tensor) -> Tensor:
        """L 0..100, [B,1,H,W] with sides that divide by 8 → logits [B,313,H/4,W/4]."""
        x = (L - 50) / 100
        for block in (self.model1, self.model2, self.model3, self.model4, self.model5):
            x = block(x)
        return self.model8(self.model7(self.model6(x)))

    def mean_ab(self, logits: Tensor) -> Tensor:
        """Logits [B,313,h,w] → ab [B,2,h,w] in CIE units."""
        return self.model_out(logits.softmax(1)) * 110


class Siggraph17(nn.Module):
    """Luminance, hints and where they are to chroma."""

    def __init__(self) -> None:
        super().__init__()
        self.model1 = _block((4, 64, 64))
        self.model2 = _block((64, 128, 128))
        self.model3 = _block((128, 256, 256, 256))
        self.model4, self.model5, self.model6, self.model7 = _middle()
        self.model8up = nn.Sequential(nn.ConvTranspose2d(512, 256, 4, 2, 1))
        self.model3short8 = nn.Sequential(Conv(256, 256, 3))
        self.model8 = nn.Sequential(nn.ReLU(inplace=True), *_block((256, 256, 256)))
        self.model9up = nn.Sequential(nn.ConvTranspose2d(256, 128, 4, 2, 1))
        self.model2short9 = nn.Sequential(Conv(128, 128, 3))
        self.model9 = nn.Sequential(nn.ReLU(inplace=True), *_block((128, 128)))
        self.model10up = nn.Sequential(nn.ConvTranspose2d(128, 128, 4, 2, 1))
        self.model1short10 = nn.Sequential(Conv(64, 128, 3))
        self.model10 = nn.Sequential(
            nn.ReLU(inplace=True), Conv(128, 128, 3), nn.LeakyReLU(0.2, inplace=True)
        )
        self.model_out = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, L: Tensor, ab: Tensor, mask: Tensor) -> Tensor:
        """L 0..100 [B,1,H,W], hints [B,2,H,W] in CIE units, 0 or 1 where they are → ab [B,2,H,W]."""
        first = self.model1(torch.cat([(L - 50) / 100, ab / 110, mask], 1))
        second = self.model2(first[:, :, ::2, ::2])
        third = self.model3(second[:, :, ::2, ::2])
        x = self.model7(self.model6(self.model5(self.model4(third[:, :, ::2, ::2]))))
        x = self.model8(self.model8up(x) + self.model3short8(third))
        x = self.model9(self.model9up(x) + self.model2short9(second))
        x = self.model10(self.model10up(x) + self.model1short10(first))
        return self.model_out(x) * 110


def enlarge_as_published(ab: Tensor) -> Tensor:
    """Bring eccv16's ab to four times the size, as the authors' network does."""
    return F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)
