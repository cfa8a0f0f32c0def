"""Palettes beside other libraries', and recolouring: ``python -m chrominance.benchmarks palette [FILE…]``.

The first table: the time of a palette of six colours from a photo of 1920 x 1080, one of Pillow's pictures in
memory, on one thread; the mean distance (ΔE76) of all its pixels to it; and that over k-means run to its end
on all pixels in Lab (the best of three starts by scikit-learn), on average and for the worst photo. FILE:
photos, scaled to that size, of which the table shows the means; without any, scikit-image's. Pylette is not
among the dependencies: it brings another package of OpenCV, and those overwrite each other; it is measured
where it is installed (in an environment of its own: pip install pylette). The second table is that of
``benchmarks recolor``. Exits with 1 where a promised figure is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..color import rgb_to_lab
from ..pipelines.palette_extract import extract
from ..pipelines.pictures import PictureError
from . import recolor
from .correspondence import Promised

SIZE = (1920, 1080)
COLORS = 6
#: The most milliseconds of an extraction, and how far above full k-means the distance may be.
BAR_MS, BAR_RATIO = 25.0, 1.02

# The starts of full k-means, and the share of the variance below which it may stop moving.
_STARTS, _TOLERANCE = 3, 1e-6
# Pixels that scikit-learn is given where it is given a sample.
_SAMPLE = 20_000
# Runs of what takes longer than this many seconds: one.
_LONG = 1.5

#: From a photo and a number of colours to Lab [N,3].
Extract = Callable[[Image.Image, int], Tensor]


@dataclass(frozen=True)
class Row:
    """One way: ``ms``, median; mean ΔE76, and its ratio to full k-means'; colours; whether runs agree."""

    ms: float
    distance: float
    ratio: float
    worst: float
    colors: float
    repeats: bool


def _ours(photo: Image.Image, count: int) -> Tensor:
    return extract([torch.from_numpy(np.array(photo)).permute(2, 0, 1)], count).lab


def _pylette(photo: Image.Image, count: int, *, resize: int | None) -> Tensor:
    import pylette

    palette = pylette.extract_colors(photo, palette_size=count, resize=resize)
    return _from_bytes([color.rgb for color in palette])


def _colorthief(photo: Image.Image, count: int, *, quality: int) -> Tensor:
    import colorthief

    file = io.BytesIO()
    photo.save(file, "BMP")  # it takes files alone; this one costs the least
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls what Pillow is giving up
        return _from_bytes(colorthief.ColorThief(file).get_palette(count, quality)[:count])


def _kmeans_rgb(photo: Image.Image, count: int, *, mini: bool) -> Tensor:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    pixels = np.asarray(photo).reshape(-1, 3).astype(np.float32) / 255
    make = MiniBatchKMeans if mini else KMeans
    found = make(count, n_init=1, random_state=0).fit(pixels)  # pyright: ignore[reportArgumentType]
    return rgb_to_lab(torch.from_numpy(np.asarray(found.cluster_centers_, np.float32)), dim=1)


def _kmeans_lab(photo: Image.Image, count: int, *, sample: int | None = None) -> Tensor:
    """Cluster in Lab: all pixels once, or a sample with ten starts."""
    pixels = torch.from_numpy(np.array(photo)).reshape(-1, 3)
    if sample is not None:
        chosen = torch.randint(0, len(pixels), (sample,), generator=torch.Generator().manual_seed(0))
        pixels = pixels[chosen]
    return kmeans(rgb_to_lab(pixels.float() / 255, dim=1), count, 1 if sample is None else 10)


def _quantize(photo: Image.Image, count: int, *, method: Image.Quantize, kmeans: int = 0) -> Tensor:
    flat = photo.quantize(count, method=method, kmeans=kmeans)
    colors = np.array(flat.getpalette()).reshape(-1, 3)
    return _from_bytes(colors[: min(count, int(np.asarray(flat).max()) + 1)])


def _from_bytes(rgb: object) -> Tensor:
    return rgb_to_lab(torch.from_numpy(np.array(rgb, np.float32) / 255), dim=1)


def _pillow(method: Image.Quantize, rounds: int = 0) -> tuple[None, Extract]:
    return None, partial(_quantize, method=method, kmeans=rounds)


#: Ways by name, each with the package it needs.
WAYS: dict[str, tuple[str | None, Extract]] = {
    "ours": (None, _ours),
    "Pylette, resized": ("pylette", partial(_pylette, resize=256)),
    "Pylette, full": ("pylette", partial(_pylette, resize=None)),
    "colorthief, quality 10": ("colorthief", partial(_colorthief, quality=10)),
    "colorthief, quality 1": ("colorthief", partial(_colorthief, quality=1)),
    "scikit-learn KMeans, RGB": ("sklearn", partial(_kmeans_rgb, mini=False)),
    "scikit-learn MiniBatchKMeans, RGB": ("sklearn", partial(_kmeans_rgb, mini=True)),
    "scikit-learn KMeans, Lab": ("sklearn", _kmeans_lab),
    f"scikit-learn KMeans, Lab, {_SAMPLE:,} pixels": ("sklearn", partial(_kmeans_lab, sample=_SAMPLE)),
    "Pillow, median cut": _pillow(Image.Quantize.MEDIANCUT),
    "Pillow, median cut and k-means": _pillow(Image.Quantize.MEDIANCUT, 1),
    "Pillow, max coverage": _pillow(Image.Quantize.MAXCOVERAGE),
    "Pillow, max coverage and k-means": _pillow(Image.Quantize.MAXCOVERAGE, 1),
    "Pillow, fast octree": _pillow(Image.Quantize.FASTOCTREE),
    "Pillow, fast octree and k-means": _pillow(Image.Quantize.FASTOCTREE, 1),
}


def to_lab(photo: Image.Image) -> Tensor:
    """Return all pixels of a photo in Lab, [K,3]."""
    rgb = torch.from_numpy(np.array(photo)).reshape(-1, 3).float() / 255
    return rgb_to_lab(rgb, dim=1)


def distance(lab: Tensor, palette: Tensor) -> float:
    """Return the mean ΔE76 of pixels [K,3] from the nearest of colours [N,3], both Lab."""
    parts = [torch.cdist(part, palette).amin(1).double().sum() for part in lab.split(1 << 18)]
    return float(torch.stack(parts).sum() / len(lab))


def kmeans(lab: Tensor, count: int, starts: int = _STARTS, tolerance: float = 1e-4) -> Tensor:
    """Return scikit-learn's centres [N,3] of pixels [K,3], the best of some seeded starts."""
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=starts, random_state=0, tol=tolerance)  # pyright: ignore[reportArgumentType]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer colours than asked for
        return torch.from_numpy(np.asarray(found.fit(lab.numpy()).cluster_centers_, np.float32))


def over(apart: float, best: float) -> float:
    """Return a distance over the best one: where that is nothing, 1 for nothing, and infinity for more."""
    return apart / best if best > 0 else 1.0 if apart == 0 else math.inf


def measure(
    photos: Sequence[Image.Image],
    count: int = COLORS,
    runs: int = 7,
    ways: Sequence[str] = tuple(WAYS),
    size: tuple[int, int] = SIZE,
) -> dict[str, Row | None]:
    """Measure ``ways`` on photos, scaled to ``size``, with one thread; None for what is not installed.

    Raises ModuleNotFoundError without scikit-learn, whose full k-means is the measure.
    """
    try:
        from threadpoolctl import threadpool_limits  # scikit-learn's own dependency
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this benchmark needs scikit-learn: pip install 'chrominance[bench]'", name="sklearn"
        ) from error
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found: dict[str, list[Row]] = {
        way: [] for way in ways if WAYS[way][0] is None or importlib.util.find_spec(WAYS[way][0] or "")
    }
    try:
        with threadpool_limits(1):
            for given in photos:
                photo = given.convert("RGB").resize(size, Image.Resampling.LANCZOS)
                lab = to_lab(photo)
                best = distance(lab, kmeans(lab, count, tolerance=_TOLERANCE))
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
        repeats = repeats and torch.equal(first, again)
    apart = distance(lab, first)
    ratio = over(apart, best)
    return Row(statistics.median(seconds) * 1e3, apart, ratio, ratio, len(first), repeats)


def _mean(rows: Sequence[Row]) -> Row:
    return Row(
        statistics.mean(row.ms for row in rows),
        statistics.mean(row.distance for row in rows),
        statistics.mean(row.ratio for row in rows),
        max(row.worst for row in rows),
        statistics.mean(row.colors for row in rows),
        all(row.repeats for row in rows),
    )


def promised(rows: dict[str, Row | None], costs: dict[str, recolor.Cost]) -> Iterator[Promised]:
    """Yield the figures that have a bar."""
    ours = rows["ours"]
    assert ours is not None
    yield Promised("palette of a 1080p photo, 1 thread", ours.ms, BAR_MS, " ms")
    yield Promised("mean ΔE76 against full k-means, the worst photo", ours.worst, BAR_RATIO, "×")
    yield from recolor.promised(costs)


def table(rows: dict[str, Row | None]) -> str:
    """Return the extractions as a Markdown table."""
    lines = [
        "| way | ms | mean ΔE76 | ÷ full k-means | worst photo | colours | the same again |",
        "| --- |" + " ---: |" * 5 + " --- |",
    ]
    for way, row in rows.items():
        if row is None:
            lines.append(f"| {way} | not installed | | | | | |")
            continue
        again = "yes" if row.repeats else "no"
        lines.append(
            f"| {way} | {row.ms:.0f} | {row.distance:.2f} | {row.ratio:.3f} | {row.worst:.3f} | "
            f"{row.colors:.1f} | {again} |"
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
    try:
        photos = recolor.load_photos(options.files) or sample_photos()
        rows = measure(photos, options.colors, options.runs)
    except (ModuleNotFoundError, PictureError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    count = f"{len(photos)} photo{'s' if len(photos) > 1 else ''} of {SIZE[0]}×{SIZE[1]}"
    sys.stdout.write(f"{count}, {options.colors} colours, 1 thread\n\n{table(rows)}\n\n")
    costs = recolor.measure()
    side = f"{recolor.SIDE}², {recolor.COLORS} colours, 1 thread"
    sys.stdout.write(f"Recolouring, {side}\n\n{recolor.table(costs)}\n\n")
    return recolor.report(list(promised(rows, costs)))


if __name__ == "__main__":
    raise SystemExit(main())
