"""The measures against values worked out by hand, full k-means against SciPy's, and the bars."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.cluster.vq import kmeans2

from chrominance.benchmarks import palette, recolor
from chrominance.benchmarks.__main__ import BENCHMARKS

BLACK, WHITE = [0.0, 0, 0], [100.0, 0, 0]


def row(ms=20.0, worst=1.01):
    return palette.Row(ms, 7.0, 0.99, worst, 6, True)


def cost(later=30.0):
    return recolor.Cost(300.0, later, 0.5, 2.0, 3.0)


def halves():
    """A quarter black, the rest white."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 15:] = 255
    return Image.fromarray(pixels)


def noise(height=40, width=60):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_the_distance_is_that_of_the_nearest_colour():
    lab = palette.to_lab(halves())
    assert palette.distance(lab, torch.tensor([BLACK])) == pytest.approx(75, abs=0.01)
    assert palette.distance(lab, torch.tensor([BLACK, WHITE])) == pytest.approx(0, abs=0.01)
    assert palette.distance(lab, torch.tensor([BLACK, [90.0, 3, 4]])) == pytest.approx(
        0.75 * 125**0.5, abs=0.01
    )


def test_full_k_means_is_as_good_as_another_program():
    lab = palette.to_lab(noise())
    runs = [kmeans2(lab.double().numpy(), 4, minit="++", seed=seed, iter=100)[0] for seed in range(4)]
    theirs = min(palette.distance(lab, torch.from_numpy(run).float()) for run in runs)
    ours = palette.distance(lab, palette.kmeans(lab, 4, tolerance=1e-6))
    assert ours == pytest.approx(theirs, rel=0.01)
    assert palette.distance(palette.to_lab(halves()), palette.kmeans(palette.to_lab(halves()), 2)) < 0.01


def test_ratios():
    assert palette.over(6.0, 4.0) == 1.5
    assert palette.over(0.0, 0.0) == 1
    assert palette.over(0.1, 0.0) == math.inf


@pytest.mark.parametrize("name", [name for name in palette.WAYS if not name.startswith("Pylette")])
def test_every_way_finds_two_colours(name):
    if name.startswith("colorthief"):
        pytest.importorskip("colorthief")
    # Not pure white: colorthief leaves that out.
    photo = halves().point(lambda value: round(value * 0.9))
    found = palette.WAYS[name][1](photo, 2)
    lab = palette.to_lab(photo)
    far = palette.distance(lab, torch.tensor([BLACK]))
    assert found.shape == (2, 3)
    # colorthief takes colours by 8, and means of boxes.
    assert palette.distance(lab, found) < 0.15 * far


def test_means_and_the_worst_photo():
    rows = [palette.Row(10, 4.0, 1.0, 1.0, 6, True), palette.Row(30, 8.0, 1.1, 1.1, 5, False)]
    assert palette._mean(rows) == palette.Row(20, 6.0, pytest.approx(1.05), 1.1, 5.5, False)


def test_ways_are_measured_and_absent_ones_named(monkeypatch):
    monkeypatch.setitem(palette.WAYS, "absent", ("no_such_package", palette._ours))
    ways = ("ours", "Pillow, median cut", "absent")
    threads = torch.get_num_threads()
    rows = palette.measure([noise(), noise(30, 50)], 4, 2, ways, (60, 40))
    assert torch.get_num_threads() == threads
    assert list(rows) == list(ways) and rows["absent"] is None
    ours, theirs = rows["ours"], rows["Pillow, median cut"]
    assert ours is not None and ours.repeats and ours.colors == 4 and 0.95 < ours.ratio <= ours.worst < 1.05
    assert theirs is not None and theirs.ratio > ours.ratio
    text = palette.table(rows)
    assert "| absent | not installed |" in text and "| ours |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_a_way_that_does_not_repeat_is_told(monkeypatch):
    turns = iter(range(100))
    monkeypatch.setitem(
        palette.WAYS, "fickle", (None, lambda photo, count: torch.tensor([[float(next(turns)), 0, 0]]))
    )
    rows = palette.measure([noise()], 2, 3, ("fickle",), (60, 40))
    assert rows["fickle"] is not None and not rows["fickle"].repeats and rows["fickle"].colors == 1


@pytest.mark.parametrize(("given", "missed"), [({}, 0), ({"ms": 26.0}, 1), ({"worst": 1.03}, 1)])
def test_bars(given, missed, monkeypatch, capsys):
    monkeypatch.setattr(palette, "measure", lambda *args: {"ours": row(**given), "Pylette, full": None})
    monkeypatch.setattr(recolor, "measure", lambda *args: {way: cost() for way in recolor.WAYS})
    assert palette.main([]) == missed
    printed = capsys.readouterr().out
    assert printed.count("**no**") == missed
    assert "| Pylette, full | not installed |" in printed and all(
        f"| {way} |" in printed for way in recolor.WAYS
    )


def test_photos_of_the_user(tmp_path, monkeypatch, capsys):
    noise().save(tmp_path / "a.png")
    given = []
    monkeypatch.setattr(palette, "measure", lambda photos, *args: given.extend(photos) or {"ours": row()})
    monkeypatch.setattr(recolor, "measure", lambda *args: {"soft mixtures (Recolorer)": cost()})
    assert palette.main([str(tmp_path / "a.png")]) == 0
    assert np.array_equal(np.asarray(given[0]), np.asarray(noise()))
    assert "1 photo of 1920×1080" in capsys.readouterr().out
    assert palette.main([str(tmp_path / "none.png")]) == 2
    assert capsys.readouterr().err.splitlines() == [f"{tmp_path / 'none.png'}: no such file"]


def test_what_it_cannot_measure(monkeypatch, capsys):
    for arguments in (["-k", "17"], ["-k", "1"], ["--runs", "0"]):
        with pytest.raises(SystemExit):
            palette.main(arguments)
        assert "must be" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert palette.main([]) == 2
    assert "chrominance[bench]" in capsys.readouterr().err


def test_it_is_on_the_list():
    assert {"palette", "recolor_sheet"} <= set(BENCHMARKS)
