from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from chrominance.benchmarks import palette, recolor
from chrominance.benchmarks.__main__ import BENCHMARKS


def row(ms=20.0, ratio=1.01):
    return palette.Row(ms, 7.0, ratio, 6, True)


def cost(later=30.0):
    return recolor.Cost(300.0, later, 0.5, 2.0, 3.0)


def halves():
    """Half black, half white."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = 255
    return Image.fromarray(pixels)


def test_the_distance_is_that_of_the_nearest_colour():
    lab = palette.to_lab(halves())
    assert palette.distance(lab, np.array([[0.0, 0, 0]])) == pytest.approx(50, abs=0.01)
    assert palette.distance(lab, np.array([[0.0, 0, 0], [1, 1, 1]])) == pytest.approx(0, abs=0.01)
    assert palette.full_kmeans(lab, 2) == pytest.approx(0, abs=0.01)


def test_ways_are_measured_and_absent_ones_named(monkeypatch):
    monkeypatch.setitem(palette.WAYS, "absent", ("no_such_package", palette._ours))
    ways = ("ours", "Pillow, median cut", "colorthief, quality 10", "absent")
    noisy = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    rows = palette.measure([Image.fromarray(noisy)], 4, 2, ways, (60, 40))
    assert list(rows) == list(ways) and rows["absent"] is None
    ours = rows["ours"]
    assert ours is not None and ours.repeats and ours.colors == 4 and 0.95 < ours.ratio < 1.1
    text = palette.table(rows)
    assert "| absent | not installed |" in text and "| ours |" in text


@pytest.mark.parametrize(("given", "missed"), [({}, 0), ({"ms": 26.0}, 1), ({"ratio": 1.03}, 1)])
def test_bars(given, missed, capsys):
    costs = {"soft mixtures (Recolorer)": cost()}
    figures = list(palette.promised({"ours": row(**given)}, costs))
    assert sum(not figure.met for figure in figures) == missed
    assert recolor.report(figures) == missed
    assert capsys.readouterr().out.count("**no**") == missed


def test_it_is_on_the_list():
    assert {"palette", "recolor_sheet"} <= set(BENCHMARKS)
