from __future__ import annotations

import pytest
import torch

from chrominance.pipelines.palette import Palette, Swatch
from chrominance.pipelines.palette_picture import swatch_picture


def columns(picture, palette):
    """How many columns of the middle row near the top have each colour."""
    row = (picture[:, 24] * 255).round().byte().T
    colors = [torch.tensor(list(bytes.fromhex(one[1:])), dtype=torch.uint8) for one in palette.hex_list()]
    return [int((row == color).all(1).sum()) for color in colors]


def test_widths_follow_the_shares():
    palette = Palette(
        tuple(Swatch.from_hex(h, w) for h, w in (("#c04030", 0.5), ("#204060", 0.3), ("#30a040", 0.2)))
    )
    wide = columns(swatch_picture(palette, 1024, 256), palette)
    assert [n / sum(wide) for n in wide] == pytest.approx([0.5, 0.3, 0.2], abs=0.01)


@pytest.mark.parametrize("count", [1, 2, 6, 16])
@pytest.mark.parametrize("size", [(1024, 256), (200, 60), (16, 16), (64, 900)])
def test_every_colour_has_its_place_even_the_rarest(count, size):
    weights = torch.tensor([1.0] + [1e-4] * (count - 1))
    lab = torch.stack(
        [torch.linspace(20, 90, count), torch.full((count,), 9.0), torch.full((count,), -9.0)], 1
    )
    palette = Palette.from_lab(lab, weights)
    picture = swatch_picture(palette, *size)
    assert picture.shape == (3, size[1], size[0]) and picture.min() >= 0 and picture.max() <= 1
    if size[0] >= 200:
        assert min(columns(picture, palette)) >= 1 or size[1] < 100


def test_locks_and_names_are_drawn():
    plain = Palette((Swatch.from_hex("#c04030"),))
    locked = plain.with_locks([True])
    named = Palette((Swatch.from_hex("#c04030", name="coat"),))
    pictures = [swatch_picture(one) for one in (plain, locked, named)]
    assert not torch.equal(pictures[0], pictures[1]) and not torch.equal(pictures[0], pictures[2])
    assert torch.equal(pictures[0], swatch_picture(plain))


def test_sizes_that_are_too_small():
    with pytest.raises(ValueError, match="at least 16×16, got 8×100"):
        swatch_picture(Palette.from_hex(["#fff"]), 8, 100)
