"""What ColorMNet sees: a frame's key and features, and the value of a frame whose colours are known.

Paper: Yang et al., "ColorMNet: A Memory-based Deep Spatial-Temporal Feature Propagation Network for Video
Colorization", ECCV 2024 (arXiv:2404.06251), on Cheng and Schwing, "XMem", ECCV 2022.
Reference source: none was read; the lines here are written from the papers, the names of the tensors and the
reference vectors. Code licence: Apache-2.0 (the authors': CC BY-NC-SA 4.0). Weights licence: CC BY-NC-SA 4.0,
non-commercial, not shipped.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import FeatureFusion, gated, norm_channels, stage
from .vision_transformer import PATCH, VisionTransformer

#: Lengths of a key, of a value, of what a plane remembers.
KEY, VALUE, HIDDEN = 64, 512, 64
#: Both sides of a frame must divide by this: by 16 for the one half of the eyes, by 14 for the other.
MULTIPLE = 112
_HEADS = 8


class Key(NamedTuple):
    """What a frame is found by, at 1/16: ``key`` [B,64,h,w]; ``shrinkage`` [B,1,h,w], how far it reaches;
    ``selection`` [B,64,h,w], what it looks at. With its features at 1/16, 1/8 and 1/4.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    f16: Tensor
    f8: Tensor
    f4: Tensor


class KeyEncoder(nn.Module):
    """A ResNet-50's first stages, each told what DINOv2 sees."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, 3)
        self.stages = nn.ModuleList(
            [
                stage(64, 256, 3, 1, bottleneck=True),
                stage(256, 512, 4, 2, bottleneck=True),
                stage(512, 1024, 6, 2, bottleneck=True),
            ]
        )
        self.dino = VisionTransformer()
        self.dino_conv = nn.Conv2d(1536, 1536, 1)
        self.fuse = nn.ModuleList(Fuse(1536, c) for c in (1024, 512, 256))
        self.key = nn.Conv2d(1024, KEY, 3, 1, 1)
        self.shrinkage = nn.Conv2d(1024, 1, 3, 1, 1)
        self.selection = nn.Conv2d(1024, KEY, 3, 1, 1)

    def forward(self, x: Tensor) -> Key:
        """Lightness (L-50)/50 in three channels [B,3,H,W], sides multiples of 112 → Key."""
        seen = F.relu(self.dino_conv(self.dino(x)))
        # From tokens of 14 pixels to positions of 16.
        size = [side * PATCH // 16 for side in seen.shape[2:]]
        seen = F.interpolate(seen, size, mode="bilinear", align_corners=False)
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        levels = []
        for part in self.stages:
            x = part(x)
            levels.append(x)
        both = zip(self.fuse, reversed(levels), strict=True)
        f16, f8, f4 = (fuse(seen, level, 2**n) for n, (fuse, level) in enumerate(both))
        return Key(self.key(f16), self.shrinkage(f16) ** 2 + 1, self.selection(f16).sigmoid(), f16, f8, f4)


class Fuse(nn.Module):
    """What DINOv2 sees asks the ResNet's features: attention between channels."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.encode = nn.Conv2d(c_in, c, 3, 1, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(c, 1e-6) for _ in range(3))
        self.spread = nn.ModuleList(nn.Conv2d(c, 2 * c, 1) for _ in range(3))
        self.depthwise = nn.ModuleList(nn.Conv2d(2 * c, 2 * c, 3, 1, 1, groups=2 * c) for _ in range(3))
        self.temperature = nn.Parameter(torch.empty(_HEADS, 1, 1))
        self.out = nn.Conv2d(2 * c, c, 1)

    def forward(self, seen: Tensor, x: Tensor, enlarge: int) -> Tensor:
        """[B,1536,h,w] and the ResNet's [B,C,h*enlarge,w*enlarge] → the latter's shape."""
        if enlarge > 1:
            seen = F.interpolate(seen, scale_factor=enlarge, mode="bilinear", align_corners=False)
        seen = self.encode(seen)
        asking, asked = norm_channels(seen, self.norms[0]), norm_channels(x, self.norms[1])
        ways = zip((asking, asked, asked), self.spread, self.depthwise, strict=True)
        parts = (depthwise(spread(source)) for source, spread, depthwise in ways)
        q, k, v = (part.flatten(2).unflatten(1, (_HEADS, -1)) for part in parts)
        likeness = F.normalize(q, dim=3) @ F.normalize(k, dim=3).mT * self.temperature
        found = (likeness.softmax(3) @ v).flatten(1, 2).unflatten(2, x.shape[2:])
        return F.relu(norm_channels(self.out(found) + seen, self.norms[2]))


class ValueEncoder(nn.Module):
    """A frame whose a and b are known to the value of each: two objects, which know of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(5, 64, 7, 2, 3)
        self.stages = nn.Sequential(
            stage(64, 64, 2, 1, bottleneck=False),
            stage(64, 128, 2, 2, bottleneck=False),
            stage(128, 256, 2, 2, bottleneck=False),
        )
        self.fuser = FeatureFusion(1024 + 256, VALUE)
        self.remember = nn.Conv2d(VALUE + HIDDEN, 3 * HIDDEN, 3, 1, 1)

    def forward(self, x: Tensor, f16: Tensor, hidden: Tensor, ab: Tensor) -> tuple[Tensor, Tensor]:
        """A frame [1,3,H,W], its features, what is remembered [2,64,h,w], ab/110 [2,H,W] → value, memory.

        The value is [2,512,h,w].
        """
        planes = ab[:, None]
        seen = torch.cat([x.expand(2, -1, -1, -1), planes, planes.flip(0)], 1)
        seen = F.relu(F.max_pool2d(self.stem(seen), 3, 2, 1))
        value = self.fuser(f16, self.stages(seen))
        return value, gated(self.remember(torch.cat([value, hidden], 1)), hidden)
