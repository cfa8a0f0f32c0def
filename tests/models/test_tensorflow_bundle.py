"""TensorFlow bundles: every type comes back, every broken or foreign one has its own error."""

from __future__ import annotations

import os
import random
import struct

import pytest
import torch

from chrominance.models import (
    CheckpointError,
    MissingPartError,
    NotACheckpointError,
    TruncatedFileError,
    WrongTypeError,
    find_checkpoints,
    load_checkpoint,
    load_colorizer,
    peek_shapes,
)
from chrominance.models.checkpoint import stamp
from chrominance.models.leveldb_table import crc32c

NUMBERS = {
    torch.float32: 1,
    torch.float64: 2,
    torch.int32: 3,
    torch.uint8: 4,
    torch.int16: 5,
    torch.int8: 6,
    torch.int64: 9,
    torch.bool: 10,
    torch.bfloat16: 14,
    torch.float16: 19,
}
STATE = {
    "a/kernel": torch.arange(6.0).reshape(1, 2, 3),
    "a/bias": torch.tensor([1.5, -2.0]),
    "b": torch.tensor(7, dtype=torch.int32),
}


def number(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


def field(tag, value):
    """One protobuf field: a number, or bytes."""
    if isinstance(value, int):
        return number(tag << 3) + number(value)
    return number(tag << 3 | 2) + number(len(value)) + value


def message(dtype, shape, offset, size, shard=0, more=b""):
    dims = b"".join(field(2, field(1, s)) for s in shape)
    return (
        field(1, dtype)
        + field(2, dims)
        + field(3, shard)
        + field(4, offset)
        + field(5, size)
        + number(6 << 3 | 5)
        + b"\1\2\3\4"  # the checksum of the values, which is not looked at
        + more
    )


HEADER = field(1, 1) + field(3, field(1, 1))


def write_index(path, entries, header=HEADER):
    """A table of one block; ``entries`` are encoded messages by name."""
    body = b""
    for key, value in sorted({"": header, **entries}.items(), key=lambda item: item[0].encode()):
        body += number(0) + number(len(key.encode())) + number(len(value)) + key.encode() + value
    body += struct.pack("<II", 0, 1)
    handle = number(0) + number(len(body))
    index = number(0) + number(1) + number(len(handle)) + b"~" + handle + struct.pack("<II", 0, 1)
    data = b""
    for block in (body, index):
        crc = crc32c(block + b"\0")
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        data += block + b"\0" + struct.pack("<I", masked)
    footer = number(0) + number(0) + number(len(body) + 5) + number(len(index))
    path.write_bytes(data + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))


def write_bundle(path, state, shards=1, **changes):
    """Write ``state`` in ``shards`` data files in turn; returns the index."""
    prefix = path.name.removesuffix(".index")
    data, entries = [b""] * shards, {}
    for i, (key, tensor) in enumerate(state.items()):
        raw = bytes(tensor.contiguous().view(-1).view(torch.uint8).tolist()) if tensor.numel() else b""
        shard = i % shards
        entries[key] = message(NUMBERS[tensor.dtype], tensor.shape, len(data[shard]), len(raw), shard)
        data[shard] += raw
    for shard, content in enumerate(data):
        path.with_name(f"{prefix}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    write_index(path, {**entries, **changes}, field(1, shards) + field(3, field(1, 1)))
    return path


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.fixture
def index(tmp_path):
    return write_bundle(tmp_path / "net.index", STATE)


def test_every_type_comes_back(tmp_path):
    state = {f"v/{str(t)[6:]}": torch.tensor([[0, 1, 1], [1, 0, 1]]).to(t) for t in NUMBERS}
    state |= {"none": torch.zeros(0, 3), "one": torch.tensor(2.5), "äö/x": torch.ones(1)}
    # Behind three bytes, nothing is where its type would have it.
    path = write_bundle(tmp_path / "net.index", {"a": torch.tensor([1, 2, 3], dtype=torch.uint8), **state})
    got = load_checkpoint(path).tensors
    assert same({k: t for k, t in got.items() if k != "a"}, state)
    assert peek_shapes(path) == load_checkpoint(path).shapes


def test_index_and_data_file_mean_the_same(index, tmp_path):
    data = tmp_path / "net.data-00000-of-00001"
    assert same(load_checkpoint(index).tensors, STATE)
    assert same(load_checkpoint(data).tensors, STATE)
    assert peek_shapes(data) == peek_shapes(index)


def test_several_data_files(tmp_path):
    path = write_bundle(tmp_path / "net-250000.index", STATE, shards=2)
    assert same(load_checkpoint(path).tensors, STATE)
    (tmp_path / "net-250000.data-00001-of-00002").unlink()
    with pytest.raises(MissingPartError, match=r"put net-250000\.data-00001-of-00002 beside it"):
        load_checkpoint(path)


def test_the_values_are_mapped_and_the_file_is_not_written_to(index, tmp_path):
    data = tmp_path / "net.data-00000-of-00001"
    before = data.read_bytes()
    data.chmod(0o444)
    tensor = load_checkpoint(index).tensors["a/kernel"]
    again = load_checkpoint(index).tensors["a/kernel"]
    tensor.fill_(9)
    assert data.read_bytes() == before
    assert torch.equal(again, STATE["a/kernel"])


def test_what_an_optimiser_keeps_and_texts_are_left_out(tmp_path):
    extra = {"a/kernel/Adam": torch.ones(1, 2, 3), "a/kernel/Adam_1": torch.ones(1, 2, 3)}
    graph = message(7, (), 0, 10**6)  # a text: its size is not that of values
    path = write_bundle(tmp_path / "net.index", STATE | extra, _CHECKPOINTABLE_OBJECT_GRAPH=graph)
    assert same(load_checkpoint(path).tensors, STATE)
    assert peek_shapes(path).keys() == STATE.keys()


def test_a_change_in_any_of_its_files_is_seen(index, tmp_path):
    data = tmp_path / "net.data-00000-of-00001"
    (tmp_path / "net2.data-00000-of-00001").write_bytes(b"another's")
    for path in (index, data):
        before = stamp(path)[1]
        for part in (index, data):
            os.utime(part, ns=(before + 10**9, before + 10**9))
            assert stamp(path)[1] == before + 10**9
            before = stamp(path)[1]
    os.utime(tmp_path / "net2.data-00000-of-00001", ns=(before + 10**9, before + 10**9))
    assert stamp(index)[1] == before


def test_a_bundle_is_a_colorizer_like_any_other(tmp_path, tiny):
    write_bundle(tmp_path / "net.index", tiny.state())
    torch.save(tiny.state(), tmp_path / "net.pth")
    L = torch.linspace(0, 100, 64).reshape(1, 1, 8, 8)
    ab = [
        load_colorizer(tmp_path / name, systems=(tiny.system(),)).colorize(L).ab
        for name in ("net.index", "net.pth")
    ]
    assert torch.equal(*ab)
    found = find_checkpoints([tmp_path], systems=(tiny.system(),))
    assert [(f.path.name, f.system) for f in found] == [("net.index", "tiny"), ("net.pth", "tiny")]


def test_not_a_number_is_found(tmp_path, tiny):
    state = {**tiny.state(), "head.bias": torch.tensor([0.0, float("nan")])}
    write_bundle(tmp_path / "net.index", state)
    with pytest.raises(CheckpointError, match=r"tensor head\.bias holds NaN"):
        load_colorizer(tmp_path / "net.index", systems=(tiny.system(),))


# ---------------------------------------------------------------- files that are not whole, or not known


def test_a_missing_file_is_named(index, tmp_path):
    data = tmp_path / "net.data-00000-of-00001"
    data.rename(tmp_path / "away")
    for read in (load_checkpoint, peek_shapes):
        with pytest.raises(MissingPartError, match=r"put net\.data-00000-of-00001 beside it"):
            read(index)
    (tmp_path / "away").rename(data)
    index.unlink()
    with pytest.raises(MissingPartError, match=r"its index net\.index is missing: put it beside it"):
        load_checkpoint(data)


def test_a_truncated_data_file(index, tmp_path):
    data = tmp_path / "net.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    for read in (load_checkpoint, peek_shapes):
        with pytest.raises(TruncatedFileError, match="should have 36 bytes, got 35: fetch it again") as error:
            read(index)
        assert error.value.path == data


def test_a_truncated_or_changed_index(index):
    whole = index.read_bytes()
    for end in range(4, len(whole)):
        index.write_bytes(whole[:end])
        with pytest.raises(TruncatedFileError, match="index that is damaged or ends too early"):
            load_checkpoint(index)
    changes = random.Random(0)
    for _ in range(300):
        changed = bytearray(whole)
        changed[changes.randrange(4, len(whole))] ^= 1 << changes.randrange(8)
        index.write_bytes(changed)
        try:
            assert same(load_checkpoint(index).tensors, STATE)
        except CheckpointError as error:
            assert "\n" not in str(error)


def test_messages_of_nonsense_are_errors_and_not_crashes(tmp_path):
    """The checksums are right here, and what they are of is not."""
    changes = random.Random(1)
    path = write_bundle(tmp_path / "net.index", STATE)
    good = message(1, (1, 2, 3), 0, 24)
    for _ in range(2000):
        bad = bytearray(good)
        for _ in range(changes.randrange(1, 4)):
            bad[changes.randrange(len(bad))] = changes.randrange(256)
        write_index(
            path, {"a": bytes(bad[: changes.randrange(len(bad) + 1)] if changes.random() < 0.3 else bad)}
        )
        try:
            (tensor,) = load_checkpoint(path).tensors.values()
            assert tensor.nbytes <= 36
        except CheckpointError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (message(1, (1, 2, 3), 0, 20), "the entry of x contradicts itself"),
        (message(1, (1, 2, 3), 0, 24, shard=1), "the entry of x contradicts itself"),
        (message(1, (2**64 - 1,), 0, 24), "it has an axis of size"),
        (message(1, (2**50, 0), 0, 0), "it has an axis of size"),
        (message(1, (1,) * 40, 0, 4), "it has a variable of 40 axes"),
        (b"\x0b", "a field of no known kind"),
        (b"\x12\x7f", "a message in it ends too early"),
        (b"\x08\x80", "a number in it does not end"),
    ],
)
def test_entries_that_cannot_be(tmp_path, entry, reason):
    path = write_bundle(tmp_path / "net.index", STATE, x=entry)
    with pytest.raises(TruncatedFileError, match=reason):
        load_checkpoint(path)


@pytest.mark.parametrize("offset", [13, 2**63, 2**64 - 1])
def test_values_beyond_the_file(tmp_path, offset):
    path = write_bundle(tmp_path / "net.index", STATE, x=message(1, (1, 2, 3), offset, 24))
    with pytest.raises(TruncatedFileError, match=f"should have {offset + 24} bytes, got 36"):
        load_checkpoint(path)


def test_types_that_no_network_takes(tmp_path):
    path = write_bundle(tmp_path / "net.index", STATE, x=message(8, (2,), 0, 16))
    with pytest.raises(WrongTypeError, match="variable x has element type 8"):
        load_checkpoint(path)
    sliced = message(1, (4,), 0, 0, more=field(7, b""))
    write_index(path, {"x": sliced})
    with pytest.raises(WrongTypeError, match=r"net\.index: variable x is stored in slices"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("header", "error", "reason"),
    [
        (field(1, 1) + field(2, 1), WrongTypeError, "highest byte first"),
        (field(1, 1) + field(3, field(1, 3) + field(2, 2)), NotACheckpointError, "a reader of version 2"),
        (field(1, 0), TruncatedFileError, "names no data file"),
    ],
)
def test_headers(tmp_path, header, error, reason):
    path = write_bundle(tmp_path / "net.index", STATE)
    write_index(path, {}, header)
    with pytest.raises(error, match=reason):
        load_checkpoint(path)


def test_snappy_is_named(index):
    # A block of kind 1 with its right checksum; the data block begins the file.
    whole = bytearray(index.read_bytes())
    size = whole.index(struct.pack("<II", 0, 1)) + 8
    whole[size] = 1
    crc = crc32c(bytes(whole[: size + 1]))
    whole[size + 1 : size + 5] = struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    index.write_bytes(whole)
    with pytest.raises(CheckpointError, match="its index is compressed with Snappy, which is not read here"):
        load_checkpoint(index)


def test_an_index_too_large_to_be_one(index, monkeypatch):
    monkeypatch.setattr("chrominance.models.tensorflow_bundle._LARGEST_INDEX", 50)
    with pytest.raises(NotACheckpointError, match="an index of more than 50 bytes"):
        load_checkpoint(index)


def test_other_files_are_not_claimed(tmp_path):
    for name, content in (("a.index", b"text, as other programs keep"), ("b.index", b"\0\0\1\0icon")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NotACheckpointError, match="expected a checkpoint"):
            load_checkpoint(tmp_path / name)
