"""Palettes beside other libraries', and recolouring: ``python -m chrominance.benchmarks palette [FILE…]``.

The first table: the time of a palette of six colours from a photo of 1920 x 1080 on one thread, and the mean
distance (ΔE76) of all its pixels to it, beside k-means run to its end on all pixels in Lab (the best of three
starts by scikit-learn). FILE: photos, of which the table shows the means; without any, scikit-image's.
Pylette is not among the dependencies: it brings another package of OpenCV, and those overwrite each other;
where it is installed it is measured. The second table is that of ``benchmarks recolor``. Exits with 1 where a
promised figure is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..color import rgb_to_lab
from ..pipelines.palette_extract import extract
from . import recolor
from .correspondence import Promised

SIZE = (1920, 1080)
COLORS = 6
#: The most milliseconds of an extraction, and how far above full k-means the distance may be.
BAR_MS, BAR_RATIO = 25.0, 1.02

_STARTS = 3
# Runs of what takes longer than this many seconds: one.
_LONG = 1.5

#: From a photo and a number of colours to sRGB 0..1 [N,3].
Extract = Callable[[Image.Image, int], NDArray[np.float64]]


@dataclass(frozen=True)
class Row:
    """One way: milliseconds, mean ΔE76, that over full k-means', colours, and whether a run repeats."""

    ms: float
    distance: float
    ratio: float
    colors: float
    repeats: bool


def _ours(photo: Image.Image, count: int) -> NDArray[np.float64]:
    rgb = torch.from_numpy(np.array(photo)).permute(2, 0, 1).float() / 255
    return _hex_to_rgb(extract([rgb], count).hex_list())


def _pylette(photo: Image.Image, count: int, *, resize: int | None) -> NDArray[np.float64]:
    import pylette

    palette = pylette.extract_colors(photo, palette_size=count, resize=resize)
    return np.array([color.rgb for color in palette], np.float64) / 255


def _colorthief(photo: Image.Image, count: int, *, quality: int) -> NDArray[np.float64]:
    import colorthief

    file = io.BytesIO()
    photo.save(file, "BMP")  # it takes files alone; this one costs the least
    found = colorthief.ColorThief(file).get_palette(count, quality)
    return np.array(found[:count], np.float64) / 255


def _kmeans(photo: Image.Image, count: int, *, mini: bool) -> NDArray[np.float64]:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    pixels = np.asarray(photo).reshape(-1, 3).astype(np.float32) / 255
    make = MiniBatchKMeans if mini else KMeans
    found = make(count, n_init=1, random_state=0).fit(pixels)  # pyright: ignore[reportArgumentType]
    return np.asarray(found.cluster_centers_, np.float64)


def _quantize(photo: Image.Image, count: int, *, method: Image.Quantize, kmeans: int) -> NDArray[np.float64]:
    flat = photo.quantize(count, method=method, kmeans=kmeans)
    return np.array(flat.getpalette(), np.float64).reshape(-1, 3)[:count] / 255


#: Ways by name, each with the package it needs.
WAYS: dict[str, tuple[str | None, Extract]] = {
    "ours": (None, _ours),
    "Pylette, resized": ("pylette", lambda photo, count: _pylette(photo, count, resize=256)),
    "Pylette, full": ("pylette", lambda photo, count: _pylette(photo, count, resize=None)),
    "colorthief, quality 10": ("colorthief", lambda photo, count: _colorthief(photo, count, quality=10)),
    "colorthief, quality 1": ("colorthief", lambda photo, count: _colorthief(photo, count, quality=1)),
    "scikit-learn KMeans, RGB": ("sklearn", lambda photo, count: _kmeans(photo, count, mini=False)),
    "scikit-learn MiniBatchKMeans, RGB": ("sklearn", lambda photo, count: _kmeans(photo, count, mini=True)),
    "Pillow, median cut": (
        None,
        lambda photo, count: _quantize(photo, count, method=Image.Quantize.MEDIANCUT, kmeans=0),
    ),
    "Pillow, median cut and k-means": (
        None,
        lambda photo, count: _quantize(photo, count, method=Image.Quantize.MEDIANCUT, kmeans=1),
    ),
    "Pillow, fast octree": (
        None,
        lambda photo, count: _quantize(photo, count, method=Image.Quantize.FASTOCTREE, kmeans=0),
    ),
}


def _hex_to_rgb(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([list(bytes.fromhex(text[1:])) for text in texts], np.float64) / 255


def to_lab(photo: Image.Image) -> Tensor:
    """Return all pixels of a photo in Lab, [K,3]."""
    rgb = torch.from_numpy(np.array(photo)).reshape(-1, 3).float() / 255
    return rgb_to_lab(rgb, dim=1)


def distance(lab: Tensor, colors: NDArray[np.float64]) -> float:
    """Return the mean ΔE76 of pixels [K,3] from the nearest of sRGB colours [N,3]."""
    palette = rgb_to_lab(torch.from_numpy(colors).float(), dim=1)
    parts = [torch.cdist(part, palette).amin(1).double().sum() for part in lab.split(1 << 18)]
    return float(torch.stack(parts).sum() / len(lab))


def full_kmeans(lab: Tensor, count: int) -> float:
    """Return the mean ΔE76 that k-means on all pixels reaches, the best of some seeded starts."""
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=_STARTS, random_state=0)  # pyright: ignore[reportArgumentType]
    centres = torch.from_numpy(np.asarray(found.fit(lab.numpy()).cluster_centers_)).float()
    parts = [torch.cdist(part, centres).amin(1).double().sum() for part in lab.split(1 << 18)]
    return float(torch.stack(parts).sum() / len(lab))


def measure(
    photos: Sequence[Image.Image],
    count: int = COLORS,
    runs: int = 7,
    ways: Sequence[str] = tuple(WAYS),
    size: tuple[int, int] = SIZE,
) -> dict[str, Row | None]:
    """Measure ``ways`` on photos, scaled to ``size``, with one thread; None for what is not installed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found: dict[str, list[Row]] = {
        way: [] for way in ways if WAYS[way][0] is None or importlib.util.find_spec(WAYS[way][0] or "")
    }
    try:
        for given in photos:
            photo = given.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            lab = to_lab(photo)
            best = full_kmeans(lab, count)
            for way, rows in found.items():
                rows.append(_row(WAYS[way][1], photo, count, runs, lab, best))
    finally:
        torch.set_num_threads(before)
    return {way: _mean(found[way]) if way in found else None for way in ways}


def _row(way: Extract, photo: Image.Image, count: int, runs: int, lab: Tensor, best: float) -> Row:
    first = way(photo, count)
    seconds, repeats = [], True
    while len(seconds) < runs and (not seconds or seconds[0] < _LONG):
        begin = time.perf_counter()
        again = way(photo, count)
        seconds.append(time.perf_counter() - begin)
        repeats = repeats and np.array_equal(first, again)
    apart = distance(lab, first)
    return Row(statistics.median(seconds) * 1e3, apart, apart / best, len(first), repeats)


def _mean(rows: Sequence[Row]) -> Row:
    return Row(
        statistics.mean(row.ms for row in rows),
        statistics.mean(row.distance for row in rows),
        statistics.mean(row.ratio for row in rows),
        statistics.mean(row.colors for row in rows),
        all(row.repeats for row in rows),
    )


def promised(rows: dict[str, Row | None], costs: dict[str, recolor.Cost]) -> Iterator[Promised]:
    """Yield the figures that have a bar."""
    ours = rows["ours"]
    assert ours is not None
    yield Promised("palette of a 1080p photo, 1 thread", ours.ms, BAR_MS, " ms")
    yield Promised("mean ΔE76, against full k-means", ours.ratio, BAR_RATIO, "×")
    yield from recolor.promised(costs)


def table(rows: dict[str, Row | None]) -> str:
    """Return the extractions as a Markdown table."""
    lines = [
        "| way | ms | mean ΔE76 | ÷ full k-means | colours | the same again |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for way, row in rows.items():
        if row is None:
            lines.append(f"| {way} | not installed | | | | |")
            continue
        again = "yes" if row.repeats else "no"
        lines.append(
            f"| {way} | {row.ms:.0f} | {row.distance:.2f} | {row.ratio:.3f} | {row.colors:.1f} | {again} |"
        )
    return "\n".join(lines)


def sample_photos() -> list[Image.Image]:
    """Return scikit-image's photos."""
    from skimage import data

    return [Image.fromarray(one()) for one in (data.astronaut, data.coffee, data.chelsea, data.rocket)]


def main(argv: list[str] | None = None) -> int:
    """Print the tables and the bars; return the exit code, 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks palette",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("-k", "--colors", type=int, default=COLORS, help=f"2 to 16 (default {COLORS})")
    parser.add_argument("--runs", type=int, default=7, help="of each way, of which the median counts (7)")
    options = parser.parse_args(argv)
    if not 2 <= options.colors <= 16 or options.runs < 1:
        parser.error("--colors must be 2 to 16, and --runs 1 or more")
    photos = [Image.open(path) for path in options.files] or sample_photos()
    rows = measure(photos, options.colors, options.runs)
    count = f"{len(photos)} photo{'s' if len(photos) > 1 else ''} of {SIZE[0]}×{SIZE[1]}"
    sys.stdout.write(f"{count}, {options.colors} colours, 1 thread\n\n{table(rows)}\n\n")
    costs = recolor.measure()
    side = f"{recolor.SIDE}², {recolor.COLORS} colours, 1 thread"
    sys.stdout.write(f"Recolouring, {side}\n\n{recolor.table(costs)}\n\n")
    return recolor.report(list(promised(rows, costs)))


if __name__ == "__main__":
    raise SystemExit(main())
