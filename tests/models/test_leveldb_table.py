"""LevelDB tables: published checksums, keys that share their beginnings, bytes that are no table."""

from __future__ import annotations

import struct

import pytest

from chrominance.models.leveldb_table import (
    CompressedTableError,
    TableError,
    crc32c,
    read_table,
)
from chrominance.models.protobuf import MessageError, read_varint

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)


def number(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


def entry(shared, rest, value):
    return number(shared) + number(len(rest)) + number(len(value)) + rest + value


def trailed(body, kind=0):
    crc = crc32c(body + bytes([kind]))
    return body + bytes([kind]) + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def table(*blocks, kind=0, handles=None):
    """A table of blocks that are given as lists of entries, one restart point each."""
    data, index = b"", b""
    for i, block in enumerate(blocks):
        body = b"".join(block) + struct.pack("<II", 0, 1)
        index += entry(0, bytes([65 + i]), number(len(data)) + number(len(body)))
        data += trailed(body, kind)
    index = (index if handles is None else handles) + struct.pack("<II", 0, 1)
    footer = number(0) + number(0) + number(len(data)) + number(len(index))
    return data + trailed(index) + footer.ljust(40, b"\0") + MAGIC


def test_crc32c_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_keys_continue_the_one_before():
    data = table(
        [entry(0, b"", b"head"), entry(0, b"gen/conv0/bias", b"1"), entry(10, b"kernel", b"22")],
        [entry(0, b"z" * 200, b"x" * 300)],
    )
    assert read_table(data) == {
        b"": b"head",
        b"gen/conv0/bias": b"1",
        b"gen/conv0/kernel": b"22",
        b"z" * 200: b"x" * 300,
    }
    assert read_table(table()) == {}


def test_numbers():
    for value in (0, 127, 128, 300, 2**32, 2**64 - 1):
        assert read_varint(b"x" + number(value) + b"y", 1) == (value, 1 + len(number(value)))
    for bad in (b"", b"\x80", b"\xff" * 9 + b"\x7f", b"\xff" * 12):
        with pytest.raises(MessageError, match="a number in it does not end"):
            read_varint(bad, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "last bytes"),
        (table([entry(0, b"a", b"1")])[:-1], "last bytes"),
        (table([entry(0, b"b", b"1"), entry(0, b"a", b"1")]), "not in order"),
        (table([entry(0, b"a", b"1"), entry(0, b"a", b"1")]), "not in order"),
        (table([entry(2, b"a", b"1")]), "beyond its block"),
        (table([number(0) + number(1) + number(99) + b"a"]), "beyond its block"),
        (table(handles=entry(0, b"A", number(0) + number(1 << 40))), "beyond its end"),
        (table(handles=entry(0, b"A", b"")), "does not end"),
    ],
)
def test_what_is_no_table(data, reason):
    with pytest.raises(MessageError, match=reason):
        read_table(data)


def test_a_block_that_is_named_twice_is_not_read_twice():
    body = entry(0, b"a", b"1") + struct.pack("<II", 0, 1)
    handle = number(0) + number(len(body))
    data = trailed(body)
    index = entry(0, b"A", handle) + entry(0, b"B", handle) + struct.pack("<II", 0, 1)
    footer = number(0) + number(0) + number(len(data)) + number(len(index))
    with pytest.raises(TableError, match="not in order"):
        read_table(data + trailed(index) + footer.ljust(40, b"\0") + MAGIC)


def test_long_keys_from_few_bytes():
    step = [entry(0, b"k" * 2**20, b"")]
    step += [entry(2**20, bytes([i]), b"") for i in range(100)]
    with pytest.raises(TableError, match="keys are too long"):
        read_table(table(step))


def test_compression_is_named():
    with pytest.raises(CompressedTableError, match="compressed with Snappy"):
        read_table(table([entry(0, b"a", b"1")], kind=1))
    with pytest.raises(CompressedTableError, match="compressed with method 9"):
        read_table(table([entry(0, b"a", b"1")], kind=9))


def test_no_byte_can_change_unnoticed():
    """Every bit of the blocks is under a checksum: the keys and values are as written, or an error."""
    whole = table(
        [entry(0, b"", b"head"), entry(0, b"aa", b"1"), entry(1, b"b", b"2")], [entry(0, b"c", b"3")]
    )
    wanted = read_table(whole)
    for i in range(len(whole)):
        for bit in (1, 128):
            changed = bytearray(whole)
            changed[i] ^= bit
            try:
                found = read_table(bytes(changed))
            except TableError:
                continue
            assert found == wanted, i  # only padding and what is not looked at
    for end in range(len(whole)):
        with pytest.raises(TableError):
            read_table(whole[:end])
