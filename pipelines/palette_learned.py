"""Palettes by ColorHouse's learned extractor, beside k-means."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..color import rgb_to_lab
from ..models.colorhouse.load import load_palette_extractor
from ..models.colorhouse.palette_extractor import PaletteExtractor, shrink
from .palette import Palette, PaletteError

# Pixels of each picture that the shares are counted among.
_COUNTED = 4096


class LearnedSampler:
    """Pictures that come one by one, of which one palette is learned: the mean of what the network sees.

    Five colours, the largest share first; the shares are how many pixels are nearest to each.
    """

    def __init__(self, extractor: PaletteExtractor | None = None) -> None:
        self._extractor = extractor if extractor is not None else shipped_extractor()
        self._colors: list[Tensor] = []
        self._pixels: list[Tensor] = []

    @torch.inference_mode()
    def add(self, rgb: Tensor, mask: Tensor | None = None) -> None:
        """Look at rgb [3,H,W] sRGB 0..1, where ``mask`` [H,W] is above a half; the rest gets its mean.

        Raises PaletteError for another shape, NaN, and a mask that does not fit or leaves nothing.
        """
        if rgb.ndim != 3 or rgb.shape[0] != 3 or 0 in rgb.shape:
            raise PaletteError(f"a picture must be [3,H,W] with no empty side, got {list(rgb.shape)}")
        if not bool(torch.isfinite(rgb).all()):
            raise PaletteError("the picture holds NaN or infinite values: repair it first")
        pixels = rgb.float().cpu()
        chosen = pixels.flatten(1)
        if mask is not None:
            if mask.shape != rgb.shape[1:]:
                raise PaletteError(
                    f"the mask must be {list(rgb.shape[1:])} as the picture, got {list(mask.shape)}"
                )
            inside = mask.cpu() > 0.5
            if not bool(inside.any()):
                raise PaletteError("the mask leaves no pixel to take a palette of: make some of it white")
            chosen = pixels[:, inside]
            pixels = torch.where(inside, pixels, chosen.mean(1)[:, None, None])
        lab = shrink(pixels[None])
        colors, _ = self._extractor.colors(lab)
        self._colors.append(colors[0])
        self._pixels.append(rgb_to_lab(chosen[:, :: max(1, chosen.shape[1] // _COUNTED)], dim=0).T)

    def palette(self) -> Palette:
        """Return the palette of what was added.

        Colours of several pictures are put together by the nearest, in the order of the first. Raises
        PaletteError where nothing was added.
        """
        if not self._colors:
            raise PaletteError("there is no picture to take a palette of")
        mean = self._colors[0]
        for number, colors in enumerate(self._colors[1:], 2):
            mean = mean + (_matched(mean, colors) - mean) / number
        nearest = torch.cdist(torch.cat(self._pixels), mean).argmin(1)
        share = torch.bincount(nearest, minlength=len(mean)).float()
        order = share.argsort(descending=True, stable=True)
        order = order[share[order] > 0]
        return Palette.from_lab(mean[order], share[order] / share.sum())


def learned_palette(
    rgb: Tensor, mask: Tensor | None = None, extractor: PaletteExtractor | None = None
) -> Palette:
    """Return the palette of one picture [3,H,W]; see ``LearnedSampler``."""
    sampler = LearnedSampler(extractor)
    sampler.add(rgb, mask)
    return sampler.palette()


@functools.lru_cache(maxsize=1)
def shipped_extractor() -> PaletteExtractor:
    """Return the extractor that ships, loaded once (0.6 MB)."""
    return load_palette_extractor()


def _matched(mean: Tensor, colors: Tensor) -> Tensor:
    """Return colours [N,3] in the order that fits ``mean`` [N,3] best: the nearest pairs first."""
    apart = torch.cdist(mean, colors)
    order = torch.empty(len(mean), dtype=torch.long)
    for _ in range(len(mean)):
        row, column = divmod(int(apart.argmin()), apart.shape[1])
        order[row] = column
        apart[row], apart[:, column] = torch.inf, torch.inf
    return colors[order]
