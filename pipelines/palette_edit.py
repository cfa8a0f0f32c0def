"""Changing palettes: their order, mixtures of two, harmonies. Locked colours stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..color import lab_to_lch, lab_to_rgb, lch_to_lab, oklab_to_rgb, reduce_chroma, rgb_to_lab, rgb_to_oklab
from .palette import Palette, PaletteError, Swatch
from .palette_transport import paired

#: Orders by name: what a colour is sorted by. Weights and chroma begin with the largest, lightness with the
#: darkest, hues at 0° (pink, over red); greys, which have none, come last.
SORTS: dict[str, Callable[[Swatch], tuple[float | str, ...]]] = {
    "lightness": lambda one: (one.lab[0],),
    "chroma": lambda one: (-_lch(one)[1],),
    "hue": lambda one: (float(_lch(one)[1] < _NO_HUE), _lch(one)[2] % 360),
    "weight": lambda one: (-one.weight,),
    "name": lambda one: (one.name == "", one.name.casefold()),
}

#: Harmonies by name: angles from the first colour's hue, in degrees, taken in turn.
HARMONIES: dict[str, tuple[float, ...]] = {
    "complementary": (0.0, 180.0),
    "analogous": (0.0, 30.0, -30.0),
    "triadic": (0.0, 120.0, 240.0),
    "split-complementary": (0.0, 150.0, 210.0),
    "tetradic": (0.0, 90.0, 180.0, 270.0),
    "monochromatic": (0.0,),
}

# Chroma below which a colour is grey.
_NO_HUE = 4.0


def sorted_palette(palette: Palette, by: str) -> Palette:
    """Return a palette in another order, one of SORTS; colours that are equal in it keep theirs.

    Raises PaletteError for another name.
    """
    if by not in SORTS:
        raise PaletteError(f"a palette can be sorted by {', '.join(SORTS)}, got {by!r}")
    return replace(palette, swatches=tuple(sorted(palette.swatches, key=SORTS[by])))


def blended(first: Palette, second: Palette, amount: float) -> Palette:
    """Return ``first`` on the way to ``second``, 0 (itself) to 1 (in the other's colours).

    Each colour goes to where its weight goes by optimal transport, and is mixed in OKLab. Locks, names and
    weights are the first one's. Raises PaletteError for an amount out of range.
    """
    if not 0 <= amount <= 1:
        raise PaletteError(f"a blend must be 0 to 1, got {amount}")
    if amount == 0:
        return first
    goals = paired(first, second)
    if amount == 1:
        return goals
    begin, end = (_oklab(palette) for palette in (first, goals))
    mixed = rgb_to_lab(oklab_to_rgb(torch.lerp(begin, end, amount), dim=1), dim=1)
    return _moved(first, mixed)


def harmonized(palette: Palette, kind: str) -> Palette:
    """Return a palette whose hues stand at the angles of a harmony from its first colour's, one of HARMONIES.

    Each colour turns to the nearest of the angles, but no angle is without a colour where there are enough:
    the strongest colours choose first. Lightness and chroma stay, as far as sRGB has the new hue; greys and
    locked colours stay as they are. Raises PaletteError for another name, and a first colour without a hue.
    """
    if kind not in HARMONIES:
        raise PaletteError(f"a harmony must be one of {', '.join(HARMONIES)}, got {kind!r}")
    lch = lab_to_lch(palette.lab.double(), dim=1)
    if lch[0, 1] < _NO_HUE:
        raise PaletteError(
            f"the first colour, {palette.swatches[0].hex}, is grey and has no hue that the others could "
            "stand to: put one with a hue first"
        )
    wanted = (lch[0, 2] + torch.tensor(HARMONIES[kind], dtype=lch.dtype)) % 360
    left = list(range(1, len(wanted)))
    free = [n for n in range(1, len(palette)) if lch[n, 1] >= _NO_HUE and not palette.swatches[n].locked]
    for n in sorted(free, key=lambda n: -float(lch[n, 1])):
        angles = left or list(range(len(wanted)))
        chosen = min(angles, key=lambda k: _turn(lch[n, 2], wanted[k]))
        if chosen in left:
            left.remove(chosen)
        lch[n, 2] = wanted[chosen]
    return _moved(palette, reduce_chroma(lch_to_lab(lch, dim=1), dim=1), only=free)


def _turn(first: Tensor, second: Tensor) -> float:
    """Return the angle between two hues, 0 to 180."""
    return float(((second - first + 180) % 360 - 180).abs())


def _moved(palette: Palette, lab: Tensor, only: list[int] | None = None) -> Palette:
    """Return a palette with colours [N,3] in place of those that are not locked."""
    swatches = []
    for number, (one, (L, a, b)) in enumerate(zip(palette.swatches, lab.tolist(), strict=True)):
        stays = one.locked or (only is not None and number not in only)
        swatches.append(one if stays else replace(one, lab=(L, a, b)))
    return replace(palette, swatches=tuple(swatches))


def _lch(swatch: Swatch) -> list[float]:
    return lab_to_lch(torch.tensor(swatch.lab, dtype=torch.float64), dim=0).tolist()


def _oklab(palette: Palette) -> Tensor:
    return rgb_to_oklab(lab_to_rgb(palette.lab.double(), dim=1, clip=True), dim=1)
