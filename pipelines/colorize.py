"""Colour pictures: lightness to a colorizer, its chroma back under the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import overload

import torch
from torch import Tensor

from ..color import rgb_to_lightness
from ..models.contract import Chroma, Colorizer, Conditions
from .guided_enlarge import sharpen_proposal
from .merge import Gamut, check_amounts, merge
from .palette import Palette
from .published import color_as_published, published_way

#: Makes the final ab [B,2,H,W] of some pictures [B,3,H,W] of a batch, which ones the slice tells, from what
#: the network proposes for them, saturation in it.
Finish = Callable[[slice, Tensor, Chroma], Tensor]


@dataclass(frozen=True)
class ColorizeSettings:
    """What a user can set for every colorizer.

    ``strength``: 0..1, from the picture's own chroma to the new. ``saturation``: factor on the new chroma.
    ``temperature``: annealing temperature, None for the model's own. ``size``: working size in pixels of
    the shorter side, None for the model's own. ``gamut``: see ``merge``. ``as_published``: do exactly what
    the system's authors do, faults included, which leaves nothing but ``size`` to set.
    """

    strength: float = 1.0
    saturation: float = 1.0
    temperature: float | None = None
    size: int | None = None
    gamut: Gamut = "reduce"
    as_published: bool = False

    def __post_init__(self) -> None:
        check_amounts(self.strength, self.saturation)
        if self.as_published and replace(self, as_published=False, size=None) != ColorizeSettings():
            raise ValueError(
                "as_published leaves strength, saturation, temperature and gamut as they were published: "
                "set none of them, or leave as_published off"
            )

    def check_own_way(self, what: str) -> None:
        """Raise ValueError where ``what`` is asked for, which no published way knows."""
        if self.as_published:
            raise ValueError(f"as_published knows no {what}: leave one of them out")


@dataclass(frozen=True)
class Colorized:
    """Coloured pictures, and the chroma and confidence behind them.

    ``rgb``: [B,3,H,W] like the input, but as published perhaps of another size; ``ab``: [B,2,h,w] CIE units,
    or what ``finish`` made of it; ``confidence``: [B,1,h,w] 0..1, at the network's resolution.
    """

    rgb: Tensor
    ab: Tensor
    confidence: Tensor


@torch.inference_mode()
def propose(
    L: Tensor, colorizer: Colorizer, settings: ColorizeSettings, conditions: Conditions | None = None
) -> Chroma:
    """Run the network alone: lightness [B,1,H,W] 0..100 → Chroma on its device.

    Its chroma gets the edges that lightness has at the working size; the confidence stays as coarse as it is.
    """
    chroma = colorizer.colorize(L, conditions, size=settings.size, temperature=settings.temperature)
    return sharpen(chroma, L, colorizer, settings)


def sharpen(chroma: Chroma, L: Tensor, colorizer: Colorizer, settings: ColorizeSettings) -> Chroma:
    """Give what a network proposed for L [B,1,H,W] 0..100 the edges that L has at the working size."""
    return replace(chroma, ab=sharpen_proposal(chroma.ab, L, settings.size or colorizer.spec.size))


def told_palette(palette: Palette, colorizer: Colorizer) -> Conditions:
    """Return a palette as what a network is told; raises ValueError for one that takes none."""
    return Conditions(color=colorizer.encode_palette(palette.lab[None], palette.weights[None]))


@torch.inference_mode()
def colorize(
    rgb: Tensor,
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    *,
    conditions: Conditions | None = None,
    finish: Finish | None = None,
    mask: Tensor | None = None,
    batch: int = 4,
    progress: Callable[[int], None] | None = None,
) -> Colorized:
    """Colour a batch of pictures.

    ``rgb``: [B,3,H,W] sRGB 0..1; ``conditions``: what the user knows, each entry one for all pictures or as
    many; ``finish``: has the last word on the chroma, before strength and mask; ``mask``: [B,1,H,W] or
    [1,1,H,W], where to colour; ``batch``: how many pictures the network sees at once; ``progress`` gets the
    number of pictures done since its last call, and stops the work by raising. Everything runs on the
    colorizer's device; the results are on rgb's.
    Raises ValueError for shapes, values or settings that do not fit.
    """
    settings = settings or ColorizeSettings()
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"rgb must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    if mask is not None and mask.shape[0] not in (1, len(rgb)):
        raise ValueError(f"{mask.shape[0]} masks were given for {len(rgb)} pictures: give one, or as many")
    for name, condition in vars(conditions or Conditions()).items():
        if condition is not None and len(condition) not in (1, len(rgb)):
            raise ValueError(f"{name} is for {len(condition)} pictures, not {len(rgb)}: give one, or as many")
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    if settings.as_published:
        if mask is not None or finish is not None or (conditions is not None and conditions.names()):
            settings.check_own_way("mask and no conditions")
        way = published_way(colorizer, size=settings.size)
        coloured, ab = color_as_published(rgb, way, progress=progress)
        return Colorized(coloured, ab, torch.ones_like(ab[:, :1]))
    out = torch.empty_like(rgb)
    parts: list[Chroma] = []
    for start in range(0, len(rgb), batch):
        part = rgb[start : start + batch].to(colorizer.device)
        here = slice(start, start + len(part))
        where = mask if mask is None or len(mask) == 1 else mask[here]
        L = rgb_to_lightness(part.float())
        chroma = propose(L, colorizer, settings, take_conditions(conditions, here))
        saturation = settings.saturation
        if finish is not None:
            chroma = replace(chroma, ab=chroma.ab * saturation)
            chroma, saturation = replace(chroma, ab=finish(here, part, chroma)), 1.0
        direct = out[here] if out.dtype == torch.float32 and out.device == part.device else None
        merged = merge(
            part,
            chroma.ab,
            mask=where,
            strength=settings.strength,
            saturation=saturation,
            gamut=settings.gamut,
            lightness=L,
            out=direct,
        )
        if direct is None:
            out[here] = merged
        parts.append(Chroma(chroma.ab.to(rgb.device), chroma.confidence.to(rgb.device)))
        if progress is not None:
            progress(len(part))
    return Colorized(
        out,
        torch.cat([p.ab for p in parts]),
        torch.cat([p.confidence for p in parts]),
    )


@overload
def take_conditions(conditions: Conditions, part: slice) -> Conditions: ...
@overload
def take_conditions(conditions: None, part: slice) -> None: ...
def take_conditions(conditions: Conditions | None, part: slice) -> Conditions | None:
    """Return the conditions of the pictures ``part`` of a batch; a batch of one stands for every picture."""
    if conditions is None:
        return None
    entries = {k: v if v is None or len(v) == 1 else v[part] for k, v in vars(conditions).items()}
    return replace(conditions, **entries)
