"""Hints: colours that a user knows at points, strokes or areas of a picture, exact there in the result."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from ..models.contract import Chroma, Colorizer, Conditions
from .colorize import Colorized, ColorizeSettings, colorize, take_conditions
from .hint_spread import impose_hints

Unit = Literal["pixel", "fraction"]
Color = tuple[float, float]

_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def hex_to_ab(text: str) -> Color:
    """Convert #rrggbb or #rgb to a and b in CIE units: the lightness of a hint is the picture's.

    Raises ValueError for another form.
    """
    found = _HEX.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a colour must be written #rrggbb, got {text!r}")
    digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
    rgb = torch.tensor([int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)], dtype=torch.float64)
    _, a, b = rgb_to_lab(rgb, dim=0).tolist()
    return a, b


@dataclass(frozen=True)
class HintPoint:
    """A colour at a point.

    ``x``, ``y``: from the upper left corner; in pixels the whole part counts, as fractions 0..1 of the sides.
    ``ab``: CIE units. ``radius``: pixels around the point that are meant too. ``name``: for messages.
    """

    x: float
    y: float
    ab: Color
    radius: float = 0.0
    unit: Unit = "pixel"
    name: str = "a hint"

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, *self.ab))):
            raise ValueError(f"{self.name}: x, y and the colour must be numbers, got {self.x}, {self.y}")
        if not 0 <= self.radius < math.inf:
            raise ValueError(f"{self.name}: a radius must be 0 or more pixels, got {self.radius}")
        if self.unit not in ("pixel", "fraction"):
            raise ValueError(f'{self.name}: the unit must be "pixel" or "fraction", got {self.unit!r}')

    def pixel(self, height: int, width: int) -> tuple[int, int]:
        """Return the row and column of the point; raises ValueError where it is outside such a picture."""
        x, y, limit = self.x, self.y, f"a picture of {width}×{height} pixels"
        if self.unit == "fraction":
            limit = "0..1"
            # The far edges belong to the last pixels.
            x, y = (
                math.nextafter(side, 0) if part == 1 else part * side
                for part, side in ((x, width), (y, height))
            )
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(
                f"{self.name}: x {self.x:g}, y {self.y:g} is outside {limit}: count from the upper left"
            )
        return int(y), int(x)


@dataclass(frozen=True)
class HintPicture:
    """Colours drawn on a picture: ``ab`` [2,h,w] CIE units; ``known`` [h,w] bool, where they are meant."""

    ab: Tensor
    known: Tensor
    name: str = "the hint picture"

    def __post_init__(self) -> None:
        if self.ab.ndim != 3 or self.ab.shape[0] != 2 or self.known.shape != self.ab.shape[1:]:
            raise ValueError(
                f"{self.name}: ab must be [2,h,w] and known [h,w], got {list(self.ab.shape)} and "
                f"{list(self.known.shape)}"
            )
        if not bool(self.known.any()):
            raise ValueError(
                f"{self.name}: the mask is empty, so there is no hint: paint it white where a colour is meant"
            )
        if not bool(torch.isfinite(self.ab[:, self.known]).all()):
            raise ValueError(f"{self.name}: the colours hold NaN or infinite values: repair them first")

    @classmethod
    def from_rgb(cls, rgb: Tensor, mask: Tensor, name: str = "the hint picture") -> HintPicture:
        """Take the colours of rgb [3,h,w] 0..1 where ``mask`` [h,w] is at least a half."""
        if not bool(torch.isfinite(mask).all()):
            raise ValueError(f"{name}: the mask holds NaN or infinite values: repair it first")
        return cls(rgb_to_lab(rgb.float())[1:], mask >= 0.5, name)

    @classmethod
    def from_mask(cls, mask: Tensor, ab: Color, name: str = "the hint mask") -> HintPicture:
        """Mean one colour where ``mask`` [h,w] is at least a half."""
        return cls.from_rgb(torch.zeros(3, *mask.shape), mask, name).recoloured(ab)

    def recoloured(self, ab: Color) -> HintPicture:
        """Return the same places with one colour."""
        plane = torch.tensor(ab).view(2, 1, 1).expand_as(self.ab)
        return HintPicture(plane, self.known, self.name)

    def draw(self, ab: Tensor, known: Tensor) -> None:
        """Draw the hints into ``ab`` [2,H,W] and ``known`` [H,W], scaled without a mixture of colours.

        Raises ValueError for a picture of another shape.
        """
        height, width = known.shape
        own_height, own_width = self.known.shape
        scale = max(height / own_height, width / own_width)
        # Half a pixel of the smaller one is what rounding its sides can do.
        off = max(abs(own_height * width - own_width * height) / side for side in (own_width, width))
        if off > max(1.0, scale):
            raise ValueError(
                f"{self.name} is {own_width}×{own_height}, the picture {width}×{height}: they must have one "
                "shape. Draw the hints on a copy of the picture"
            )
        rows = (np.arange(height) * 2 + 1) * own_height // (2 * height)
        columns = (np.arange(width) * 2 + 1) * own_width // (2 * width)
        meant, colors = self.known.cpu(), self.ab.cpu().float()
        where = meant[rows][:, columns]
        known |= where
        ab[:, where] = colors[:, rows][:, :, columns][:, where]
        if own_height > height or own_width > width:
            # What falls between the pixels of a smaller picture is a hint all the same.
            y, x = meant.nonzero(as_tuple=True)
            there = ((y * height // own_height) * width + x * width // own_width).numpy()
            missed = ~known.flatten().numpy()[there]
            known.flatten()[there[missed]] = True
            ab.flatten(1).numpy()[:, there[missed]] = colors[:, meant].numpy()[:, missed]


@dataclass(frozen=True)
class Hints:
    """All hints of one picture: ``pictures`` in their order, a later one over an earlier, then ``points``.

    Of points that cover one another the later one is on top, but each keeps the pixel that it names.
    """

    points: tuple[HintPoint, ...] = ()
    pictures: tuple[HintPicture, ...] = ()

    def __post_init__(self) -> None:
        if not self.points and not self.pictures:
            raise ValueError("there is no hint: give at least one point, or a picture with a mask")

    def conditions(self, height: int, width: int) -> Conditions:
        """Return what a colorizer is told: local_ab [1,2,height,width], and confidence 1 where it is known.

        Raises ValueError for a point outside, for two that name one pixel with different colours, and for a
        hint picture of another shape.
        """
        ab, known = torch.zeros(2, height, width), torch.zeros(height, width, dtype=torch.bool)
        for picture in self.pictures:
            picture.draw(ab, known)
        named: dict[tuple[int, int], HintPoint] = {}
        for point in self.points:
            row, column = point.pixel(height, width)
            before = named.setdefault((row, column), point)
            if before.ab != point.ab:
                raise ValueError(
                    f"{point.name} and {before.name} name one pixel, {column},{row}, with different colours: "
                    "remove one of them"
                )
            _draw_disc(ab, known, row, column, point)
        for (row, column), point in named.items():
            ab[:, row, column] = torch.tensor(point.ab)
        return Conditions(local_ab=ab[None], local_confidence=known[None, None].float())


def _draw_disc(ab: Tensor, known: Tensor, row: int, column: int, point: HintPoint) -> None:
    height, width = known.shape
    reach = int(min(point.radius, height + width))
    rows = slice(max(row - reach, 0), row + reach + 1)
    columns = slice(max(column - reach, 0), column + reach + 1)
    y, x = torch.arange(height)[rows, None] - row, torch.arange(width)[columns] - column
    disc = y * y + x * x <= point.radius**2
    known[rows, columns] |= disc
    ab[:, rows, columns] = torch.where(disc, torch.tensor(point.ab).view(2, 1, 1), ab[:, rows, columns])


def join_conditions(parts: Sequence[Conditions]) -> Conditions:
    """Put the local conditions of several pictures into one: a batch in their order."""
    local = [(p.local_ab, p.local_confidence) for p in parts]
    return Conditions(
        torch.cat([ab for ab, _ in local if ab is not None]),
        torch.cat([confidence for _, confidence in local if confidence is not None]),
    )


@torch.inference_mode()
def colorize_with_hints(
    rgb: Tensor,
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    *,
    conditions: Conditions,
    mask: Tensor | None = None,
    batch: int = 4,
    progress: Callable[[int], None] | None = None,
) -> Colorized:
    """Colour a batch of pictures with hints: where one is, its chroma, at strength 1 and within the mask.

    ``conditions``: of ``Hints.conditions``, at the pictures' size, one for all pictures or as many; the rest
    as in ``colorize``. The network is told of the hints; what its proposal, times saturation, still lacks
    there is put in and spread. What does not exist in sRGB at the picture's lightness loses chroma, as
    everywhere. ``ab`` of the result has the pictures' size, with saturation and hints in it. Raises
    ValueError as ``colorize`` does, and for a colorizer that takes no hints.
    """
    known_ab, confidence = conditions.local_ab, conditions.local_confidence
    if known_ab is None or confidence is None:
        raise ValueError("conditions must hold hints: make them with Hints.conditions")
    if known_ab.shape[2:] != rgb.shape[2:]:
        raise ValueError(
            f"hints must be made for the pictures' size {list(rgb.shape[2:])}, got {list(known_ab.shape[2:])}"
        )

    def impose(part: slice, pictures: Tensor, chroma: Chroma) -> Tensor:
        told = take_conditions(conditions, part)
        assert told.local_ab is not None and told.local_confidence is not None
        count = len(pictures)
        each = zip(
            rgb_to_lightness(pictures.float()),
            chroma.ab,
            told.local_ab.expand(count, -1, -1, -1),
            told.local_confidence.expand(count, -1, -1, -1)[:, 0] == 1,
            strict=True,
        )
        return torch.stack([impose_hints(*one) for one in each])

    return colorize(
        rgb,
        colorizer,
        settings,
        conditions=conditions,
        finish=impose,
        mask=mask,
        batch=batch,
        progress=progress,
    )
