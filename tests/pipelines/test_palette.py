"""Palettes: exact round trips, scikit-image's Lab, and no palette of what is none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from chrominance.pipelines.palette import Palette, PaletteError, Swatch

HEXES = ["#c04030", "#3060a0", "#ffffff", "#000000", "#7f7f7f", "#00ff00"]


def test_hex_is_scikit_images_lab_and_comes_back():
    palette = Palette.from_hex(HEXES)
    rgb = np.array([[int(text[n : n + 2], 16) / 255 for n in (1, 3, 5)] for text in HEXES])
    assert np.allclose(palette.lab.numpy(), rgb2lab(rgb), atol=0.05)
    assert palette.hex_list() == HEXES
    assert Swatch.from_hex("0f8").hex == "#00ff88"


def test_json_round_trip_is_exact():
    palette = Palette(
        (Swatch((50.123456789, -3.5, 7.25), 0.25, "coat", True), Swatch.from_hex("#3060a0", 3.0)), 7, "Anna"
    )
    assert Palette.from_json(palette.to_json()) == palette
    first = json.loads(palette.to_json())["colors"][0]
    assert set(first) == {"hex", "lab", "weight", "locked", "name"}


def test_hex_alone_is_enough():
    for text in ('{"colors": [{"hex": "#c04030"}, {"hex": "#3060a0"}]}', '["#c04030", "#3060a0"]'):
        assert Palette.from_json(text) == Palette.from_hex(["#c04030", "#3060a0"])


def test_weights_and_locks():
    palette = Palette.from_lab(torch.eye(3) * 50, torch.tensor([1.0, 3.0, 0.0])).with_locks(
        [True, False, False]
    )
    assert palette.weights.tolist() == [0.25, 0.75, 0]
    assert palette.locked.tolist() == [True, False, False]
    assert Palette.from_lab(torch.eye(3), torch.zeros(3)).weights.tolist() == pytest.approx([1 / 3] * 3)


def test_like_colours_are_merged():
    palette = Palette(
        (Swatch((50, 0, 0), 1), Swatch((80, 0, 0), 2), Swatch((50.3, 0.2, 0), 3, locked=True)), 5, "n"
    )
    merged = palette.merged()
    assert [one.lab for one in merged.swatches] == [(50, 0, 0), (80, 0, 0)]
    assert [(one.weight, one.locked) for one in merged.swatches] == [(4, True), (2, False)]
    assert (merged.seed, merged.name) == (5, "n")
    assert palette.merged(0) == palette


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("3", 'must be {"colors"'),
        ('{"colors": []}', "1 to 16 colours, got 0"),
        (json.dumps({"colors": ["#fff"] * 17}), "1 to 16 colours, got 17"),
        ('["#12345"]', "colour 1: a colour must be written #rrggbb, got '#12345'"),
        ('["#fff", {"name": "x"}]', 'colour 2 must have a "hex" or a "lab"'),
        ('[{"lab": [1, 2]}]', "colour 1: lab must be three numbers"),
        ('[{"lab": [1, 2, NaN]}]', "colour 1: a colour must be three finite numbers"),
        ('[{"hex": "#fff", "weight": -1}]', "colour 1: a colour's weight must be 0 or more"),
        ('[{"hex": "#fff", "weight": "1"}]', "colour 1: its weight must be a number"),
        ('[{"hex": "#fff", "locked": 1}]', "colour 1: its name must be a text and locked true or false"),
        ('{"colors": ["#fff"], "seed": "x"}', "seed must be a whole number"),
    ],
)
def test_what_is_no_palette(text, message):
    with pytest.raises(PaletteError, match=message):
        Palette.from_json(text)
