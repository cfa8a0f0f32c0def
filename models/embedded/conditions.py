"""Where a user's knowledge enters the embedded network: known chroma per pixel, one colour vector a picture.

Papers: the local condition generalises the user hints of Zhang et al., "Real-Time User-Guided Image
Colorization", SIGGRAPH 2017, and the warped chroma of He et al., "Deep Exemplar-based Colorization",
SIGGRAPH 2018; the colour vector and its modulation are Color2Embed's (Zhao et al., 2021); palette and
illumination mapped into the same space are the second stage of "Neural Image Recolorization for Creative
Domains" (2022).
Reference source: none. Code licence: Apache-2.0.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .decoder import COLOR_SIZE, ContextBlock, ModulatedConv, zero_linear

#: Sides of the small pictures that the encoder and the colour encoder see of a reference.
DESCRIBED_SIZE, REFERENCE_SIZE = 96, 64
#: Length of a picture's descriptor, and of a colour vector: what modulates, and the reference's descriptor.
DESCRIPTOR_SIZE = 64
VECTOR_SIZE = COLOR_SIZE + DESCRIPTOR_SIZE
#: Channels of what the local condition becomes at strides 4, 8, 16, 32.
LOCAL_WIDTHS = (32, 48, 64, 96)
#: Condition blocks are at most this wide inside.
_INNER = 160
#: The grid that colours are counted on: knots of lightness 0..100, cells of 20 units along a and along b.
_KNOTS, _CELLS, _CELL = 4, 12, 20.0
_GRID = _KNOTS * _CELLS * _CELLS


def lightness_tents(L: Tensor) -> Tensor:
    """Share each lightness between its two neighbouring knots: [...] 0..100 → [...,4], sums to 1."""
    position = (L / 100 * (_KNOTS - 1)).clamp(0, _KNOTS - 1)
    knots = torch.arange(_KNOTS, device=L.device, dtype=L.dtype)
    return (1 - (position[..., None] - knots).abs()).clamp(min=0)


def color_grid(lab: Tensor, weight: Tensor) -> Tensor:
    """Count colours on a coarse grid: lab [B,N,3] and weights [B,N] that sum to 1 → [B,576], square roots.

    Every colour is shared between neighbouring cells: a small change of it is a small change here.
    """
    batch, count = weight.shape
    position = (lab[..., 1:].float() / _CELL + (_CELLS - 1) / 2).clamp(0, _CELLS - 1 - 1e-4)
    low = position.floor()
    part = position - low
    tents = lightness_tents(lab[..., 0].float()) * weight.float()[..., None]  # [B,N,4]
    grid = torch.zeros(batch, _KNOTS, _CELLS * _CELLS, device=lab.device)
    for da in (0, 1):
        for db in (0, 1):
            share = (part[..., 0] if da else 1 - part[..., 0]) * (part[..., 1] if db else 1 - part[..., 1])
            cell = ((low[..., 0] + da) * _CELLS + low[..., 1] + db).long()
            index = cell[:, None].expand(batch, _KNOTS, count)
            grid.scatter_add_(2, index, (tents * share[..., None]).transpose(1, 2))
    # Square roots: a colour of 1 % of the picture must still be seen.
    return (grid.flatten(1) + 1e-8).sqrt()


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.float().square().mean(1, keepdim=True) + 1e-8).to(x.dtype)


def _scaled(lab: Tensor, dim: int) -> Tensor:
    L, ab = lab.narrow(dim, 0, 1), lab.narrow(dim, 1, 2)
    return torch.cat([(L - 50) / 50, ab / 60], dim)


class ColorEncoder(nn.Module):
    """A small reference picture → colour vector: its colours counted, and what lies where."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 160)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.narrow = nn.Conv2d(widths[-1], 32, 1)
        self.from_layout = nn.Linear(32 * (REFERENCE_SIZE // 16) ** 2, COLOR_SIZE)
        self.from_mean = nn.Linear(widths[-1], COLOR_SIZE)
        self.from_grid = nn.Linear(_GRID, COLOR_SIZE)
        self.out = nn.Linear(COLOR_SIZE, COLOR_SIZE)

    def forward(self, lab: Tensor) -> Tensor:
        """[B,3,64,64] in CIE units → [B,448], unit variance."""
        dtype = self.out.weight.dtype
        x = _scaled(lab, 1).to(dtype)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        points = lab.flatten(2).transpose(1, 2)
        weight = torch.full(points.shape[:2], 1 / points.shape[1], device=lab.device)
        y = self.from_layout(F.leaky_relu(self.narrow(x), 0.2).flatten(1))
        y = y + self.from_mean(x.mean((2, 3))) + self.from_grid(color_grid(points, weight).to(dtype) * 4)
        return _unit(self.out(F.leaky_relu(y, 0.2)))


class PaletteEncoder(nn.Module):
    """Palette colours with shares, and an illumination colour → the same vector space; order is free."""

    def __init__(self) -> None:
        super().__init__()
        self.color1 = nn.Linear(4, 192)
        self.color2 = nn.Linear(192, COLOR_SIZE)
        self.from_grid = nn.Linear(_GRID, COLOR_SIZE)
        self.light1 = nn.Linear(2, 64)
        self.light2 = nn.Linear(64, COLOR_SIZE)
        self.no_light = nn.Parameter(torch.zeros(COLOR_SIZE))
        self.hidden = nn.Linear(COLOR_SIZE, COLOR_SIZE)
        self.out = nn.Linear(COLOR_SIZE, COLOR_SIZE)

    def forward(self, lab: Tensor, weight: Tensor, light: Tensor, lit: Tensor) -> Tensor:
        """Palette lab [B,N,3], shares [B,N] (0 pads), light's ab [B,2], whether it is given [B] → [B,448]."""
        dtype = self.out.weight.dtype
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-8)
        x = torch.cat([_scaled(lab, 2), weight[..., None]], 2).to(dtype)
        x = F.leaky_relu(self.color2(F.leaky_relu(self.color1(x), 0.2)), 0.2)
        # Every colour counts, a rare one less: the root of its share.
        share = weight.sqrt()
        y = (x * (share / share.sum(1, keepdim=True).clamp(min=1e-8))[..., None].to(dtype)).sum(1)
        y = y + self.from_grid(color_grid(lab, weight).to(dtype) * 4)
        lights = self.light2(F.leaky_relu(self.light1((light / 20).to(dtype)), 0.2))
        y = y + torch.where(lit[:, None], lights, self.no_light)
        y = y + F.leaky_relu(self.hidden(F.leaky_relu(y, 0.2)), 0.2)
        return _unit(self.out(y))


class LocalPyramid(nn.Module):
    """Known chroma and confidence at the output's resolution → features at strides 4, 8, 16, 32."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, LOCAL_WIDTHS[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(LOCAL_WIDTHS))

    def forward(self, local: Tensor) -> list[Tensor]:
        """[B,3,h,w]: ab / 60 times confidence, confidence → four features, each with its pooled condition."""
        local = local.to(self.first.weight.dtype)
        x, out = F.leaky_relu(self.first(local), 0.2), []
        for level in range(len(LOCAL_WIDTHS)):
            out.append(torch.cat([x, local], 1))
            if level < len(self.down):
                x = F.leaky_relu(self.down[level](x), 0.2)
                local = halve_local(local)
        return out


def halve_local(local: Tensor) -> Tensor:
    """Halve a local condition: the mean of what is known, with the largest confidence of the four."""
    mean = F.avg_pool2d(local, 2)
    confidence = F.max_pool2d(local[:, 2:], 2)
    return torch.cat([mean[:, :2] / mean[:, 2:].clamp(min=1e-6) * confidence, confidence], 1)


class ConditionBlock(nn.Module):
    """What the conditions add to the decoder at one level: nothing until it is trained, or without any."""

    def __init__(self, channels: int, local: int, *, attend: bool) -> None:
        super().__init__()
        inner = min(channels, _INNER)
        self.enter = nn.Conv2d(channels + local, inner, 1)
        self.conv1 = ModulatedConv(inner, inner, 3)
        self.attend = ContextBlock(inner) if attend else None
        self.conv2 = ModulatedConv(inner, inner, 3)
        self.style1 = zero_linear(COLOR_SIZE, inner)
        self.style2 = zero_linear(COLOR_SIZE, inner)
        self.leave = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, local: Tensor, color: Tensor, given: Tensor) -> Tensor:
        """Features [B,C,h,w], local features, colour vector [B,448], where one is given [B,1,1,1]."""
        y = F.leaky_relu(self.enter(torch.cat([x, local], 1)), 0.2)
        y = F.leaky_relu(self.conv1(y, 1 + self.style1(color)), 0.2)
        if self.attend is not None:
            y = self.attend(y)
        y = F.leaky_relu(self.conv2(y, 1 + self.style2(color)), 0.2)
        return x + self.leave(y) * given.to(x.dtype)


class Kinship(nn.Module):
    """How far a reference is to be believed: whether it shows what the target shows.

    Both are described by the encoder's coarsest features; without a descriptor (a palette has none) all is
    believed. He 2018 falls back in the same way where the reference has nothing to say, there per pixel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.project = nn.Linear(channels, DESCRIPTOR_SIZE, bias=False)
        self.gain = nn.Parameter(torch.tensor(15.0))
        self.shift = nn.Parameter(torch.tensor(-1.5))

    def describe(self, feature: Tensor) -> Tensor:
        """Coarsest features [B,C,h,w] → descriptors [B,64] of length 1."""
        pooled = (feature.float().mean((2, 3)) - self.mean) / self.spread
        return F.normalize(F.linear(pooled, self.project.weight.float()), dim=1)

    def forward(self, feature: Tensor, descriptor: Tensor) -> Tensor:
        """Coarsest features of the target, descriptors of references [B,64] → belief [B,1], 0..1."""
        likeness = (self.describe(feature) * descriptor.float()).sum(1, keepdim=True)
        belief = torch.sigmoid(self.gain.float() * likeness + self.shift.float())
        return torch.where(descriptor.abs().sum(1, keepdim=True) > 0, belief, 1.0)


class ColorHead(nn.Module):
    """The colour vector's say in the logits: which bins the picture has, for dark and for light pixels."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.favour = zero_linear(COLOR_SIZE, _KNOTS * bins)

    def forward(self, color: Tensor, L: Tensor) -> Tensor:
        """Colour vector [B,448] and lightness [B,1,h,w] 0..100 → [B,bins,h,w]."""
        favour = self.favour(color).view(len(color), _KNOTS, self.bins)
        tents = lightness_tents(L[:, 0].float()).to(favour.dtype)  # [B,h,w,knots]
        return torch.einsum("bhwk,bkq->bqhw", tents, favour)
