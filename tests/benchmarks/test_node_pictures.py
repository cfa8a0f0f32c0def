from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from chrominance.benchmarks import node_pictures
from chrominance.benchmarks.picture_rows import (
    GAP,
    column,
    film,
    fitted,
    row,
    split_picture,
    to_pixels,
    to_tensor,
)

DOCS = Path(__file__).parents[2] / "web" / "docs"


def test_every_help_page_has_its_picture_made_here():
    pages = {path.stem.removeprefix("Chrominance") for path in DOCS.glob("*.md")}
    assert set(node_pictures.MAKERS) == pages


def test_rows_and_columns_keep_what_is_in_them():
    first, second = torch.rand(3, 8, 5), torch.rand(3, 8, 7)
    both = row(first, second)
    assert both.shape == (3, 8, 5 + GAP + 7)
    assert torch.equal(both[:, :, :5], first) and torch.equal(both[:, :, -7:], second)
    assert (both[:, :, 5 : 5 + GAP] == 1).all()
    stacked = column(both, first)
    assert stacked.shape == (3, 8 + GAP + 8, both.shape[2])
    assert torch.equal(stacked[:, -8:, :5], first) and (stacked[:, -8:, 5:] == 1).all()
    assert torch.equal(split_picture(torch.zeros(3, 4, 10), torch.ones(3, 4, 10))[0, 0, :4], torch.zeros(4))


def test_grey_is_shown_in_three_channels_and_bytes_come_back():
    assert fitted(torch.rand(1, 1, 20, 40), 10).shape == (3, 10, 20)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert (to_pixels(to_tensor(Image.fromarray(pixels))[0]) == pixels).all()
    assert film(torch.rand(9, 3, 16, 16), shown=3).shape[0] == 3


def test_a_picture_is_written(tmp_path):
    assert node_pictures.main(["-o", str(tmp_path), "--only", "LoadPalette", "LabSplit"]) == 0
    with Image.open(tmp_path / "ChrominanceLabSplit.jpg") as picture:
        assert picture.height == node_pictures.HEIGHT
    assert (tmp_path / "ChrominanceLoadPalette.jpg").exists()
