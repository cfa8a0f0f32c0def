"""The file that an index of reference pictures lies in: what is in it, how it is checked and replaced."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.errors import CheckpointError
from ..models.safetensors_file import claims_safetensors, read_header
from .replacing import replacing
from .retrieval_features import LEVELS, PLACES, Basis
from .samples import one_line

#: What the index of a folder is called, in it.
INDEX_NAME = ".chrominance-references.safetensors"
#: Of the file's layout and of how pictures are described: another number asks for a new index.
VERSION = 1

_KIND = "chrominance-references"
#: How alike two runs of one network on the probe are, whatever they compute in.
_SAME_NETWORK = 0.999

#: What tells one state of a file from another: bytes, and time of change in ns.
Stamp = tuple[int, int]


class RetrievalError(ValueError):
    """An index that is missing, damaged, something else or unwritable: one line, with a next step."""


@dataclass(frozen=True)
class Skipped:
    """A file that is no reference, and why."""

    stamp: Stamp
    reason: str


@dataclass(frozen=True)
class Rows:
    """What is known of N pictures; float16. ``features`` [N,49,C] only while the basis may still change."""

    names: tuple[str, ...]
    stamps: tuple[Stamp, ...]
    overall: Tensor
    places: Tensor
    lightness: Tensor
    features: Tensor | None

    def take(self, indices: list[int]) -> Rows:
        """Return some of them, in the given order."""
        return Rows(
            tuple(self.names[i] for i in indices),
            tuple(self.stamps[i] for i in indices),
            self.overall[indices],
            self.places[indices],
            self.lightness[indices],
            None if self.features is None else self.features[indices],
        )


@dataclass(frozen=True)
class IndexData:
    """All that the file holds.

    ``extractor``: the name of what the features come from; ``probe`` [C]: what it gives for a fixed pattern.
    """

    extractor: str
    probe: Tensor
    basis: Basis
    rows: Rows
    skipped: dict[str, Skipped] = field(default_factory=dict)

    def check_extractor(self, name: str, probe: Tensor, file: Path, folder: Path) -> None:
        """Raise RetrievalError where features of another network are about to be compared with these."""
        same = name == self.extractor and probe.shape == self.probe.shape
        if not same or F.cosine_similarity(probe, self.probe, dim=0) < _SAME_NETWORK:
            other = "another version of it" if name == self.extractor else f'"{name}"'
            raise RetrievalError(
                f'{file}: its features are of the network "{self.extractor}", and {other} is asked for: take '
                f"the same one; or {rebuild_text(file, folder)}"
            )


def rebuild_text(file: Path, folder: Path) -> str:
    """Say how to get a new index: the end of most messages."""
    elsewhere = "" if file == folder / INDEX_NAME else f" --index {file}"
    return f"delete that file, or run `chrominance references index {folder}{elsewhere} --rebuild`"


def check_replaceable(file: Path) -> None:
    """Raise RetrievalError where ``file`` is there and something else than an index, damaged or not."""
    try:
        head = _head(file) if file.is_file() else b""
        if claims_safetensors(file, head) and read_header(file).metadata.get("kind") != _KIND:
            raise RetrievalError(f"{file}: not an index of reference pictures: choose another name for it")
    except (OSError, CheckpointError):
        return  # whether it can be written is seen then


def write_index(file: Path, folder: Path, data: IndexData) -> None:
    """Write an index, whole or not at all; raises RetrievalError where that cannot be done."""
    rows = data.rows
    tensors = {
        "probe": data.probe,
        "mean": data.basis.mean,
        "to_overall": data.basis.to_overall,
        "to_place": data.basis.to_place,
        "overall": rows.overall,
        "places": rows.places,
        "lightness": rows.lightness,
    }
    if rows.features is not None:
        tensors["features"] = rows.features
    facts = {
        "version": VERSION,
        "extractor": data.extractor,
        "folder": str(folder.resolve()),
        "files": [[name, *stamp] for name, stamp in zip(rows.names, rows.stamps, strict=True)],
        "skipped": [[name, *it.stamp, it.reason] for name, it in sorted(data.skipped.items())],
    }
    try:
        with replacing(file) as temporary:
            safetensors.torch.save_file(
                {name: tensor.contiguous() for name, tensor in tensors.items()},
                temporary,
                {"kind": _KIND, "facts": json.dumps(facts)},
            )
    except (OSError, safetensors.SafetensorError) as error:
        raise _unwritable(file, error) from error


def check_writable(file: Path) -> None:
    """Raise RetrievalError where an index cannot be written: better before the work than after it."""
    trial = file.with_name(f".chrominance-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a folder")
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: Exception) -> RetrievalError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
    return RetrievalError(
        f"{file}: the index cannot be written ({reason}): make its folder writable, or put it elsewhere "
        "with `chrominance references index --index FILE`"
    )


def read_index(file: Path, folder: Path) -> IndexData:
    """Read the index of ``folder`` and check all of it.

    Raises RetrievalError for a file that is missing, cannot be read, is damaged, of another version, or lies
    elsewhere and is another folder's (inside of its folder it may move with it).
    """
    rebuild = rebuild_text(file, folder)
    if not file.is_file():
        command = rebuild.rpartition(", or ")[2].replace(" --rebuild", "")
        raise RetrievalError(f"{file}: there is no index: {command} first")
    try:
        if not claims_safetensors(file, _head(file)):
            raise RetrievalError(f"{file}: not an index of reference pictures: {rebuild}")
        header = read_header(file)
        if header.metadata.get("kind") != _KIND:
            raise RetrievalError(f"{file}: safetensors, but not an index of reference pictures: {rebuild}")
        facts = json.loads(header.metadata["facts"])
        version = facts["version"]
        if version != VERSION:
            raise RetrievalError(f"{file}: of version {version}, expected {VERSION}: {rebuild}")
        # Read, not mapped: a mapped file could not be replaced on Windows.
        data = _assemble(facts, safetensors.torch.load(file.read_bytes()))
    except RetrievalError:
        raise
    except OSError as error:
        raise RetrievalError(f"{file}: cannot be read ({error.strerror or one_line(error)})") from error
    except CheckpointError as error:
        raise RetrievalError(f"{file}: damaged: {rebuild}") from error
    except (ValueError, TypeError, LookupError, RecursionError, safetensors.SafetensorError) as error:
        raise RetrievalError(f"{file}: damaged ({one_line(error)}): {rebuild}") from error
    elsewhere = file.resolve().parent != folder.resolve()
    if elsewhere and facts["folder"] != str(folder.resolve()):
        raise RetrievalError(
            f"{file}: the index of {facts['folder']}, not of {folder}: name another file, or rebuild it"
        )
    return data


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


def _assemble(facts: dict, tensors: dict[str, Tensor]) -> IndexData:
    """Put an index together; raises ValueError, TypeError or LookupError where its parts do not fit."""
    files = [(str(name), (int(size), int(time))) for name, size, time in facts["files"]]
    skipped = {
        str(name): Skipped((int(size), int(time)), str(reason))
        for name, size, time, reason in facts["skipped"]
    }
    names = [name for name, _ in files]
    if len({*names, *skipped}) != len(names) + len(skipped):
        raise ValueError("a file is named twice")
    for name in (*names, *skipped):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name} is not inside of the folder")
    count, channels = len(names), tensors["probe"].shape[0]
    overall, place = tensors["to_overall"].shape[-1], tensors["to_place"].shape[-1]
    expected: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
        "probe": (torch.float32, (channels,)),
        "mean": (torch.float32, (channels,)),
        "to_overall": (torch.float32, (channels, overall)),
        "to_place": (torch.float32, (channels, place)),
        "overall": (torch.float16, (count, overall)),
        "places": (torch.float16, (count, PLACES, place)),
        "lightness": (torch.float16, (count, PLACES, LEVELS)),
    }
    if "features" in tensors:
        expected["features"] = (torch.float16, (count, PLACES, channels))
    for name, (dtype, shape) in expected.items():
        got = tensors[name]
        if got.dtype != dtype or tuple(got.shape) != shape:
            raise ValueError(f"{name} should be {dtype} {list(shape)}, got {got.dtype} {list(got.shape)}")
        # The sum shows it as well, ten times as fast in half precision.
        if not bool(torch.isfinite(got.sum(dtype=torch.float32))):
            raise ValueError(f"{name} holds NaN or infinity")
    rows = Rows(
        tuple(names),
        tuple(stamp for _, stamp in files),
        tensors["overall"],
        tensors["places"],
        tensors["lightness"],
        tensors.get("features"),
    )
    basis = Basis(tensors["mean"], tensors["to_overall"], tensors["to_place"])
    return IndexData(str(facts["extractor"]), tensors["probe"], basis, rows, skipped)


def with_rows(data: IndexData, rows: Rows, basis: Basis | None = None) -> IndexData:
    """Return an index with other rows and perhaps another basis."""
    return replace(data, rows=rows, basis=basis or data.basis)
