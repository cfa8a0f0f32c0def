from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from chrominance.pipelines import retrieval_file
from chrominance.pipelines.retrieval_features import LEVELS, PLACES, Basis
from chrominance.pipelines.retrieval_file import (
    INDEX_NAME,
    IndexData,
    RetrievalError,
    Rows,
    Skipped,
    check_writable,
    read_index,
    write_index,
)


def index_of(count, channels=12, *, raw=True):
    generator = torch.Generator().manual_seed(count)
    features = torch.randn(count, PLACES, channels, generator=generator).half()
    basis = Basis.fit(features)
    overall, places = basis.compress(features)
    rows = Rows(
        tuple(f"sub/{number}\udcff é.png" for number in range(count)),
        tuple((number, 10**18 + number) for number in range(count)),
        overall.half(),
        places.half(),
        torch.randn(count, PLACES, LEVELS, generator=generator).half(),
        features if raw else None,
    )
    skipped = {"bad\n.png": Skipped((3, 4), "not a picture")}
    return IndexData("network", torch.randn(channels, generator=generator), basis, rows, skipped)


@pytest.mark.parametrize(("count", "raw"), [(0, True), (1, True), (5, True), (5, False)])
def test_what_is_written_is_read(tmp_path, count, raw):
    data = index_of(count, raw=raw)
    write_index(tmp_path / INDEX_NAME, tmp_path, data)
    read = read_index(tmp_path / INDEX_NAME, tmp_path)
    assert read.extractor == "network" and read.skipped == data.skipped
    assert torch.equal(read.probe, data.probe)
    for mine, theirs in ((data.rows, read.rows), (data.basis, read.basis)):
        for name in (field.name for field in fields(mine)):
            one, other = getattr(mine, name), getattr(theirs, name)
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other, name


def test_a_write_that_fails_leaves_the_old_index(tmp_path, monkeypatch):
    file = tmp_path / INDEX_NAME
    write_index(file, tmp_path, index_of(2))
    before = file.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(retrieval_file.safetensors.torch, "save_file", full)
    with pytest.raises(RetrievalError, match=r"No space left on device.*--index FILE"):
        write_index(file, tmp_path, index_of(3))
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_the_trial_leaves_nothing(tmp_path):
    check_writable(tmp_path / INDEX_NAME)
    assert not list(tmp_path.iterdir())
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(RetrievalError, match=r"is a folder|Is a directory"):
        check_writable(tmp_path / "folder.safetensors")


def test_rows_are_taken_in_the_given_order():
    rows = index_of(4).rows
    taken = rows.take([3, 1])
    assert taken.names == (rows.names[3], rows.names[1]) and taken.stamps == (rows.stamps[3], rows.stamps[1])
    assert torch.equal(taken.places, rows.places[[3, 1]])
    assert rows.take([]).names == () and rows.take([]).overall.shape[0] == 0


def test_only_the_same_network_may_be_compared(tmp_path):
    data = index_of(2)
    file = tmp_path / INDEX_NAME
    data.check_extractor("network", data.probe * 1.0001, file, tmp_path)
    for name, mark in (("network", -data.probe), ("network", data.probe[:5]), ("other", data.probe)):
        with pytest.raises(RetrievalError, match="its features are of the network"):
            data.check_extractor(name, mark, file, tmp_path)
