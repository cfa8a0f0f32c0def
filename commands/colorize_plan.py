"""What `chrominance colorize` is asked for: its arguments as settings, files and models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .palette import read_palette
from .screen import USAGE, CommandError, choose_device

if TYPE_CHECKING:
    from ..models.contract import Colorizer, Conditions
    from ..pipelines.clip_jobs import Film
    from ..pipelines.colorize import ColorizeSettings
    from ..pipelines.exemplar import Guide
    from ..pipelines.jobs import Plan
    from ..pipelines.palette import Palette
    from ..pipelines.published import Way
    from ..pipelines.ray_film import RayCluster
    from ..pipelines.reference_files import ReferenceFile
    from ..pipelines.variants import VariantSettings


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
    if arguments.frames and [job.kind for job in plan.jobs] != ["clip"]:
        raise CommandError("--frames is for one clip: give that alone", USAGE)
    if arguments.ray and any((arguments.reference, arguments.as_published, arguments.frames)):
        raise CommandError("--ray goes without --reference, --as-published, --frames: leave it out", USAGE)
    if arguments.workers and not arguments.ray:
        raise CommandError("--workers are of --ray: give its address too", USAGE)
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


def frame_range(text: str) -> tuple[int, int]:
    """Read "100-200", or "100" for one frame, as the first and the one after the last."""
    first, dash, last = text.partition("-")
    try:
        found = int(first), int(last if dash else first) + 1
    except ValueError:
        found = (0, 0)
    if not 0 <= found[0] < found[1]:
        raise argparse.ArgumentTypeError(f"expected frame numbers such as 100-200, got {text!r}")
    return found


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


def palette_conditions(palette: Palette | None, colorizer: Colorizer) -> Conditions | None:
    """Return a palette as what the network is told; raises CommandError where it takes none."""
    from ..pipelines.colorize import told_palette

    try:
        return None if palette is None else told_palette(palette, colorizer)
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


def open_cluster(
    arguments: argparse.Namespace, settings: ColorizeSettings, film: Film, palette: Palette | None
) -> RayCluster:
    """Join the Ray cluster; raises CommandError where there is none."""
    import torch

    from ..models.locate import resolve_source
    from ..pipelines.ray_film import ClusterError, RayCluster, Recipe

    # The shipped weights are wherever the package is.
    model = "embedded" if arguments.model == "embedded" else str(resolve_source(arguments.model).resolve())
    recipe = Recipe(
        model=model,
        device=choose_device(arguments.device),
        dtype=arguments.dtype,
        threads=torch.get_num_threads(),
        settings=settings,
        film=film,
        batch=arguments.batch,
        palette=None if palette is None else palette.to_json(),
    )
    try:
        return RayCluster(arguments.ray, recipe, arguments.workers)
    except ClusterError as error:
        raise CommandError(str(error), USAGE) from error


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
