"""`chrominance references`, as a user calls it: mostly in this process, with a stand-in for the network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from chrominance.__main__ import main
from chrominance.models import features_load
from chrominance.models.errors import CheckpointError
from chrominance.models.features import FeatureExtractor
from chrominance.pipelines import retrieval
from chrominance.pipelines.retrieval_file import INDEX_NAME


class Patches(FeatureExtractor):
    """Features of a fixed random convolution."""

    name = "patches"
    strides = (32,)
    multiple = 32

    def __init__(self, seed: int = 0) -> None:
        self.network = nn.Conv2d(1, 64, 32, 32, bias=False)
        with torch.no_grad():
            self.network.weight.normal_(generator=torch.Generator().manual_seed(seed))
        self.scale = 1.0

    @torch.inference_mode()
    def features(self, L):
        return [F.leaky_relu(self.network(self.checked(L) / 100)) * self.scale]


@pytest.fixture
def patches(monkeypatch) -> Patches:
    """Put a stand-in where features are loaded."""
    extractor = Patches()
    monkeypatch.setattr(features_load, "load_features", lambda *a, **k: extractor)
    return extractor


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "colour"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "sub/d.png")):
        coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(number))
        rgb = F.interpolate(coarse, (60, 90), mode="bicubic", align_corners=False)[0].clamp(0, 1)
        Image.fromarray(rgb.mul(255).byte().permute(1, 2, 0).numpy()).save(folder / name)
    return folder


@pytest.fixture
def old(folder, tmp_path) -> Path:
    """Black-and-white copies: old/a.png of a.png, old/d.png of sub/d.png."""
    (tmp_path / "old").mkdir()
    for name in ("a.png", "sub/d.png"):
        with Image.open(folder / name) as image:
            image.convert("L").save(tmp_path / "old" / Path(name).name)
    return tmp_path / "old"


def run(*arguments: object) -> int:
    return main(["references", *map(str, arguments)])


def test_index_and_find(patches, folder, old, capsys) -> None:
    assert run("index", folder) == 0
    file = folder / INDEX_NAME
    assert capsys.readouterr() == ("", f"chrominance: {file}: 4 references (4 new)\n")
    assert run("find", old / "d.png", "--in", folder) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == "" and len(lines) == 4
    assert lines[0].endswith(f"  {folder / 'sub' / 'd.png'}") and float(lines[0].split()[0]) > 0.8
    assert [float(line.split()[0]) for line in lines] == sorted(
        (float(line.split()[0]) for line in lines), reverse=True
    )


def test_several_pictures_a_pattern_and_json(patches, folder, old, tmp_path, capsys) -> None:
    run("index", folder, "-q")
    assert capsys.readouterr() == ("", "")
    out = tmp_path / "found.json"
    assert run("find", old / "*.png", "--in", folder, "-n", 2, "--json", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith(":")] == [f"{old / 'a.png'}:", f"{old / 'd.png'}:"]
    assert len(lines) == 6
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [Path(one["picture"]) for one in found] == [old / "a.png", old / "d.png"]
    assert [Path(one["references"][0]["path"]) for one in found] == [folder / "a.png", folder / "sub/d.png"]
    for one in found[0]["references"]:
        mean = (one["overall"] + one["places"] + one["lightness"] / 4) / 2.25
        assert one["score"] == pytest.approx(mean, abs=2e-4)


def test_a_second_run_reads_what_is_new(patches, folder, old, capsys) -> None:
    run("index", folder)
    (folder / "b.png").unlink()
    with Image.open(folder / "c.png") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "e.png")
    capsys.readouterr()
    # What is gone is not found, and the user hears that the index is old.
    assert run("find", old / "a.png", "--in", folder) == 0
    captured = capsys.readouterr()
    assert "b.png" not in captured.out and len(captured.out.splitlines()) == 3
    assert captured.err.startswith("chrominance: warning: ") and "1 new, 1 gone" in captured.err
    assert "references index" in captured.err
    assert run("index", folder) == 0
    assert "4 references (1 new, 1 gone)" in capsys.readouterr().err
    assert run("index", folder) == 0
    assert "(nothing changed)" in capsys.readouterr().err
    assert run("find", old / "a.png", "--in", folder, "-q") == 0
    assert capsys.readouterr().err == ""


def test_an_index_elsewhere(patches, folder, old, tmp_path, capsys) -> None:
    file = tmp_path / "mine.safetensors"
    assert run("index", folder, "--index", file) == 0
    assert file.is_file() and not (folder / INDEX_NAME).exists()
    assert run("find", old / "a.png", "--in", folder, "--index", file, "-n", 1) == 0
    assert capsys.readouterr().out.endswith(f"  {folder / 'a.png'}\n")


def test_rebuild_after_damage_and_for_another_network(patches, folder, capsys, monkeypatch) -> None:
    run("index", folder)
    (folder / INDEX_NAME).write_text("junk")
    assert run("index", folder) == 1
    assert "--rebuild" in capsys.readouterr().err
    assert run("index", folder, "--rebuild") == 0
    monkeypatch.setattr(features_load, "load_features", lambda *a, **k: Patches(seed=1))
    capsys.readouterr()
    assert run("find", folder / "a.png", "--in", folder) == 1
    assert "another version" in capsys.readouterr().err
    assert run("index", folder, "--rebuild") == 0
    assert run("find", folder / "a.png", "--in", folder) == 0


def test_bad_pictures_are_named_and_the_others_done(patches, folder, old, tmp_path, capsys) -> None:
    (folder / "text.png").write_text("no picture")
    Image.new("L", (9, 9), 80).save(folder / "grey.png")
    assert run("index", folder) == 0
    assert "4 references, 1 without colours, 1 unreadable" in capsys.readouterr().err
    (old / "bad.png").write_text("no picture")
    out = tmp_path / "found.json"
    arguments = (old / "a.png", old / "bad.png", old / "absent.png", old)
    assert run("find", *arguments, "--in", folder, "--json", out) == 1
    captured = capsys.readouterr()
    assert captured.err.count("chrominance: error: ") == captured.err.count("\n") == 3
    for name in ("bad.png", "absent.png", f"{old}: "):
        assert name in captured.err
    assert len(json.loads(out.read_text())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "none"], "no such folder"),
        (["index", "colour/a.png"], "not a folder"),
        (["index", "empty"], "put colour pictures there"),
        (["index", "colour", "--index", "mine.txt"], "ends in .safetensors"),
        (["index", "colour", "--index", "none/mine.safetensors"], "cannot be written"),
        (["find", "colour/a.png", "--in", "colour"], "there is no index"),
        (["find", "colour/a.png", "--in", "none"], "no such folder"),
    ],
)
def test_one_clear_line(patches, folder, tmp_path, monkeypatch, capsys, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(*arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err
    assert captured.err.startswith("chrominance: error: ") and captured.err.count("\n") == 1
    assert not (folder / INDEX_NAME).exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["index"],
        ["find", "a.png"],
        ["find", "--in", "colour"],
        ["find", "a.png", "--in", "colour", "-n", "0"],
        ["index", "colour", "--dtype", "int8"],
    ],
)
def test_usage_errors_of_the_parser(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2 and "error: " in capsys.readouterr().err


def test_json_that_cannot_be_written(patches, folder, tmp_path, capsys) -> None:
    run("index", folder)
    capsys.readouterr()
    assert run("find", folder / "a.png", "--in", folder, "--json", tmp_path / "none" / "x.json") == 1
    captured = capsys.readouterr()
    assert "x.json: cannot be written" in captured.err and len(captured.out.splitlines()) == 4


def test_networks_that_cannot_be_used(folder, patches, capsys, monkeypatch) -> None:
    patches.scale = torch.inf
    assert run("index", folder, "--dtype", "float16") == 1
    assert "float32" in capsys.readouterr().err
    assert not (folder / INDEX_NAME).exists()
    for error, code in ((CheckpointError("is damaged"), 1), (ValueError("no such device: toaster"), 2)):

        def refuse(*_, error=error, **__):
            raise error

        monkeypatch.setattr(features_load, "load_features", refuse)
        assert run("index", folder) == code
        assert capsys.readouterr().err == f"chrominance: error: {error}\n"
    assert not list(folder.glob("*.part"))


def test_an_interrupt_keeps_what_is_read(patches, folder, capsys, monkeypatch) -> None:
    monkeypatch.setattr(retrieval, "_BATCH", 2)
    features, calls = patches.features, []

    def interrupted(L):
        calls.append(len(L))
        if calls.count(2) == 2:
            raise KeyboardInterrupt
        return features(L)

    monkeypatch.setattr(patches, "features", interrupted)
    assert run("index", folder) == 130
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(features_load, "load_features", lambda *a, **k: patches)
    assert run("index", folder) == 0
    assert "4 references (2 new)" in capsys.readouterr().err


def test_the_embedded_network_in_a_process_of_its_own(folder, old, tmp_path) -> None:
    command = [sys.executable, "-m", "chrominance", "references"]
    for arguments in (["index", "colour"], ["find", "old/d.png", "--in", "colour", "-n", "1"]):
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"  {Path('colour', 'sub', 'd.png')}\n") and done.stderr == ""
