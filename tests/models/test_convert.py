from __future__ import annotations

import hashlib

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from chrominance.models import CheckpointError, load_colorizer, shipped_weights
from chrominance.models.convert import convert


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The embedded network as people keep one: a .pth with a wrapper and a prefix."""
    tensors = load_file(shipped_weights("embedded"))
    path = tmp_path_factory.mktemp("pth") / "mine.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in tensors.items()}, "epoch": 3}, path)
    return path, tensors


def test_the_tensors_and_what_they_are(checkpoint, tmp_path):
    path, tensors = checkpoint
    done = convert(path, tmp_path / "mine.safetensors")
    assert done.system == "embedded"
    with safe_open(done.path, "pt") as file:
        metadata = file.metadata()
        assert set(file.keys()) == set(tensors)
        assert all(torch.equal(file.get_tensor(name), value) for name, value in tensors.items())
    assert metadata["source"] == "mine.pth"
    assert metadata["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert metadata["weights_licence"] and metadata["code_licence"]
    assert load_colorizer(done.path).spec.system == "embedded"
    assert [one.name for one in tmp_path.iterdir()] == ["mine.safetensors"]


def test_what_cannot_be_converted(checkpoint, tmp_path):
    path, _ = checkpoint
    with pytest.raises(CheckpointError, match="its name must end so"):
        convert(path, tmp_path / "mine.pth")
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    with pytest.raises(CheckpointError, match=r"other\.pth"):
        convert(other, tmp_path / "other.safetensors")
    other.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError):
        convert(other, tmp_path / "other.safetensors")
    done = convert(path, tmp_path / "mine.safetensors").path
    with pytest.raises(CheckpointError, match="is that already"):
        convert(done, done)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mine.safetensors", "other.pth"]
