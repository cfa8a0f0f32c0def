"""Reading protobuf messages field by field, for the few formats that are made of them.

Format: protobuf's "Encoding" page. Nothing in a message is code; lengths are checked before anything is
taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

_Bytes = TypeVar("_Bytes", bytes, memoryview)


class MessageError(ValueError):
    """The bytes are no whole message; the message says where, without a next step."""


def read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return a number of up to 64 bits, 7 of them a byte, and the position behind it.

    Raises MessageError where it does not end.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value >> 64:
                break
            return value, position
    raise MessageError("a number in it does not end")


def read_fields(message: _Bytes) -> Iterator[tuple[int, int | _Bytes]]:
    """Give number and value of a message's fields: integers, or a part of ``message`` for what has a length.

    Floating values come as the integers that their bits are. Raises MessageError.
    """
    position = 0
    while position < len(message):
        tag, position = read_varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = read_varint(message, position)
            yield number, value
            continue
        if kind == 2:
            length, position = read_varint(message, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise MessageError("a message in it has a field of no known kind")
        part = message[position : position + length]
        if len(part) < length:
            raise MessageError("a message in it ends too early")
        position += length
        yield number, part if kind == 2 else int.from_bytes(part, "little")
