"""What ColorMNet's parts are made of.

Papers and licences: as ``encoders``; the attention: Woo et al., "CBAM", ECCV 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """ResNet's block, its norms folded in; ``bottleneck``: three convolutions, the middle one narrow."""

    def __init__(self, c_in: int, c_out: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        if bottleneck:
            narrow = c_out // 4
            convs = (
                nn.Conv2d(c_in, narrow, 1),
                nn.Conv2d(narrow, narrow, 3, stride, 1),
                nn.Conv2d(narrow, c_out, 1),
            )
        else:
            convs = (nn.Conv2d(c_in, c_out, 3, stride, 1), nn.Conv2d(c_out, c_out, 3, 1, 1))
        self.convs = nn.ModuleList(convs)
        changes = stride > 1 or c_in != c_out
        self.short = nn.Conv2d(c_in, c_out, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → [B,C',h/stride,w/stride]."""
        y = x
        for number, conv in enumerate(self.convs, 1):
            y = conv(y)
            y = F.relu(y) if number < len(self.convs) else y
        return F.relu(y + self.short(x))


def stage(c_in: int, c_out: int, blocks: int, stride: int, *, bottleneck: bool) -> nn.Sequential:
    """Return a stage of a ResNet."""
    return nn.Sequential(
        *(
            Residual(c_out if n else c_in, c_out, 1 if n else stride, bottleneck=bottleneck)
            for n in range(blocks)
        )
    )


class PreActivated(nn.Module):
    """Two convolutions with ReLUs before them, on top of what comes in."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c_in, c_out, 3, 1, 1), nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.short = nn.Conv2d(c_in, c_out, 3, 1, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → [B,C',h,w]."""
        return self.conv2(F.relu(self.conv1(F.relu(x)))) + self.short(x)


class FeatureFusion(nn.Module):
    """A frame's features and something about each of its planes, into one."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.block1, self.block2 = PreActivated(c_in, c), PreActivated(c, c)
        self.channels = nn.Sequential(nn.Linear(c, c // 16), nn.ReLU(), nn.Linear(c // 16, c))
        self.places = nn.Conv2d(2, 1, 7, 1, 3)

    def forward(self, f16: Tensor, planes: Tensor) -> Tensor:
        """[1,C,h,w] and [K,C',h,w] → [K,C'',h,w]."""
        x = self.block1(torch.cat([f16.expand(len(planes), -1, -1, -1), planes], 1))
        return self.block2(x + self._attended(x))

    def _attended(self, x: Tensor) -> Tensor:
        weight = self.channels(x.mean((2, 3))) + self.channels(x.amax((2, 3)))
        x = x * weight.sigmoid()[:, :, None, None]
        seen = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * self.places(seen).sigmoid()


def norm_channels(x: Tensor, norm: nn.Module) -> Tensor:
    """Normalise [B,C,h,w] over its channels."""
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def gated(told: Tensor, hidden: Tensor) -> Tensor:
    """Return what is remembered after ``told``, [B,3C,h,w]: what to forget, what to renew, and with what."""
    forget, renew, new = told.chunk(3, 1)
    forget, renew = forget.sigmoid(), renew.sigmoid()
    return forget * hidden * (1 - renew) + renew * new.tanh()
