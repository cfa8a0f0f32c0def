"""Reading a LevelDB table, the sorted list of keys and values that TensorFlow keeps a checkpoint's index in.

Format: LevelDB, doc/table_format.md and doc/impl.md; checksums are CRC-32C (RFC 3720, B.4), masked as there.
"""

from __future__ import annotations

from collections.abc import Iterator

from .protobuf import MessageError, read_varint

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48
# Behind each block: how it is compressed, and a checksum.
_TRAILER = 5
_SNAPPY = 1

# Keys share their beginnings: a few bytes could stand for any number of long ones.
_MOST_KEY_BYTES = 64 * 2**20


class TableError(MessageError):
    """The bytes are no whole table; the message says where, without a next step."""


class CompressedTableError(TableError):
    """The table is compressed in a way that is not read here."""


def read_table(data: bytes) -> dict[bytes, bytes]:
    """Return the keys and values of a table, in the order of the keys.

    ``data``: the whole file. Raises TableError where it is cut off or damaged, CompressedTableError.
    """
    if len(data) < _FOOTER or not data.endswith(_MAGIC):
        raise TableError("its last bytes are not those of a table")
    footer = data[-_FOOTER : -len(_MAGIC)]
    _, position = _handle(footer, 0)  # of the block about blocks, which says nothing about keys
    handle, _ = _handle(footer, position)
    table: dict[bytes, bytes] = {}
    last, budget = None, _MOST_KEY_BYTES
    for _, value in _entries(_block(data, *handle)):
        for key, content in _entries(_block(data, *_handle(value, 0)[0])):
            if last is not None and key <= last:
                raise TableError("its keys are not in order")
            budget -= len(key)
            if budget < 0:
                raise TableError("its keys are too long")
            table[key] = content
            last = key
    return table


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Return where a block is, as (offset, size), and the position behind that."""
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def _block(data: bytes, offset: int, size: int) -> bytes:
    """Return the content of a block, its checksum compared."""
    end = offset + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise TableError("it names a block beyond its end")
    kind, checksum = data[end], int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if _masked(crc32c(data[offset : end + 1])) != checksum:
        raise TableError("a checksum is wrong")
    if kind:
        raise CompressedTableError(f"compressed with {'Snappy' if kind == _SNAPPY else f'method {kind}'}")
    return data[offset:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give keys and values of a block; each key tells how much of the one before it begins with."""
    restarts = int.from_bytes(block[-4:], "little") if len(block) >= 4 else -1
    end = len(block) - 4 * (restarts + 1)
    if restarts < 0 or end < 0:
        raise TableError("a block is too short")
    key, position = b"", 0
    while position < end:
        shared, position = read_varint(block, position)
        fresh, position = read_varint(block, position)
        length, position = read_varint(block, position)
        middle = position + fresh
        if shared > len(key) or middle + length > end:
            raise TableError("an entry goes beyond its block")
        key = key[:shared] + block[position:middle]
        yield key, block[middle : middle + length]
        position = middle + length


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of a few kilobytes: byte by byte, in no hurry."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value


_CRC = tuple(_crc_of_byte(byte) for byte in range(256))
