"""Caffe's files, written here by hand: both kinds of layers, both kinds of shapes, bytes that are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chrominance.models import NotACheckpointError, TruncatedFileError, load_checkpoint
from chrominance.models.caffe_model import layers_of


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def read(tmp_path, data):
    (tmp_path / "net.caffemodel").write_bytes(data)
    return load_checkpoint(tmp_path / "net.caffemodel").tensors


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("shape", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_layers_come_with_names_shapes_and_values(caffe, tmp_path, old, shape, packed):
    weight, bias = values(4, 3, 3, 3), values(4, seed=1)
    data = caffe.field(1, b"net") + caffe.layer("data", old=old)
    data += caffe.layer(
        "conv1", caffe.blob(weight, shape, packed=packed), caffe.blob(bias, shape, packed=packed), old=old
    )
    data += caffe.layer("bn", caffe.blob(np.float32([2.5]), shape), old=old)
    tensors = read(tmp_path, data)
    assert list(layers_of(tensors)) == ["conv1", "bn"]
    assert torch.equal(tensors["conv1.0"], torch.from_numpy(weight))
    assert torch.equal(tensors["conv1.1"].flatten(), torch.from_numpy(bias))
    assert tensors["bn.0"].item() == 2.5


def test_doubles_and_an_empty_blob(caffe, tmp_path):
    weight = values(2, 3)
    tensors = read(tmp_path, caffe.layer("fc", caffe.blob(weight, doubles=True), caffe.blob(values(0))))
    assert tensors["fc.0"].dtype == torch.float64 and tensors["fc.1"].shape == (0,)
    torch.testing.assert_close(tensors["fc.0"].float(), torch.from_numpy(weight))


def test_bytes_that_are_no_model(caffe, tmp_path):
    data = caffe.field(1, b"net") + caffe.layer("conv1", caffe.blob(values(4, 3, 3, 3)))
    for length in (len(data) - 1, len(data) - 50, 20):
        with pytest.raises(TruncatedFileError, match="ends too early"):
            read(tmp_path, data[:length])
    with pytest.raises(NotACheckpointError, match=r"432|108 values cannot have the shape \[5, 3, 3, 3\]"):
        wrong = caffe.field(7, caffe.field(1, bytes([5, 3, 3, 3]))) + caffe.field(
            5, values(4, 3, 3, 3).tobytes()
        )
        read(tmp_path, caffe.layer("conv1", wrong))
    with pytest.raises(NotACheckpointError, match="no known kind"):
        read(tmp_path, b"\x07" * 40)
    with pytest.raises(NotACheckpointError, match="holds no layers"):
        read(tmp_path, caffe.field(1, b"net") + caffe.layer("data"))
    with pytest.raises(NotACheckpointError, match="does not end"):
        read(tmp_path, b"\x0a" + b"\xff" * 20)
    huge = caffe.field(7, caffe.field(1, caffe.number(2**40))) + caffe.field(5, b"")
    with pytest.raises(NotACheckpointError, match="cannot have the shape"):
        read(tmp_path, caffe.layer("conv1", huge))
