"""Which inputs become which outputs: files, folders, globs and clips."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .pictures import READABLE, WRITABLE

#: Files that are taken for clips, by the ends of their names.
CLIPS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".vob", ".ogv", ".3gp", ".mxf", ".dv"),
)

# Containers that every codec's sound can stay in; a clip from another kind of file becomes a Matroska file.
KEPT_CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv")
CONTAINER_OF_CODEC = {"ffv1": ".mkv", "prores": ".mov"}

CLIP_CHOICES = ".mp4, .mkv, .mov, or with --clip a plain folder name"

JobKind = Literal["picture", "clip"]


class UsageError(ValueError):
    """Inputs and output that do not go together: nothing can be started."""


@dataclass(frozen=True)
class Job:
    """One picture or clip to colour: ``target`` is a file, or for a clip also a folder of frames.

    ``variant``: which of several versions of the picture, from 0, or None for the automatic one. ``hints``:
    the file of its hints, with ``hints_mask`` where that is a picture. ``references``: pictures that it is
    coloured after.
    """

    source: Path
    target: Path
    kind: JobKind
    variant: int | None = None
    hints: Path | None = None
    hints_mask: Path | None = None
    references: tuple[Path, ...] = ()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All that the result is made of."""
        own = (path for path in (self.source, self.hints, self.hints_mask) if path is not None)
        return (*own, *self.references)

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.source)


@dataclass(frozen=True)
class Plan:
    """What is to be done, in order, and what cannot be: one line of reason for each such input.

    ``folder``: where the results go.
    """

    jobs: tuple[Job, ...]
    problems: tuple[str, ...]
    folder: Path


def plan_jobs(
    inputs: Sequence[str],
    output: str | Path,
    *,
    clip: bool = False,
    codec: str | None = None,
    variants: int | None = None,
) -> Plan:
    """Find what ``inputs`` name and where each goes.

    ``inputs``: files, folders (all pictures and clips in them and below) and patterns such as ``*.png``.
    ``output``: a file for one file; else a folder, where names and sub-folders are kept, and an ending that
    cannot be written becomes .png or .mkv. ``clip``: a folder is one clip, and a clip whose output is a
    folder is written as frames. ``codec``: what clips will be encoded with, which can ask for a container.
    ``variants``: so many versions of each picture, a job each, with -1, -2, ... after the target's name.
    Raises UsageError where they cannot go together.
    """
    output = Path(output).expanduser()
    sources, problems = expand(inputs)
    as_file = names_file(output, inputs)
    if as_file:
        check_file_output(sources, output, clip)
    elif output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file: several inputs, or a folder, need a folder as OUTPUT")
    elif clip and output.suffix and not output.is_dir():
        raise UsageError(
            f"a clip cannot become {output.suffix}: choose .mp4, .mkv, .mov, or a plain folder name"
        )
    if clip and sources and not any(is_clip(source, output) for source in sources):
        raise UsageError("--clip is for a folder of frames or a video, and no input is one")
    jobs: list[Job] = []
    for source in sources:
        if source.is_dir() and not clip:
            if same_file(source, output):
                raise UsageError(f"{output} is the input folder: choose another OUTPUT, the originals stay")
            found = list(folder_jobs(source, output, codec))
            if not found:
                problems.append(f"{source}: no pictures and no videos in this folder")
            jobs.extend(found)
        elif as_file:
            jobs.append(Job(source, output, "clip" if is_clip(source, output) else "picture"))
        elif clip and is_clip(source, output):
            jobs.append(Job(source, output if len(sources) == 1 else output / source.stem, "clip"))
        else:
            jobs.append(file_job(source, output / source.name, codec))
    alone = as_file or any(job.target == output for job in jobs)
    unique, more = without_clashes(jobs if variants is None else with_variants(jobs, variants))
    return Plan(tuple(unique), (*problems, *more), output.parent if alone else output)


def find_inputs(inputs: Sequence[str], *, clip: bool = False) -> tuple[list[Job], list[str]]:
    """Find what ``inputs`` name, for work that only looks: jobs whose target is their source, and problems.

    The rest as in ``plan_jobs``.
    """
    sources, problems = expand(inputs)
    jobs: list[Job] = []
    for source in sources:
        if source.is_dir() and not clip:
            found = [replace(job, target=job.source) for job in folder_jobs(source, source, None)]
            if not found:
                problems.append(f"{source}: no pictures and no videos in this folder")
            jobs.extend(found)
        else:
            jobs.append(Job(source, source, "clip" if is_clip(source, source) else "picture"))
    return jobs, problems


def with_variants(jobs: Sequence[Job], count: int) -> list[Job]:
    """Turn the job of each picture into one for each version of it; raises UsageError for a clip."""
    clip = next((job for job in jobs if job.kind == "clip"), None)
    if clip is not None:
        raise UsageError(f"--variants is for pictures, and {clip.name} is a clip: leave one of them out")
    return [
        replace(job, target=job.target.with_stem(f"{job.target.stem}-{number + 1}"), variant=number)
        for job in jobs
        for number in range(count)
    ]


def expand(inputs: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Resolve patterns (shells on Windows leave that to us): files and folders found, and problems."""
    sources: list[Path] = []
    problems = []
    for text in inputs:
        path = Path(text).expanduser()
        if path.exists():
            sources.append(path)
        elif not glob.has_magic(text):
            problems.append(f"{text}: no such file or folder")
        # Path.glob has no patterns with a root or with "..".
        elif matches := sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207
            # A folder that "**" passes through gives its files already.
            folders = "**" not in text
            sources.extend(Path(match) for match in matches if folders or not Path(match).is_dir())
        else:
            problems.append(f"{text}: no file matches")
    return list(dict.fromkeys(sources)), problems


def names_file(output: Path, inputs: Sequence[str]) -> bool:
    """Tell whether ``output`` is meant as a file: by its ending, unless a folder of that name exists."""
    if output.is_dir() or not output.suffix:
        return False
    known = output.suffix.lower() in (*READABLE, *CLIPS)
    return known or (len(inputs) == 1 and Path(inputs[0]).expanduser().is_file())


def check_file_output(sources: Sequence[Path], output: Path, clip: bool) -> None:
    """Raise UsageError where ``output``, a file, is not what the inputs can become."""
    if len(sources) > 1:
        raise UsageError(
            f"{output} is one file, but there are {len(sources)} inputs: give a folder as OUTPUT"
        )
    suffix = output.suffix.lower()
    if not sources:
        return
    source = sources[0]
    if source.is_dir() and not clip:
        raise UsageError(
            f"{output} is one file, but {source} is a folder: give a folder as OUTPUT, or --clip"
        )
    if is_clip(source, output):
        if suffix not in CLIPS:
            raise UsageError(
                f"a clip cannot become {suffix}: choose .mp4, .mkv, .mov, or a folder with --clip"
            )
    elif suffix in CLIPS:
        raise UsageError(f"a picture cannot become {suffix}: choose one of {', '.join(WRITABLE)}")
    elif suffix not in WRITABLE:
        raise UsageError(f"cannot write {suffix} pictures: choose one of {', '.join(WRITABLE)}")


def is_clip(source: Path, output: Path) -> bool:
    """Tell a clip from a picture by the end of its name; where that says nothing, by what it shall become."""
    suffix = source.suffix.lower()
    if suffix in CLIPS or source.is_dir():
        return True
    # An animated GIF is a clip to whoever asks for one.
    unclear = suffix == ".gif" or suffix not in READABLE
    return unclear and output.suffix.lower() in CLIPS and not output.is_dir()


def folder_jobs(folder: Path, output: Path, codec: str | None) -> Iterator[Job]:
    """Give the pictures and clips of a folder and below, sorted; without hidden ones and the output's."""
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not same_file(here / name, output)
        )
        for name in sorted(names):
            source = here / name
            if not name.startswith(".") and source.suffix.lower() in (*READABLE, *CLIPS):
                yield file_job(source, output / source.relative_to(folder), codec)


def file_job(source: Path, target: Path, codec: str | None) -> Job:
    """Make the job of one file, its target's ending changed where it cannot be written."""
    suffix = source.suffix.lower()
    if suffix in CLIPS:
        container = CONTAINER_OF_CODEC.get(codec or "", suffix if suffix in KEPT_CONTAINERS else ".mkv")
        kept = suffix == container or (suffix == ".mkv" and codec == "prores")
        return Job(source, target if kept else target.with_suffix(container), "clip")
    if suffix in (".jfif", ".mpo"):
        return Job(source, target.with_suffix(".jpg"), "picture")
    return Job(source, target if suffix in WRITABLE else target.with_suffix(".png"), "picture")


def without_clashes(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """Keep the first job for each target; the problems name those after it, or on top of their input."""
    kept: list[Job] = []
    problems = []
    taken: dict[str, Job] = {}
    sources = {job.source.resolve() for job in jobs}
    for job in jobs:
        # Windows and macOS do not tell upper from lower case.
        key = str(job.target).casefold()
        if same_file(job.source, job.target):
            problems.append(f"{job.name}: the output would replace the input: choose another OUTPUT")
        elif job.target.resolve() in sources:
            problems.append(
                f"{job.name}: its output {job.target} would replace an input: choose another OUTPUT"
            )
        elif key in taken:
            problems.append(
                f"{job.name}: its output {job.target} is that of {taken[key].name} already: give it apart"
            )
        else:
            taken[key] = job
            kept.append(job)
    return kept, problems


def same_file(first: Path, second: Path) -> bool:
    """Tell whether two paths are one file or folder."""
    try:
        return first.samefile(second)
    except OSError:
        return False
