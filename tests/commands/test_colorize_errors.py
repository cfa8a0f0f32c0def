"""What `chrominance colorize` says of wrong arguments, models and files."""

from __future__ import annotations

import pytest
from PIL import Image

from chrominance import models

from .conftest import Tint, names, run


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["absent.png", "-o", "out.png"], 1),
        (["empty", "-o", "out"], 1),
        (["photos/a.png", "-o", "photos/a.png"], 1),
        (["photos/a.png", "-o", "photos/b.jpg/out"], 1),
        (["photos/a.png", "-o", "photos/b.jpg/out.png"], 1),
        (["photos", "-o", "photos"], 2),
        (["photos/a.png", "-o", "out.gif"], 2),
        (["photos/a.png", "-o", "out.mp4"], 2),
        (["photos", "-o", "out.png"], 2),
        (["photos/a.png", "-o", "out.png", "--codec", "ffv1"], 2),
        (["photos/a.png", "-o", "out.png", "--fps", "25"], 2),
        (["photos/a.png", "-o", "out.png", "--clip"], 2),
        (["photos/a.png", "-o", "out.png", "--strength", "2"], 2),
        (["photos/a.png", "-o", "out.png", "--strength", "nan"], 2),
        (["photos/a.png", "-o", "out.png", "--saturation", "-1"], 2),
        (["photos/a.png", "-o", "out.png", "--seed", "0"], 2),
        (["photos/a.png", "-o", "out.png", "--diversity", "1"], 2),
        (["photos", "clip.mp4", "-o", "out", "--variants", "2"], 2),
        (["photos", "-o", "out", "--hints", "hints.csv"], 2),
        (["clip.mp4", "-o", "out.mp4", "--hints", "hints.csv"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "absent.csv"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "empty"], 2),
        (["photos/a.png", "-o", "out.png", "--hints-mask", "photos/a.png"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "hints.csv", "--hints-mask", "photos/a.png"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "hints.csv", "--variants", "2"], 2),
        (["photos/a.png", "-o", "out.png", "--palette", "#808080"], 2),
        (["photos/a.png", "-o", "out.png", "--palette", "absent.gpl"], 2),
        (["photos/a.png", "-o", "out.png", "--palette", "#808080,#201010", "--variants", "2"], 2),
        (["clip.mp4", "-o", "out.mp4", "--shots", "shots.json"], 2),
        (["clip.mp4", "-o", "out.mp4", "--workers", "2"], 2),
        (["clip.mp4", "-o", "out.mp4", "--ray", "local", "--frames", "1-2"], 2),
        (["clip.mp4", "-o", "out.mp4", "--stabilize", "--shots", "absent.json"], 2),
        (["clip.mp4", "-o", "out.mp4", "--stabilize", "--as-published"], 2),
    ],
)
def test_one_clear_line(tint, photos, tmp_path, monkeypatch, capsys, arguments, code) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "hints.csv").write_text("1,1,#808080")
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert run(*arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("chrominance: error: ") and captured.err.count("\n") == 1
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png"],
        ["-o", "out.png"],
        ["a.png", "-o", "out.png", "--size", "3"],
        ["a.png", "-o", "out.png", "--size", "big"],
        ["a.png", "-o", "out.png", "--temperature", "0"],
        ["a.png", "-o", "out.png", "--temperature", "nan"],
        ["a.png", "-o", "out.png", "--batch", "0"],
        ["a.png", "-o", "out.png", "--variants", "0"],
        ["a.png", "-o", "out.png", "--variants", "65"],
        ["a.png", "-o", "out.png", "--variants", "2", "--seed", "-1"],
        ["a.png", "-o", "out.png", "--variants", "2", "--diversity", "0"],
        ["a.png", "-o", "out.png", "--codec", "mpeg1"],
        ["a.png", "-o", "out.png", "--dtype", "int8"],
    ],
)
def test_usage_errors_of_the_parser(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "chrominance colorize: error: " in capsys.readouterr().err


def test_models_that_cannot_be_used(photos, tmp_path, capsys, monkeypatch) -> None:
    fake = tmp_path / "model.safetensors"
    fake.write_text("not a checkpoint")
    for model in (fake, tmp_path / "absent.pth", photos / "a.png"):
        assert run(photos / "a.png", "-o", tmp_path / "out.png", "--model", model) == 1
        err = capsys.readouterr().err
        assert err.startswith("chrominance: error: ") and err.count("\n") == 1
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: Tint(temperature=None))
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--temperature", 1) == 2
    assert not (tmp_path / "out.png").exists()


def test_weights_found_damaged_at_their_first_use(tint, photos, tmp_path, capsys, monkeypatch) -> None:
    def damaged() -> None:
        raise models.NonFiniteError("tensor head.weight holds NaN")

    monkeypatch.setattr(tint, "before_first_use", damaged)
    assert run(photos, "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err == "chrominance: error: tensor head.weight holds NaN\n"
    assert names(tmp_path / "out") == []


def test_an_unknown_device(photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--device", "toaster") == 2
    assert "toaster" in capsys.readouterr().err


def test_an_interrupt(tint, photos, tmp_path, capsys, monkeypatch) -> None:
    def interrupted(*_, **__):
        if tint.asked:
            raise KeyboardInterrupt
        return Tint._colorize(tint, *_, **__)

    monkeypatch.setattr(tint, "_colorize", interrupted)
    assert run(photos, "-o", tmp_path / "out") == 130
    assert names(tmp_path / "out") == ["a.png"]
    assert "interrupted" in capsys.readouterr().err


def test_a_warning_of_the_library_is_shown(tint, photos, tmp_path, capsys) -> None:
    Image.new("L", (4, 4)).save(photos / "p.png", icc_profile=b"junk" * 50)
    assert run(photos / "p.png", "-o", tmp_path / "out.png") == 0
    assert "chrominance: warning: " in capsys.readouterr().err


def test_bad_files_are_named_and_the_others_done(tint, photos, tmp_path, capsys) -> None:
    (photos / "text.png").write_text("not a picture")
    data = (photos / "b.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(data[: len(data) // 2])
    (photos / "empty.mp4").touch()
    out = tmp_path / "out"
    assert run(photos, tmp_path / "absent.png", "-o", out) == 1
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith(("chrominance: ", "  ")) for line in said)
    for name in ("text.png", "cut.jpg", "empty.mp4", "absent.png"):
        assert sum(name in line for line in said if line.startswith("chrominance: error:")) == 1
        assert sum(name in line for line in said if line.startswith("  ")) == 1
    assert "chrominance: error: 4 failed:" in said and said[-1].startswith("chrominance: 3 coloured: ")
    assert names(out) == ["a.png", "b.jpg", "sub/c.tif"]
