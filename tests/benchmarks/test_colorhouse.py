from __future__ import annotations

import pytest
import torch
from PIL import Image
from skimage import data

from chrominance.benchmarks import colorhouse
from chrominance.models.colorhouse.system import build_colorhouse
from chrominance.training.embedded import export


@pytest.fixture
def files(tmp_path):
    names = []
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(data, name)()).resize((96, 64)).save(tmp_path / f"{name}.png")
        names.append(str(tmp_path / f"{name}.png"))
    return names


def test_every_picture_is_asked_for_several_others():
    asked = list(colorhouse.pairs([torch.zeros(1)] * 20))
    assert len(asked) == 20 * colorhouse.ASKED
    assert len(set(asked)) == len(asked)
    assert all(number != other for number, other in asked)


def test_a_picture_keeps_its_own_lightness():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert colorhouse.lightness_similarity(picture, picture) == pytest.approx(1)
    assert colorhouse.lightness_similarity(picture, 1 - picture) < 0.5


def test_soft_recolouring_comes_nearer_than_nothing(files):
    from pathlib import Path

    pictures = [colorhouse.load(Path(name)) for name in files]
    nothing = colorhouse.measure(pictures, lambda rgb, *_: rgb)
    soft = colorhouse.measure(pictures, colorhouse.soft)
    assert nothing[1] == pytest.approx(1)
    assert soft[0] < 0.7 * nothing[0]


def test_the_command_says_whether_the_bars_are_met(files, tmp_path, capsys):
    weights = tmp_path / "untrained.safetensors"
    export(build_colorhouse().network, weights)
    sheet = tmp_path / "sheet.png"
    given = [*files, "--model", str(weights), "--size", "64", "--sheet", str(sheet)]
    # Untrained, it gives pictures back: nothing is lost, and nothing won.
    assert colorhouse.main(given) == 1
    lines = capsys.readouterr().out.splitlines()
    nothing, ours = (next(line for line in lines if name in line) for name in ("nothing", "ColorHouse"))
    assert nothing.split("|")[2] == ours.split("|")[2]
    with Image.open(sheet) as picture:
        assert picture.height > 4 * 168
