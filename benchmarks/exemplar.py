"""Clips coloured from their first true frame, beside grey, automatic colour and simpler ways.

``python -m chrominance.benchmarks exemplar --clips FILE…`` prints each clip's mean PSNR, frames 2 to last, of
grey; of each frame by itself; of the first frame's chroma carried from frame to frame along OpenCV's DIS
flow; of the same warped to each frame by what is alike; of ours, which is all that with the network, from the
first frame, and from first and last; and of ours from the first frame of the clip before, which shows
something else. Clips with cuts stand apart: one reference for each shot is given too, in no order, and it is
counted how many frames take their own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from ..models import Colorizer, load_colorizer
from ..pipelines.colorize import ColorizeSettings
from ..pipelines.exemplar import Guide, warp
from ..pipelines.keyframes import ClipColorizer
from ..pipelines.merge import merge
from ..pipelines.metrics import psnr, to_8_bits
from ..pipelines.optical_flow import Flow, fetch, make_flow, to_grey, to_motion
from ..pipelines.reference_files import extractor_of
from ..pipelines.references import References
from ..pipelines.video import Frame, VideoInfo, colorize_frames, open_reader

#: From a clip's grey frames to coloured ones.
Way = Callable[[Iterator[Frame], VideoInfo], Iterator[Frame]]

#: Columns of the table, in order: key, heading.
COLUMNS = (
    ("grey", "grey"),
    ("automatic", "automatic"),
    ("carried", "carried by flow"),
    ("warped", "warped alone"),
    ("ours", "ours"),
    ("both_ends", "ours, first and last"),
    ("unrelated", "ours, unrelated reference"),
)


@dataclass(frozen=True)
class ClipRow:
    """Mean PSNR in dB by way, and the frames at which ours saw cuts.

    With one reference for each shot, ``shots``: PSNR; ``own``: percentage of frames that take most from their
    own shot's. None for a clip without cuts.
    """

    name: str
    psnr: dict[str, float]
    cuts: tuple[int, ...] = ()
    own: float | None = None
    shots: float | None = None


def grey_frames(clip: Path, limit: int | None = None) -> Iterator[Frame]:
    """Give a clip's frames without their colours."""
    with open_reader(clip, sound=False) as reader:
        for frame in reader:
            if limit is not None and frame.index >= limit:
                return
            yield replace(frame, rgb=merge(frame.rgb[None], torch.zeros(1, 2, 1, 1))[0])


def true_frames(clip: Path, limit: int | None = None) -> Iterator[Frame]:
    """Give a clip's frames as they are."""
    with open_reader(clip, sound=False) as reader:
        for frame in reader:
            if limit is not None and frame.index >= limit:
                return
            yield frame


def mean_psnr(clip: Path, way: Way, limit: int | None = None) -> float:
    """Return the mean PSNR in dB, RGB of 8 bits, of frames 2 to last after ``way``, which sees grey alone."""
    with open_reader(clip, sound=False) as reader:
        info = reader.info
    coloured, originals = way(grey_frames(clip, limit), info), true_frames(clip, limit)
    found = [
        float(psnr(to_8_bits(frame.rgb)[None], true.rgb[None]))
        for frame, true in zip(coloured, originals, strict=True)
        if true.index
    ]
    return statistics.fmean(found)


def carried_by_flow(first: Tensor, flow: Flow) -> Way:
    """Carry the chroma of rgb [3,H,W] from frame to frame along a flow: no correction, no fallback."""

    def way(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        ab = rgb_to_lab(first[None])[:, 1:]
        before = None
        for frame in frames:
            grey = to_grey(rgb_to_lightness(frame.rgb[None]))
            if before is not None:
                ab = fetch(ab, to_motion(flow(grey, before)))[0]
            before = grey
            yield replace(frame, rgb=merge(frame.rgb[None], ab)[0])

    return way


def warped_alone(references: References) -> Way:
    """Put the warped chroma under each frame, whatever its confidence."""

    def way(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        for frame in frames:
            warped = warp(rgb_to_lightness(frame.rgb[None]), references)
            yield replace(frame, rgb=merge(frame.rgb[None], warped.ab)[0])

    return way


def measure_clip(clip: Path, other: Path, colorizer: Colorizer, limit: int | None = None) -> ClipRow:
    """Measure every way on one clip; ``other``: the clip whose first frame is the unrelated reference."""
    originals = list(true_frames(clip, limit))
    first, last = originals[0].rgb, originals[-1].rgb
    end = originals[-1].index
    unrelated = next(true_frames(other)).rgb

    def ours(pictures: Sequence[Tensor], numbers: Sequence[int | None]) -> ClipColorizer:
        guide = Guide(colorizer, References(pictures, extractor_of(colorizer)))
        return ClipColorizer(guide, numbers, open_again=lambda: grey_frames(clip, limit))

    by_first = ours([first], [0])
    ways: dict[str, Way] = {
        "grey": lambda frames, info: frames,
        "automatic": lambda frames, info: colorize_frames(frames, colorizer, ColorizeSettings()),
        "carried": carried_by_flow(first, make_flow()),
        "warped": warped_alone(References([first], extractor_of(colorizer))),
        "ours": by_first,
        "both_ends": ours([first, last], [0, end]),
        "unrelated": ours([unrelated], [None]),
    }
    figures = {name: mean_psnr(clip, way, limit) for name, way in ways.items()}
    cuts = tuple(by_first.cuts)
    if not cuts:
        return ClipRow(clip.stem, figures)
    starts = (0, *cuts)
    shuffled = [*starts[1::2], *starts[::2]]
    by_shot = ours([originals[start].rgb for start in shuffled], [None] * len(starts))
    takes: list[bool] = []

    def watched(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        for frame in by_shot(frames, info):
            takes.append(shuffled[by_shot.best] == max(start for start in starts if start <= frame.index))
            yield frame

    score = mean_psnr(clip, watched, limit)
    own = 100 * statistics.fmean(takes)
    return ClipRow(clip.stem, figures, cuts, own, score)


def promised(rows: Sequence[ClipRow]) -> Iterator[tuple[str, float, float]]:
    """Give what was promised: name, value in dB or percent, and the least that it must be."""
    whole = [row.psnr for row in rows if not row.cuts]
    every = [row.psnr for row in rows]
    cut = [row.own for row in rows if row.own is not None]
    if whole:
        gains = [one["ours"] - one["carried"] for one in whole]
        yield "ours above carried by flow, mean, dB", statistics.fmean(gains), 2.5
        worst = min(one["ours"] - max(one["carried"], one["automatic"]) for one in whole)
        yield "ours above the better of carried and automatic, any clip, dB", worst, -0.3
        more = [one["both_ends"] - one["ours"] for one in whole]
        yield "first and last above first alone, mean, dB", statistics.fmean(more), 0.0
    if every:
        worst = min(one["unrelated"] - one["automatic"] for one in every)
        yield "with an unrelated reference above automatic, any clip, dB", worst, -0.5
    if cut:
        yield "frames that take their own shot's reference, any clip, %", min(cut), 95.0


def table(rows: Sequence[ClipRow]) -> str:
    """Write PSNR as Markdown: clips without cuts and their mean, then those with cuts."""
    lines = [
        "| clip | " + " | ".join(heading for _, heading in COLUMNS) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]

    def add(name: str, figures: dict[str, float]) -> None:
        lines.append(f"| {name} | " + " | ".join(f"{figures[key]:.2f}" for key, _ in COLUMNS) + " |")

    whole = [row for row in rows if not row.cuts]
    for row in whole:
        add(row.name, row.psnr)
    if whole:
        add("**mean**", {key: statistics.fmean(row.psnr[key] for row in whole) for key, _ in COLUMNS})
    for row in rows:
        if row.cuts:
            add(f"{row.name}, cuts at {', '.join(map(str, row.cuts))}", row.psnr)
    for row in rows:
        if row.cuts:
            lines.append(
                f"\n{row.name}: one reference for each of {len(row.cuts) + 1} shots, in no order: "
                f"{row.shots:.2f} dB; {row.own:.0f} % of the frames take most from their own shot's"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks exemplar", description=__doc__)
    parser.add_argument("--clips", nargs="+", type=Path, required=True, metavar="FILE", help="at least two")
    parser.add_argument("--model", default="embedded", help="as in `chrominance colorize`")
    parser.add_argument("--limit", type=int, metavar="N", help="frames of each clip")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    arguments = parser.parse_args(argv)
    if len(arguments.clips) < 2:
        parser.error("two clips at least: each lends the next its unrelated reference")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    colorizer = load_colorizer(arguments.model)
    rows = []
    for number, clip in enumerate(arguments.clips):
        row = measure_clip(clip, arguments.clips[number - 1], colorizer, arguments.limit)
        sys.stderr.write(f"{row}\n")
        rows.append(row)
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
