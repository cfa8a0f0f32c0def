from __future__ import annotations

import pytest

from chrominance.pipelines.palette import Palette, PaletteError, Swatch
from chrominance.pipelines.palette_text import edited

GIVEN = Palette(
    (
        Swatch.from_hex("#c04030", 0.5, "coat"),
        Swatch.from_hex("#204060", 0.3, "sky", locked=True),
        Swatch.from_hex("#f0f0f0", 0.2),
    ),
    seed=7,
    name="mine",
)


def test_a_list_alone_makes_a_palette():
    made = edited(None, "#c04030, 246\n#F0F0F0! ;")
    assert made.hex_list() == ["#c04030", "#224466", "#f0f0f0"]
    assert made.locked.tolist() == [False, False, True]


def test_no_text_changes_nothing():
    assert edited(GIVEN, "  \n") == GIVEN


def test_items_change_keep_lock_unlock_and_add():
    made = edited(GIVEN, "#00ff00 -~ -! #123456!")
    assert made.hex_list() == ["#00ff00", "#204060", "#f0f0f0", "#123456"]
    assert made.locked.tolist() == [False, False, True, True]
    assert [one.weight for one in made.swatches] == pytest.approx([0.5, 0.3, 0.2, 1 / 3])
    assert [one.name for one in made.swatches] == ["", "sky", "", ""]
    assert made.seed == 7 and made.name == "mine"


def test_a_colour_that_is_there_already_stays_exact():
    exact = Palette((Swatch((50.123, 3.2, 1.7), name="wall"),))
    assert edited(exact, exact.swatches[0].hex + "!").swatches[0].lab == (50.123, 3.2, 1.7)


@pytest.mark.parametrize(
    ("palette", "text", "message"),
    [
        (GIVEN, "#c04030, red", "item 2 .* got 'red'"),
        (GIVEN, "- - - -", "item 4 of the colours is -, but the palette has 3"),
        (None, "-", "no palette is given"),
        (None, " , ", "there is no colour"),
        (None, "#fff " * 17, "1 to 16 colours, got 17"),
        (GIVEN, "!", "got '!'"),
    ],
)
def test_what_is_no_list(palette, text, message):
    with pytest.raises(PaletteError, match=message):
        edited(palette, text)
