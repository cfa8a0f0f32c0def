"""Palette recolouring beside the usual ways: time, error, and whether gradients stay smooth.

``python -m chrominance.benchmarks recolor [FILE…]`` prints the table. One thread; a picture of one megapixel
made of scikit-image's photos, six colours, of which the most colourful turns by 90°. FILE: more photos, their
middles scaled to the same size; times are then means over all pictures, and errors the largest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from ..color import delta_e76, lab_to_lch, lab_to_rgb, lch_to_lab, reduce_chroma, rgb_to_lab
from ..pipelines.color_map import change_exactly
from ..pipelines.lut import Cube
from ..pipelines.palette import Palette
from ..pipelines.palette_extract import extract
from ..pipelines.pictures import PictureError, load_picture, to_samples
from ..pipelines.recolor import PaletteEdit, PaletteModel, Recolorer
from .correspondence import Promised

#: Side of the picture, and its colours.
SIDE, COLORS = 1024, 6
#: The most milliseconds a megapixel of an edit after the first.
BAR_MS = 45.0
#: The largest error against the exact map, of 255.
BAR_ERROR = 2.0
#: The longest way, in ΔE, that a ramp goes while its picture stays within ΔE 1; the same of the inverse.
BAR_FLAT, BAR_STEEP = 4.0, 8.0

_TURN = 90.0
_LUT_SIZE = 33
# Steps of a ramp.
_STEPS = 2048


@dataclass(frozen=True)
class Cost:
    """What one way takes, and gives.

    ``first``, ``later``: ms a megapixel, median. ``error``: the largest from its exact map, of 255. ``flat``,
    ``steep``: see ``ramp_measure``.
    """

    first: float
    later: float
    error: float
    flat: float
    steep: float


#: From rgb [B,3,H,W] to the same in other colours.
Change = Callable[[Tensor], Tensor]


def collage(side: int = SIDE) -> Tensor:
    """Return scikit-image's photos as one picture [1,3,side,side]."""
    from skimage import data

    parts = []
    for name in ("coffee", "astronaut", "chelsea", "rocket"):
        photo = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255
        small = F.interpolate(photo, (side // 2, side // 2), mode="bilinear", antialias=True)
        parts.append(small)
    return torch.cat([torch.cat(parts[:2], 3), torch.cat(parts[2:], 3)], 2).contiguous()


def load_photos(files: Sequence[Path]) -> list[Image.Image]:
    """Return photos of files, 8 bits and upright; raises PictureError for a file that is none."""
    return [Image.fromarray(to_samples(replace(load_picture(path), alpha=None), 8)) for path in files]


def middle(photo: Image.Image, side: int = SIDE) -> Tensor:
    """Return the middle of a photo as a picture [1,3,side,side]."""
    square = ImageOps.fit(photo.convert("RGB"), (side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float().div_(255).contiguous()


def example(rgb: Tensor, colors: int = COLORS) -> tuple[Palette, list[Palette]]:
    """Return a picture's palette, and palettes to exchange it for."""
    palette = extract(rgb, colors).merged()
    # A second turn, so that a later edit is not the first one again.
    return palette, [turned(palette, degrees) for degrees in (_TURN, -_TURN)]


def turned(palette: Palette, degrees: float) -> Palette:
    """Return a palette whose most colourful colour has another hue."""
    lch = lab_to_lch(palette.lab, dim=1)
    chosen = int(lch[:, 1].argmax())
    lch[chosen, 2] += degrees
    L, a, b = reduce_chroma(lch_to_lab(lch[chosen], dim=0), dim=0).tolist()
    swatches = list(palette.swatches)
    swatches[chosen] = replace(swatches[chosen], lab=(L, a, b))
    return replace(palette, swatches=tuple(swatches))


def ramps(palette: Palette) -> Tensor:
    """Return ramps [1,3,R,steps] between all colours of a palette, and from each to black, white and grey."""
    ends = torch.cat([palette.lab, torch.tensor([[0.0, 0, 0], [50, 0, 0], [100, 0, 0]])])
    share = torch.linspace(0, 1, _STEPS)
    pairs = [(a, b) for a in range(len(palette)) for b in range(a + 1, len(ends))]
    lines = [torch.lerp(ends[a][:, None], ends[b][:, None], share) for a, b in pairs]
    return lab_to_rgb(reduce_chroma(torch.stack(lines, 1), dim=0), dim=0, clip=True)[None]


def ramp_measure(given: Tensor, changed: Tensor) -> tuple[float, float]:
    """Return the flattest and the steepest place of changed ramps [1,3,R,steps], both ΔE of the way.

    Flat: the longest way that a given ramp goes while the changed one stays within ΔE 1 of where it was.
    Steep: the longest that the changed one goes while the given one does. Both are 1 where nothing changes; a
    picture in flat areas has both.
    """
    ways = [rgb_to_lab(x.double())[0] for x in (given, changed)]
    before, after = (_along(way) for way in ways)
    return _longest(before, after), _longest(after, before)


def _along(lab: Tensor) -> Tensor:
    """Return how far each place of ramps [3,R,S] is along its way: [R,S]."""
    steps = delta_e76(lab[:, :, 1:], lab[:, :, :-1], dim=0)[0]
    return F.pad(steps.cumsum(1), (1, 0))


def _longest(way: Tensor, other: Tensor) -> float:
    """Return the most that ``way`` [R,S] grows while ``other`` grows by 1."""
    end = torch.searchsorted(other, other + 1, right=True).clamp(max=way.shape[1] - 1)
    return float((way.gather(1, end) - way).max())


def nearest(edit: PaletteEdit) -> Change:
    """Return the change by the nearest swatch alone, as palette nodes make it: what flat areas look like."""
    old, new = edit.exchange.old, edit.exchange.new

    def change(rgb: Tensor) -> Tensor:
        lab = rgb_to_lab(rgb).movedim(1, 3)
        closest = torch.cdist(lab.reshape(-1, 3), old).argmin(1).view(lab.shape[:3])
        ab = new[closest][..., 1:]
        return lab_to_rgb(torch.cat([old[closest][..., :1], ab], 3).movedim(3, 1), clip=True)

    return change


@dataclass(frozen=True)
class Way:
    """A way to recolour: ``open`` takes the picture apart, and returns what makes an edit of it."""

    method: str
    open: Callable[[Tensor, PaletteModel], Callable[[PaletteEdit], Tensor]]


def _ours(rgb: Tensor, model: PaletteModel) -> Callable[[PaletteEdit], Tensor]:
    recolorer = Recolorer(rgb, model)
    return lambda edit: recolorer.change(edit)


def _exactly(rgb: Tensor, model: PaletteModel) -> Callable[[PaletteEdit], Tensor]:
    return lambda edit: change_exactly(rgb, edit)


def _lut(rgb: Tensor, model: PaletteModel) -> Callable[[PaletteEdit], Tensor]:
    return lambda edit: Cube.of(edit, _LUT_SIZE).apply(rgb)


def _nearest(rgb: Tensor, model: PaletteModel) -> Callable[[PaletteEdit], Tensor]:
    return lambda edit: nearest(edit)(rgb)


_SOFT = "soft mixtures (Recolorer)"
WAYS: dict[str, Way] = {
    _SOFT: Way("soft", _ours),
    "soft mixtures, pixel by pixel": Way("soft", _exactly),
    f"soft mixtures, {_LUT_SIZE}³ LUT": Way("soft", _lut),
    "Chang 2015 (Recolorer)": Way("chang", _ours),
    "Chang 2015, pixel by pixel": Way("chang", _exactly),
    "nearest swatch": Way("soft", _nearest),
}


def measure(
    side: int = SIDE,
    colors: int = COLORS,
    runs: int = 5,
    photos: Sequence[Image.Image] = (),
    *,
    ways: Sequence[str] = tuple(WAYS),
) -> dict[str, Cost]:
    """Measure ``ways``, with one thread: on the collage, and on the middles of ``photos``.

    Of several pictures the times are means, and the rest the largest.
    """
    pictures = [collage(side), *(middle(photo, side) for photo in photos)]
    costs = [measure_one(rgb, colors, runs, ways) for rgb in pictures]
    return {way: _together([cost[way] for cost in costs]) for way in ways}


def _together(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.mean(cost.first for cost in costs),
        statistics.mean(cost.later for cost in costs),
        max(cost.error for cost in costs),
        max(cost.flat for cost in costs),
        max(cost.steep for cost in costs),
    )


def measure_one(rgb: Tensor, colors: int, runs: int, ways: Sequence[str]) -> dict[str, Cost]:
    """Measure ``ways`` on one picture [1,3,H,W]."""
    palette, targets = example(rgb, colors)
    megapixels = rgb[0, 0].numel() / 1e6
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    costs = {}
    try:
        exact = {
            method: change_exactly(rgb, PaletteModel(palette, method).edit(targets[0]))
            for method in {WAYS[way].method for way in ways}
        }
        given = ramps(palette)
        for name in ways:
            way = WAYS[name]
            begin = time.perf_counter()
            model = PaletteModel(palette, way.method)
            edit = way.open(rgb, model)
            made = edit(model.edit(targets[0]))
            first = time.perf_counter() - begin
            # What takes a second and more needs no median.
            count = runs if first < 2 else 1
            seconds = []
            for number in range(count):
                begin = time.perf_counter()
                edit(model.edit(targets[1 - number % 2]))
                seconds.append(time.perf_counter() - begin)
            ramp = way.open(given, model)(model.edit(targets[0]))
            costs[name] = Cost(
                first * 1e3 / megapixels,
                statistics.median(seconds) * 1e3 / megapixels,
                float((made - exact[way.method]).abs().max()) * 255,
                *ramp_measure(given, ramp),
            )
    finally:
        torch.set_num_threads(before)
    return costs


def promised(costs: dict[str, Cost]) -> Iterator[Promised]:
    """Yield the figures that have a bar: those of the default method."""
    cost = costs[_SOFT]
    yield Promised("an edit after the first, 1 thread", cost.later, BAR_MS, " ms/MP")
    yield Promised("largest error against the exact map", cost.error, BAR_ERROR, "/255")
    yield Promised("flattest place of a ramp", cost.flat, BAR_FLAT, " ΔE")
    yield Promised("steepest place of a ramp", cost.steep, BAR_STEEP, " ΔE")


def table(costs: dict[str, Cost]) -> str:
    """Return the costs as a Markdown table."""
    lines = [
        "| way | first, ms/MP | later, ms/MP | largest error, of 255 | flattest, ΔE | steepest, ΔE |",
        "| --- |" + " ---: |" * 5,
    ]
    for way, cost in costs.items():
        lines.append(
            f"| {way} | {cost.first:.0f} | {cost.later:.1f} | {cost.error:.2f} | {cost.flat:.1f} | "
            f"{cost.steep:.1f} |"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Print the table and the bars; return the exit code, 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks recolor", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="photos, beside the collage")
    parser.add_argument("--side", type=int, default=SIDE, help=f"of the picture (default {SIDE})")
    parser.add_argument("--colors", type=int, default=COLORS, help=f"2 to 16 (default {COLORS})")
    parser.add_argument("--runs", type=int, default=5, help="how many later edits (default 5)")
    options = parser.parse_args(argv)
    for name, least, most in (("side", 16, 8192), ("colors", 2, 16), ("runs", 1, 1000)):
        if not least <= getattr(options, name) <= most:
            parser.error(f"--{name} must be {least} to {most}, got {getattr(options, name)}")
    try:
        photos = load_photos(options.files)
    except PictureError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    costs = measure(options.side, options.colors, options.runs, photos)
    figures = list(promised(costs))
    count = f"{1 + len(photos)} picture{'s' if photos else ''}"
    head = f"{count} of {options.side}², {options.colors} colours, 1 thread"
    sys.stdout.write(f"{head}\n\n{table(costs)}\n\n")
    return report(figures)


def report(figures: Sequence[Promised]) -> int:
    """Print figures beside their bars; return 1 if one is missed."""
    sys.stdout.write("| figure | measured | bar | met |\n| --- | ---: | --- | --- |\n")
    for figure in figures:
        value, bar = f"{figure.value:.3g}{figure.unit}", f"≤ {figure.bar:g}{figure.unit}"
        sys.stdout.write(f"| {figure.name} | {value} | {bar} | {'yes' if figure.met else '**no**'} |\n")
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    raise SystemExit(main())
