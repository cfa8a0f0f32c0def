"""`chrominance colorize`: pictures and clips in colour."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .palette import read_palette
from .screen import CODECS, DTYPES, FAILED, USAGE, CommandError, Screen, choose_device, within

if TYPE_CHECKING:
    from ..models.contract import Colorizer, Conditions
    from ..pipelines.batch import Outcome
    from ..pipelines.colorize import ColorizeSettings
    from ..pipelines.exemplar import Guide
    from ..pipelines.jobs import Plan
    from ..pipelines.palette import Palette
    from ..pipelines.published import Way
    from ..pipelines.reference_files import ReferenceFile
    from ..pipelines.variants import VariantSettings

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
    add("--palette", metavar="PALETTE", help="colour towards these colours, a clip all through: a palette "
        "file, or #rrggbb with commas between")  # fmt: skip
    add("--as-published", action="store_true", help="do exactly what the authors of --model do, faults "
        "included; only --size and one --reference go with it")  # fmt: skip
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


def run_colorize(arguments: argparse.Namespace) -> int:
    """Do `chrominance colorize`."""
    from ..models import CheckpointError
    from ..pipelines.batch import pass_over, prepare_folder, run_jobs
    from ..pipelines.clip_jobs import Film
    from ..pipelines.hint_files import warn_without_hints

    settings, variants, references, plan = plan_colorize(arguments)
    film, palette = Film(float(arguments.stabilize), read_cuts(arguments.shots)), given_palette(arguments)
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
            colorizer = load_model(arguments, settings, variants)
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
                conditions=None if palette is None else told_palette(palette, colorizer),
                published=load_way(arguments, references, colorizer) if settings.as_published else None,
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
) -> tuple[ColorizeSettings, VariantSettings | None, tuple[ReferenceFile, ...], Plan]:
    """Turn arguments into settings, references and jobs; CommandError for what does not go together."""
    from ..pipelines.colorize import ColorizeSettings
    from ..pipelines.hint_files import give_hints
    from ..pipelines.jobs import plan_jobs
    from ..pipelines.reference_files import give_references, parse_references
    from ..pipelines.variants import VariantSettings

    variants, references = None, ()
    if arguments.hints_mask and not arguments.hints:
        raise CommandError("--hints-mask is for --hints: give the picture of colours too", USAGE)
    if arguments.hints and arguments.variants is not None:
        raise CommandError("--variants are drawn without --hints: leave one of them out", USAGE)
    if arguments.reference and (arguments.hints or arguments.variants is not None):
        raise CommandError("--reference goes without --hints and --variants: leave one of them out", USAGE)
    told = (arguments.features is not None, arguments.trust is not None, arguments.warp)
    if not arguments.reference and any(told):
        raise CommandError("--features, --trust and --warp are for --reference: give one too", USAGE)
    # He 2018 as published compares by what --features names.
    if arguments.as_published and (arguments.hints or arguments.variants is not None or any(told[1:])):
        raise CommandError(
            "--as-published goes with --size and --reference alone: leave the others out", USAGE
        )
    if arguments.stabilize and (arguments.as_published or arguments.reference):
        raise CommandError("--stabilize goes without --as-published and --reference: leave it out", USAGE)
    if arguments.shots and not arguments.stabilize:
        raise CommandError("--shots is for --stabilize: give that too", USAGE)
    alone = (arguments.hints, arguments.reference, arguments.variants, arguments.as_published)
    if arguments.palette and any(alone):
        raise CommandError(
            "--palette goes without --hints, --reference, --variants, --as-published: leave one of them out",
            USAGE,
        )
    if arguments.variants is None and (arguments.seed is not None or arguments.diversity is not None):
        raise CommandError("--seed and --diversity are for --variants: give how many to draw", USAGE)
    try:
        settings = ColorizeSettings(
            strength=arguments.strength,
            saturation=arguments.saturation,
            temperature=arguments.temperature,
            size=arguments.size,
            as_published=arguments.as_published,
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
        if arguments.reference:
            references = parse_references(arguments.reference)
            jobs = give_references(plan.jobs, references, warp=arguments.warp)
            plan = replace(plan, jobs=tuple(jobs))
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    if arguments.codec and plan.jobs and not any(job.kind == "clip" for job in plan.jobs):
        raise CommandError("--codec is for clips, and no input is one", USAGE)
    if arguments.stabilize and plan.jobs and not any(job.kind == "clip" for job in plan.jobs):
        raise CommandError("--stabilize is for clips, and no input is one", USAGE)
    if arguments.fps and not any(job.source.is_dir() for job in plan.jobs):
        raise CommandError("--fps is for a folder of frames with --clip: a video has its own", USAGE)
    return settings, variants, references, plan


def load_model(
    arguments: argparse.Namespace, settings: ColorizeSettings, variants: VariantSettings | None
) -> Colorizer:
    """Load the model that the arguments name; raises CommandError where it cannot be used."""
    import torch

    from ..models import CheckpointError, load_colorizer
    from ..pipelines.variants import check_draws

    device = choose_device(arguments.device)
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


def read_cuts(path: Path | None) -> tuple[int, ...]:
    """Read where shots begin; raises CommandError for another file."""
    from ..pipelines.shots import ShotsError, read_shots, starts_of

    try:
        return () if path is None else tuple(starts_of(read_shots(path)))
    except ShotsError as error:
        raise CommandError(str(error), USAGE) from error


def given_palette(arguments: argparse.Namespace) -> Palette | None:
    """Read the palette to colour towards; raises CommandError for what is none."""
    from ..pipelines.palette import PaletteError

    try:
        return read_palette(arguments.palette)[0] if arguments.palette else None
    except PaletteError as error:
        raise CommandError(f"--palette: {error}", USAGE) from error


def told_palette(palette: Palette, colorizer: Colorizer) -> Conditions:
    """Return a palette as what the network is told; raises CommandError where it takes none."""
    from ..models.conditions import Conditions

    try:
        return Conditions(color=colorizer.encode_palette(palette.lab[None], palette.weights[None]))
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error


def work_key(
    arguments: argparse.Namespace, references: Sequence[ReferenceFile], palette: Palette | None
) -> dict[str, Any]:
    """Return what a clip's colours depend on beside its own file and the settings."""
    import torch

    from ..models.checkpoint import stamp
    from ..models.locate import resolve_source

    def of(source: str | Path) -> list[Any]:
        path, changed = stamp(resolve_source(source))
        return [str(path), changed]

    return {
        "model": of(arguments.model),
        "features": of(arguments.features or "embedded") if references else None,
        "trust": arguments.trust,
        "palette": None if palette is None else palette.to_json(),
        "references": [[str(one.path.resolve()), one.path.stat().st_mtime_ns] for one in references],
        "computing": [torch.__version__, arguments.device, arguments.dtype, torch.get_num_threads()],
    }


def load_way(arguments: argparse.Namespace, references: Sequence[ReferenceFile], colorizer: Colorizer) -> Way:
    """Return how the model's authors colour; raises CommandError where they published no such way."""
    from ..models import CheckpointError
    from ..models.he2018 import He2018Colorizer
    from ..pipelines.he2018 import he2018_way
    from ..pipelines.pictures import load_picture
    from ..pipelines.published import published_way
    from ..pipelines.reference_files import extractor_of

    if len(references) > 1 or any(one.frame is not None for one in references):
        raise CommandError("--as-published takes one --reference, bound to no frame", USAGE)
    try:
        pictures = [load_picture(one.path).rgb.float() for one in references]
        if isinstance(colorizer, He2018Colorizer):
            if not pictures:
                raise ValueError(f"{colorizer.spec.title} cannot colour without a --reference: give one")
            extractor = extractor_of(colorizer, arguments.features or "he2018-vgg")
            return he2018_way(colorizer, extractor, pictures[0], size=arguments.size)
        return published_way(colorizer, reference=pictures[0] if pictures else None, size=arguments.size)
    except (CheckpointError, ValueError, OSError) as error:
        raise CommandError(str(error), USAGE) from error


def load_guide(
    arguments: argparse.Namespace, references: Sequence[ReferenceFile], colorizer: Colorizer
) -> Guide:
    """Load the references; raises CommandError for one that cannot be used, or a model that takes none."""
    from ..models import CheckpointError
    from ..pipelines.reference_files import load_references

    try:
        return load_references(
            references,
            colorizer,
            features=arguments.features or "embedded",
            trust=0.5 if arguments.trust is None else arguments.trust,
            size=arguments.size,
        )
    except (CheckpointError, ValueError, OSError) as error:
        raise CommandError(str(error)) from error
