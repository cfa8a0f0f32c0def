"""ColorHouse's generator on pictures kept apart: ``python -m chrominance.benchmarks colorhouse FILE…``.

Each picture is asked for the palettes of others, five colours each. Printed: the mean ΔE76 between the
colours asked for and those of the result, optimally matched, beside what doing nothing and the method "soft"
(with the palettes' lightness, paired by optimal transport) give; and what of the lightness stays (SSIM).
``--sheet FILE`` lays the first pictures out to look at. ``--model FILE``: other weights than those that ship.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..color import rgb_to_lightness
from ..models.colorhouse.system import SIZE, load_colorhouse
from ..pipelines.palette import Palette
from ..pipelines.palette_extract import extract
from ..pipelines.palette_transport import paired
from ..pipelines.pictures import load_picture
from ..pipelines.recolor import recolor
from ..pipelines.recolor_neural import NeuralRecoloring
from .picture_rows import column, fitted, row, to_pixels
from .quality_conditions import palette_distance

#: Colours asked for, how many palettes each picture is asked for, and the longest side looked at.
COLORS, ASKED, SIDE = 5, 3, 512
#: Bars: how far the result may be from what was asked for, and how much structure must be kept.
BAR_APART, BAR_KEPT = 12.0, 0.9

Way = Callable[[Tensor, Palette, Palette], Tensor]


def pairs(pictures: Sequence[Tensor]) -> Iterator[tuple[int, int]]:
    """Yield which picture is asked for the palette of which other one: steps through all of them."""
    count = len(pictures)
    for step in range(1, ASKED + 1):
        for number in range(count):
            yield number, (number + step * (count // (ASKED + 1) or 1)) % count


def measure(pictures: Sequence[Tensor], way: Way) -> tuple[float, float]:
    """Return mean ΔE76 asked/got and mean SSIM of lightness over all pairs; pictures [1,3,H,W]."""
    palettes = [extract(picture, COLORS) for picture in pictures]
    apart, kept = [], []
    for number, other in pairs(pictures):
        made = way(pictures[number], palettes[number], palettes[other])
        apart.append(palette_distance(palettes[other].lab, extract(made, COLORS).lab))
        kept.append(lightness_similarity(made, pictures[number]))
    return statistics.fmean(apart), statistics.fmean(kept)


def lightness_similarity(made: Tensor, picture: Tensor) -> float:
    """Return the mean structural similarity of two pictures' lightness, scikit-image's with its defaults."""
    from skimage.metrics import structural_similarity

    first, second = (rgb_to_lightness(x)[0, 0].double().numpy() / 100 for x in (made, picture))
    value: Any = structural_similarity(first, second, data_range=1.0)
    return float(value)


def soft(rgb: Tensor, source: Palette, target: Palette) -> Tensor:
    """Recolour by the method soft, lightness too."""
    return recolor(rgb, source, paired(source, target), lightness="transfer")


def load(path: Path) -> Tensor:
    """Load a picture, its longest side at most ``SIDE``: [1,3,H,W]."""
    rgb = load_picture(path).rgb[None].float()
    scale = min(1.0, SIDE / max(rgb.shape[2:]))
    size = [max(16, round(side * scale)) for side in rgb.shape[2:]]
    return F.interpolate(rgb, size, mode="bilinear", antialias=True).clamp(0, 1)


def main(argv: list[str] | None = None) -> int:
    """Print the table; return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="colorhouse", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="pictures that were not trained on")
    parser.add_argument("--model", type=Path, help="weights (default: those that ship)")
    parser.add_argument(
        "--size", type=int, default=SIZE, help="shorter side that it sees (default %(default)s)"
    )
    parser.add_argument("--sheet", type=Path, help="picture to write: some of the results")
    options = parser.parse_args(argv)
    pictures = [load(path) for path in options.files]
    model = load_colorhouse(options.model)

    def ours(rgb: Tensor, source: Palette, target: Palette) -> Tensor:
        return NeuralRecoloring(model, target, lightness="transfer", size=options.size).apply(rgb)

    ways: dict[str, Way] = {"nothing done": lambda rgb, *_: rgb, "soft": soft, "ColorHouse": ours}
    sys.stdout.write("| | ΔE76 asked/got | SSIM of lightness |\n| --- | ---: | ---: |\n")
    results = {}
    for name, way in ways.items():
        apart, kept = results[name] = measure(pictures, way)
        sys.stdout.write(f"| {name} | {apart:.1f} | {kept:.3f} |\n")
    if options.sheet is not None:
        rows = []
        for number, other in list(pairs(pictures))[:8]:
            target = extract(pictures[other], COLORS)
            source = extract(pictures[number], COLORS)
            parts = (pictures[number], pictures[other], soft(pictures[number], source, target))
            rows.append(row(*map(fitted, parts), fitted(ours(pictures[number], source, target))))
        Image.fromarray(to_pixels(column(*rows))).save(options.sheet)
    apart, kept = results["ColorHouse"]
    return int(apart > BAR_APART or kept < BAR_KEPT)
