"""Reading Caffe's .caffemodel files without Caffe.

A file is one NetParameter message: layers, today's (field 100) or those before 2014 (field 2), each with its
blobs. Format: Caffe, src/caffe/proto/caffe.proto. Nothing in it is code.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from .errors import CheckpointError, NotACheckpointError, TruncatedFileError
from .folders import CAFFE_SUFFIX
from .formats import Checkpoint, Format
from .protobuf import MessageError, read_fields, read_varint
from .system import State

# NetParameter: the number of a layer's field, to those of its name and its blobs.
_LAYERS = {100: (1, 7), 2: (4, 6)}
# BlobProto: a shape, and the four sizes that stood in its place before.
_SHAPE, _SIZES, _FLOATS, _DOUBLES = 7, (1, 2, 3, 4), 5, 8
_MOST_AXES = 16


def claims_caffe(path: Path, head: bytes) -> bool:
    """Return whether a file is one, by its name: a message has no mark of its own."""
    return bool(head) and path.suffix.lower() == CAFFE_SUFFIX


def read_caffe(path: Path) -> Checkpoint:
    """Return every blob as LAYER.0, LAYER.1, …, in the order of the layers; values are mapped from the file.

    Raises TruncatedFileError, NotACheckpointError.
    """
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        tensors = dict(_blobs(data))
    except MessageError as error:
        kind = TruncatedFileError if "too early" in str(error) else NotACheckpointError
        raise kind(f"is no whole .caffemodel ({error}): fetch it again", path) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot be read ({error})", path) from error
    if not tensors:
        raise NotACheckpointError("holds no layers with weights: a .caffemodel was expected", path)
    return Checkpoint(tensors, MappingProxyType({}), path)


def _blobs(data: memoryview) -> Iterator[tuple[str, Tensor]]:
    for number, layer in read_fields(data):
        if number not in _LAYERS or isinstance(layer, int):
            continue
        name_field, blob_field = _LAYERS[number]
        name, blobs = "", []
        for field, value in read_fields(layer):
            if isinstance(value, int):
                continue
            if field == name_field:
                name = bytes(value).decode("utf-8", "replace")
            elif field == blob_field:
                blobs.append(_blob(value))
        for index, blob in enumerate(blobs):
            yield f"{name}.{index}", blob


def _blob(message: memoryview) -> Tensor:
    """Return one blob's values in its shape; raises MessageError where the two do not go together."""
    shape: tuple[int, ...] | None = None
    sizes = dict.fromkeys(_SIZES, 0)
    parts: list[np.ndarray] = []
    loose: list[int] = []
    for field, value in read_fields(message):
        if field in sizes and isinstance(value, int):
            sizes[field] = value
        elif field == _SHAPE and not isinstance(value, int):
            shape = tuple(_dimensions(value))
        elif field in (_FLOATS, _DOUBLES) and not isinstance(value, int):
            kind = np.dtype("<f4" if field == _FLOATS else "<f8")
            if len(value) % kind.itemsize:
                raise MessageError("the values of a blob are cut off")
            parts.append(np.frombuffer(value, kind))
        elif field == _FLOATS and isinstance(value, int):
            loose.append(value)  # written one by one, as old files may be
    if loose:
        parts.append(np.array(loose, "<u4").view("<f4"))
    values = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, "<f4")
    if shape is None:
        shape = tuple(sizes.values()) if any(sizes.values()) else (len(values),)
    if len(shape) > _MOST_AXES or math.prod(shape) != len(values):
        raise MessageError(f"a blob of {len(values)} values cannot have the shape {list(shape)}")
    return torch.from_numpy(values).view(shape)


def _dimensions(message: memoryview) -> Iterator[int]:
    """Give the sizes in a BlobShape, packed or one by one."""
    for field, value in read_fields(message):
        if field != 1:
            continue
        if isinstance(value, int):
            yield value
            continue
        position = 0
        while position < len(value):
            size, position = read_varint(value, position)
            yield size


CAFFE = Format("Caffe model", claims_caffe, read_caffe)


def layers_of(state: State) -> dict[str, list[Tensor]]:
    """Return the blobs of each layer, in the file's order."""
    layers: dict[str, list[Tensor]] = {}
    for key, tensor in state.items():
        layers.setdefault(key.rpartition(".")[0], []).append(tensor)
    return layers
