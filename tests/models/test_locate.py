"""Where checkpoints are looked for, and what a user's word for one means."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from chrominance.models import (
    PUBLISHED,
    NotAFileError,
    find_checkpoints,
    folders,
    get_published,
    locate,
    resolve_source,
    shipped_weights,
    user_models_folder,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_the_environment_names_the_folder(folder, monkeypatch):
    assert user_models_folder() == folder
    assert not folder.exists()
    monkeypatch.setenv("CHROMINANCE_MODELS", "~/models")
    assert user_models_folder() == Path.home() / "models"


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "chrominance/models"),
        ("win32", "LOCALAPPDATA", "chrominance/models"),
        ("darwin", None, "Library/Caches/chrominance/models"),
    ],
)
def test_each_platform_has_its_folder(monkeypatch, tmp_path, platform, variable, expected):
    monkeypatch.delenv("CHROMINANCE_MODELS", raising=False)
    monkeypatch.setattr(folders, "sys", type(sys)("sys"))
    monkeypatch.setattr(folders.sys, "platform", platform, raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert user_models_folder() == tmp_path / expected


def test_shipped_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(locate, "_SHIPPED_FOLDER", tmp_path)
    with pytest.raises(NotAFileError, match="embedded are not there: install the package again"):
        shipped_weights("embedded")
    (tmp_path / "embedded.safetensors").write_bytes(b"x")
    assert shipped_weights("embedded") == tmp_path / "embedded.safetensors"
    assert resolve_source("embedded") == tmp_path / "embedded.safetensors"
    assert locate.shipped_names() == ("embedded",)
    (tmp_path.parent / "secret.safetensors").write_bytes(b"x")
    with pytest.raises(NotAFileError):
        shipped_weights("../secret")


def test_a_path_means_itself(folder, tmp_path, monkeypatch):
    (tmp_path / "a.pth").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("a.pth") == Path("a.pth")
    assert resolve_source(tmp_path / "a.pth") == tmp_path / "a.pth"


def test_a_published_name_means_the_file_in_the_users_folder(folder):
    entry = get_published("eccv16")
    with pytest.raises(NotAFileError) as error:
        resolve_source("eccv16")
    assert entry.addresses[0] in str(error.value)
    assert entry.local_name in str(error.value)
    folder.mkdir()
    (folder / entry.local_name).write_bytes(b"x")
    assert resolve_source("eccv16") == folder / entry.local_name
    assert resolve_source(entry.local_name) == folder / entry.local_name
    with pytest.raises(NotAFileError, match="no such file; give embedded"):
        resolve_source("nothing-known")


def test_finding_checkpoints(tmp_path, tiny):
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "sub").mkdir(parents=True)
    two.mkdir()
    safetensors.torch.save_file(tiny.state(), one / "a.safetensors")
    torch.save({"params": tiny.state()}, one / "sub" / "B.PTH")
    torch.save(tiny.state(), two / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"lora_unet_x.lora_up.weight": torch.ones(1)}, two / "lora.pt")
    (two / "broken.ckpt").write_bytes(b"text")
    (two / "readme.txt").write_text("not listed")
    found = find_checkpoints([one, two, one, tmp_path / "absent"], systems=(tiny.system(),))
    assert [(f.path.name, f.system) for f in found] == [
        ("a.safetensors", "tiny"),
        ("B.PTH", "tiny"),
        ("broken.ckpt", None),
        ("legacy.pth", None),
        ("lora.pt", None),
    ]
    by_name = {f.path.name: f for f in found}
    assert by_name["a.safetensors"].title == "Tiny"
    assert by_name["a.safetensors"].size == (one / "a.safetensors").stat().st_size
    assert "text file" in by_name["broken.ckpt"].problem
    assert by_name["legacy.pth"].problem is None
    assert by_name["legacy.pth"].title == "known when opened"
    assert "LoRA" in by_name["lora.pt"].problem


def test_a_file_that_vanishes_meanwhile_is_a_problem_and_not_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(locate.os, "walk", lambda folder: [(str(tmp_path), [], ["gone.pth"])])
    (found,) = find_checkpoints([tmp_path])
    assert found.system is None
    assert found.problem


# ---------------------------------------------------------------- the table


def test_names_and_local_names_are_unique():
    assert len({entry.name for entry in PUBLISHED}) == len(PUBLISHED)
    assert len({entry.local_name for entry in PUBLISHED}) == len(PUBLISHED)
    with pytest.raises(KeyError, match="there are: eccv16"):
        get_published("none")


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_every_entry_is_whole(entry):
    assert entry.title
    assert entry.layout
    assert entry.code_licence
    assert entry.weights_licence
    assert entry.addresses or entry.page
    assert entry.fetchable == bool(entry.addresses)
    assert all(a.startswith(("https://", "http://colorization.eecs.berkeley.edu/")) for a in entry.addresses)
    assert entry.sha256 is None or (len(entry.sha256) == 64 and int(entry.sha256, 16) >= 0)
    assert entry.size is None or entry.size > 10**6
    assert entry.non_commercial == ("NC" in entry.code_licence + entry.weights_licence)
    assert Path(entry.local_name).name == entry.local_name


def test_digests_agree_with_those_in_the_files_names():
    for name in ("eccv16", "siggraph17"):
        entry = get_published(name)
        assert entry.sha256.startswith(entry.file.split("-")[-1].removesuffix(".pth"))
