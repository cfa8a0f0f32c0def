"""The one merge: any chroma under a picture's own full-resolution lightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import lab_to_rgb, lab_to_rgb_in_gamut, rgb_to_lab, rgb_to_lightness
from .enlarge import enlarge

Gamut = Literal["reduce", "clip"]


@dataclass(frozen=True)
class LabImage:
    """A picture as lightness and chroma; the chroma may have a lower resolution.

    ``L``: [B,1,H,W] 0..100; ``ab``: [B,2,h,w] CIE units; ``alpha``: [B,1,H,W] 0..1 or None.
    """

    L: Tensor
    ab: Tensor
    alpha: Tensor | None = None

    def __post_init__(self) -> None:
        if self.L.ndim != 4 or self.L.shape[1] != 1:
            raise ValueError(f"L must be [B,1,H,W], got {list(self.L.shape)}")
        if self.ab.ndim != 4 or self.ab.shape[1] != 2:
            raise ValueError(f"ab must be [B,2,h,w], got {list(self.ab.shape)}")
        if self.ab.shape[0] != self.L.shape[0]:
            raise ValueError(f"L has {self.L.shape[0]} pictures, ab {self.ab.shape[0]}: give equally many")


def split(rgb: Tensor, alpha: Tensor | None = None) -> LabImage:
    """Take a picture apart: rgb [B,3,H,W] 0..1 → LabImage at full resolution."""
    lab = rgb_to_lab(rgb)
    return LabImage(lab[:, :1], lab[:, 1:], alpha)


def resize_chroma(ab: Tensor, height: int, width: int, *, out: Tensor | None = None) -> Tensor:
    """Resample ab [B,2,h,w] to ``height`` x ``width``: bicubic, averaging where it shrinks.

    ``out``: [B,2,height,width], to write to.
    """
    if ab.shape[-2:] == (height, width):
        return ab if out is None else out.copy_(ab)
    if height < ab.shape[-2] or width < ab.shape[-1]:
        full = F.interpolate(ab, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
        return full if out is None else out.copy_(full)
    return enlarge(ab, height, width, out)


def merge(
    rgb: Tensor,
    ab: Tensor,
    *,
    mask: Tensor | None = None,
    strength: float = 1.0,
    saturation: float = 1.0,
    gamut: Gamut = "reduce",
    lightness: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Put chroma under the lightness of a picture.

    ``rgb``: [B,3,H,W] sRGB 0..1, whose lightness stays; ``ab``: [B,2,h,w] or [1,2,h,w] in CIE units, any
    resolution, any device. ``mask``: [B,1,H,W] or [1,1,H,W], 0..1, where to colour. ``strength``: 0..1, from
    the picture's own chroma to the new one. ``saturation``: factor on the new chroma, from 0.
    ``gamut``: "reduce" lowers chroma at constant lightness and hue where a colour does not exist in sRGB;
    "clip" cuts each channel, which changes lightness and hue. ``lightness``: [B,1,H,W], of rgb, where that is
    known. ``out``: float32 of rgb's shape, to write to; not rgb.
    Returns rgb's shape, device and type; pixels where mask or strength is 0 come back bit for bit.
    Raises ValueError for shapes that do not fit, NaN in rgb, ab or mask, and settings out of range.
    """
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"rgb must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    if ab.ndim != 4 or ab.shape[1] != 2 or 0 in ab.shape:
        raise ValueError(f"ab must be [B,2,h,w] with no empty side, got {list(ab.shape)}")
    batch, _, height, width = rgb.shape
    if ab.shape[0] not in (1, batch):
        raise ValueError(f"chroma for {ab.shape[0]} pictures was given to {batch}: give one, or as many")
    if mask is not None and (mask.shape[0] not in (1, batch) or mask.shape[1:] != (1, height, width)):
        raise ValueError(
            f"mask must be [1 or {batch},1,{height},{width}] like the picture, got {list(mask.shape)}"
        )
    check_amounts(strength, saturation)
    if gamut not in ("reduce", "clip"):
        raise ValueError(f'gamut must be "reduce" or "clip", got {gamut!r}')
    for name, tensor in (("rgb", rgb), ("ab", ab), ("mask", mask)):
        if tensor is not None and not _all_finite(tensor):
            raise ValueError(f"{name} holds NaN or infinite values: repair it before the merge")
    if strength == 0:
        return rgb.clone() if out is None else out.copy_(rgb)

    ab = ab.to(rgb.device, torch.float32) * saturation
    if mask is None and strength == 1:
        lab = torch.empty(rgb.shape, device=rgb.device) if out is None else out
        if lightness is None:
            rgb_to_lightness(rgb.float(), out=lab[:, :1])
        else:
            lab[:, :1] = lightness
        if len(ab) == batch:
            resize_chroma(ab, height, width, out=lab[:, 1:])
        else:
            lab[:, 1:] = resize_chroma(ab, height, width)
        amount = None
    else:
        lab = rgb_to_lab(rgb.float())
        amount = torch.full((), strength, device=rgb.device)
        if mask is not None:
            amount = amount * mask.to(rgb.device, torch.float32).clamp(0, 1)
        lab[:, 1:] += amount * (resize_chroma(ab, height, width) - lab[:, 1:])
    made = lab_to_rgb_in_gamut(lab, out=lab) if gamut == "reduce" else lab_to_rgb(lab, out=lab).clamp_(0, 1)
    made = made.to(rgb.dtype)
    if mask is not None and amount is not None:
        made = torch.where(amount == 0, rgb, made)
    return made if out is None or made is out else out.copy_(made)


def _all_finite(x: Tensor) -> bool:
    # NaN and infinity stay in a sum; one that overflows tells nothing.
    return bool(torch.isfinite(x.sum(dtype=torch.float32))) or bool(torch.isfinite(x).all())


def check_amounts(strength: float, saturation: float) -> None:
    """Raise ValueError where strength is outside 0..1 or saturation outside 0..4."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be 0..1, got {strength}")
    if not 0 <= saturation <= 4:
        raise ValueError(f"saturation must be 0..4, got {saturation}")
