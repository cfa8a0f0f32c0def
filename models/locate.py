"""Where checkpoints are: the shipped weights, the user's folder, whatever folders a caller names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import peek_shapes
from .companions import find_companion, own_file
from .errors import CheckpointError, NotAFileError
from .folders import CHECKPOINT_EXTENSIONS, user_models_folder
from .published import PUBLISHED, Published
from .registry import PARTS, REGISTRY, detect_system
from .system import System

_SHIPPED_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Found:
    """A file that may be a checkpoint.

    ``system``: the short name of the system that it fits, or None: with ``problem`` saying why it cannot
    be used, or without where it is a part that is no colorizer by itself or only opening it will tell
    (``title`` says which). ``size`` in bytes.
    """

    path: Path
    system: str | None
    title: str
    size: int
    problem: str | None = None


def shipped_weights(name: str) -> Path:
    """Return the path of weights that ship with the package, such as "embedded".

    Raises NotAFileError if they are not there.
    """
    path = _SHIPPED_FOLDER / f"{name}.safetensors"
    if path.parent != _SHIPPED_FOLDER or not path.is_file():
        raise NotAFileError(
            f"the shipped weights {name} are not there: install the package again, with its data files", path
        )
    return path


def shipped_names() -> tuple[str, ...]:
    """Return the names of the weights that ship with the package."""
    return tuple(sorted(path.stem for path in _SHIPPED_FOLDER.glob("*.safetensors")))


def resolve_source(source: str | Path) -> Path:
    """Return the checkpoint that a user's word means.

    "embedded": the shipped weights. A path: itself; of a folder, the file in it that a system of several is
    named by. A published name (``PUBLISHED``) or a file's name: the file in ``user_models_folder()``. Raises
    NotAFileError, which says what there is.
    """
    text = str(source)
    if text == "embedded":
        return shipped_weights(text)
    path = Path(source).expanduser()
    if path.is_dir():
        return own_file(path, REGISTRY) or path
    if path.exists():
        return path
    folder = user_models_folder()
    entry = next((e for e in PUBLISHED if text in (e.name, e.local_name)), None)
    unpacked = _unpacked(folder, entry) if entry else None
    if unpacked is not None:
        return unpacked
    kept = folder / (entry.local_name if entry else text)
    if kept.exists():
        return kept
    if entry is not None:
        raise NotAFileError(
            f"{entry.title} is not in {folder} as {entry.local_name}: put it there"
            f"{' and unpack it' if entry.inside else ''}; it is published at "
            f"{entry.page or ' or '.join(entry.addresses)}"
        )
    raise NotAFileError("there is no such file; give embedded, a checkpoint's path or a published name", path)


def _unpacked(folder: Path, entry: Published) -> Path | None:
    """Return the file to load of an archive that lies unpacked in ``folder``, with or without its folders."""
    if entry.inside is None:
        return None
    inside = Path(entry.inside)
    roots = (folder, folder / Path(entry.local_name).stem)
    places = [root / place for root in roots for place in (inside, inside.name)]
    return next((place for place in places if place.is_file()), None)


def find_checkpoints(
    folders: Iterable[str | Path], *, systems: Sequence[System] | None = None
) -> list[Found]:
    """List the checkpoints in ``folders`` and below, sorted by path; folders that are absent are skipped.

    Only headers are read: a legacy .pth, which has none, is listed without its system. Files that belong
    to no system are listed too, with the reason. Raises nothing for a bad file.
    """
    paths: dict[Path, None] = {}
    for folder in folders:
        paths.update(
            dict.fromkeys(
                Path(parent) / name
                for parent, _, names in os.walk(folder)
                for name in names
                if Path(name).suffix.lower() in CHECKPOINT_EXTENSIONS
            )
        )
    return [_look(path, systems) for path in sorted(paths)]


def _look(path: Path, systems: Sequence[System] | None) -> Found:
    size = 0
    try:
        size = path.stat().st_size
        shapes = peek_shapes(path)
        if shapes is None:
            return Found(path, None, "known when opened", size)
        part = next((part for part in PARTS if part.detect(shapes)), None)
        if part is not None:
            return Found(path, None, part.title, size)
        system = detect_system(shapes, systems, path=path)
        for companion in system.companions:
            find_companion(companion, path)
    except CheckpointError as error:
        return Found(path, None, "unusable", size, error.message)
    except OSError as error:
        return Found(path, None, "unusable", size, f"cannot be read ({error.strerror or error})")
    return Found(path, system.name, system.spec.title, size)
