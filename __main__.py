"""The command line: arguments to pipelines."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from . import __version__

if TYPE_CHECKING:
    from .models.contract import Colorizer
    from .pipelines.batch import Outcome
    from .pipelines.colorize import ColorizeSettings
    from .pipelines.jobs import Job, Plan
    from .pipelines.variants import VariantSettings

FAILED, USAGE, INTERRUPTED = 1, 2, 130

DTYPES = ("float32", "float16", "bfloat16")
CODECS = ("h264", "h265", "ffv1", "prores")

COLORIZE_HELP = """\
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

exit codes: 0 all done, 1 something failed (each file is named), 2 wrong usage, 130 interrupted"""


class CommandError(Exception):
    """What stops a command, in one line, with its exit code."""

    def __init__(self, message: str, code: int = FAILED):
        super().__init__(message)
        self.code = code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    arguments = build_parser().parse_args(argv)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        return arguments.run(arguments)
    except CommandError as error:
        complain(str(error))
        return error.code
    except KeyboardInterrupt:
        complain("interrupted; finished files are kept, run the same command again to go on")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does: nothing is left to say.
        sys.stdout = None  # pyright: ignore[reportAttributeAccessIssue]
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    parser = argparse.ArgumentParser(
        prog="chrominance", description="Colour for black-and-white pictures and film."
    )
    parser.add_argument("--version", action="version", version=f"chrominance {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_colorize(commands)
    models = commands.add_parser("models", help="list the models that are here, and those that are published")
    models.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="look for checkpoints here too"
    )
    models.set_defaults(run=list_models)
    return parser


def add_colorize(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `chrominance colorize`."""
    parser = commands.add_parser(
        "colorize",
        help="colour pictures and clips",
        description="Colour pictures and clips. Lightness and alpha stay as they are.",
        epilog=COLORIZE_HELP,
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
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, xpu")
    add("--dtype", choices=DTYPES, default="float32", help="the type that the network computes in")
    add(
        "--batch", type=within(int, 1, 1024), default=4, help="frames of a clip that the network sees at once"
    )
    add("--codec", choices=CODECS, help="for video files (default h264); ffv1 is lossless")
    add("--fps", type=within(float, 0.01, 1000), help="frames a second of a --clip folder (default 24)")
    add("--overwrite", action="store_true", help="redo and replace results that are there already")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.set_defaults(run=run_colorize)


def within(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    """Make an argument type: a number from ``least`` to ``most``."""

    def parse(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least:g} to {most:g}, got {text}")
        return value

    parse.__name__ = kind.__name__  # argparse names the type where the text is no number
    return parse


def run_colorize(arguments: argparse.Namespace) -> int:
    """Do `chrominance colorize`."""
    from .models import CheckpointError
    from .pipelines.batch import pass_over, prepare_folder, run_jobs
    from .pipelines.hint_files import warn_without_hints

    settings, variants, plan = plan_colorize(arguments)
    todo, settled = pass_over(plan.jobs, overwrite=arguments.overwrite)
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
            work = run_jobs(
                todo,
                load_model(arguments, settings, variants),
                settings,
                batch=arguments.batch,
                codec=arguments.codec,
                rate=arguments.fps,
                clip_progress=screen.clip,
                variants=variants,
            )
            # Closed at once when interrupted, so that what is being saved is saved whole.
            with closing(work):
                try:
                    for outcome in work:
                        outcomes.append(screen.settle(outcome))
                except CheckpointError as error:
                    raise CommandError(str(error)) from error
    failed = [*plan.problems, *(outcome.message for outcome in outcomes if outcome.status == "failed")]
    screen.summary(outcomes, failed)
    return FAILED if failed else 0


def plan_colorize(
    arguments: argparse.Namespace,
) -> tuple[ColorizeSettings, VariantSettings | None, Plan]:
    """Turn arguments into settings and jobs; raises CommandError for what does not go together."""
    from .pipelines.colorize import ColorizeSettings
    from .pipelines.hint_files import give_hints
    from .pipelines.jobs import plan_jobs
    from .pipelines.variants import VariantSettings

    variants = None
    if arguments.hints_mask and not arguments.hints:
        raise CommandError("--hints-mask is for --hints: give the picture of colours too", USAGE)
    if arguments.hints and arguments.variants is not None:
        raise CommandError("--variants are drawn without --hints: leave one of them out", USAGE)
    if arguments.variants is None and (arguments.seed is not None or arguments.diversity is not None):
        raise CommandError("--seed and --diversity are for --variants: give how many to draw", USAGE)
    try:
        settings = ColorizeSettings(
            strength=arguments.strength,
            saturation=arguments.saturation,
            temperature=arguments.temperature,
            size=arguments.size,
        )
        if arguments.variants is not None:
            variants = VariantSettings(
                count=arguments.variants,
                seed=arguments.seed or 0,
                diversity=1.0 if arguments.diversity is None else arguments.diversity,
            )
        plan = plan_jobs(
            arguments.inputs,
            arguments.output,
            clip=arguments.clip,
            codec=arguments.codec,
            variants=arguments.variants,
        )
        if arguments.hints:
            jobs = give_hints(plan.jobs, plan.folder, arguments.hints, arguments.hints_mask)
            plan = replace(plan, jobs=tuple(jobs))
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    if arguments.codec and plan.jobs and not any(job.kind == "clip" for job in plan.jobs):
        raise CommandError("--codec is for clips, and no input is one", USAGE)
    if arguments.fps and not any(job.source.is_dir() for job in plan.jobs):
        raise CommandError("--fps is for a folder of frames with --clip: a video has its own", USAGE)
    return settings, variants, plan


def load_model(
    arguments: argparse.Namespace, settings: ColorizeSettings, variants: VariantSettings | None
) -> Colorizer:
    """Load the model that the arguments name; raises CommandError where it cannot be used."""
    import torch

    from .models import CheckpointError, load_colorizer
    from .pipelines.variants import check_draws

    device = arguments.device
    if device == "auto":
        backends = (("cuda", torch.cuda), ("xpu", torch.xpu), ("mps", torch.mps))
        device = next((name for name, backend in backends if backend.is_available()), "cpu")
    try:
        colorizer = load_colorizer(arguments.model, device=device, dtype=getattr(torch, arguments.dtype))
        if variants is not None:
            check_draws(colorizer)
    except CheckpointError as error:
        raise CommandError(str(error)) from error
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    if arguments.hints and "local" not in colorizer.spec.conditions:
        raise CommandError(f"{colorizer.spec.title} takes no --hints: choose the embedded network", USAGE)
    if settings.temperature is not None and colorizer.spec.temperature is None:
        raise CommandError(f"{colorizer.spec.title} has no temperature: leave --temperature out", USAGE)
    return colorizer


class Screen:
    """What the user sees while work is done: errors and warnings, and bars where stderr is a terminal.

    ``total``: how many files there are. ``quiet``: no bars, no warnings, no summary.
    """

    def __init__(self, total: int, *, quiet: bool):
        self.quiet = quiet
        self.bars = not quiet and sys.stderr.isatty()
        self.files = tqdm(total=total, unit="file", disable=not self.bars or total < 2, file=sys.stderr)
        self.frames: tqdm | None = None
        self.handler = ScreenHandler(logging.WARNING)

    def __enter__(self) -> Screen:
        if not self.quiet:
            logging.getLogger(__package__).addHandler(self.handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(__package__).removeHandler(self.handler)
        self.end_clip()
        self.files.close()

    def clip(self, job: Job, frames: int | None) -> Callable[[int], object]:
        """Open a bar for a clip; return what takes the number of frames done."""
        self.end_clip()
        self.frames = tqdm(
            total=frames,
            unit="frame",
            desc=job.source.name,
            disable=not self.bars,
            leave=False,
            file=sys.stderr,
        )
        return self.frames.update

    def end_clip(self) -> None:
        """Take the bar of a clip away."""
        if self.frames is not None:
            self.frames.close()
            self.frames = None

    def settle(self, outcome: Outcome) -> Outcome:
        """Show what became of one file; return it."""
        self.end_clip()
        self.files.update(1)
        if outcome.status == "failed":
            self.error(outcome.message)
        return outcome

    def error(self, message: str) -> None:
        """Show an error above the bars."""
        tqdm.write(f"chrominance: error: {message}", file=sys.stderr)

    def summary(self, outcomes: Sequence[Outcome], failed: Sequence[str]) -> None:
        """Close with how many were done, and once more with those that failed."""
        done, skipped = (
            sum(outcome.status == status for outcome in outcomes) for status in ("done", "skipped")
        )
        if len(failed) > 1:
            print(f"chrominance: error: {len(failed)} failed:", file=sys.stderr)
            for message in failed:
                print(f"  {message}", file=sys.stderr)
        if not self.quiet and (done or skipped):
            there = f", {skipped} there already (--overwrite redoes them)" if skipped else ""
            print(f"chrominance: {done} coloured{there}{where(outcomes)}", file=sys.stderr)


def where(outcomes: Sequence[Outcome]) -> str:
    """Name the new files where they are few, else the folder that holds them all."""
    targets = [str(outcome.job.target) for outcome in outcomes if outcome.status == "done"]
    if not targets:
        return ""
    return ": " + (", ".join(targets) if len(targets) <= 3 else f"in {os.path.commonpath(targets)}")


class ScreenHandler(logging.Handler):
    """Shows the library's warnings above the bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one."""
        tqdm.write(f"chrominance: {record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


def list_models(arguments: argparse.Namespace) -> int:
    """Do `chrominance models`."""
    from .models.listing import models_table

    for line in models_table(arguments.folders):
        print(line)
    return 0


def complain(message: str) -> None:
    """Say on stderr what went wrong, in one line."""
    print(f"chrominance: error: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
