"""Reference pictures with what matching needs of them, computed once.

Levels of features less their mean over the references, each of unit length: Zhang et al., "Deep
Exemplar-based Video Colorization", CVPR 2019; several levels: He et al., "Deep Exemplar-based Colorization",
SIGGRAPH 2018.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab
from ..models.features import FeatureExtractor
from ..models.resize import pad_to_multiple, resize_lightness, working_size
from .correspondence import normalise

#: Shorter side, in pixels, at which pictures are compared; smaller ones at their own, from LEAST_SIZE.
SIZE = 384
LEAST_SIZE = 128
#: Pixels that a position of the grid stands for; finer levels see texture alone, and are left out.
STRIDE = 8
#: A reference with a shorter side says nothing.
LEAST_SIDE = 16
#: Chroma that a hundredth of a reference must reach, or it has none to give.
LEAST_CHROMA = 4.0

# Shorter side at which pictures are kept: no network that is told of a whole reference sees more of it.
_KEPT = 768
# Working sizes that are remembered: pictures of other sizes may come in turns.
_SIZES_KEPT = 4


class BadReferenceError(ValueError):
    """A reference picture that cannot be used; the message says why."""


@dataclass(frozen=True)
class Grid:
    """References at one working size, all positions of all of them in one list of M.

    ``features``: [M,C] of unit length, the levels side by side; ``channels``: how many each level has, finest
    first. ``means``: of each level, [1,C,1,1]. ``values``: [M,3], a, b and a² + b², means over the position.
    ``shapes``: height and width of each reference's grid. ``owner``: [M] int64, whose a position is.
    """

    features: Tensor
    channels: tuple[int, ...]
    means: tuple[Tensor, ...]
    values: Tensor
    shapes: tuple[tuple[int, int], ...]
    owner: Tensor

    def part(self, number: int) -> tuple[Tensor, tuple[int, int]]:
        """Return the features of one reference as a map [1,C,h,w], and its grid's height and width."""
        height, width = self.shapes[number]
        start = sum(h * w for h, w in self.shapes[:number])
        rows = self.features[start : start + height * width]
        return rows.T.view(1, -1, height, width), (height, width)


class References:
    """Reference pictures, and the features that ``extractor`` sees in them.

    ``pictures``: rgb [3,H,W] 0..1, any size from 16 pixels, any device; ``names``: for messages.
    Raises BadReferenceError for none, and for one that is too small, has no colour, or NaN.
    """

    def __init__(
        self, pictures: Sequence[Tensor], extractor: FeatureExtractor, names: Sequence[str] | None = None
    ) -> None:
        if not pictures:
            raise BadReferenceError("there is no reference: give at least one colour picture")
        self.names = tuple(names or (f"reference {number + 1}" for number in range(len(pictures))))
        for picture, name in zip(pictures, self.names, strict=True):
            check_picture(picture, name)
        self.extractor = extractor
        #: Height and width of each, as it was given.
        self.sizes = tuple((picture.shape[1], picture.shape[2]) for picture in pictures)
        #: Each as [1,3,H,W], shrunk where it was very large.
        self.pictures = tuple(shrink(picture[None].float(), _KEPT) for picture in pictures)
        self._grids: OrderedDict[int, Grid] = OrderedDict()

    def __len__(self) -> int:
        return len(self.pictures)

    @torch.inference_mode()
    def at(self, size: int) -> Grid:
        """Return the references at a working size: the shorter side of each gets ``size`` pixels."""
        if size not in self._grids:
            self._grids[size] = self._grid(size)
            while len(self._grids) > _SIZES_KEPT:
                self._grids.popitem(last=False)
        self._grids.move_to_end(size)
        return self._grids[size]

    def _grid(self, size: int) -> Grid:
        levels, values, shapes = [], [], []
        for rgb in self.pictures:
            lab = rgb_to_lab(rgb.to(self.extractor.device))
            height, width = working_size(lab.shape[2], lab.shape[3], size, multiple=STRIDE)
            levels.append(see(resize_lightness(lab[:, :1], height, width), self.extractor))
            small = F.interpolate(
                lab[:, 1:], (height, width), mode="bilinear", align_corners=False, antialias=True
            )
            moments = torch.cat([small, small.square().sum(1, keepdim=True)], 1)
            values.append(F.avg_pool2d(moments, STRIDE).flatten(2)[0].T)
            shapes.append((height // STRIDE, width // STRIDE))
        means = tuple(
            torch.cat([level.flatten(2) for level in same], 2).mean(2)[..., None, None]
            for same in zip(*levels, strict=True)
        )
        owner = torch.cat([torch.full((h * w,), n) for n, (h, w) in enumerate(shapes)])
        return Grid(
            torch.cat([to_rows(own, means) for own in levels]),
            tuple(level.shape[1] for level in levels[0]),
            means,
            torch.cat(values),
            tuple(shapes),
            owner.to(self.extractor.device),
        )


def size_for(height: int, width: int) -> int:
    """Return the working size, in pixels of the shorter side, for a picture."""
    return min(SIZE, max(LEAST_SIZE, min(height, width)))


def see(L: Tensor, extractor: FeatureExtractor) -> list[Tensor]:
    """Return the levels of a working picture [1,1,H,W], all on the grid: [1,C,H/8,W/8], finest first."""
    height, width = L.shape[2] // STRIDE, L.shape[3] // STRIDE
    levels = extractor.features(pad_to_multiple(L, extractor.multiple))
    chosen = [
        (level, stride) for level, stride in zip(levels, extractor.strides, strict=True) if stride >= STRIDE
    ]
    full = [
        level
        if stride == STRIDE
        else F.interpolate(level, scale_factor=stride // STRIDE, mode="bilinear", align_corners=False)
        for level, stride in chosen
    ]
    return [level[..., :height, :width] for level in full]


def to_rows(levels: Sequence[Tensor], means: Sequence[Tensor]) -> Tensor:
    """Turn levels [1,C,h,w] into features of unit length, a position a row: each level weighs the same."""
    rows = [normalise((level - mean).flatten(2)[0].T) for level, mean in zip(levels, means, strict=True)]
    return normalise(torch.cat(rows, 1)).contiguous()


def check_picture(rgb: Tensor, name: str) -> None:
    """Raise BadReferenceError where a picture cannot be a reference."""
    if rgb.ndim != 3 or rgb.shape[0] != 3:
        raise BadReferenceError(f"{name} must be [3,H,W], got {list(rgb.shape)}")
    if min(rgb.shape[1:]) < LEAST_SIDE:
        raise BadReferenceError(
            f"{name} is {rgb.shape[2]}×{rgb.shape[1]} pixels, too small to compare: give one of at least "
            f"{LEAST_SIDE}×{LEAST_SIDE}"
        )
    if not bool(torch.isfinite(rgb).all()):
        raise BadReferenceError(f"{name} holds NaN or infinite values: repair it first")
    lab = rgb_to_lab(shrink(rgb[None].float(), LEAST_SIZE))
    chroma = torch.linalg.vector_norm(lab[:, 1:], dim=1).flatten()
    most = chroma.kthvalue(math.ceil(0.99 * len(chroma))).values
    if float(most) < LEAST_CHROMA:
        raise BadReferenceError(f"{name} has no colours to give: it is grey. Give a colour picture")


def shrink(rgb: Tensor, size: int) -> Tensor:
    """Shrink pictures [B,3,H,W] so that the shorter side has at most ``size`` pixels."""
    height, width = rgb.shape[2:]
    if min(height, width) <= size:
        return rgb
    return F.interpolate(
        rgb, working_size(height, width, size), mode="bilinear", align_corners=False, antialias=True
    )
