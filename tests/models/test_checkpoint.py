"""Reading files: every layout gives the tensors that were saved, every broken file its own error."""

from __future__ import annotations

import argparse
import gzip
import os
import pickle
import struct
import sys
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch

from chrominance.models import (
    CheckpointError,
    EmptyFileError,
    NotACheckpointError,
    NotAFileError,
    TruncatedFileError,
    UnsafePickleError,
    WrongTypeError,
    load_checkpoint,
    peek_shapes,
)
from chrominance.models.pickle_file import ALLOWED_TYPES


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


def save_zip(content, path):
    torch.save(content, path)


def save_legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


SAVERS = pytest.mark.parametrize("save", [save_zip, save_legacy])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_safetensors_gives_what_was_saved_with_its_metadata(tmp_path, tiny, dtype):
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in tiny.state().items()}
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(state, path, metadata={"system": "tiny", "licence": "none"})
    checkpoint = load_checkpoint(path)
    assert same(checkpoint.tensors, state)
    assert dict(checkpoint.metadata) == {"system": "tiny", "licence": "none"}
    assert checkpoint.path == path
    assert checkpoint.shapes == {k: tuple(t.shape) for k, t in state.items()}


@SAVERS
@pytest.mark.parametrize("wrapper", [None, "params", "params_ema", "state_dict", "model"])
def test_wrappers_come_off(tmp_path, tiny, save, wrapper):
    state = tiny.state()
    path = tmp_path / "a.pth"
    save(state if wrapper is None else {wrapper: OrderedDict(state), "epoch": 3, "loss": [0.1]}, path)
    assert same(load_checkpoint(path).tensors, state)
    assert not load_checkpoint(path).metadata


def test_averaged_weights_are_preferred(tmp_path, tiny):
    torch.save({"params": tiny.state(seed=0), "params_ema": tiny.state(seed=1)}, tmp_path / "a.pth")
    assert same(load_checkpoint(tmp_path / "a.pth").tensors, tiny.state(seed=1))


def test_nested_wrappers_come_off(tmp_path, tiny):
    torch.save({"model": {"state_dict": tiny.state(), "opt": {}}}, tmp_path / "a.pth")
    assert same(load_checkpoint(tmp_path / "a.pth").tensors, tiny.state())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_a_training_prefix_is_dropped_from_every_format(tmp_path, tiny, prefix):
    state = {prefix + k: t for k, t in tiny.state().items()}
    if prefix == "_orig_mod.module.":  # taken off in this order: compile last put on
        state = {"module._orig_mod." + k: t for k, t in tiny.state().items()}
    torch.save({"params": state}, tmp_path / "a.pth")
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        assert same(load_checkpoint(tmp_path / name).tensors, tiny.state())
        assert peek_shapes(tmp_path / name) == {k: tuple(t.shape) for k, t in tiny.state().items()}


def test_a_prefix_that_only_some_names_have_stays(tmp_path):
    state = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save(state, tmp_path / "a.pth")
    assert load_checkpoint(tmp_path / "a.pth").tensors.keys() == state.keys()


@SAVERS
def test_networks_side_by_side_are_named_by_their_part(tmp_path, tiny, save):
    content = {
        "encoder": tiny.state(seed=1),
        "unet": {"module." + k: t for k, t in tiny.state(seed=2).items()},
        "g_optim": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "args": argparse.Namespace(size=256),
    }
    save(content, tmp_path / "a.pt")
    expected = {f"encoder.{k}": t for k, t in tiny.state(seed=1).items()}
    expected |= {f"unet.{k}": t for k, t in tiny.state(seed=2).items()}
    assert same(load_checkpoint(tmp_path / "a.pt").tensors, expected)


@SAVERS
def test_the_two_allowed_types_load_and_the_hosts_list_is_left_as_it_was(tmp_path, tiny, save):
    path = tmp_path / "a.pth"
    save({"model": tiny.state(), "opt": {"lr": slice(1e-7, 1e-5), "args": argparse.Namespace(a=1)}}, path)
    assert set(ALLOWED_TYPES) == {slice, argparse.Namespace}
    # PyTorch keeps them in a set: the order of the list says nothing.
    before = set(torch.serialization.get_safe_globals())
    assert same(load_checkpoint(path).tensors, tiny.state())
    assert set(torch.serialization.get_safe_globals()) == before
    with torch.serialization.safe_globals([argparse.Namespace]):  # allowed by the host itself: stays so
        load_checkpoint(path)
        assert argparse.Namespace in torch.serialization.get_safe_globals()


def test_threads_do_not_take_each_others_allowance(tmp_path, tiny):
    path = tmp_path / "a.pth"
    save_legacy({"model": tiny.state(), "opt": slice(0, 1)}, path)
    failures = []

    def work():
        try:
            for _ in range(20):
                load_checkpoint(path)
        except CheckpointError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_parameters_come_out_as_plain_tensors(tmp_path):
    torch.save({"w": torch.nn.Parameter(torch.ones(2))}, tmp_path / "a.pth")
    tensor = load_checkpoint(tmp_path / "a.pth").tensors["w"]
    assert type(tensor) is torch.Tensor
    assert not tensor.requires_grad


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_writing_to_a_loaded_tensor_leaves_the_file_alone(tmp_path, name):
    path = tmp_path / name
    state = {"w": torch.ones(1000)}
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    before = path.read_bytes()
    load_checkpoint(path).tensors["w"].zero_()
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_tensors_lie_in_the_mapped_file(tmp_path, name):
    path = tmp_path / name
    state = {"w": torch.ones(300_000)}
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    tensor = load_checkpoint(path).tensors["w"]
    with Path("/proc/self/maps").open() as maps:
        ranges = [line.split()[0].split("-") for line in maps if line.rstrip().endswith(str(path))]
    assert any(int(a, 16) <= tensor.data_ptr() < int(b, 16) for a, b in ranges)


def test_a_recompressed_archive_gives_the_true_values(tmp_path):
    torch.save({"w": torch.arange(5000.0)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as old,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
    assert torch.equal(load_checkpoint(tmp_path / "b.pth").tensors["w"], torch.arange(5000.0))


def test_content_decides_and_not_the_name(tmp_path, tiny):
    safetensors.torch.save_file(tiny.state(), tmp_path / "a.pth")
    torch.save(tiny.state(), tmp_path / "b.safetensors")
    assert same(load_checkpoint(tmp_path / "a.pth").tensors, tiny.state())
    assert same(load_checkpoint(str(tmp_path / "b.safetensors")).tensors, tiny.state())


# ---------------------------------------------------------------- broken files


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_absent(tmp_path):
    with pytest.raises(NotAFileError) as error:
        load_checkpoint(tmp_path / "none.pth")
    assert "no such file" in one_line(error)
    assert str(tmp_path / "none.pth") in str(error.value)


def test_folder(tmp_path):
    with pytest.raises(NotAFileError, match="is a folder"):
        load_checkpoint(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_not_permitted(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(NotAFileError, match="cannot be read"):
        load_checkpoint(path)


def test_empty(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(EmptyFileError, match="empty"):
        load_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"just some words, not weights\n" * 20, "a text file"),
        ("Gewichte für später\n".encode() * 20, "a text file"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\n <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (gzip.compress(b"a" * 100), "gzip"),
        (bytes(range(256)), "unknown format"),
        (b"\x00", "unknown format"),
        (b"{", "a text file"),
    ],
)
def test_something_else_is_named(tmp_path, content, what):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(NotACheckpointError) as error:
        load_checkpoint(path)
    assert what in one_line(error)


def test_safetensors_cut_anywhere_is_truncated(tmp_path, tiny):
    safetensors.torch.save_file(tiny.state(), tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    path = tmp_path / "a.safetensors"
    for cut in (len(whole) - 1, len(whole) - 40, len(whole) // 2, 60, 9):
        path.write_bytes(whole[:cut])
        for read in (load_checkpoint, peek_shapes):
            with pytest.raises(TruncatedFileError) as error:
                read(path)
            one_line(error)
    path.write_bytes(whole + b"more")
    with pytest.raises(TruncatedFileError, match=f"should have {len(whole)} bytes, got {len(whole) + 4}"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "header",
    [
        b"{not json}",
        b'{"w": 3}',
        b'{"w": {"dtype": "F32", "shape": [1]}}',
        b'{"w": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}}',
        b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',  # shape and bytes disagree
        b'{"w": {"dtype": "NONE", "shape": [1], "data_offsets": [0, 4]}}',
        b"{" * 50_000,
    ],
)
def test_a_senseless_safetensors_header(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    assert type(error.value) in (NotACheckpointError, TruncatedFileError)
    one_line(error)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_pickles_cut_anywhere_are_truncated(tmp_path, tiny, save):
    save({"params": tiny.state(8)}, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    path = tmp_path / "a.pth"
    for cut in (len(whole) - 1, len(whole) - 100, len(whole) // 2, 300, 40, 8):
        path.write_bytes(whole[:cut])
        with pytest.raises(TruncatedFileError) as error:
            load_checkpoint(path)
        one_line(error)


def test_safetensors_without_tensors(tmp_path):
    safetensors.torch.save_file({}, tmp_path / "a.safetensors")
    with pytest.raises(NotACheckpointError, match="no tensors"):
        load_checkpoint(tmp_path / "a.safetensors")


@SAVERS
@pytest.mark.parametrize("content", [torch.ones(3), [torch.ones(3)], {}, {"epoch": 3}, 7, {3: torch.ones(1)}])
def test_pickles_without_named_tensors(tmp_path, save, content):
    save(content, tmp_path / "a.pth")
    with pytest.raises(NotACheckpointError, match="named tensors"):
        load_checkpoint(tmp_path / "a.pth")


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data/vgg19_conv.pth", b"")
    with pytest.raises(NotACheckpointError, match=r"data/vgg19_conv\.pth"):
        load_checkpoint(tmp_path / "a.zip")


def test_a_torchscript_program(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:  # the layout is enough
        archive.writestr("a/data.pkl", b"")
        archive.writestr("a/constants.pkl", b"")
    with pytest.raises(NotACheckpointError, match="TorchScript"):
        load_checkpoint(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_sparse_tensors_are_refused(tmp_path):
    torch.save({"w": torch.eye(3).to_sparse()}, tmp_path / "a.pth")
    with pytest.raises(WrongTypeError, match="tensor w"):
        load_checkpoint(tmp_path / "a.pth")


# ---------------------------------------------------------------- pickles that would run code


class Evil:
    """Writes a file when unpickled carelessly."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return (open, (self.target, "w"))


class System:
    def __reduce__(self):
        return (os.system, ("true",))


@SAVERS
def test_a_pickle_that_would_run_code_is_refused_by_name_and_nothing_runs(tmp_path, tiny, save):
    path, target = tmp_path / "a.pth", tmp_path / "written"
    save({"state_dict": tiny.state(), "extra": Evil(target)}, path)
    with pytest.raises(UnsafePickleError) as error:
        load_checkpoint(path)
    text = one_line(error)
    assert any(name.endswith(".open") for name in error.value.blocked)
    assert error.value.blocked[0] in text
    assert "nothing is retried unsafely" in text
    assert not target.exists()


@SAVERS
def test_a_call_into_the_system_is_refused(tmp_path, save):
    save({"w": torch.ones(1), "extra": System()}, tmp_path / "a.pth")
    with pytest.raises(UnsafePickleError) as error:
        load_checkpoint(tmp_path / "a.pth")
    assert error.value.blocked == (f"{os.system.__module__}.system",)


@SAVERS
def test_a_whole_pickled_network_is_refused(tmp_path, tiny, save):
    save(tiny.Network(), tmp_path / "a.pth")
    with pytest.raises(UnsafePickleError, match="TinyNetwork"):
        load_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_plain_pickle_is_not_opened(tmp_path, protocol):
    target = tmp_path / "written"
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"a": Evil(target)}, protocol=protocol))
    with pytest.raises(UnsafePickleError, match="open"):
        load_checkpoint(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps({"a": 1}, protocol=protocol))
    with pytest.raises(NotACheckpointError, match=r"torch\.save did not write"):
        load_checkpoint(tmp_path / "b.pth")
    assert not target.exists()


def test_an_old_pytorch_is_not_trusted_with_pickles(tmp_path, tiny, monkeypatch):
    torch.save(tiny.state(), tmp_path / "a.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cu121")
    with pytest.raises(CheckpointError, match=r"2\.6 or newer"):
        load_checkpoint(tmp_path / "a.pth")
    safetensors.torch.save_file(tiny.state(), tmp_path / "a.safetensors")
    load_checkpoint(tmp_path / "a.safetensors")
