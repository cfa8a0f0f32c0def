"""Several plausible versions of one picture, each drawn as a whole from a colorizer's distribution.

The distributions of single pixels say nothing of which colours go together: drawn one by one they give noise.
So one colour is drawn for one uncertain region at a time. The region is bent towards it, the network is told
of it as a known colour where it takes such, and the next draw is from what follows: ancestral sampling, with
the network as the conditional.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lightness
from ..color.ab_bins import ab_bins
from ..models.contract import Chroma, Colorizer, Conditions
from .choices import LAST_SEED, MOST_VARIANTS
from .colorize import Colorized, ColorizeSettings, sharpen
from .merge import merge
from .regions import Cells, Region, belonging_at, cells_of, most_open_region

#: Step k of variant i takes the k-th number of the seed, turned by i times the k-th of these: a few variants
#: spread evenly over what is possible, and each alone is distributed as if it was drawn by itself. The first
#: two steps, which decide most, follow Roberts' sequence R2 (powers of the plastic number): variants alike in
#: one of them are far apart in the other. There are as many draws at most.
_TURNS = (0.7548776662, 0.5698402910, *(math.sqrt(prime) % 1 for prime in (5, 7, 11, 13)))
#: Colours are drawn from p^(1/T), normalised, with this T at diversity 1.
_TEMPERATURE = 0.7
#: How far the network's answer to the drawn colours counts, the rest being its first answer. It was trained
#: on true colours and lets them change even what it was sure of: a draw, a guess, must not do that.
_TRUST = 0.4
#: The colour of a drawn bin is the mean of the region's colours around it: sigma in CIE units.
_BIN_SIGMA = 8.0
#: How closely a region keeps to its drawn colour: sigma in CIE units, before annealing.
_REGION_SIGMA = 15.0
#: Drawing ends where the most open region is less than a tenth of the picture with this spread, in CIE units.
_SETTLED = 4.0


@dataclass(frozen=True)
class VariantSettings:
    """How many versions of a picture, which, and how far apart.

    ``count``: 1..64. ``seed``: 0..2^64-1; a version depends on it and on its own number, not on the count.
    ``diversity``: above 0, at most 2: low keeps to the likeliest colours, high dares the rare ones.
    """

    count: int = 4
    seed: int = 0
    diversity: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_VARIANTS:
            raise ValueError(f"the number of variants must be 1..{MOST_VARIANTS}, got {self.count}")
        if not 0 <= self.seed <= LAST_SEED:
            raise ValueError(f"seed must be 0..2^64-1, got {self.seed}")
        if not 0 < self.diversity <= 2:
            raise ValueError(f"diversity must be above 0 and at most 2, got {self.diversity}")


def check_draws(colorizer: Colorizer) -> None:
    """Raise ValueError for a colorizer that gives one colour and no distribution to draw from."""
    if type(colorizer).distribution is Colorizer.distribution or colorizer.spec.temperature is None:
        raise ValueError(
            f"{colorizer.spec.title} gives one colour, not a distribution to draw variants from: "
            "choose the embedded network"
        )


def draw_variants(
    rgb: Tensor,
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    variants: VariantSettings | None = None,
    *,
    conditions: Conditions | None = None,
    mask: Tensor | None = None,
) -> Iterator[Colorized]:
    """Give the versions of one picture, one after the other.

    ``rgb``: [1,3,H,W] sRGB 0..1; ``mask``: [1,1,H,W], where to colour; ``conditions``: what the user knows.
    Every version is drawn: the automatic one is ``colorize``'s. They are made one at a time, so that the same
    seed gives the same bytes whatever the count. Everything runs on the colorizer's device; the results are
    on rgb's. Raises ValueError for shapes, values or settings that do not fit, and for a colorizer without a
    distribution.
    """
    variants = variants or VariantSettings()
    sampler = VariantSampler(rgb, colorizer, settings, conditions=conditions, mask=mask)
    for number in range(variants.count):
        yield sampler.draw(variants, number)


class VariantSampler:
    """Draws versions of one picture by their numbers; what they have in common is computed once."""

    def __init__(
        self,
        rgb: Tensor,
        colorizer: Colorizer,
        settings: ColorizeSettings | None = None,
        *,
        conditions: Conditions | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """Run the network once; arguments and errors as of ``draw_variants``."""
        if rgb.ndim != 4 or rgb.shape[:2] != (1, 3) or 0 in rgb.shape:
            raise ValueError(f"rgb must be one picture [1,3,H,W] with no empty side, got {list(rgb.shape)}")
        check_draws(colorizer)
        self.device, self.colorizer = rgb.device, colorizer
        self.rgb, self.mask = rgb.to(colorizer.device), mask
        self.settings = settings or ColorizeSettings()
        self.conditions = conditions or Conditions()
        self.lightness = rgb_to_lightness(self.rgb.float())
        self.logits = colorizer.distribution(self.lightness, conditions, size=self.settings.size)

    @torch.inference_mode()
    def draw(self, variants: VariantSettings, number: int) -> Colorized:
        """Return version ``number`` (from 0) of the picture."""
        if not 0 <= number < variants.count:
            raise ValueError(f"the number of a variant must be 0..{variants.count - 1}, got {number}")
        chroma = self._chroma(variants, number)
        settings = self.settings
        rgb = merge(
            self.rgb,
            chroma.ab,
            mask=self.mask,
            strength=settings.strength,
            saturation=settings.saturation,
            gamut=settings.gamut,
        )
        return Colorized(*(part.to(self.device) for part in (rgb, chroma.ab, chroma.confidence)))

    def _chroma(self, variants: VariantSettings, number: int) -> Chroma:
        spec = self.colorizer.spec
        told = _Told(self.conditions, *self.logits.shape[2:]) if "local" in spec.conditions else None
        L = F.interpolate(self.lightness, size=self.logits.shape[2:], mode="area")[0, 0]
        bend = torch.zeros_like(self.logits)
        logits, settled = self.logits, L.new_zeros(1)
        for chance in _chances(variants.seed, number):
            probability = torch.softmax(logits[0] / (_TEMPERATURE * variants.diversity), 0)
            cells = cells_of(probability, L)
            region = most_open_region(cells, settled)
            if region.openness < 0.1 * _SETTLED**2:
                break
            color = draw_color(region.probability, chance)
            settled = torch.maximum(settled, region.belonging)
            bend -= belonging_at(region, probability, L) * _distance_from(color)
            logits = self.logits
            if told is not None:
                told.add(region, cells, color)
                answer = self.colorizer.distribution(
                    self.lightness, told.conditions(), size=self.settings.size
                )
                logits = torch.lerp(logits, answer, _TRUST)
            logits = logits + bend
        # check_draws has seen that there is one
        temperature = self.settings.temperature or spec.temperature or 1.0
        chroma = self.colorizer.chroma_of(logits, self.lightness, temperature)
        return sharpen(chroma, self.lightness, self.colorizer, self.settings)


class _Told:
    """Drawn colours as local conditions, on top of the user's own."""

    def __init__(self, conditions: Conditions, height: int, width: int) -> None:
        self.given = conditions
        ab, confidence = conditions.local_ab, conditions.local_confidence
        if ab is None or confidence is None:
            self.ab, self.confidence = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
            return
        # Finer than the network's grid at least, so that a drawn colour is no larger than its cell.
        size = (max(height, ab.shape[2]), max(width, ab.shape[3]))
        self.ab = F.interpolate(ab.float(), size=size, mode="nearest-exact")
        self.confidence = F.interpolate(confidence.float(), size=size, mode="nearest-exact")

    def add(self, region: Region, cells: Cells, color: Tensor) -> None:
        """Make a colour [2] known in a region's cell."""
        rows, columns = (
            slice(n * side // among, -(-(n + 1) * side // among))
            for n, side, among in zip(
                (region.row, region.column),
                self.ab.shape[2:],
                (cells.height, cells.width),
                strict=True,
            )
        )
        self.ab[..., rows, columns] = color.to(self.ab)[:, None, None]
        self.confidence[..., rows, columns] = 1

    def conditions(self) -> Conditions:
        """Return what the network is told."""
        return replace(self.given, local_ab=self.ab, local_confidence=self.confidence)


def _chances(seed: int, number: int) -> list[float]:
    """Return a number 0..1 for each draw of a variant: the seed's, rotated (Cranley and Patterson, 1976)."""
    return [
        (start + number * turn) % 1
        for start, turn in zip(np.random.default_rng(seed).random(len(_TURNS)), _TURNS, strict=True)
    ]


def draw_color(probability: Tensor, chance: float) -> Tensor:
    """Draw a colour [2], CIE units, from the distribution [313] of a region; ``chance``: 0 to 1.

    The bins stand in the order of b, then a: from blue to yellow, where pictures are least sure.
    """
    bins = ab_bins(device=probability.device)
    order = (bins[:, 1] * 1000 + bins[:, 0]).argsort()
    total = probability[order].double().cumsum(0)
    place = torch.searchsorted(total, total[-1] * chance, right=True).clamp(max=len(order) - 1)
    drawn = bins[order[place]]
    near = probability * torch.exp((bins - drawn).square().sum(1) / (-2 * _BIN_SIGMA**2))
    return near @ bins / near.sum()


def _distance_from(color: Tensor) -> Tensor:
    """Return the squared distance of each bin from a colour in units of the region's sigma: [313,1,1]."""
    distance = (ab_bins(device=color.device) - color).square().sum(1) / (2 * _REGION_SIGMA**2)
    return distance[:, None, None]
