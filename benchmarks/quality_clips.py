"""How steady and how colourful coloured clips are, beside the originals and grey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ..models import Colorizer
from ..pipelines.colorize import ColorizeSettings
from ..pipelines.merge import merge
from ..pipelines.metrics_video import ClipScores
from ..pipelines.video import Frame, colorize_frames, open_reader

#: From a clip's frames to the coloured ones.
Stage = Callable[[Iterator[Frame]], Iterator[Frame]]

#: Columns of the table: key of the figures, heading, decimals.
CLIP_COLUMNS = (("cdc", "CDC", 6), ("warp_error", "warp error", 4), ("colorfulness", "colourful", 2))


def measure_clip(
    clip: Path, stage: Stage, *, limit: int | None = None, original: bool = False
) -> dict[str, float]:
    """Return the figures of a clip's first ``limit`` frames after ``stage``, which sees no colour.

    ``original``: it sees the true colours. Motion is taken from the original's lightness in any case.
    """
    scores = ClipScores()
    with open_reader(clip, sound=False) as reader, open_reader(clip, sound=False) as guides:
        frames = islice(iter(reader), limit)
        given = frames if original else (_grey(frame) for frame in frames)
        for frame, guide in zip(stage(given), guides, strict=False):
            scores.add(frame.rgb, guide.rgb)
    return scores.figures()


def score_clips(
    clips: Sequence[Path],
    models: Sequence[tuple[str, Colorizer, ColorizeSettings]],
    *,
    limit: int | None = None,
) -> list[tuple[str, dict[str, float]]]:
    """Measure originals, grey and models on each clip; return the means over the clips by name."""
    stages: dict[str, Stage] = {"originals": iter, "grey": iter}
    for name, colorizer, settings in models:
        stages[f"{name}, frame by frame"] = _by_frame(colorizer, settings)
    rows = []
    for name, stage in stages.items():
        figures = [measure_clip(clip, stage, limit=limit, original=name == "originals") for clip in clips]
        means = {key: sum(f[key] for f in figures) / len(figures) for key, _, _ in CLIP_COLUMNS}
        rows.append((name, means))
    return rows


def clip_table(rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Write the figures of clips as a Markdown table; no figure stays empty."""
    lines = [
        "| clips | " + " | ".join(heading for _, heading, _ in CLIP_COLUMNS) + " |",
        "| --- |" + " ---: |" * len(CLIP_COLUMNS),
    ]
    for name, figures in rows:
        cells = [
            "" if figures[key] != figures[key] else f"{figures[key]:.{n}f}" for key, _, n in CLIP_COLUMNS
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by_frame(colorizer: Colorizer, settings: ColorizeSettings) -> Stage:
    return lambda frames: colorize_frames(frames, colorizer, settings)


def _grey(frame: Frame) -> Frame:
    rgb: Tensor = merge(frame.rgb[None], torch.zeros(1, 2, 1, 1))[0]
    return Frame(frame.index, frame.time, rgb)
