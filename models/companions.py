"""Systems of several files: where the others are, and one checkpoint made of all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .checkpoint import load_checkpoint
from .errors import KeyMismatchError, MissingPartError, NotAFileError, WrongShapeError
from .folders import CHECKPOINT_EXTENSIONS
from .formats import Checkpoint
from .system import Part, System, fits


def with_companions(checkpoint: Checkpoint, system: System) -> Checkpoint:
    """Return ``checkpoint`` with the tensors of the system's further files, each as NAME.TENSOR.

    Raises MissingPartError where one is not there; KeyMismatchError or WrongShapeError, naming the file,
    where it is something else; what ``load_checkpoint`` raises.
    """
    tensors, later = dict(checkpoint.tensors), checkpoint.check_later
    for part in system.companions:
        if checkpoint.path is None:
            raise MissingPartError(f"{system.spec.title} comes in several files: load it by its path")
        other = load_checkpoint(find_companion(part, checkpoint.path))
        _check(part, other)
        tensors |= {f"{part.name}.{key}": tensor for key, tensor in other.tensors.items()}
        later = later and other.check_later
    return Checkpoint(tensors, checkpoint.metadata, checkpoint.path, later)


def find_companion(part: Part, path: Path) -> Path:
    """Return where the companion of the system's own file ``path`` is.

    Raises MissingPartError, which says what to put where, if it is nowhere, or if several fit alike.
    """
    folder = path.parent
    for place in part.places:
        found = _matches(folder, place)
        same = [other for other in found if _number(other) == _number(path)]
        found = same or found
        if len(found) > 1:
            names = ", ".join(other.name for other in found)
            raise MissingPartError(f"there are several of its {part.title} ({names}): keep one", path)
        if found:
            return found[0]
    name = part.places[0].replace("*", _number(path) or "*")
    raise MissingPartError(
        f"its {part.title} is missing: put {name}, which is published with it, into {folder}", path
    )


def own_file(folder: Path, systems: Iterable[System]) -> Path | None:
    """Return the file in ``folder`` that a system of several files is named by; None if there is none.

    Raises NotAFileError if several fit.
    """
    found = [path for system in systems for place in system.places for path in _matches(folder, place)]
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise NotAFileError(f"holds several that could be meant ({names}): name one of them", folder)
    return found[0] if found else None


def _matches(folder: Path, place: str) -> list[Path]:
    *steps, name = place.split("/")
    start = folder.absolute()
    while steps and steps[0] == "..":  # as text: the user's folder may be a link
        start, steps = start.parent, steps[1:]
    # Whatever form it was converted to.
    pattern = "/".join([*steps, str(Path(name).with_suffix(".*"))])
    return sorted(
        path
        for path in start.glob(pattern)
        if path.suffix.lower() in CHECKPOINT_EXTENSIONS and path.is_file()
    )


def _number(path: Path) -> str | None:
    """Return the last number in a file's name: the iteration that it was saved at."""
    numbers = re.findall(r"\d+", path.stem)
    return numbers[-1] if numbers else None


def _check(part: Part, checkpoint: Checkpoint) -> None:
    shapes = checkpoint.shapes
    missing = [key for key in part.signature if key not in shapes]
    if missing:
        raise KeyMismatchError(part.title, missing=missing, path=checkpoint.path)
    for key, pattern in part.signature.items():
        if not fits(shapes[key], pattern):
            raise WrongShapeError(key, pattern, shapes[key], checkpoint.path, system=part.title)
