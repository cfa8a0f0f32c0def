"""Reading safetensors files: the header alone, or everything, memory-mapped."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import safetensors

from .errors import NotACheckpointError, TruncatedFileError, WrongTypeError
from .formats import Checkpoint, Format

# The format's own limit.
_LARGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class _Header:
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]


def claims_safetensors(path: Path, head: bytes) -> bool:
    """Return whether a file begins as safetensors: the header's length, then a JSON object."""
    if len(head) < 9 or head[8:9] != b"{":
        return False
    return 2 <= struct.unpack("<Q", head[:8])[0] <= _LARGEST_HEADER


def read_header(path: Path) -> _Header:
    """Return names, shapes and metadata without touching the tensors.

    Raises TruncatedFileError where the file is shorter or longer than its header says,
    NotACheckpointError where the header is not one.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        if 8 + length > size:
            raise TruncatedFileError(
                f"the header should have {length} bytes, the whole file has {size}: fetch it again", path
            )
        raw = file.read(length)
    try:
        entries = json.loads(raw)
        metadata = {str(k): str(v) for k, v in entries.pop("__metadata__", {}).items()}
        shapes = {key: tuple(int(n) for n in entry["shape"]) for key, entry in entries.items()}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise NotACheckpointError(
            "begins as safetensors, but its header is not valid: fetch it again", path
        ) from error
    expected = 8 + length + end
    if expected != size:
        raise TruncatedFileError(f"should have {expected} bytes, got {size}: fetch it again", path)
    return _Header(shapes, metadata)


def read_safetensors(path: Path) -> Checkpoint:
    """Return every tensor, mapped from the file: no copy is made until something writes to one."""
    header = read_header(path)
    try:
        with safetensors.safe_open(str(path), framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in header.shapes}
    except safetensors.SafetensorError as error:
        raise NotACheckpointError(f"is not valid safetensors ({error}): fetch it again", path) from error
    except (KeyError, AttributeError, TypeError) as error:
        raise WrongTypeError(
            f"has an element type that this PyTorch does not know ({error}): update PyTorch", path
        ) from error
    return Checkpoint(tensors, MappingProxyType(header.metadata), path, check_later=True)


SAFETENSORS = Format(
    "safetensors", claims_safetensors, read_safetensors, lambda path: read_header(path).shapes
)
