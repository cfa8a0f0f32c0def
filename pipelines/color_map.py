"""Changing colours by a function of the colour alone: what recolouring and colour matching have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ..color import lab_to_rgb_in_gamut, rgb_to_lab
from .video_types import Frame, VideoInfo

if TYPE_CHECKING:
    from .video import Stage

# Pixels at a time: what is computed of them stays in the cache.
_CHUNK = 65536


class ColorMap(Protocol):
    """A change of colours that is fitted once: the same colour changes alike everywhere."""

    def displacement(self, lab: Tensor) -> Tensor:
        """Return what is added to colours ``lab`` [3,K]: [3,K], Lab units, lab's type and device."""
        ...


class Change(Protocol):
    """What is ready to change pictures: a map with its table, or a LUT."""

    def apply(self, rgb: Tensor, *, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """Return pictures [B,3,H,W] changed, where ``mask`` [1 or B,1,H,W] is 1, by ``strength`` 0..1."""
        ...


def change_stage(
    change: Change,
    *,
    mask: Tensor | None = None,
    strength: float = 1.0,
    device: torch.device | str | None = None,
) -> Stage:
    """Return a stage for ``process_video``: every frame by the same change, so that nothing can flicker.

    ``mask``: [1,1,H,W] 0..1 for all frames. ``device``: where frames are changed, None where they are; they
    come back to the CPU. Index, time and alpha pass through.
    """

    def stage(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        for frame in frames:
            rgb = change.apply(frame.rgb[None].to(device), mask=mask, strength=strength)[0]
            yield replace(frame, rgb=rgb.to(frame.rgb.device))

    return stage


def change_exactly(
    rgb: Tensor, color_map: ColorMap, *, mask: Tensor | None = None, strength: float = 1.0
) -> Tensor:
    """Apply a map to every pixel by itself, without a table.

    ``rgb``: [B,3,H,W] sRGB 0..1. ``mask``: [1 or B,1,H,W] 0..1, where to change. ``strength``: 0..1. Returns
    rgb's shape and type, reduced to the gamut at constant lightness and hue. Raises ValueError as
    ``check_picture``.
    """
    check_picture(rgb, mask, strength)
    lab = rgb_to_lab(rgb.float())
    moved = torch.empty_like(lab)
    for here, there in zip(lab.flatten(2), moved.flatten(2), strict=True):
        for part, result in zip(here.split(_CHUNK, 1), there.split(_CHUNK, 1), strict=True):
            result.copy_(color_map.displacement(part))
    return finish(rgb, lab, moved, mask, strength)


def finish(
    rgb: Tensor, lab: Tensor, moved: Tensor, mask: Tensor | None = None, strength: float = 1.0
) -> Tensor:
    """Add ``moved`` to ``lab``, both [B,3,H,W], and return rgb; where mask or strength is 0 ``rgb`` stays."""
    if strength == 0:
        return rgb.clone()
    amount = None if mask is None else mask.to(lab).clamp(0, 1)
    if amount is not None:
        moved = moved * amount
    lab = torch.add(lab, moved, alpha=strength)
    out = lab_to_rgb_in_gamut(lab, out=lab).to(rgb.dtype)
    return out if amount is None else torch.where(amount == 0, rgb, out)


def check_picture(rgb: Tensor, mask: Tensor | None, strength: float = 1.0) -> None:
    """Raise ValueError for shapes that do not fit, NaN in rgb or mask, and strength out of 0..1."""
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"rgb must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    batch, _, height, width = rgb.shape
    if mask is not None and (
        mask.ndim != 4 or mask.shape[0] not in (1, batch) or mask.shape[1:] != (1, height, width)
    ):
        raise ValueError(
            f"mask must be [1 or {batch},1,{height},{width}] like the picture, got {list(mask.shape)}"
        )
    for name, tensor in (("rgb", rgb), ("mask", mask)):
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds NaN or infinite values: repair it first")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be 0..1, got {strength}")
