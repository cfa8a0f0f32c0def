from __future__ import annotations

import io

import pytest
import torch
from safetensors.torch import load_file

from chrominance.__main__ import main
from chrominance.models import fetch as fetching
from chrominance.models import published, shipped_weights
from chrominance.models.fetch import Fetched, FetchError
from chrominance.models.published import Published


@pytest.fixture
def shop(monkeypatch, tmp_path):
    """Two files to fetch, and what was asked for."""
    facts = ("any", "A model", "x.pth", ("https://example.org/x",), "MIT")
    entries = (
        Published("free", *facts, "MIT", "state dict"),
        Published("bound", *facts, "CC BY-NC 4.0", "state dict", non_commercial=True),
        Published("broken", *facts, "MIT", "state dict"),
    )
    monkeypatch.setattr(published, "PUBLISHED", entries)
    asked = []

    def fetch(entry, folder, progress=None):
        asked.append((entry.name, folder))
        if entry.name == "broken":
            raise FetchError("x.pth should have 3 bytes, got 2")
        progress(5, 10)
        return Fetched(folder / entry.local_name, "abc", new=True, recorded=entry.name == "free")

    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path))
    return asked


def test_files_are_fetched_one_by_one(shop, tmp_path, capsys):
    assert main(["models", "fetch", "broken", "free"]) == 1
    assert [name for name, _ in shop] == ["broken", "free"] and shop[1][1] == tmp_path
    said = capsys.readouterr()
    assert "should have 3 bytes" in said.err
    assert "x.pth (fetched, MIT)" in said.out and "recorded for the next time: abc" in said.out
    assert main(["models", "fetch", "free", "--to", str(tmp_path / "here")]) == 0
    assert shop[-1] == ("free", tmp_path / "here")


def test_a_licence_is_shown_and_agreed_to(shop, capsys, monkeypatch):
    assert main(["models", "fetch", "bound"]) == 2
    said = capsys.readouterr().err
    assert "CC BY-NC 4.0, not for commercial use" in said and "add --yes" in said and not shop
    assert main(["models", "fetch", "bound", "--yes"]) == 0

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(["models", "fetch", "bound"]) == 1
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["models", "fetch", "bound"]) == 0
    assert len(shop) == 2


def test_what_is_no_name_is_said(shop, capsys):
    assert main(["models", "fetch", "nothing"]) == 2
    assert (
        "nothing is no published name; these can be fetched: free, bound, broken" in capsys.readouterr().err
    )
    assert main(["models", "fetch"]) == 2
    assert main(["models", "--yes"]) == 2


def test_a_checkpoint_is_converted(tmp_path, capsys):
    path, target = tmp_path / "mine.pth", tmp_path / "mine.safetensors"
    torch.save(load_file(shipped_weights("embedded")), path)
    assert main(["models", "convert", str(path), "-o", str(target)]) == 0
    assert target.is_file() and "mine.safetensors:" in capsys.readouterr().out
    assert main(["models", "convert", str(tmp_path / "absent.pth"), "-o", str(target)]) == 1
    assert main(["models", "convert", str(path)]) == 2
