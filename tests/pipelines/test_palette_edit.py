from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import lab2lch

from chrominance.color import oklab_to_rgb, rgb_to_lab
from chrominance.pipelines.palette import Palette, PaletteError
from chrominance.pipelines.palette_edit import HARMONIES, SORTS, blended, harmonized, sorted_palette

GIVEN = Palette.from_lab(
    torch.tensor([[50.0, 40, 10], [80, 0, 1], [30, -20, 25], [60, 5, -45]]),
    torch.tensor([0.4, 0.3, 0.2, 0.1]),
)


@pytest.mark.parametrize("by", SORTS)
def test_sorting_keeps_the_colours(by):
    done = sorted_palette(GIVEN, by)
    assert sorted(one.lab for one in done.swatches) == sorted(one.lab for one in GIVEN.swatches)
    assert sorted_palette(done, by) == done


def test_orders():
    def order(by):
        return [GIVEN.swatches.index(one) for one in sorted_palette(GIVEN, by).swatches]

    assert order("lightness") == [2, 0, 3, 1]
    assert order("chroma") == [3, 0, 2, 1]
    assert order("hue") == [0, 2, 3, 1]  # 14°, 129°, 276°, and grey
    assert order("weight") == [0, 1, 2, 3]


def test_a_blend_begins_and_ends_at_the_palettes():
    other = Palette.from_hex(["#204080", "#e0e8ff"])
    assert blended(GIVEN, other, 0) == GIVEN
    assert set(blended(GIVEN, GIVEN, 1).hex_list()) == set(GIVEN.hex_list())
    whole = blended(GIVEN, other, 1)
    assert [one.weight for one in whole.swatches] == [one.weight for one in GIVEN.swatches]
    assert whole.lab[:, 2].max() < 0
    # Half way, in OKLab: nearer to both ends than they are to each other.
    half = blended(GIVEN, other, 0.5)
    ends, middle = (whole.lab - GIVEN.lab).norm(dim=1), (half.lab - GIVEN.lab).norm(dim=1)
    assert (middle < ends).all() and (middle > 0.2 * ends).all()


def test_black_and_white_blend_to_oklabs_middle_grey():
    black, white = Palette.from_hex(["#000000"]), Palette.from_hex(["#ffffff"])
    grey = rgb_to_lab(oklab_to_rgb(torch.tensor([0.5, 0, 0]), dim=0), dim=0)
    np.testing.assert_allclose(blended(black, white, 0.5).lab[0], grey, atol=0.05)


def test_locked_colours_stay():
    locked = GIVEN.with_locks([False, False, False, True])
    other = Palette.from_hex(["#208040"])
    assert blended(locked, other, 0.7).swatches[3] == locked.swatches[3]
    assert harmonized(locked, "triadic").swatches[3] == locked.swatches[3]


@pytest.mark.parametrize("kind", HARMONIES)
def test_hues_stand_at_the_angles(kind):
    """Hues are scikit-image's."""
    done = harmonized(GIVEN, kind)
    before, after = (lab2lch(one.lab.double().numpy()) for one in (GIVEN, done))
    hues = np.degrees(after[:, 2]) - np.degrees(before[0, 2])
    assert done.swatches[0] == GIVEN.swatches[0] and done.swatches[1] == GIVEN.swatches[1]
    for hue in hues[2:]:
        assert min(abs((hue - angle + 180) % 360 - 180) for angle in HARMONIES[kind]) < 0.5
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-3)
    assert (after[:, 1] <= before[:, 1] + 1e-3).all()
    if len(HARMONIES[kind]) == 3:
        assert len({round(float(hue)) for hue in hues[[0, 2, 3]]}) == 3


def test_a_grey_first_colour_has_no_harmony():
    with pytest.raises(PaletteError, match="is grey and has no hue"):
        harmonized(Palette.from_hex(["#808080", "#c04030"]), "triadic")


def test_names_and_amounts_that_are_none():
    with pytest.raises(PaletteError, match="sorted by lightness"):
        sorted_palette(GIVEN, "size")
    with pytest.raises(PaletteError, match="one of complementary"):
        harmonized(GIVEN, "jazz")
    with pytest.raises(PaletteError, match="0 to 1, got 2"):
        blended(GIVEN, GIVEN, 2)
