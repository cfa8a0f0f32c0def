"""Scores of a colorizer on photos and clips whose colours are known, beside grey's.

``python -m chrominance.benchmarks quality --photos FOLDER_OR_TAR…`` prints the table; ``--hints`` adds PSNR
against the number of hints, ``--clips FILE…`` a table of clips.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..models import Colorizer, load_colorizer
from ..models.classifier import load_classifier
from ..pipelines.colorize import ColorizeSettings, colorize
from ..pipelines.merge import merge
from ..pipelines.metrics import PhotoScores
from ..pipelines.metrics_features import Classify, RecognitionScores
from ..pipelines.metrics_video import CDC_LAGS
from ..pipelines.photo_set import PhotoSet, read_categories
from .quality_clips import clip_table, score_clips
from .quality_conditions import (
    colour_by_exemplar,
    colour_by_vector,
    itself_warped,
    measure_palettes,
    of_another_category,
)
from .quality_hints import HINT_COUNTS, colour_by_hints, hint_table

#: How to colour one photo: grey rgb, its true rgb (both [1,3,H,W]) and its number in the set → rgb.
Colouring = Callable[[Tensor, Tensor, int], Tensor]

#: Columns of the table: key of the figures, heading.
COLUMNS = (
    ("auc_rebalanced", "AuC rebal."),
    ("auc", "AuC"),
    ("psnr", "PSNR dB"),
    ("delta_e", "ΔE2000"),
    ("accuracy_2", "within 2 %"),
    ("accuracy_5", "within 5 %"),
    ("colorfulness", "colourful"),
    ("colorfulness_difference", "Δ colourful"),
)
#: Columns for what is not always measured, or has no value for grey.
MORE_COLUMNS = (
    ("frequent", "10 colours' share"),
    ("frechet", "Fréchet"),
    ("top1", "same class"),
)
#: What the columns hold for the originals themselves; a text is the key of their figure.
_ORIGINALS: dict[str, float | str] = {
    "auc_rebalanced": 100,
    "auc": 100,
    "delta_e": 0,
    "accuracy_2": 100,
    "accuracy_5": 100,
    "colorfulness": "true_colorfulness",
    "colorfulness_difference": 0,
    "frequent": "true_frequent",
    "frechet": 0,
    "top1": 100,
}


def photo_tensor(photos: PhotoSet, index: int) -> Tensor:
    """Return one photo of a set as rgb [1,3,H,W] 0..1."""
    return torch.from_numpy(np.array(photos.load(index))).permute(2, 0, 1)[None].float() / 255


def grey(rgb: Tensor) -> Tensor:
    """Return the picture without its colours, lightness kept."""
    return merge(rgb, torch.zeros(1, 2, 1, 1))


def colour_grey(given: Tensor, truth: Tensor, index: int) -> Tensor:
    """Leave a photo grey."""
    return given


def colour_by_itself(colorizer: Colorizer, settings: ColorizeSettings | None = None) -> Colouring:
    """Return the colouring by a colorizer that sees the lightness alone."""
    return lambda given, truth, index: colorize(given, colorizer, settings).rgb


def measure(
    photos: PhotoSet, colouring: Colouring, *, limit: int | None = None, classify: Classify | None = None
) -> dict[str, float]:
    """Return the figures of a colouring on the first ``limit`` photos, which keep their own size.

    With ``classify`` also those of recognition, for which it takes two photos at least.
    """
    scores = PhotoScores()
    recognition = None if classify is None else RecognitionScores(classify)
    for i in range(min(len(photos), limit or len(photos))):
        truth = photo_tensor(photos, i)
        coloured = colouring(grey(truth), truth, i)
        scores.add(coloured, truth)
        if recognition is not None:
            recognition.add(coloured, truth)
    return {**scores.figures(), **({} if recognition is None else recognition.figures())}


def score(
    photos: PhotoSet,
    colorizer: Colorizer | None,
    settings: ColorizeSettings | None = None,
    *,
    limit: int | None = None,
) -> dict[str, float]:
    """Return the figures of a colorizer on the first ``limit`` photos; without one, those of grey."""
    return measure(
        photos, colour_grey if colorizer is None else colour_by_itself(colorizer, settings), limit=limit
    )


def table(rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Write figures as a Markdown table, with the originals' own as its last row.

    A column that no row has a figure for is left out.
    """
    columns = [column for column in COLUMNS + MORE_COLUMNS if any(column[0] in row for _, row in rows)]
    lines = [
        "| | " + " | ".join(heading for _, heading in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for name, figures in rows:
        lines.append(f"| {name} | " + " | ".join(_cell(figures.get(key)) for key, _ in columns) + " |")
    if rows:
        own = [_ORIGINALS.get(key) for key, _ in columns]
        values = [rows[0][1].get(value) if isinstance(value, str) else value for value in own]
        lines.append("| originals | " + " | ".join(map(_cell, values)) + " |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.2f}"


def main(argv: list[str] | None = None) -> int:
    """Print the tables of grey and of the models asked for."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks quality", description=__doc__)
    parser.add_argument("--photos", nargs="+", type=Path, help="tars or folders of colour photos")
    parser.add_argument("--clips", nargs="+", type=Path, help="colour clips")
    parser.add_argument("--model", nargs="*", default=["embedded"], help="models to score (default embedded)")
    parser.add_argument("--size", type=int, nargs="*", default=[], help="working sizes to try")
    parser.add_argument("--temperature", type=float, nargs="*", default=[], help="temperatures to try")
    parser.add_argument("--limit", type=int, help="only the first photos, the first frames")
    parser.add_argument(
        "--no-classifier", action="store_true", help="leave out Fréchet distance and class: no EfficientNet"
    )
    parser.add_argument(
        "--hints",
        nargs="*",
        type=int,
        metavar="COUNT",
        help=f"PSNR with so many true hints (default {' '.join(map(str, HINT_COUNTS))})",
    )
    parser.add_argument(
        "--conditions", action="store_true", help="PSNR with references, ΔE to palettes that are asked for"
    )
    parser.add_argument(
        "--categories", type=Path, help="CSV with the columns file and category: what the photos show"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the hints' places, the references, the palettes"
    )
    options = parser.parse_args(argv)
    if not options.photos and not options.clips:
        parser.error("nothing to measure: give --photos, --clips or both")
    if (options.hints is not None or options.conditions) and not options.photos:
        parser.error("--hints and --conditions are for photos: add --photos")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit must be at least 1, got {options.limit}")
    if options.clips and options.limit is not None and options.limit <= max(CDC_LAGS):
        parser.error(f"clips are measured from {max(CDC_LAGS) + 1} frames up: raise --limit {options.limit}")
    models = [
        (_name(colorizer, settings), colorizer, settings)
        for colorizer in map(load_colorizer, options.model)
        for settings in _settings(options.size, options.temperature)
    ]
    if options.photos:
        categories = read_categories(options.categories) if options.categories else None
        photos = PhotoSet(options.photos, categories=categories)
        run = partial(measure, photos, limit=options.limit)
        try:
            classify = None if options.no_classifier else load_classifier()
        except ModuleNotFoundError as error:
            parser.error(f"{error}; or leave these measures out with --no-classifier")
        rows = [("grey", run(colour_grey, classify=classify))]
        for name, colorizer, settings in models:
            rows.append((name, run(colour_by_itself(colorizer, settings), classify=classify)))
        _say(f"{min(len(photos), options.limit or len(photos))} photos\n\n{table(rows)}\n")
        if options.hints is not None:
            counts = options.hints or HINT_COUNTS
            by_hints = [
                (name, [run(colour_by_hints(colorizer, settings, n, options.seed))["psnr"] for n in counts])
                for name, colorizer, settings in models
            ]
            _say(f"\nPSNR in dB with true hints at random points\n\n{hint_table(counts, by_hints)}\n")
        if options.conditions:
            by_conditions = [
                (
                    name,
                    measure_conditions(photos, colorizer, settings, limit=options.limit, seed=options.seed),
                )
                for name, colorizer, settings in models
            ]
            _say(f"\n{condition_table(by_conditions)}\n")
    if options.clips:
        _say(f"\n{clip_table(score_clips(options.clips, models, limit=options.limit))}\n")
    return 0


def measure_conditions(
    photos: PhotoSet,
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Return PSNR without conditions, after a warped copy, after another photo; and how palettes are met.

    References as colour vectors, and matched place by place.
    """
    itself, another = itself_warped(seed), of_another_category(photos, photo_tensor, seed)
    colourings = {
        "automatic": colour_by_itself(colorizer, settings),
        "itself": colour_by_vector(itself, colorizer, settings),
        "another": colour_by_vector(another, colorizer, settings),
        "exemplar_itself": colour_by_exemplar(itself, colorizer, settings),
        "exemplar_another": colour_by_exemplar(another, colorizer, settings),
    }
    figures = {
        name: measure(photos, colouring, limit=limit)["psnr"] for name, colouring in colourings.items()
    }
    palettes = measure_palettes(photos, photo_tensor, grey, colorizer, settings, limit=limit, seed=seed)
    return figures | palettes


def condition_table(rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Write what conditions are worth as a Markdown table."""
    headings = {
        "automatic": "PSNR automatic",
        "itself": "colour vector: itself, warped",
        "another": "another category",
        "exemplar_itself": "matched: itself, warped",
        "exemplar_another": "another category ",
        "asked_got": "palette: ΔE asked/got",
        "asked_automatic": "asked/automatic",
        "apart": "two palettes apart",
    }
    lines = ["| | " + " | ".join(headings.values()) + " |", "| --- |" + " ---: |" * len(headings)]
    lines += [f"| {name} | " + " | ".join(_cell(row[key]) for key in headings) + " |" for name, row in rows]
    return "\n".join(lines)


def _settings(sizes: Sequence[int], temperatures: Sequence[float]) -> list[ColorizeSettings]:
    return [
        ColorizeSettings(size=size, temperature=temperature)
        for size in sizes or [None]
        for temperature in temperatures or [None]
    ]


def _name(colorizer: Colorizer, settings: ColorizeSettings) -> str:
    name = colorizer.spec.title
    name += f", {settings.size} px" if settings.size else ""
    return name + (f", T {settings.temperature}" if settings.temperature else "")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
