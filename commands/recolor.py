"""`chrominance recolor`, `match` and `lut`: changing the colours of pictures and clips."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .palette import read_palette
from .screen import CODECS, FAILED, USAGE, CommandError, Screen, choose_device, within

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipelines.batch import Outcome
    from ..pipelines.change_jobs import Plan as ChangePlan
    from ..pipelines.color_map import ColorMap
    from ..pipelines.jobs import Job, Plan

_Commands = argparse._SubParsersAction
_NEURAL = "neural"

RECOLOR_HELP = """\
PALETTE is a file, JSON as `chrominance palette` writes it ({"colors": [{"hex": "#c04030", "locked": true},
...]}), .gpl, .ase or .css, or colours separated by commas: '#c04030,#204060'. Those of --to stand in for
those of --from one by one; a colour that is locked in either stays, and so does what belongs to it. Without
--from each picture's own palette is taken, a clip's as one, and paired with --to by optimal transport.

--method neural asks ColorHouse's network, which ships with the package, for --to alone: it decides what gets
which of its colours, so there is no --from, and no LUT that could hold it.

--lightness keep changes hue and chroma alone; transfer lightness too. --mask is a picture of the same size,
white where colours may change. --cube writes the change as a LUT for other programs: with --from, or for one
input.

exit codes: 0 all done, 1 something failed (each file is named), 2 wrong usage, 130 interrupted"""

MATCH_HELP = """\
A match is fitted once to each picture, and once to the whole of a clip, so that it cannot flicker. reinhard:
means and spreads; monge-kantorovich: also how channels go together (default); sliced: the whole distribution;
neural: ColorHouse's network, which sees what the pictures show and takes no --cube.
--lightness keep matches hue and chroma alone; transfer lightness too.

exit codes: 0 all done, 1 something failed (each file is named), 2 wrong usage, 130 interrupted"""

LUT_HELP = """\
A 1D or 3D .cube file; what lies between its nodes is interpolated in tetrahedra. --mask is a picture of the
same size, white where colours may change.

exit codes: 0 all done, 1 something failed (each file is named), 2 wrong usage, 130 interrupted"""


def add_recolor(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Describe `chrominance recolor`."""
    parser = _parser(commands, "recolor", "exchange the colours of a palette", RECOLOR_HELP)
    add = parser.add_argument
    add("--to", required=True, metavar="PALETTE", help="the new colours")
    add(
        "--from",
        dest="source",
        metavar="PALETTE",
        help="those to exchange (default: the picture's own)",
    )
    add(
        "--pairing",
        choices=("order", "transport"),
        default="order",
        help="how the colours of --from find theirs: one by one (default), or by optimal transport",
    )
    add(
        "--method",
        choices=("soft", "chang", _NEURAL),
        default="soft",
        help="soft mixtures (default), Chang 2015, or a network that sees what the picture shows",
    )
    _add_lightness(parser)
    _add_fitted(parser)
    _add_common(parser)
    parser.set_defaults(run=run_recolor)


def add_match(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Describe `chrominance match`."""
    parser = _parser(commands, "match", "bring colours to those of a reference picture", MATCH_HELP)
    parser.add_argument("--to", required=True, type=Path, metavar="REFERENCE", help="a picture")
    parser.add_argument(
        "--method",
        choices=("reinhard", "monge-kantorovich", "sliced", _NEURAL),
        default="monge-kantorovich",
        help="see below",
    )
    _add_lightness(parser)
    _add_fitted(parser)
    _add_common(parser)
    parser.set_defaults(run=run_match)


def add_lut(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Describe `chrominance lut`."""
    parser = _parser(commands, "lut", "apply a .cube look-up table", LUT_HELP)
    parser.add_argument("--cube", required=True, type=Path, metavar="FILE", help="a .cube file")
    _add_common(parser)
    parser.set_defaults(run=run_lut)


def run_recolor(arguments: argparse.Namespace) -> int:
    """Do `chrominance recolor`."""
    from ..pipelines.change_jobs import NeuralPlan, RecolorPlan
    from ..pipelines.palette import PaletteError

    _check_neural(arguments)
    try:
        target, inputs = read_palette(arguments.to)
        if arguments.method == _NEURAL:
            neural = NeuralPlan(target, arguments.lightness, choose_device(arguments.device))
            return _run(arguments, neural, inputs)
        source = None
        if arguments.source is not None:
            source, more = read_palette(arguments.source)
            inputs += more
        plan = RecolorPlan(
            target,
            source,
            arguments.method,
            arguments.lightness,
            arguments.seed,
            choose_device(arguments.device),
            arguments.pairing,
        )
        if source is not None:
            plan.fit_to(())  # what does not fit is said once, not for every picture
    except PaletteError as error:
        raise CommandError(str(error), USAGE) from error
    return _run(arguments, plan, inputs, plan.fit, one_cube=source is not None)


def run_match(arguments: argparse.Namespace) -> int:
    """Do `chrominance match`."""
    from ..pipelines.change_jobs import MatchPlan, NeuralPlan
    from ..pipelines.color_match import sample_colors
    from ..pipelines.pictures import load_picture
    from ..pipelines.samples import PictureError

    _check_neural(arguments)
    try:
        reference = load_picture(arguments.to)
    except PictureError as error:
        raise CommandError(str(error)) from error
    if arguments.method == _NEURAL:
        neural = NeuralPlan(reference.rgb[None], arguments.lightness, choose_device(arguments.device))
        return _run(arguments, neural, [arguments.to])
    plan = MatchPlan(
        sample_colors(reference.rgb[None], seed=arguments.seed),
        arguments.method.replace("-", "_"),
        arguments.lightness,
        arguments.seed,
        choose_device(arguments.device),
    )
    return _run(arguments, plan, [arguments.to], plan.fit)


def run_lut(arguments: argparse.Namespace) -> int:
    """Do `chrominance lut`."""
    from ..pipelines.change_jobs import LutPlan
    from ..pipelines.lut import LutError, load_cube

    try:
        plan = LutPlan(load_cube(arguments.cube))
    except LutError as error:
        raise CommandError(str(error)) from error
    inputs, arguments.cube = [arguments.cube], None  # none to be written
    return _run(arguments, plan, inputs)


def _check_neural(arguments: argparse.Namespace) -> None:
    """Raise CommandError for what the network has no use for."""
    if arguments.method != _NEURAL:
        return
    if getattr(arguments, "source", None) is not None or getattr(arguments, "pairing", "order") != "order":
        raise CommandError("--method neural needs no --from, and pairs nothing: leave them out", USAGE)
    if arguments.cube is not None:
        raise CommandError(
            "--method neural changes alike colours differently: no LUT holds it; leave --cube out", USAGE
        )


def _parser(
    commands: _Commands[argparse.ArgumentParser], name: str, what: str, epilog: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=f"{what}, in pictures and clips",
        description=f"{what[0].upper()}{what[1:]}, in pictures, folders of them and clips.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="pictures, videos, folders of them, or patterns (*.png)")
    add("-o", "--output", required=True, type=Path, metavar="OUTPUT", help="file or folder for the results")
    return parser


def _add_lightness(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lightness", choices=("keep", "transfer"), default="keep", help="keep (default) or transfer"
    )


def _add_fitted(parser: argparse.ArgumentParser) -> None:
    """Add what goes with a change that is fitted: its seed, and its export."""
    add = parser.add_argument
    add("--seed", type=within(int, 0, 2**63 - 1), default=0, metavar="S", help="of the samples (default 0)")
    add("--cube", type=Path, metavar="OUT.cube", help="write the change as a LUT too")
    add("--cube-size", type=int, choices=(17, 33, 65), default=33, help="nodes a side (default 33)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--mask", type=Path, metavar="FILE", help="a picture, white where colours may change")
    add("--strength", type=within(float, 0, 1), default=1.0, help="0 (as it is) to 1 (default)")
    add("--clip", action="store_true", help="take each folder as the frames of one clip; write a clip whose "
        "OUTPUT is a folder as frames")  # fmt: skip
    add("--codec", choices=CODECS, help="for video files (default h264); ffv1 is lossless")
    add("--fps", type=within(float, 0.01, 1000), help="frames a second of a --clip folder (default 24)")
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, xpu")
    add("--overwrite", action="store_true", help="redo and replace results that are there already")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")


def _run(
    arguments: argparse.Namespace,
    changes: ChangePlan,
    inputs: list[Path],
    fit: Callable[[Job], ColorMap] | None = None,
    *,
    one_cube: bool = False,
) -> int:
    """Plan the jobs and do them.

    ``inputs``: files that all depend on. ``fit``: what --cube writes; ``one_cube``: it is one for all jobs.
    """
    from ..pipelines.batch import pass_over, prepare_folder
    from ..pipelines.change_jobs import load_mask, run_changes, with_inputs
    from ..pipelines.samples import PictureError

    mask: Tensor | None = None
    if arguments.mask is not None:
        try:
            mask = load_mask(arguments.mask)
        except PictureError as error:
            raise CommandError(str(error)) from error
        inputs = [*inputs, arguments.mask]
    plan = _plan(arguments)
    jobs = with_inputs(plan.jobs, inputs)
    if arguments.cube is not None and len(jobs) != 1 and not (one_cube and jobs):
        raise CommandError("--cube is one change, and each input has its own: give one input", USAGE)
    todo, settled = pass_over(jobs, overwrite=arguments.overwrite)
    outcomes: list[Outcome] = []
    with Screen(len(jobs), quiet=arguments.quiet, done="changed") as screen:
        for problem in plan.problems:
            screen.error(problem)
        for outcome in settled:
            outcomes.append(screen.settle(outcome))
        if todo:
            try:
                prepare_folder(plan.folder)
            except OSError as error:
                raise CommandError(str(error)) from error
            work = run_changes(
                todo,
                changes,
                mask=mask,
                strength=arguments.strength,
                codec=arguments.codec,
                rate=arguments.fps,
                device=choose_device(arguments.device),
                clip_progress=screen.clip,
            )
            # Closed at once when interrupted, so that what is being saved is saved whole.
            with closing(work):
                for outcome in work:
                    outcomes.append(screen.settle(outcome))
        failed = [*plan.problems, *(outcome.message for outcome in outcomes if outcome.status == "failed")]
        if fit is not None and arguments.cube is not None:
            failed += _write_cube(arguments, fit, jobs[0], screen)
    screen.summary(outcomes, failed)
    return FAILED if failed else 0


def _plan(arguments: argparse.Namespace) -> Plan:
    from ..pipelines.jobs import plan_jobs

    try:
        plan = plan_jobs(arguments.inputs, arguments.output, clip=arguments.clip, codec=arguments.codec)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    if arguments.codec and plan.jobs and not any(job.kind == "clip" for job in plan.jobs):
        raise CommandError("--codec is for clips, and no input is one", USAGE)
    if arguments.fps and not any(job.source.is_dir() for job in plan.jobs):
        raise CommandError("--fps is for a folder of frames with --clip: a video has its own", USAGE)
    return plan


def _write_cube(
    arguments: argparse.Namespace, fit: Callable[[Job], ColorMap], job: Job, screen: Screen
) -> list[str]:
    """Write the LUT of a change; return what went wrong."""
    from ..pipelines.batch import FAILURES
    from ..pipelines.lut import Cube, save_cube
    from ..pipelines.samples import one_line

    try:
        title, size = arguments.cube.stem, arguments.cube_size
        save_cube(arguments.cube, Cube.of(fit(job), size, title, strength=arguments.strength))
    except FAILURES as error:
        screen.error(one_line(error))
        return [one_line(error)]
    return []
