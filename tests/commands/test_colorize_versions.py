"""`chrominance colorize --variants`, with a stand-in for the network."""

from __future__ import annotations

import os

import pytest
import torch

from chrominance import models
from chrominance.color.ab_bins import BIN_COUNT, nearest_ab_bin

from .conftest import Tint, names, run


class Dice(Tint):
    """Red or blue."""

    def distribution(self, L, conditions=None, *, size=None) -> torch.Tensor:
        self.asked.append((len(L), size))
        logits = torch.full((1, BIN_COUNT, 6, 8), -9.0)
        for color in ([50.0, 40.0], [20.0, -50.0]):
            logits[:, nearest_ab_bin(torch.tensor(color), dim=0)] = 0
        return logits


@pytest.fixture
def dice(monkeypatch) -> Dice:
    """Put a stand-in with a distribution where models are loaded."""
    colorizer = Dice()
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: colorizer)
    return colorizer


def test_versions_go_on_and_a_larger_number_keeps_the_first(dice, photos, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run(photos, "-o", out, "--variants", 3, "--seed", 5) == 0
    assert names(out) == [*(f"a-{n}.png" for n in (1, 2, 3)), *(f"b-{n}.jpg" for n in (1, 2, 3))] + [
        f"sub/c-{n}.tif" for n in (1, 2, 3)
    ]
    assert "9 coloured" in capsys.readouterr().err and len(dice.asked) == 3
    before = {name: (out / name).read_bytes() for name in names(out)}
    assert len(set(before.values())) > 3
    (out / "a-2.png").unlink()
    (out / "sub" / "c-1.tif").unlink()
    assert run(photos, "-o", out, "--variants", 3, "--seed", 5) == 0
    assert "2 coloured, 7 there already" in capsys.readouterr().err
    assert run(photos, "-o", out, "--variants", 4, "--seed", 5, "--overwrite") == 0
    assert {name: (out / name).read_bytes() for name in before} == before and len(names(out)) == 12
    assert run(photos, "-o", out, "--variants", 4, "--seed", 6, "--overwrite") == 0
    assert {name: (out / name).read_bytes() for name in before} != before


def test_versions_of_one_file(dice, photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "new.jpg", "--variants", 2, "--diversity", 0.5) == 0
    there = [tmp_path / "new-1.jpg", tmp_path / "new-2.jpg"]
    assert all(path.is_file() for path in there) and not (tmp_path / "new.jpg").exists()
    assert capsys.readouterr().err == f"chrominance: 2 coloured: {there[0]}, {there[1]}\n"
    os.utime(there[0], (1000, 1000))
    assert run(photos / "a.png", "-o", tmp_path / "new.jpg", "--variants", 2) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_a_bad_file_is_named_once_for_all_its_versions(dice, photos, tmp_path, capsys) -> None:
    (photos / "a.png").write_text("not a picture")
    assert run(photos, "-o", tmp_path / "out", "--variants", 4) == 1
    said = capsys.readouterr().err
    assert said.count("a.png") == 1 and "8 coloured" in said


def test_versions_need_a_distribution(tint, photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--variants", 2) == 2
    assert "choose the embedded network" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
