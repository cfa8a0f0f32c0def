"""Colour pictures and clips exactly as a system's authors do, faults included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..models.contract import Colorizer, Published

if TYPE_CHECKING:
    from .video_types import Frame

#: One picture [3,H,W] and what the frame before gave to what the authors make of it.
Way = Callable[[Tensor, object], Published]


def published_way(colorizer: Colorizer, *, reference: Tensor | None = None, size: int | None = None) -> Way:
    """Return how one picture is coloured as published.

    ``reference``: [3,H,W] or [1,3,H,W], for systems that need one. Raises ValueError where there is no such
    way; the arguments are checked with the first picture.
    """
    if not colorizer.has_published_way:
        raise ValueError(f"{colorizer.spec.title} has no published way of its own: leave as_published off")
    if reference is not None and reference.ndim == 4:
        if len(reference) != 1:
            raise ValueError(f"as published there is one reference, got {len(reference)}: give one")
        reference = reference[0]

    def way(rgb: Tensor, state: object) -> Published:
        return colorizer.as_published(rgb, reference=reference, size=size, state=state)

    return way


def color_as_published(
    rgb: Tensor, way: Way, *, progress: Callable[[int], None] | None = None
) -> tuple[Tensor, Tensor]:
    """Colour pictures [B,3,H,W] 0..1 one by one, each by itself.

    Returns sRGB [B,3,h,w] and the networks' ab [B,2,n,m] on rgb's device; h and w are what the authors'
    script writes, not always the picture's. ``progress`` gets 1 after each picture.
    """
    pictures, chroma = [], []
    for picture in rgb:
        done = way(picture, None)
        pictures.append(done.rgb.to(rgb))
        chroma.append(done.ab.to(rgb))
        if progress is not None:
            progress(1)
    return torch.stack(pictures), torch.cat(chroma)


def color_frames_as_published(frames: Iterator[Frame], way: Way) -> Iterator[Frame]:
    """Colour the frames of a clip one after the other, each told of the one before where the system is."""
    state: object = None
    for frame in frames:
        done = way(frame.rgb, state)
        state = done.state
        same = done.rgb.shape == frame.rgb.shape
        yield replace(frame, rgb=done.rgb.to(frame.rgb), alpha=frame.alpha if same else None)
