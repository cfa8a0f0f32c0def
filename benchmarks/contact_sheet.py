"""Before/after pairs in one picture: ``python -m chrominance.benchmarks contact_sheet -o SHEET PICTURE…``.

Without pictures, those that Python packages carry under a free licence: scikit-image's astronaut (NASA,
public domain), coffee, cat and rocket (CC0), Matplotlib's Grace Hopper (US Navy, public domain).
"""

from __future__ import annotations

import argparse
import importlib.resources
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..models import Colorizer, load_colorizer
from ..pipelines.colorize import ColorizeSettings, colorize
from .picture_rows import fitted, to_pixels, to_tensor
from .quality import grey


def free_pictures() -> list[Image.Image]:
    """Return the pictures of the packages; ImportError where one is not installed."""
    from skimage import data

    pictures = [Image.fromarray(p()) for p in (data.astronaut, data.coffee, data.chelsea, data.rocket)]
    hopper = importlib.resources.files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    with hopper.open("rb") as f:
        pictures.append(Image.open(f).convert("RGB"))
    return pictures


def pair(picture: Image.Image, colorizer: Colorizer, settings: ColorizeSettings, height: int) -> Tensor:
    """Return grey and coloured side by side, [3,height,w] 0..1; the colouring is done at full size."""
    before = grey(to_tensor(picture))
    after = colorize(before, colorizer, settings).rgb
    return fitted(torch.cat([before, after], 3), height)


def sheet(pairs: Sequence[Tensor], width: int) -> Image.Image:
    """Lay pairs of one height into rows at most ``width`` wide, white between."""
    rows: list[list[Tensor]] = [[]]
    for item in pairs:
        if rows[-1] and sum(p.shape[2] + 8 for p in rows[-1]) + item.shape[2] > width:
            rows.append([])
        rows[-1].append(item)
    height = pairs[0].shape[1]
    page = torch.ones(3, len(rows) * (height + 8) - 8, width)
    for r, row in enumerate(rows):
        x = 0
        for item in row:
            cut = item[..., : width - x]
            page[:, r * (height + 8) : r * (height + 8) + height, x : x + cut.shape[2]] = cut
            x += item.shape[2] + 8
    return Image.fromarray(to_pixels(page))


def main(argv: list[str] | None = None) -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks contact_sheet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=1240)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--saturation", type=float, default=1.0)
    parser.add_argument("--size", type=int)
    options = parser.parse_args(argv)
    colorizer = load_colorizer(options.model)
    settings = ColorizeSettings(
        temperature=options.temperature, size=options.size, saturation=options.saturation
    )
    pictures = [Image.open(path) for path in options.pictures] or free_pictures()
    page = sheet([pair(p, colorizer, settings, options.height) for p in pictures], options.width)
    part = options.output.with_name(options.output.name + ".part")
    kind = "PNG" if options.output.suffix.lower() == ".png" else "JPEG"
    page.save(part, format=kind, quality=90)
    os.replace(part, options.output)
    sys.stdout.write(f"wrote {options.output}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
