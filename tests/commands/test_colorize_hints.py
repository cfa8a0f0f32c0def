"""`chrominance colorize --hints`, with a stand-in for the network."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from .conftest import Tint, names, run


@pytest.fixture
def hinted(tint) -> Tint:
    """The stand-in, taking hints."""
    tint.spec = replace(tint.spec, conditions=frozenset({"local"}))
    return tint


def ab_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return rgb2lab(np.asarray(image.convert("RGB")))[..., 1:]


def ab_of_hex(text: str) -> np.ndarray:
    return rgb2lab(np.array([[[int(text[n : n + 2], 16) / 255 for n in (1, 3, 5)]]]))[0, 0, 1:]


def test_hints_are_exact_where_they_are(hinted, tmp_path, capsys) -> None:
    Image.new("L", (40, 30), 128).save(tmp_path / "photo.png")
    hints, out = tmp_path / "hints.csv", tmp_path / "out.png"
    hints.write_text("# a coat\n30,20,#8a7070\n3,4,#808080\n")
    assert run(tmp_path / "photo.png", "-o", out, "--hints", hints) == 0
    assert np.abs(ab_of(out)[20, 30] - ab_of_hex("#8a7070")).max() < 1  # 8 bits
    assert np.abs(ab_of(out)[4, 3]).max() < 1
    assert np.abs(ab_of(out)[28, 1]).max() > 2
    painted = Image.new("RGBA", (20, 15))
    painted.putpixel((15, 10), (0x8A, 0x70, 0x70, 255))
    painted.save(tmp_path / "painted.png")
    painted.getchannel("A").save(tmp_path / "mask.png")
    painted.convert("RGB").save(tmp_path / "plain.png")
    for more in (["painted.png"], ["plain.png", "--hints-mask", tmp_path / "mask.png"]):
        given = [tmp_path / more[0], *more[1:]]
        assert run(tmp_path / "photo.png", "-o", out, "--overwrite", "--hints", *given) == 0
        assert np.abs(ab_of(out)[21, 31] - ab_of_hex("#8a7070")).max() < 1
    capsys.readouterr()
    # Hints that were changed since make a result old.
    os.utime(out, (2e9, 2e9))
    os.utime(hints, (3e9, 3e9))
    assert run(tmp_path / "photo.png", "-o", out, "--hints", hints) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_a_folder_of_hints(hinted, photos, tmp_path, capsys) -> None:
    hints = tmp_path / "hints"
    (hints / "sub").mkdir(parents=True)
    (hints / "a.csv").write_text("1,1,#808080")
    (hints / "sub" / "c.json").write_text('[{"x": 99, "y": 1, "color": "#808080"}]')
    assert run(photos, "-o", tmp_path / "out", "--hints", hints) == 1
    said = capsys.readouterr().err.splitlines()
    assert any("warning" in line and "b.jpg: no hints" in line for line in said)
    assert any("error" in line and "c.json, point 1: x 99, y 1 is outside" in line for line in said)
    assert names(tmp_path / "out") == ["a.png", "b.jpg"]


def test_hints_need_a_model_that_takes_them(tint, photos, tmp_path, capsys) -> None:
    (tmp_path / "h.csv").write_text("1,1,#808080")
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--hints", tmp_path / "h.csv") == 2
    assert "takes no --hints" in capsys.readouterr().err
