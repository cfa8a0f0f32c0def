"""Reading PyTorch's own files, weights only: today's zip form (memory-mapped) and the legacy one.

Nothing here unpickles by itself: ``torch.load(weights_only=True)`` does, and after a refusal the pickle is
listed opcode by opcode (never run) to say which names were blocked.
"""

from __future__ import annotations

import argparse
import pickle
import pickletools
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from .errors import (
    CheckpointError,
    NotACheckpointError,
    TruncatedFileError,
    UnsafePickleError,
)
from .formats import Checkpoint, Format
from .system import Shapes
from .unwrap import unwrap

#: The only types beyond PyTorch's own list that a checkpoint may name, and whose files name them. Both
#: are plain records: making one runs no code of the file's choice.
ALLOWED_TYPES: tuple[type, ...] = (
    argparse.Namespace,  # Color2Embed: its training options, under "args"
    slice,  # DeOldify: learning rates among the optimiser's values
)

# PyTorch before this could be made to run code even with weights_only=True (CVE-2025-32434).
_SAFE_SINCE = (2, 6)

# The first pickle of the legacy form is this number.
_LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

# torch keeps its allow-list for the whole process: only one load at a time may lengthen it.
_ALLOW_LOCK = threading.Lock()


def claims_zip(path: Path, head: bytes) -> bool:
    """Return whether a file begins as a zip archive."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def claims_pickle(path: Path, head: bytes) -> bool:
    """Return whether a file begins as a pickle of protocol 2 to 5."""
    return len(head) > 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)


def read_torch_zip(path: Path) -> Checkpoint:
    """Return the tensors of a file in today's form, mapped where the archive allows it."""
    mappable = _check_archive(path) and path.suffix != ".safetensors"
    return Checkpoint(unwrap(_load(path, mmap=mappable), path), path=path)


def peek_torch_zip(path: Path) -> Shapes | None:
    """Return names and shapes: mapped, a file costs only its index."""
    return read_torch_zip(path).shapes if _check_archive(path) else None


def read_torch_legacy(path: Path) -> Checkpoint:
    """Return the tensors of a file in the form that PyTorch wrote before 1.6."""
    with path.open("rb") as file:
        head = file.read(2 + len(_LEGACY_MAGIC))
    if head[2:] != _LEGACY_MAGIC[: len(head) - 2]:
        blocked = _blocked(_globals(path))
        if blocked:
            raise UnsafePickleError(blocked, path)
        raise NotACheckpointError(
            "is a pickle that torch.save did not write: get the weights as safetensors or .pth", path
        )
    return Checkpoint(unwrap(_load(path, mmap=False), path), path=path)


def _check_archive(path: Path) -> bool:
    """Return whether the archive can be mapped; raise if it is damaged or not PyTorch's."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise TruncatedFileError(
            "begins as a .pth archive, but its end is missing or damaged: fetch it again", path
        ) from error
    names = [entry.filename for entry in entries]
    if any(name.endswith("/constants.pkl") for name in names):
        raise NotACheckpointError(
            "is a TorchScript program, expected weights: save its state_dict() as safetensors", path
        )
    if not any(name.endswith("/data.pkl") for name in names):
        inside = ", ".join(names[:3]) or "nothing"
        raise NotACheckpointError(
            f"is a zip archive without PyTorch weights (it holds {inside}): unpack it, name the file in it",
            path,
        )
    # A packer that rewrote the archive may have compressed it: then the bytes on disk are not the values.
    return all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


def _load(path: Path, *, mmap: bool) -> Any:
    version = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
    if version < _SAFE_SINCE:
        raise CheckpointError(
            f"not opened: PyTorch {torch.__version__} cannot read pickles safely (CVE-2025-32434). "
            "Update to PyTorch 2.6 or newer, or use a safetensors file",
            path,
        )
    try:
        with _ALLOW_LOCK:
            # Only what the host has not allowed itself, so that its own entries outlive this load.
            theirs = torch.serialization.get_safe_globals()
            with torch.serialization.safe_globals([t for t in ALLOWED_TYPES if t not in theirs]):
                if mmap:
                    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
                # Given a stream, torch.load cannot choose another reader by the file's name.
                with path.open("rb") as file:
                    return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch.load's failures have no common class
        names = _globals(path)
        blocked = _blocked(names) or re.findall(r"GLOBAL ([\w.]+)", str(error))
        if blocked:
            raise UnsafePickleError(blocked, path) from error
        reason = str(error).strip().split("\n")[0][:120] or type(error).__name__
        raise TruncatedFileError(f"is damaged or ends too early ({reason}): fetch it again", path) from error


def _globals(path: Path) -> list[str]:
    """List the names that a file's pickles refer to, as far as they can be read, without running them."""
    found: dict[str, None] = {}
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    for entry in archive.namelist():
                        if entry.endswith(".pkl"):
                            with archive.open(entry) as member:
                                found.update(dict.fromkeys(_names(member)))
            else:
                # magic number, protocol, system facts, then the object; a plain pickle has just one.
                for _ in range(4):
                    found.update(dict.fromkeys(_names(file)))
    except (OSError, zipfile.BadZipFile, RuntimeError, EOFError):
        pass  # a damaged file: what was found until then is enough
    return list(found)


def _names(stream: Any) -> Iterator[str]:
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".", 1)
            elif opcode.name == "STACK_GLOBAL":
                yield ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings.append(argument)
    except (ValueError, EOFError, UnicodeDecodeError, pickle.UnpicklingError, IndexError):
        return  # the pickle ends here


def _blocked(names: list[str]) -> list[str]:
    """Return those names that no weights need: neither PyTorch's own, nor containers, nor allowed here."""
    allowed = {f"{t.__module__}.{t.__qualname__}" for t in ALLOWED_TYPES}
    allowed |= {"collections.OrderedDict", "collections.defaultdict", "collections.Counter", "_codecs.encode"}
    allowed |= {f"builtins.{name}" for name in ("set", "bytearray", "complex", "int", "float", "bool", "str")}
    plain = [name.replace("__builtin__.", "builtins.", 1) for name in names]
    return [name for name in plain if name not in allowed and name.split(".")[0] != "torch"]


TORCH_ZIP = Format("PyTorch .pth", claims_zip, read_torch_zip, peek_torch_zip)
TORCH_LEGACY = Format("legacy PyTorch .pth", claims_pickle, read_torch_legacy)
