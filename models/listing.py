"""The models that are on this machine, and those that are published, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import NotAFileError
from .folders import user_models_folder
from .locate import find_checkpoints, resolve_source, shipped_names, shipped_weights
from .published import PUBLISHED, Published
from .registry import REGISTRY

#: What ships beside the colorizers.
_HELPERS = {
    "colorhouse": "ColorHouse's generator, for recolouring",
    "illumination": "ColorHouse's predictor of the light",
    "palette_extractor": "ColorHouse's extractor of five colours",
}


def models_table(folders: Iterable[str | Path] = ()) -> Iterator[str]:
    """Give the table's lines: what ships, what lies in the user's folder and ``folders``, what is published.

    Each with the name that loads it, its size and the licence of its weights.
    """
    specs = {system.name: system.spec for system in REGISTRY}
    yield "Here:"
    for name in shipped_names():
        spec = specs.get(name)
        title, licence = (spec.title, spec.weights_licence) if spec else (_HELPERS[name], "Apache-2.0")
        yield row(name, title, shipped_weights(name).stat().st_size, licence, "ships with the package")
    folder = user_models_folder()
    for found in find_checkpoints([folder, *folders]):
        entry = next((e for e in PUBLISHED if found.path.name in e.file_names), None)
        name = entry.name if entry and _means(entry, found.path) else str(found.path)
        spec = specs.get(found.system or "")
        licence = entry.weights_licence if entry else spec.weights_licence if spec else "licence unknown"
        yield row(name, found.title, found.size, licence, found.problem or "")
    yield ""
    yield f"Published (put the file into {folder}, then --model NAME):"
    for entry in PUBLISHED:
        if entry.part_of:
            note = f"part of {entry.part_of}"
        elif entry.inside:
            note = "unpack it there"
        else:
            note = "" if entry.system in specs else "not supported yet"
        if entry.system == "vgg19":
            note = "features to match an exemplar by"
        licence = entry.weights_licence + (", non-commercial" if entry.non_commercial else "")
        yield row(entry.name, entry.title, entry.size, licence, note)
        yield f"{'':28}{entry.file}: {entry.page or ' or '.join(entry.addresses)}"


def _means(entry: Published, path: Path) -> bool:
    """Return whether the published name loads this file."""
    try:
        return resolve_source(entry.name) == path
    except NotAFileError:
        return False


def row(name: str, title: str, size: int | None, licence: str, note: str) -> str:
    """Lay out one model in columns; ``size`` in bytes."""
    weight = "?" if size is None else f"{size / 1e6:.1f} MB"
    return f"  {name:<25} {title:<46} {weight:>9}  {licence}{f' ({note})' if note else ''}"
