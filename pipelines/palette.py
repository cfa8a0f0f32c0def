"""A palette: a few colours with weights, names and locks, the same object from extraction to recolouring."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..color import lab_to_rgb_in_gamut, rgb_to_lab

#: Colours that a palette holds at most.
MOST_COLORS = 16

_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


class PaletteError(ValueError):
    """A palette that cannot be read or used; the message is one line for the user."""


@dataclass(frozen=True)
class Swatch:
    """One colour of a palette.

    ``lab``: L 0..100, a, b in CIE units. ``weight``: how much of the picture it is, 0 or more. ``locked``:
    not to be changed by a recolouring. Raises PaletteError for numbers that are none, and a negative weight.
    """

    lab: tuple[float, float, float]
    weight: float = 1.0
    name: str = ""
    locked: bool = False

    def __post_init__(self) -> None:
        if len(self.lab) != 3 or not all(map(math.isfinite, self.lab)):
            raise PaletteError(f"a colour must be three finite numbers L, a, b, got {self.lab}")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise PaletteError(f"a colour's weight must be 0 or more, got {self.weight}")

    @classmethod
    def from_hex(cls, text: str, weight: float = 1.0, name: str = "", locked: bool = False) -> Swatch:
        """Make one of #rrggbb or #rgb, the # may be missing; raises PaletteError for another form."""
        found = _HEX.fullmatch(text.strip())
        if found is None:
            raise PaletteError(f"a colour must be written #rrggbb, got {text.strip()!r}")
        digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
        rgb = torch.tensor([int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)], dtype=torch.float64)
        L, a, b = rgb_to_lab(rgb, dim=0).tolist()
        return cls((L, a, b), weight, name, locked)

    @property
    def hex(self) -> str:
        """The colour in 8 bits, as #rrggbb; what sRGB has not loses chroma at constant lightness and hue."""
        rgb = lab_to_rgb_in_gamut(torch.tensor(self.lab, dtype=torch.float64), dim=0)
        return "#" + "".join(f"{value:02x}" for value in (rgb * 255).round().clamp(0, 255).int().tolist())


@dataclass(frozen=True)
class Palette:
    """One to 16 colours. ``seed``: of the extraction that it came from. Raises PaletteError for others."""

    swatches: tuple[Swatch, ...]
    seed: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.swatches) <= MOST_COLORS:
            raise PaletteError(f"a palette must have 1 to {MOST_COLORS} colours, got {len(self.swatches)}")

    def __len__(self) -> int:
        return len(self.swatches)

    @classmethod
    def from_hex(cls, texts: Sequence[str], *, seed: int = 0, name: str = "") -> Palette:
        """Make one of colours written #rrggbb, all of one weight."""
        return cls(tuple(Swatch.from_hex(text) for text in texts), seed, name)

    @classmethod
    def from_lab(cls, lab: Tensor, weights: Tensor | None = None, *, seed: int = 0) -> Palette:
        """Make one of Lab colours [N,3] and their weights [N], by default alike."""
        shares = [1.0] * len(lab) if weights is None else weights.tolist()
        colors = [(L, a, b) for L, a, b in lab.tolist()]
        return cls(tuple(Swatch(*pair) for pair in zip(colors, shares, strict=True)), seed)

    @property
    def lab(self) -> Tensor:
        """The colours, [N,3] float32."""
        return torch.tensor([one.lab for one in self.swatches], dtype=torch.float32)

    @property
    def weights(self) -> Tensor:
        """The weights, [N] float32, sum 1; alike where all are 0."""
        weights = torch.tensor([one.weight for one in self.swatches], dtype=torch.float32)
        total = weights.sum()
        return weights / total if total > 0 else torch.full_like(weights, 1 / len(self))

    @property
    def locked(self) -> Tensor:
        """Which colours are locked, [N] bool."""
        return torch.tensor([one.locked for one in self.swatches])

    def hex_list(self) -> list[str]:
        """Return the colours as #rrggbb."""
        return [one.hex for one in self.swatches]

    def with_locks(self, locked: Sequence[bool]) -> Palette:
        """Return this palette with other locks, one for each colour."""
        pairs = zip(self.swatches, locked, strict=True)
        return replace(self, swatches=tuple(replace(one, locked=lock) for one, lock in pairs))

    def merged(self, distance: float = 1.0) -> Palette:
        """Return this palette with colours nearer than ``distance`` (ΔE76) made one.

        The first stays, locked if any is; weights add up. A recolouring cannot tell such colours apart.
        """
        kept: list[Swatch] = []
        for one in self.swatches:
            same = next((n for n, other in enumerate(kept) if math.dist(one.lab, other.lab) < distance), None)
            if same is None:
                kept.append(one)
            else:
                other = kept[same]
                kept[same] = replace(
                    other, weight=other.weight + one.weight, locked=other.locked or one.locked
                )
        return replace(self, swatches=tuple(kept))

    def to_json(self) -> str:
        """Write the palette, exactly."""
        colors = [
            {
                "hex": one.hex,
                "lab": list(one.lab),
                "weight": one.weight,
                "locked": one.locked,
                "name": one.name,
            }
            for one in self.swatches
        ]
        return json.dumps({"colors": colors, "seed": self.seed, "name": self.name}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Palette:
        """Read what ``to_json`` wrote, or a list of colours; each needs a hex or a lab, lab counts.

        Raises PaletteError for anything else.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise PaletteError(f"a palette must be JSON: {error}") from None
        if isinstance(data, list):
            data = {"colors": data}
        colors = data.get("colors") if isinstance(data, dict) else None
        if not isinstance(colors, list):
            raise PaletteError('a palette must be {"colors": [{"hex": "#rrggbb"}, …]}')
        seed, name = data.get("seed", 0), data.get("name", "")
        if not isinstance(seed, int) or not isinstance(name, str):
            raise PaletteError(
                f"a palette's seed must be a whole number and its name a text, got {seed!r}, {name!r}"
            )
        return cls(tuple(_read_swatch(one, n + 1) for n, one in enumerate(colors)), seed, name)


def _read_swatch(data: Any, number: int) -> Swatch:
    if isinstance(data, str):
        data = {"hex": data}
    if not isinstance(data, dict) or not ("hex" in data or "lab" in data):
        raise PaletteError(f'colour {number} must have a "hex" or a "lab", got {data!r}')
    weight, name, locked = data.get("weight", 1.0), data.get("name", ""), data.get("locked", False)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise PaletteError(f"colour {number}: its weight must be a number, got {weight!r}")
    if not isinstance(name, str) or not isinstance(locked, bool):
        raise PaletteError(f"colour {number}: its name must be a text and locked true or false")
    lab = data.get("lab")
    try:
        if lab is None:
            return Swatch.from_hex(str(data["hex"]), float(weight), name, locked)
        L, a, b = (float(value) for value in lab)
        return Swatch((L, a, b), float(weight), name, locked)
    except PaletteError as error:
        raise PaletteError(f"colour {number}: {error}") from None
    except (TypeError, ValueError):
        raise PaletteError(f"colour {number}: lab must be three numbers, got {lab!r}") from None
