"""`chrominance palette`: the colours of pictures and clips."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .screen import FAILED, USAGE, CommandError, Screen, within

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipelines.jobs import Job
    from ..pipelines.palette import Palette

_Commands = argparse._SubParsersAction

HELP = """\
All inputs give one palette together; --each gives one for each, and OUT is then a folder. stdout gets a line
for each colour: its hex and its share in percent.

--json OUT: {"colors": [{"hex": "#c04030", "lab": [45.1, 51.0, 35.8], "weight": 0.31, "locked": false, ...}]},
exact; - writes it to stdout. --save OUT: by the ending .gpl (GIMP, Krita, Inkscape), .ase (Adobe), .css,
.hex, .txt, .json.

exit codes: 0 all done, 1 something failed (each file is named), 2 wrong usage, 130 interrupted"""


def add_palette(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Describe `chrominance palette`."""
    parser = commands.add_parser(
        "palette",
        help="take the palette of pictures and clips",
        description="Take the palette of pictures, folders of them and clips.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="pictures, videos, folders of them, or patterns (*.png)")
    add("-k", "--colors", type=_count, default=6, metavar="N", help="2 to 16 (default 6), or auto")
    add("--json", metavar="OUT", help="write the palette as JSON; - is stdout")
    add("--save", metavar="OUT", help="write the palette in the format of its ending")
    formats = ("gpl", "ase", "css", "hex", "txt", "json")
    add("--format", choices=formats, default="gpl", help="what --save writes with --each (default gpl)")
    add("--swatches", metavar="OUT", help="write a picture of the colours")
    add("--each", action="store_true", help="one palette for each input, not one for all")
    add("--sort", choices=("share", "lightness", "chroma", "hue"), default="share", help="default share")
    add("--mask", type=Path, metavar="FILE", help="a picture of the same size, white where to look")
    add("--clip", action="store_true", help="take each folder as the frames of one clip")
    add("--seed", type=within(int, 0, 2**63 - 1), default=0, metavar="S", help="of the samples (default 0)")
    add("-q", "--quiet", action="store_true", help="say nothing but errors, and what goes to stdout")
    parser.set_defaults(run=run_palette)


def run_palette(arguments: argparse.Namespace) -> int:
    """Do `chrominance palette`."""
    from ..pipelines.batch import FAILURES
    from ..pipelines.jobs import find_inputs
    from ..pipelines.palette_files import FORMATS
    from ..pipelines.samples import one_line

    suffix = Path(arguments.save).suffix.lower() if arguments.save else ""
    if arguments.save and not arguments.each and suffix not in FORMATS:
        raise CommandError(f"--save must end in one of {', '.join(FORMATS)}, got {arguments.save}", USAGE)
    if arguments.json == "-" and arguments.each:
        raise CommandError("--json - is one palette: leave --each out, or name a folder", USAGE)
    mask = _load_mask(arguments.mask)
    try:
        jobs, problems = find_inputs(arguments.inputs, clip=arguments.clip)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    failed = list(problems)
    with Screen(len(jobs), quiet=arguments.quiet, done="looked at") as screen:
        for problem in problems:
            screen.error(problem)
        together = [jobs] if jobs else []
        for group in [[job] for job in jobs] if arguments.each else together:
            try:
                palette = _extract(group, arguments, mask, screen)
                _write(palette, arguments, group[0].source if arguments.each else None)
            except FAILURES as error:
                failed.append(one_line(error))
                screen.error(failed[-1])
    return FAILED if failed else 0


def read_palette(text: str) -> tuple[Palette, list[Path]]:
    """Read a palette from a file or from colours separated by commas; return the file too, if it is one.

    Raises PaletteError for what is neither.
    """
    from ..pipelines.palette import Palette, PaletteError
    from ..pipelines.palette_files import load_palette

    path = Path(text).expanduser()
    if path.is_file():
        return load_palette(path), [path]
    if path.suffix and not text.startswith("#") and "," not in text:
        raise PaletteError(f"{path}: no such file")
    return Palette.from_hex([one for one in text.split(",") if one.strip()]), []


def _count(text: str) -> int | None:
    """Read the number of colours; None is auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 2 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"must be 2 to 16, or auto, got {text}")
    return int(text)


def _load_mask(path: Path | None) -> Tensor | None:
    from ..pipelines.change_jobs import load_mask
    from ..pipelines.samples import PictureError

    try:
        return None if path is None else load_mask(path)
    except PictureError as error:
        raise CommandError(str(error)) from error


def _extract(
    jobs: Sequence[Job], arguments: argparse.Namespace, mask: Tensor | None, screen: Screen
) -> Palette:
    """Take one palette of all jobs."""
    from ..pipelines.change_jobs import check_mask, look_at
    from ..pipelines.clip_sample import SAMPLED_FRAMES
    from ..pipelines.palette_edit import sorted_palette
    from ..pipelines.palette_extract import Sampler

    frames = sum(1 if job.kind == "picture" else SAMPLED_FRAMES for job in jobs)
    sampler = Sampler(arguments.seed, frames)
    for job in jobs:
        for rgb in look_at(job):
            check_mask(job.source, rgb, mask)
            sampler.add(rgb, None if mask is None else mask[0, 0])
        screen.files.update(1)
    palette = sampler.palette(arguments.colors)
    return palette if arguments.sort == "share" else sorted_palette(palette, arguments.sort)


def _write(palette: Palette, arguments: argparse.Namespace, source: Path | None) -> None:
    """Write a palette to wherever the user wants it; ``source``: the input, where each has its own."""
    from ..pipelines.palette_files import save_palette, write_json
    from ..pipelines.palette_picture import swatch_picture
    from ..pipelines.pictures import Picture, save_picture

    def place(given: str, ending: str) -> Path:
        path = Path(given)
        if source is None:
            return path
        path.mkdir(parents=True, exist_ok=True)
        return path / f"{source.name}{ending}"

    if arguments.json == "-":
        sys.stdout.write(palette.to_json() + "\n")
    elif arguments.json:
        write_json(place(arguments.json, ".json"), palette)
    if arguments.save:
        save_palette(place(arguments.save, f".{arguments.format}"), palette)
    if arguments.swatches:
        save_picture(place(arguments.swatches, ".png"), Picture(swatch_picture(palette)))
    if arguments.json != "-":
        if source is not None:
            print(f"{source}:")
        for one, share in zip(palette.swatches, palette.weights.tolist(), strict=True):
            print(f"{one.hex} {share * 100:5.1f} %")
