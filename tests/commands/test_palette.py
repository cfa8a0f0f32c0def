from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from chrominance.__main__ import main


@pytest.fixture
def photos(tmp_path):
    paths = []
    for name in ("coffee", "rocket"):
        path = tmp_path / f"{name}.png"
        Image.fromarray(getattr(data, name)()[::4, ::4].copy()).save(path)
        paths.append(str(path))
    return paths


def test_the_palette_of_a_photo(photos, tmp_path, capsys):
    out = tmp_path / "p.json"
    files = [str(tmp_path / name) for name in ("p.ase", "p.png")]
    assert (
        main(
            ["palette", photos[0], "-k", "4", "--json", str(out), "--save", files[0], "--swatches", files[1]]
        )
        == 0
    )
    colors = json.loads(out.read_text(encoding="utf-8"))["colors"]
    assert len(colors) == 4 and set(colors[0]) >= {"hex", "lab", "weight", "locked"}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [one["hex"] for one in colors]
    assert sum(float(line.split()[1]) for line in lines) == pytest.approx(100, abs=0.3)
    assert sum(one["weight"] for one in colors) == pytest.approx(1, abs=1e-5)
    assert Image.open(files[1]).size == (1024, 256)
    # And on to recolouring, in either format.
    for given in (str(out), files[0]):
        made = tmp_path / "made.png"
        assert (
            main(["recolor", photos[0], "-o", str(made), "--from", given, "--to", given, "--overwrite", "-q"])
            == 0
        )
        apart = np.asarray(Image.open(made)).astype(int) - np.asarray(Image.open(photos[0]))
        assert abs(apart).max() <= 1


def test_all_together_or_each(photos, tmp_path, capsys):
    assert main(["palette", *photos, "-k", "auto", "--json", "-"]) == 0
    assert 2 <= len(json.loads(capsys.readouterr().out)["colors"]) <= 16
    folder = tmp_path / "each"
    assert (
        main(["palette", *photos, "--each", "--json", str(folder), "--save", str(folder), "--format", "css"])
        == 0
    )
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["coffee.png.css", "coffee.png.json", "rocket.png.css", "rocket.png.json"]
    out = capsys.readouterr().out
    assert f"{photos[1]}:" in out and len(out.splitlines()) == 14


def test_a_mask_and_an_order(photos, tmp_path, capsys):
    first = Image.open(photos[0])
    mask = Image.new("L", first.size)
    mask.paste(255, (0, 0, 40, 40))
    mask.save(tmp_path / "mask.png")
    assert (
        main(["palette", photos[0], "--mask", str(tmp_path / "mask.png"), "-k", "2", "--sort", "lightness"])
        == 0
    )
    masked = capsys.readouterr().out
    first.crop((0, 0, 40, 40)).save(tmp_path / "part.png")
    assert main(["palette", str(tmp_path / "part.png"), "-k", "2", "--sort", "lightness"]) == 0
    for one, other in zip(masked.splitlines(), capsys.readouterr().out.splitlines(), strict=True):
        a, b = (np.array(list(bytes.fromhex(line.split()[0][1:]))).astype(int) for line in (one, other))
        assert abs(a - b).max() < 12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.png"], 1, "no such file or folder"),
        (["{photo}", "-k", "17"], 2, "must be 2 to 16, or auto, got 17"),
        (["{photo}", "--save", "a.aco"], 2, "--save must end in one of .json"),
        (["{photo}", "--each", "--json", "-"], 2, "leave --each out"),
        (["{photo}", "--mask", "{other}"], 1, "they must be of one size"),
    ],
)
def test_what_does_not_fit_is_said(photos, capsys, arguments, code, message):
    arguments = [one.format(photo=photos[0], other=photos[1]) for one in arguments]
    try:
        assert main(["palette", *arguments]) == code
    except SystemExit as stopped:  # argparse's own
        assert stopped.code == code
    assert message in capsys.readouterr().err
