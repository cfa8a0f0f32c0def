"""From what is read from memory to colours. Papers and licences: as ``encoders``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoders import HIDDEN, KEY, VALUE, Key
from .layers import FeatureFusion, PreActivated, gated

#: How far the short-term attention looks, each way.
_REACH = 7
_WINDOW = 2 * _REACH + 1
_NOT = -1e8


class Decoder(nn.Module):
    """Features, what was read and what is remembered to ab, and what is remembered then."""

    def __init__(self) -> None:
        super().__init__()
        self.fuser = FeatureFusion(1024 + VALUE + HIDDEN, 512)
        self.skips = nn.ModuleList([nn.Conv2d(512, 512, 3, 1, 1), nn.Conv2d(256, 256, 3, 1, 1)])
        self.ups = nn.ModuleList([PreActivated(512, 256), PreActivated(256, 256)])
        self.pred = nn.Conv2d(256, 1, 3, 1, 1)
        self.tell = nn.ModuleList(nn.Conv2d(c, 256, 1) for c in (512, 256, 257))
        self.remember = nn.Conv2d(256 + HIDDEN, 3 * HIDDEN, 3, 1, 1)

    def forward(self, seen: Key, read: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """A frame's features, [2,512,h,w], [2,64,h,w] → ab/110 [2,16h,16w] and the new memory."""
        g16 = self.fuser(seen.f16, torch.cat([read, hidden], 1))
        g8 = self._up(0, seen.f8, g16)
        g4 = self._up(1, seen.f4, g8)
        ab = self.pred(F.relu(g4))
        levels = (g16, g8, torch.cat([g4, ab], 1))
        told = torch.stack(
            [
                conv(level if n == 0 else F.interpolate(level, scale_factor=0.5**n, mode="area"))
                for n, (conv, level) in enumerate(zip(self.tell, levels, strict=True))
            ]
        ).sum(0)
        hidden = gated(self.remember(torch.cat([told, hidden], 1)), hidden)
        large = F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)
        return large[:, 0].tanh(), hidden

    def _up(self, level: int, skip: Tensor, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.ups[level](self.skips[level](skip) + x)


class ShortTerm(nn.Module):
    """Attention to what lies around in the last frame that was memorised."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Conv2d(KEY, _WINDOW**2, 1)
        self.depthwise = nn.Conv2d(2 * VALUE, 2 * VALUE, 5, 1, 2, groups=2 * VALUE, bias=False)
        self.project = nn.Linear(2 * VALUE, 2 * VALUE)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Keys [1,64,h,w] of this frame and of that, that one's value [2,512,h,w] → [2,512,h,w]."""
        height, width = query.shape[2:]
        around = F.unfold(key, _WINDOW, padding=_REACH).view(KEY, _WINDOW**2, -1)
        likeness = ((query / 8).view(KEY, 1, -1) * around).sum(0) + self.position(query).view(_WINDOW**2, -1)
        inside = F.unfold(torch.ones_like(key[:, :1]), _WINDOW, padding=_REACH)[0]
        weights = likeness.masked_fill(inside == 0, _NOT).softmax(0)
        # A slice of channels at a time: unfolded, a value is 225 times as large.
        parts = [
            (F.unfold(part, _WINDOW, padding=_REACH).view(part.shape[1], _WINDOW**2, -1) * weights).sum(1)
            for part in value.flatten(0, 1)[None].split(64, 1)
        ]
        found = self.depthwise(torch.cat(parts).view(1, -1, height, width))
        return self.project(found[0].flatten(1).mT).mT.view(2, VALUE, height, width)
