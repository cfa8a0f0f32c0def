"""Zhang 2019: a VGG19, a network that warps an exemplar by it, one that colours from frame to frame.

Paper: B. Zhang et al., "Deep Exemplar-based Video Colorization", CVPR 2019.
Reference source: github.com/zhangmozhe/Deep-Exemplar-based-Video-Colorization; the lines here are written
from its facts.
Code licence: Apache-2.0 (the source's: MIT). Weights licence: MIT; the VGG19's CC BY 4.0 (unverified); not
shipped.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..he2018.network import ColorNet
from ..vgg19.network import VGG19, caffe_input

#: The second ReLU of VGG19's blocks 2 to 5, by which an exemplar is matched.
TAPS = ("conv2_2", "conv3_2", "conv4_2", "conv5_2")
#: A position of the match stands for this many pixels each way.
STRIDE = 4

# Cosines of a tile of the match: 16 MiB.
_TILE = 2**22


class Reference(NamedTuple):
    """What the warp needs of an exemplar: unit features [M,256] and Lab [M,3] with L less 50, by position."""

    phi: Tensor
    lab: Tensor


class ExemplarVideo(nn.Module):
    """The three networks."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = VGG19(TAPS[-1])
        self.warp = WarpNet()
        self.colornet = ColorNet(7, nn.InstanceNorm2d, _upsampled, 128.0)

    def encode(self, rgb: Tensor, lab: Tensor) -> Reference:
        """An exemplar as sRGB [1,3,H,W] 0..1 and as Lab with L less 50, sides multiples of 8 → Reference."""
        phi = self._features(rgb, self.warp.phi)[0].flatten(1).T
        return Reference(phi.contiguous(), F.avg_pool2d(lab.float(), STRIDE)[0].flatten(1).T.contiguous())

    def match(
        self, grey: Tensor, reference: Reference, temperature: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Lightness [B,1,H,W] 0..1 → warped Lab [B,3,H,W], L less 50, and similarity [B,1,H,W] -1..1.

        ``temperature``: of the attention over the exemplar's positions; None takes the likeliest alone.
        """
        theta = self._features(grey.expand(-1, 3, -1, -1), self.warp.theta)
        height, width = theta.shape[-2:]
        maps = []
        for one in theta.flatten(2):
            lab, similarity = attend(one.T, *reference, temperature=temperature)
            maps.append(torch.cat([lab, similarity[:, None]], 1).T.view(-1, height, width))
        found = F.interpolate(torch.stack(maps), scale_factor=STRIDE, mode="nearest")
        return found[:, :3], found[:, 3:]

    def _features(self, rgb: Tensor, head: nn.Module) -> Tensor:
        """Return the warp's features, float32 [B,256,H/4,W/4] of unit length."""
        dtype = self.warp.dtype
        taps = [_unit(tap.float()).to(dtype) for tap in self.vgg(caffe_input(rgb).to(dtype), TAPS)]
        x = head(self.warp(taps)).float()
        return _unit(x - x.mean((2, 3), keepdim=True))


class WarpNet(nn.Module):
    """VGG19's levels to the features that pictures are matched by; the modules are named as in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.layer2_1 = nn.Sequential(*_stage(128, 128), *_stage(128, 64, stride=2))
        self.layer3_1 = nn.Sequential(*_stage(256, 128), *_stage(128, 64))
        self.layer4_1 = nn.Sequential(*_stage(512, 256), *_stage(256, 64), _double())
        self.layer5_1 = nn.Sequential(*_stage(512, 256), _double(), *_stage(256, 64), _double())
        self.layer = nn.Sequential(*(ResidualBlock(256) for _ in range(3)))
        self.theta = nn.Conv2d(256, 256, 1)
        self.phi = nn.Conv2d(256, 256, 1)

    @property
    def dtype(self) -> torch.dtype:
        """The floating type that the network computes in."""
        return self.theta.weight.dtype

    def forward(self, taps: list[Tensor]) -> Tensor:
        """Unit features at strides 2, 4, 8, 16 of a picture with sides that divide by 8 → [B,256,H/4,W/4]."""
        layers = (self.layer2_1, self.layer3_1, self.layer4_1, self.layer5_1)
        levels = [layer(tap) for layer, tap in zip(layers, taps, strict=True)]
        # Where a side is an odd multiple of 8, stride 16 has rounded it down.
        top = (levels[0].shape[-2] - levels[3].shape[-2]) // 2
        left = (levels[0].shape[-1] - levels[3].shape[-1]) // 2
        if top or left:
            levels[3] = F.pad(levels[3], (left, left, top, top), mode="replicate")
        return self.layer(torch.cat(levels, 1))


class ResidualBlock(nn.Module):
    """Two convolutions with instance norm; one PReLU serves both places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → the same shape."""
        y = F.instance_norm(self.conv1(F.pad(x, (1, 1, 1, 1), mode="reflect")))
        y = self.conv2(F.pad(self.prelu(y), (1, 1, 1, 1), mode="reflect"))
        return self.prelu(F.instance_norm(y) + x)


def attend(
    query: Tensor, reference: Tensor, values: Tensor, *, temperature: float | None = None, tile: int = _TILE
) -> tuple[Tensor, Tensor]:
    """Fetch ``values`` [M,V] at the positions of ``reference`` [M,C] that are like ``query`` [N,C].

    Features are of unit length. Values come by softmax(cosine / temperature); None takes those of the
    greatest cosine. No more than ``tile`` cosines are there at once, or one row. Returns values [N,V] and
    the greatest cosines [N].
    """
    fetched, greatest = [], []
    for rows in query.split(max(1, tile // len(reference))):
        cosines = rows @ reference.T
        best, index = cosines.max(1)
        if temperature is None:
            fetched.append(values[index])
        else:
            fetched.append(torch.softmax(cosines / temperature, 1) @ values)
        greatest.append(best)
    return torch.cat(fetched), torch.cat(greatest)


def _unit(x: Tensor) -> Tensor:
    """Scale [B,C,h,w] to unit length over the channels; zeros stay zeros."""
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=1e-12)


def _stage(c_in: int, c_out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.ReflectionPad2d(1), nn.Conv2d(c_in, c_out, 3, stride), nn.InstanceNorm2d(c_out), nn.PReLU()


def _double() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="nearest")


def _upsampled(c_in: int, c_out: int) -> nn.Module:
    return nn.Sequential(_double(), nn.Conv2d(c_in, c_out, 3, 1, 1))
