"""What colour vectors are worth: PSNR with references, and how well a palette that was asked for is met."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..color import rgb_to_lab
from ..models import Colorizer, load_features
from ..models.contract import Conditions
from ..pipelines.clusters import extract_palette
from ..pipelines.colorize import ColorizeSettings, colorize
from ..pipelines.exemplar import Guide, colorize_with_references
from ..pipelines.photo_set import PhotoSet
from ..pipelines.references import BadReferenceError, References
from ..training.thin_plate import random_warp, warp

#: Colours of a palette that is asked for.
PALETTE_COLORS = 5
#: Noise on a reference (of 255), and how far its lattice of points is moved (1 is half a side).
_NOISE, _WARP = 5.0, 0.15

#: A photo's true rgb [1,3,H,W] and its number in the set → its reference [1,3,H,W].
Referring = Callable[[Tensor, int], Tensor]
Colouring = Callable[[Tensor, Tensor, int], Tensor]


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, *key])


def warped_copy(truth: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a picture [1,3,H,W] as a reference for itself: thin-plate-warped, with noise of sigma 5."""
    height, width = truth.shape[-2:]
    moved = warp(truth, random_warp(1, rng, amount=torch.tensor([_WARP]), height=height, width=width))
    noise = torch.from_numpy(rng.standard_normal(tuple(truth.shape), np.float32)) * _NOISE / 255
    return (moved + noise).clamp(0, 1)


def other_category(photos: PhotoSet, index: int, rng: np.random.Generator) -> int:
    """Return a random photo that does not show what photo ``index`` shows; ValueError where all do."""
    own = photos.group_name(index)
    others = [i for i in range(len(photos)) if photos.group_name(i) != own]
    if not others:
        raise ValueError("all photos are of one category: give --categories, or photos in several folders")
    return int(others[int(rng.integers(len(others)))])


def itself_warped(seed: int = 0) -> Referring:
    """Give every photo a warped, noisy copy of itself as its reference (Color2Embed's)."""
    return lambda truth, index: warped_copy(truth, _generator(seed, 2, index))


def of_another_category(
    photos: PhotoSet, load: Callable[[PhotoSet, int], Tensor], seed: int = 0
) -> Referring:
    """Give every photo one of another category, which ``load`` reads, as its reference."""
    return lambda truth, index: load(photos, other_category(photos, index, _generator(seed, 3, index)))


def colour_by_vector(
    referring: Referring, colorizer: Colorizer, settings: ColorizeSettings | None = None
) -> Colouring:
    """Return the colouring after the colour vector of a reference alone."""

    def colouring(grey: Tensor, truth: Tensor, index: int) -> Tensor:
        told = Conditions(color=colorizer.encode_reference(referring(truth, index)))
        return colorize(grey, colorizer, settings, conditions=told).rgb

    return colouring


def colour_by_exemplar(
    referring: Referring, colorizer: Colorizer, settings: ColorizeSettings | None = None
) -> Colouring:
    """Return the colouring by what is matched in a reference, as the node Exemplar Colorize does it."""
    extractor = load_features("embedded")

    def colouring(grey: Tensor, truth: Tensor, index: int) -> Tensor:
        try:
            references = References([referring(truth, index)[0]], extractor)
        except BadReferenceError:  # a grey one: the node refuses it, and a user takes none
            return colorize(grey, colorizer, settings).rgb
        return colorize_with_references(grey, Guide(colorizer, references), settings)[0].rgb

    return colouring


def palette_distance(asked: Tensor, got: Tensor) -> float:
    """Return the mean ΔE76 of two palettes [N,3], each colour matched to one of the other, optimally."""
    cost = torch.cdist(asked.double(), got.double()).numpy()
    return float(cost[linear_sum_assignment(cost)].mean())


def measure_palettes(
    photos: PhotoSet,
    load: Callable[[PhotoSet, int], Tensor],
    grey: Callable[[Tensor], Tensor],
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Ask every photo for the palettes of two photos of other categories.

    Returns ``asked_got``: the mean ΔE76 between the palette asked for and that of the result, optimally
    matched; ``asked_automatic``: the same for the result without it; ``apart``: the mean ΔE76 of the two
    results.
    """
    got, automatic, apart = [], [], []
    for i in range(min(len(photos), limit or len(photos))):
        given, rng = grey(load(photos, i)), _generator(seed, 4, i)
        by_itself = _palette(colorize(given, colorizer, settings).rgb)
        results = []
        for _ in range(2):
            asked = _palette(load(photos, other_category(photos, i, rng)))
            told = Conditions(color=colorizer.encode_palette(asked[None]))
            result = colorize(given, colorizer, settings, conditions=told).rgb
            got.append(palette_distance(asked, _palette(result)))
            automatic.append(palette_distance(asked, by_itself))
            results.append(rgb_to_lab(result))
        apart.append(float((results[0] - results[1]).norm(dim=1).mean()))
    return {
        "asked_got": float(np.mean(got)),
        "asked_automatic": float(np.mean(automatic)),
        "apart": float(np.mean(apart)),
    }


def _palette(rgb: Tensor) -> Tensor:
    return extract_palette(rgb, PALETTE_COLORS)[0][0]
