"""Colour many pictures and clips: one bad file stops none of the others, finished ones are passed over."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch.nn.functional as F

from ..color import rgb_to_lightness
from ..models.contract import Colorizer, Conditions
from ..models.errors import CheckpointError
from .clip_jobs import ClipColoring, ClipProgress, Film, color_clip
from .colorize import ColorizeSettings, colorize
from .exemplar import Guide, colorize_with_references, warp
from .hint_files import load_hints
from .hints import Hints, colorize_with_hints
from .jobs import Job
from .merge import merge
from .pictures import Picture, check_writable, load_picture, save_picture
from .published import Way, color_as_published
from .samples import one_line
from .variants import VariantSampler, VariantSettings

if TYPE_CHECKING:
    from .clip_segments import Spread

# What a job may fail with: bad files, settings that do not fit, a full disk, too little memory, no OpenCV.
FAILURES = (ValueError, OSError, MemoryError, RuntimeError, ModuleNotFoundError)


class FolderError(OSError):
    """A folder that cannot be made or written into."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job; ``message`` is one line of reason where it failed."""

    job: Job
    status: Literal["done", "skipped", "failed"]
    message: str = ""


def prepare_folder(folder: Path) -> None:
    """Make a folder where it is missing, and see that files can be written there; raises FolderError."""
    probe = folder / f".chrominance-{secrets.token_hex(4)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise FolderError(
            f"{folder}: cannot be written into ({error.strerror or one_line(error)})"
        ) from error


def pass_over(jobs: Sequence[Job], *, overwrite: bool) -> tuple[list[Job], list[Outcome]]:
    """Part jobs into those to do and those that are settled by what is there already.

    A target no older than its source and hints is finished (results appear whole or not at all). An older one
    fails: it may be anything, and is replaced only with ``overwrite``, which redoes all.
    """
    todo, settled = [], []
    for job in jobs:
        if overwrite or not exists(job.target):
            todo.append(job)
        elif changed(job.target) >= max(map(changed, job.inputs)):
            settled.append(Outcome(job, "skipped"))
        else:
            message = f"{job.target} is there and older than its input: --overwrite replaces it"
            settled.append(Outcome(job, "failed", f"{job.name}: {message}"))
    return todo, settled


def exists(target: Path) -> bool:
    """Tell whether there is something at ``target``; an empty folder is nothing."""
    return any(target.iterdir()) if target.is_dir() else target.exists()


def changed(path: Path) -> float:
    """Return when a file, or the newest file of a folder, was changed."""
    if path.is_dir():
        return max((entry.stat().st_mtime for entry in path.iterdir()), default=0.0)
    return path.stat().st_mtime


def run_jobs(
    jobs: Sequence[Job],
    colorizer: Colorizer,
    settings: ColorizeSettings,
    *,
    batch: int = 4,
    codec: str | None = None,
    rate: float | Fraction | None = None,
    clip_progress: ClipProgress | None = None,
    variants: VariantSettings | None = None,
    guide: Guide | None = None,
    frames: Sequence[int | None] | None = None,
    warp_only: bool = False,
    published: Way | None = None,
    film: Film | None = None,
    key: Mapping[str, Any] | None = None,
    conditions: Conditions | None = None,
    spread: Spread | None = None,
) -> Generator[Outcome]:
    """Colour each job; give what became of it, in order.

    ``batch``: frames of a clip that the network sees at once. ``codec``: of clips. ``rate``: frames a second
    of folders of frames. ``variants``: for jobs that are versions of pictures; of a picture that fails, the
    first version tells. ``guide``: references for all jobs; ``frames``: which frames of a clip they are
    (``ClipColorizer``); ``warp_only``: of pictures, the references' chroma alone, its confidence as alpha.
    ``published``: colours everything, in the place of all else. ``film``: what clips are asked for beside.
    ``key``: all that the results depend on beside the files and ``settings``, by which a clip's unfinished
    work is known again. ``conditions``: of every picture, where there are neither hints nor references.
    ``spread``: has clips made elsewhere, by what is told here too.
    While a picture is being saved, the next is read and coloured. An exception that ``clip_progress`` raises,
    and an interrupt, stop the work and leave no half file. Raises CheckpointError for weights that turn out
    to be damaged.
    """
    saving: tuple[Job, Future[None]] | None = None
    versions = Versions(colorizer, settings, variants or VariantSettings())
    with ThreadPoolExecutor(1, "save") as pool:
        for job in jobs:
            if job.variant is not None and job.source == versions.failed:
                continue
            failure, picture = None, None
            try:
                job.target.parent.mkdir(parents=True, exist_ok=True)
                if job.variant is not None:
                    picture = versions.make(job.source, job.target, job.variant)
                elif job.kind == "picture":
                    hints = None if job.hints is None else load_hints(job.hints, job.hints_mask)
                    picture = load_picture(job.source)
                    if published is not None:
                        rgb, _ = color_as_published(picture.rgb[None], published)
                        picture = picture.replaced_by(rgb[0])
                        check_writable(job.target, picture)
                    elif guide is not None and warp_only:
                        picture = warp_picture(picture, guide)
                        check_writable(job.target, picture)
                    else:
                        check_writable(job.target, picture)
                        picture = color_picture(picture, colorizer, settings, hints, guide, conditions)
                else:
                    film = film or Film()
                    work = ClipColoring(
                        colorizer, settings, film, batch, rate, guide, frames, published, conditions
                    )
                    told = (codec, rate, clip_progress, work.key(key), batch, film.redo, spread)
                    color_clip(job, work.stage(job), *told)
            except CheckpointError:
                raise  # the next file would fail alike
            except FAILURES as error:
                picture, failure = None, Outcome(job, "failed", explain(job, error))
            if saving is not None:
                yield saved(*saving)
                saving = None
            if picture is not None:
                saving = (job, pool.submit(save_picture, job.target, picture))
            else:
                yield failure or Outcome(job, "done")
        if saving is not None:
            yield saved(*saving)


def color_picture(
    picture: Picture,
    colorizer: Colorizer,
    settings: ColorizeSettings,
    hints: Hints | None = None,
    guide: Guide | None = None,
    conditions: Conditions | None = None,
) -> Picture:
    """Colour one picture, by its hints or by references if there are any; alpha, depth and all else stay."""
    rgb = picture.rgb[None]
    if guide is not None:
        return picture.with_rgb(colorize_with_references(rgb, guide, settings)[0].rgb[0])
    if hints is None:
        return picture.with_rgb(colorize(rgb, colorizer, settings, conditions=conditions).rgb[0])
    conditions = hints.conditions(*rgb.shape[2:])
    return picture.with_rgb(colorize_with_hints(rgb, colorizer, settings, conditions=conditions).rgb[0])


def warp_picture(picture: Picture, guide: Guide) -> Picture:
    """Put the references' chroma under a picture wherever it is from; the alpha is how sure it is."""
    rgb = picture.rgb[None]
    found = warp(rgb_to_lightness(rgb), guide.references)
    sure = F.interpolate(
        found.confidence(guide.trust), rgb.shape[2:], mode="bilinear", align_corners=False
    ).cpu()
    return replace(picture, rgb=merge(rgb, found.ab)[0], alpha=sure[0])


class Versions:
    """Makes versions of pictures; the last picture stays at hand, since its versions follow one another.

    ``failed``: the picture of which one could not be made.
    """

    def __init__(self, colorizer: Colorizer, settings: ColorizeSettings, variants: VariantSettings) -> None:
        self.colorizer, self.settings, self.variants = colorizer, settings, variants
        self.source: Path | None = None
        self.failed: Path | None = None
        self.loaded: tuple[Picture, VariantSampler] | None = None

    def make(self, source: Path, target: Path, number: int) -> Picture:
        """Return one version of a picture; raises what reading it, colouring it or ``target`` would."""
        self.failed = source
        if source != self.source or self.loaded is None:
            self.source, self.loaded = source, None
            picture = load_picture(source)
            check_writable(target, picture)
            self.loaded = picture, VariantSampler(picture.rgb[None], self.colorizer, self.settings)
        picture, sampler = self.loaded
        version = picture.with_rgb(sampler.draw(self.variants, number).rgb[0])
        self.failed = None
        return version


def saved(job: Job, future: Future[None]) -> Outcome:
    """Wait for a picture to be saved; tell how it went."""
    try:
        future.result()
    except FAILURES as error:
        return Outcome(job, "failed", explain(job, error))
    return Outcome(job, "done")


def explain(job: Job, error: BaseException) -> str:
    """Say in one line what went wrong with which file."""
    text = one_line(error)
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "allocate memory" in text.lower():
        text = "not enough memory: lower --batch or --size, or scale the picture down"
    named = str(job.source) in text or str(job.target) in text
    return text if named else f"{job.name}: {text}"
