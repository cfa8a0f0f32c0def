"""Palettes as text that people type: a list of colours with marks for what stays and what is locked."""

from __future__ import annotations

import re
from dataclasses import replace

from .palette import Palette, PaletteError, Swatch

_ITEM = re.compile(r"(-|#?[0-9a-f]{3}|#?[0-9a-f]{6})([!~]?)", re.IGNORECASE)


def edited(palette: Palette | None, text: str) -> Palette:
    """Change the colours of a palette by a list of them, or make a palette of the list alone.

    ``text``: one item for each colour, in order, with commas, semicolons or space between: #rrggbb, or - for
    the colour that is there; ! behind it locks, ~ unlocks. Fewer items leave the rest as it is, more add
    colours, each of the mean weight of the others. A changed colour keeps its weight and loses its name.
    Raises PaletteError, naming the item, for anything else, and where no colour is left.
    """
    swatches = list(palette.swatches) if palette is not None else []
    mean = sum(one.weight for one in swatches) / len(swatches) if swatches else 1.0
    for number, item in enumerate(re.split(r"[\s,;]+", text.strip(" \t\r\n,;"))):
        if not item:  # there is no text
            break
        found = _ITEM.fullmatch(item)
        if found is None:
            raise PaletteError(
                f"item {number + 1} of the colours must be #rrggbb, or - for the colour that is there, "
                f"perhaps with ! (locked) or ~ (unlocked) behind it, got {item!r}"
            )
        color, lock = found.groups()
        if number < len(swatches):
            one = swatches[number]
            if color != "-":
                new = Swatch.from_hex(color)
                one = one if new.hex == one.hex else replace(one, lab=new.lab, name="")
        elif color == "-":
            has = f"the palette has {len(swatches)}" if palette is not None else "no palette is given"
            raise PaletteError(f"item {number + 1} of the colours is -, but {has}: write a colour")
        else:
            one = Swatch.from_hex(color, mean)
        locked = one.locked if not lock else lock == "!"
        swatches[number : number + 1] = [replace(one, locked=locked)]
    if not swatches:
        raise PaletteError("there is no colour: write some, such as #c04030, #204060, or give a palette")
    return replace(palette, swatches=tuple(swatches)) if palette is not None else Palette(tuple(swatches))
