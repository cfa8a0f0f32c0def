"""Scores of a colorizer on photos whose colours are known, beside grey's.

``python -m chrominance.benchmarks quality --photos FOLDER_OR_TAR…`` prints the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..models import Colorizer, load_colorizer
from ..pipelines.colorize import ColorizeSettings, colorize
from ..pipelines.merge import merge
from ..pipelines.metrics import PhotoScores
from ..pipelines.photo_set import PhotoSet

#: Columns of the table: key of the figures, heading.
COLUMNS = (
    ("auc_rebalanced", "AuC rebal."),
    ("auc", "AuC"),
    ("psnr", "PSNR dB"),
    ("colorfulness", "colourful"),
)


def photo_tensor(photos: PhotoSet, index: int) -> Tensor:
    """Return one photo of a set as rgb [1,3,H,W] 0..1."""
    return torch.from_numpy(np.array(photos.load(index))).permute(2, 0, 1)[None].float() / 255


def grey(rgb: Tensor) -> Tensor:
    """Return the picture without its colours, lightness kept."""
    return merge(rgb, torch.zeros(1, 2, 1, 1))


def score(
    photos: PhotoSet,
    colorizer: Colorizer | None,
    settings: ColorizeSettings | None = None,
    *,
    limit: int | None = None,
) -> dict[str, float]:
    """Return the figures of a colorizer on the first ``limit`` photos; without one, those of grey.

    The photos keep their own size; the colorizer sees their lightness alone.
    """
    scores = PhotoScores()
    for i in range(min(len(photos), limit or len(photos))):
        truth = photo_tensor(photos, i)
        given = grey(truth)
        scores.add(given if colorizer is None else colorize(given, colorizer, settings).rgb, truth)
    return scores.figures()


def table(rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Write figures as a Markdown table, with the originals' colourfulness as its last row."""
    lines = [
        "| | " + " | ".join(heading for _, heading in COLUMNS) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]
    for name, figures in rows:
        lines.append(f"| {name} | " + " | ".join(f"{figures[key]:.2f}" for key, _ in COLUMNS) + " |")
    if rows:
        lines.append(f"| originals | 100 | 100 | | {rows[0][1]['true_colorfulness']:.2f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Print the table of grey and of the models asked for."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks quality", description=__doc__)
    parser.add_argument(
        "--photos", nargs="+", type=Path, required=True, help="tars or folders of colour photos"
    )
    parser.add_argument("--model", nargs="*", default=["embedded"], help="models to score (default embedded)")
    parser.add_argument("--size", type=int, nargs="*", default=[], help="working sizes to try")
    parser.add_argument("--temperature", type=float, nargs="*", default=[], help="temperatures to try")
    parser.add_argument("--limit", type=int, help="only the first photos")
    options = parser.parse_args(argv)
    photos = PhotoSet(options.photos)
    rows = [("grey", score(photos, None, limit=options.limit))]
    for model in options.model:
        colorizer = load_colorizer(model)
        for size in options.size or [None]:
            for temperature in options.temperature or [None]:
                settings = ColorizeSettings(size=size, temperature=temperature)
                name = colorizer.spec.title
                name += f", {size} px" if size else ""
                name += f", T {temperature}" if temperature else ""
                rows.append((name, score(photos, colorizer, settings, limit=options.limit)))
    sys.stdout.write(f"{min(len(photos), options.limit or len(photos))} photos\n\n{table(rows)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
