"""Recoloured pictures to look at: ``python -m chrominance.benchmarks recolor_sheet -o SHEET [PICTURE…]``.

A row a picture: itself over its palette; its most colourful colour turned by 120°; that by Chang 2015; half
of its colours turned and the rest locked; in the palette of the picture before it, lightness kept, then
transferred; matched to that picture. Without pictures, those of ``contact_sheet``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..color import lab_to_lch, lab_to_rgb, lch_to_lab, reduce_chroma
from ..pipelines.color_match import match_colors
from ..pipelines.palette import Palette
from ..pipelines.palette_extract import extract
from ..pipelines.palette_transport import paired
from ..pipelines.recolor import recolor
from ..pipelines.replacing import replacing
from .contact_sheet import free_pictures, sheet
from .picture_rows import fitted, to_tensor
from .recolor import turned

COLORS = 6
_TURN = 120.0
# Height of the swatches beneath a picture.
_SWATCHES = 18


def half_turned(palette: Palette) -> Palette:
    """Turn every other colour's hue by 120°, and lock the rest."""
    lch = lab_to_lch(palette.lab, dim=1)
    lch[::2, 2] += _TURN
    lab = reduce_chroma(lch_to_lab(lch, dim=1), dim=1)
    new = Palette.from_lab(lab, palette.weights)
    return new.with_locks([number % 2 == 1 for number in range(len(palette))])


def versions(rgb: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Palette]]:
    """Give a picture [1,3,H,W] and its recolourings, each with the palette it was led by."""
    own, theirs = extract(rgb, COLORS), extract(other, COLORS)
    yield rgb, own
    for method in ("soft", "chang"):
        yield recolor(rgb, own, turned(own, _TURN), method=method), turned(own, _TURN)
    yield recolor(rgb, own, half_turned(own)), half_turned(own)
    for lightness in ("keep", "transfer"):
        target = paired(own, theirs)
        yield recolor(rgb, own, target, lightness=lightness), target
    yield match_colors(rgb, other), theirs


def strip(palette: Palette, width: int) -> Tensor:
    """Return a palette's colours side by side, as wide as their shares: [3,h,width]."""
    edges = (torch.cat([torch.zeros(1), palette.weights.cumsum(0)]) * width).round().long()
    line = torch.zeros(3, width)
    for lab, begin, end in zip(palette.lab, edges, edges[1:], strict=False):
        line[:, begin:end] = lab_to_rgb(reduce_chroma(lab, dim=0), dim=0, clip=True)[:, None]
    return line[:, None].expand(-1, _SWATCHES, -1)


def row(picture: Image.Image, before: Image.Image, height: int) -> Tensor:
    """Return a picture and its versions side by side."""
    rgb, other = (fitted(to_tensor(one), height)[None].clamp(0, 1) for one in (picture, before))
    parts: list[Tensor] = []
    for made, palette in versions(rgb, other):
        parts += [
            torch.cat([made[0], strip(palette, made.shape[3])], 1),
            torch.ones(3, height + _SWATCHES, 4),
        ]
    return torch.cat(parts[:-1], 2)


def main(argv: list[str] | None = None) -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks recolor_sheet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--height", type=int, default=160, help="of a picture (default 160)")
    options = parser.parse_args(argv)
    pictures = [Image.open(path) for path in options.pictures] or free_pictures()
    rows = [row(one, pictures[number - 1], options.height) for number, one in enumerate(pictures)]
    page = sheet(rows, max(one.shape[2] for one in rows))
    kind = "PNG" if options.output.suffix.lower() == ".png" else "JPEG"
    with replacing(options.output) as temporary:
        page.save(temporary, format=kind, quality=90)
    sys.stdout.write(f"wrote {options.output}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
