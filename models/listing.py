"""The models that are on this machine, and those that are published, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .locate import find_checkpoints, shipped_names, shipped_weights, user_models_folder
from .published import PUBLISHED
from .registry import REGISTRY


def models_table(folders: Iterable[str | Path] = ()) -> Iterator[str]:
    """Give the table's lines: what ships, what lies in the user's folder and ``folders``, what is published.

    Each with the name that loads it, its size and the licence of its weights.
    """
    specs = {system.name: system.spec for system in REGISTRY}
    yield "Here:"
    for name in shipped_names():
        spec = specs.get(name)
        title, licence = (spec.title, spec.weights_licence) if spec else ("", "")
        yield row(name, title, shipped_weights(name).stat().st_size, licence, "ships with the package")
    folder = user_models_folder()
    for found in find_checkpoints([folder, *folders]):
        entry = next((e for e in PUBLISHED if e.local_name == found.path.name), None)
        name = entry.name if entry and found.path.parent == folder else str(found.path)
        spec = specs.get(found.system or "")
        licence = entry.weights_licence if entry else spec.weights_licence if spec else "licence unknown"
        yield row(name, found.title, found.size, licence, found.problem or "")
    yield ""
    yield f"Published (put the file into {folder}, then --model NAME):"
    for entry in PUBLISHED:
        note = (
            f"part of {entry.part_of}"
            if entry.part_of
            else ""
            if entry.system in specs
            else "not supported yet"
        )
        licence = entry.weights_licence + (", non-commercial" if entry.non_commercial else "")
        yield row(entry.name, entry.title, entry.size, licence, note)
        yield f"{'':28}{entry.file}: {entry.page or ' or '.join(entry.addresses)}"


def row(name: str, title: str, size: int | None, licence: str, note: str) -> str:
    """Lay out one model in columns; ``size`` in bytes."""
    weight = "?" if size is None else f"{size / 1e6:.1f} MB"
    return f"  {name:<25} {title:<46} {weight:>9}  {licence}{f' ({note})' if note else ''}"
