"""`chrominance colorize`: pictures and clips in colour."""

from __future__ import annotations

import argparse
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from .colorize_plan import (
    frame_range,
    given_palette,
    load_guide,
    load_model,
    load_way,
    open_cluster,
    palette_conditions,
    plan_colorize,
    read_cuts,
    work_key,
)
from .screen import CODECS, DTYPES, FAILED, CommandError, Screen, choose_device, within

if TYPE_CHECKING:
    from ..pipelines.batch import Outcome

HELP = """\
OUTPUT is a file for one picture or clip, and its ending decides the format (.png, .jpg, .tif, .webp, .bmp;
.mp4, .mkv, .mov); otherwise a folder, where names and sub-folders are kept. A result that is there already
and no older than its input is passed over; an older file is never replaced without --overwrite. 16-bit PNG
and TIFF stay at 16 bits; --codec ffv1 and folders of frames are lossless.

--variants 4 draws four plausible versions of each picture, NAME-1.png to NAME-4.png; where OUTPUT is a file,
NAME is its name. The same seed draws the same; a larger number of variants keeps the first ones.

--hints FILE says which colours are where: lines x,y,#rrggbb or x,y,#rrggbb,radius in pixels from the upper
left (.csv, .txt); JSON, {"unit": "fraction", "points": [{"x": 0.5, "y": 0.2, "color": "#c04030"}]}; or a
picture drawn on a copy of the photo, opaque, or white in --hints-mask, where its colour is meant. A hint is
exact where it is, as far as sRGB has it at that lightness, and spreads over what belongs to it. Where FILE is
a folder, each picture takes the file of its own name.

--reference FILE... gives colour pictures to take the colours from: what is like a place in any of them gets
its colours, the rest is coloured automatically. For a clip, N:FILE says that FILE is its frame N (from 0),
coloured: its colours follow the motion, forward and back, up to the next cut (needs OpenCV, any package).

A clip is made in parts: stopped at any moment, the same command goes on where it was. --frames A-B makes
these frames of a finished clip anew, with the settings given then, and leaves the others as they are.

exit codes: 0 all done, 1 something failed (each file is named), 2 wrong usage, 130 interrupted"""


def add_colorize(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `chrominance colorize`."""
    parser = commands.add_parser(
        "colorize",
        help="colour pictures and clips",
        description="Colour pictures and clips. Lightness and alpha stay as they are.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="pictures, videos, folders of them, or patterns (*.png)")
    add("-o", "--output", required=True, type=Path, metavar="OUTPUT", help="file or folder for the results")
    add("--clip", action="store_true", help="take each folder as the frames of one clip; write a clip whose "
        "OUTPUT is a folder as frames")  # fmt: skip
    add("--model", default="embedded", help="embedded (default), a checkpoint, or a name from `models`")
    add("--strength", type=float, default=1.0, help="0 (as it is) to 1 (new colours; default)")
    add("--saturation", type=float, default=1.0, help="factor on the new colours, 0 to 4 (default 1)")
    add("--temperature", type=within(float, 0.01, 10), help="lower: bolder colours; higher: calmer")
    add("--size", type=within(int, 16, 4096), help="working size of the network, shorter side in pixels")
    add("--variants", type=within(int, 1, 64), metavar="N", help="draw N different versions of each picture")
    add("--seed", type=within(int, 0, 2**64 - 1), metavar="S", help="of --variants: which ones (default 0)")
    add("--diversity", type=within(float, 0.01, 2), help="of --variants: lower: likelier colours; higher: "
        "rarer ones (default 1)")  # fmt: skip
    add("--hints", type=Path, metavar="FILE", help="known colours: points, or a picture of colours")
    add("--hints-mask", type=Path, metavar="MASK", help="white where a picture of --hints is meant; without "
        "it, where that is opaque")  # fmt: skip
    add("--reference", nargs="+", action="extend", metavar="[N:]FILE", help="colour pictures to take colours "
        "from; with N, frame N of a clip, coloured")  # fmt: skip
    add("--features", metavar="MODEL", help="what --reference is compared by: embedded (default), a VGG19, "
        "or one of the embedded network")  # fmt: skip
    add("--trust", type=within(float, 0, 1), help="how far to follow a --reference that is not much alike: 0 "
        "not at all, 0.5 where it is likely right (default), 1 always")  # fmt: skip
    add("--warp", action="store_true", help="of pictures: what --reference alone says, with how sure that is "
        "as alpha")  # fmt: skip
    add("--stabilize", action=argparse.BooleanOptionalAction, default=False, help="of clips: average colours "
        "along the motion, within shots: no flicker (needs OpenCV, any package)")  # fmt: skip
    add("--shots", type=Path, metavar="FILE", help="of --stabilize: where shots begin, as `chrominance "
        "shots` writes it, beside the cuts that are seen anyway")  # fmt: skip
    add("--frames", type=frame_range, metavar="A-B", help="of one finished clip, colour frames A to B anew "
        "(from 0, B among them) and leave the others as they are")  # fmt: skip
    add("--palette", metavar="PALETTE", help="colour towards these colours, a clip all through: a palette "
        "file, or #rrggbb with commas between")  # fmt: skip
    add("--as-published", action="store_true", help="do exactly what the authors of --model do, faults "
        "included; only --size and one --reference go with it")  # fmt: skip
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, xpu")
    add("--dtype", choices=DTYPES, default="float32", help="the type that the network computes in")
    add("--batch", type=within(int, 1, 1024), help="frames of a clip that the network sees at once (default: "
        "1 on a processor, 4 elsewhere)")  # fmt: skip
    add("--threads", type=within(int, 1, 1024), help="of the processor, for the network (default: all cores)")
    add("--ray", metavar="ADDRESS", help="spread the shots of clips over a Ray cluster: local for this "
        "machine, auto, or HOST:PORT; a worker takes --threads cores")  # fmt: skip
    add("--workers", type=within(int, 1, 4096), help="of --ray: at once at most (default: all there is room "
        "for)")  # fmt: skip
    add("--codec", choices=CODECS, help="for video files (default h264); ffv1 is lossless")
    add("--fps", type=within(float, 0.01, 1000), help="frames a second of a --clip folder (default 24)")
    add("--overwrite", action="store_true", help="redo and replace results that are there already")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.set_defaults(run=run_colorize)


def run_colorize(arguments: argparse.Namespace) -> int:
    """Do `chrominance colorize`."""
    import torch

    from ..models import CheckpointError
    from ..pipelines.batch import pass_over, prepare_folder, run_jobs
    from ..pipelines.clip_jobs import Film
    from ..pipelines.hint_files import warn_without_hints

    settings, variants, references, plan = plan_colorize(arguments)
    if arguments.batch is None:
        arguments.batch = 1 if choose_device(arguments.device) == "cpu" else 4
    film = Film(float(arguments.stabilize), read_cuts(arguments.shots), arguments.frames)
    palette = given_palette(arguments)
    todo, settled = pass_over(plan.jobs, overwrite=arguments.overwrite or arguments.frames is not None)
    outcomes: list[Outcome] = []
    with Screen(len(plan.jobs), quiet=arguments.quiet) as screen:
        for problem in plan.problems:
            screen.error(problem)
        for outcome in settled:
            outcomes.append(screen.settle(outcome))
        if todo:
            try:
                prepare_folder(plan.folder)
            except OSError as error:
                raise CommandError(str(error)) from error
            if arguments.hints:
                warn_without_hints(todo, arguments.hints)
            if arguments.threads:
                torch.set_num_threads(arguments.threads)
            colorizer = load_model(arguments, settings, variants)
            cluster = open_cluster(arguments, settings, film, palette) if arguments.ray else None
            guided = bool(references) and not settings.as_published
            work = run_jobs(
                todo,
                colorizer,
                settings,
                batch=arguments.batch,
                codec=arguments.codec,
                rate=arguments.fps,
                clip_progress=screen.clip,
                variants=variants,
                guide=load_guide(arguments, references, colorizer) if guided else None,
                frames=[one.frame for one in references],
                warp_only=arguments.warp,
                film=film,
                key=work_key(arguments, references, palette),
                conditions=palette_conditions(palette, colorizer),
                published=load_way(arguments, references, colorizer) if settings.as_published else None,
                spread=cluster,
            )
            # Closed at once when interrupted, so that what is being saved is saved whole.
            with closing(work), cluster or nullcontext():
                try:
                    for outcome in work:
                        outcomes.append(screen.settle(outcome))
                except CheckpointError as error:
                    raise CommandError(str(error)) from error
    failed = [*plan.problems, *(outcome.message for outcome in outcomes if outcome.status == "failed")]
    screen.summary(outcomes, failed)
    return FAILED if failed else 0
