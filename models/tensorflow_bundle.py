"""Reading TensorFlow's V2 checkpoints without TensorFlow: PREFIX.index and PREFIX.data-00000-of-00001.

The index is a LevelDB table of names to BundleEntryProto messages; the data files hold the values one after
the other. Format: TensorFlow, core/protobuf/tensor_bundle.proto, core/framework/{tensor_shape,types}.proto.
Nothing in them is code. The index's checksums are compared; those of the values are not: it would take longer
than loading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .errors import CheckpointError, MissingPartError, NotACheckpointError, TruncatedFileError, WrongTypeError
from .folders import INDEX_SUFFIX
from .formats import Checkpoint, Format
from .leveldb_table import CompressedTableError, TableError, read_table
from .protobuf import MessageError, read_fields
from .system import Shapes

_DATA_NAME = re.compile(r"(?P<prefix>.+)\.data-\d{5}-of-\d{5}")

# Far more than the names of any network take.
_LARGEST_INDEX = 16 * 2**20

# DataType in types.proto. Strings, resources and variants are no weights.
_DTYPES = {
    1: torch.float32,
    2: torch.float64,
    3: torch.int32,
    4: torch.uint8,
    5: torch.int16,
    6: torch.int8,
    9: torch.int64,
    10: torch.bool,
    14: torch.bfloat16,
    19: torch.float16,
}
_NO_WEIGHTS = frozenset({7, 20, 21})

# No weights have more axes or longer ones; torch itself fails on some that are far beyond.
_MOST_AXES, _LONGEST_AXIS = 16, 2**40

# The newest layout that these lines know (kTensorBundleVersion).
_VERSION = 1


class _Entry(NamedTuple):
    """Where the values of one variable are; ``dtype`` as in types.proto."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    sliced: bool

    @property
    def type(self) -> torch.dtype:
        return _DTYPES[self.dtype]


def claims_bundle(path: Path, head: bytes) -> bool:
    """Return whether a file is an index, by its beginning, or one of the data files, by its name.

    The table begins with the entry of the empty name, which holds how many data files there are; data files
    begin with whatever the first weights are.
    """
    index = len(head) > 3 and head[:2] == b"\0\0" and head[2] < 128 and head[3] == 8
    return index or (bool(head) and _DATA_NAME.fullmatch(path.name) is not None)


def read_bundle(path: Path) -> Checkpoint:
    """Return the variables of a bundle, mapped from its data files; an optimiser's are left out.

    Raises MissingPartError, TruncatedFileError, NotACheckpointError, WrongTypeError.
    """
    entries, files = _look(path)
    mapped = {
        shard: torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8)
        for shard, (file, size) in files.items()
        if size
    }
    tensors = {name: _values(entry, mapped.get(entry.shard)) for name, entry in entries.items()}
    return Checkpoint(tensors, path=path, check_later=True)


def peek_bundle(path: Path) -> Shapes:
    """Return names and shapes; the data files are only looked for. Raises as ``read_bundle`` does."""
    return {name: entry.shape for name, entry in _look(path)[0].items()}


def bundle_parts(path: Path) -> tuple[Path, ...]:
    """Return the index and its data files, as far as they are there."""
    index = _index(path)
    wanted = index.name.removesuffix(INDEX_SUFFIX)
    names = ((match, part) for part in index.parent.iterdir() if (match := _DATA_NAME.fullmatch(part.name)))
    return (path, *sorted({index, *(part for match, part in names if match["prefix"] == wanted)} - {path}))


def _index(path: Path) -> Path:
    """Return the index that belongs to ``path``, which may be it."""
    match = _DATA_NAME.fullmatch(path.name)
    index = path.with_name(match["prefix"] + INDEX_SUFFIX) if match else path
    if not index.is_file():
        raise MissingPartError(f"its index {index.name} is missing: put it beside it", path)
    return index


def _look(path: Path) -> tuple[dict[str, _Entry], dict[int, tuple[Path, int]]]:
    """Return the entries of a bundle and, by number, its data files with their sizes in bytes; checked."""
    index = _index(path)
    if index.stat().st_size > _LARGEST_INDEX:
        raise NotACheckpointError(f"has an index of more than {_LARGEST_INDEX} bytes: is it one?", index)
    try:
        entries, count = _parse(read_table(index.read_bytes()))
    except CompressedTableError as error:
        raise CheckpointError(
            f"its index is {error}, which is not read here: get it uncompressed, or as safetensors", index
        ) from error
    except MessageError as error:
        raise TruncatedFileError(
            f"is a TensorFlow index that is damaged or ends too early ({error}): fetch it again", index
        ) from error
    except CheckpointError as error:
        error.at(index)
        raise
    files = {}
    for shard in sorted({entry.shard for entry in entries.values()}):
        name = f"{index.name.removesuffix(INDEX_SUFFIX)}.data-{shard:05d}-of-{count:05d}"
        file = index.with_name(name)
        if not file.is_file():
            raise MissingPartError(f"its data file is missing: put {name} beside it", path)
        files[shard] = (file, file.stat().st_size)
    for entry in entries.values():
        file, size = files[entry.shard]
        if entry.offset + entry.size > size:
            end = max(e.offset + e.size for e in entries.values() if e.shard == entry.shard)
            raise TruncatedFileError(f"should have {end} bytes, got {size}: fetch it again", file)
    return entries, files


def _parse(table: dict[bytes, bytes]) -> tuple[dict[str, _Entry], int]:
    """Return the entries by name and the number of data files."""
    if b"" not in table:
        raise TableError("it has no header")
    count = _read_header(table[b""])
    entries: dict[str, _Entry] = {}
    for key, value in table.items():
        try:
            name = key.decode()
        except UnicodeDecodeError as error:
            raise TableError("a name in it is no text") from error
        entry = _read_entry(value)
        if not name or entry.dtype in _NO_WEIGHTS:
            continue
        if entry.sliced:
            raise WrongTypeError(f"variable {name} is stored in slices: save it whole, or as safetensors")
        if entry.dtype not in _DTYPES:
            raise WrongTypeError(
                f"variable {name} has element type {entry.dtype} of types.proto, which no network here can "
                "take: get the plain weights"
            )
        if entry.size != math.prod(entry.shape) * entry.type.itemsize or entry.shard >= count:
            raise TableError(f"the entry of {name} contradicts itself")
        entries[name] = entry
    # An optimiser keeps what it knows of a variable under that variable's name.
    return {name: e for name, e in entries.items() if name.rpartition("/")[0] not in entries}, count


def _read_header(message: bytes) -> int:
    """Return how many data files a BundleHeaderProto names."""
    count = 1
    for number, value in read_fields(message):
        if number == 1 and isinstance(value, int):
            count = value
        elif number == 2 and value != 0:
            raise WrongTypeError("was written with the highest byte first: save it on a machine of today")
        elif number == 3 and isinstance(value, bytes):
            least = next((v for n, v in read_fields(value) if n == 2 and isinstance(v, int)), 0)
            if least > _VERSION:
                raise NotACheckpointError(f"needs a reader of version {least}, this is {_VERSION}")
    if not 0 < count < 100_000:
        raise TableError("its header names no data file")
    return count


def _read_entry(message: bytes) -> _Entry:
    """Read a BundleEntryProto."""
    numbers = dict.fromkeys((1, 3, 4, 5), 0)
    shape: tuple[int, ...] = ()
    sliced = False
    for number, value in read_fields(message):
        if number in numbers and isinstance(value, int):
            numbers[number] = value
        elif number == 2 and isinstance(value, bytes):
            shape = tuple(_read_shape(value))
            if len(shape) > _MOST_AXES:
                raise TableError(f"it has a variable of {len(shape)} axes")
        elif number == 7:
            sliced = True
    dtype, shard, offset, size = numbers.values()
    return _Entry(dtype, shape, shard, offset, size, sliced)


def _read_shape(message: bytes) -> Iterator[int]:
    """Give the sizes in a TensorShapeProto."""
    for number, dim in read_fields(message):
        if number == 2 and isinstance(dim, bytes):
            size = next((v for n, v in read_fields(dim) if n == 1 and isinstance(v, int)), 0)
            if size > _LONGEST_AXIS:  # a negative one too
                raise TableError(f"it has an axis of size {size}")
            yield size


def _values(entry: _Entry, data: Tensor | None) -> Tensor:
    """Return one variable's tensor: a view of the file where its place allows that."""
    if data is None or not entry.size:
        return torch.empty(entry.shape, dtype=entry.type)
    raw = data[entry.offset : entry.offset + entry.size]
    if entry.offset % entry.type.itemsize:
        raw = raw.clone()
    return raw.view(entry.type).view(entry.shape)


TENSORFLOW = Format("TensorFlow bundle", claims_bundle, read_bundle, peek_bundle, bundle_parts)
