from __future__ import annotations

from pathlib import Path

import folder_paths
import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.nodes.compare import CompareBeforeAfter
from chrominance.nodes.previews import LONGEST_SIDE, MOST_PICTURES, chosen, preview


def saved(picture):
    assert picture["type"] == "temp"
    assert picture["subfolder"] == ""
    with Image.open(Path(folder_paths.get_temp_directory()) / picture["filename"]) as image:
        return np.asarray(image.convert("RGB"))


def run(before, after, position=0.5):
    return CompareBeforeAfter.execute(before=before, after=after, position=position)


def test_left_is_before_and_right_is_after():
    before, after = torch.zeros(1, 20, 40, 3), torch.full((1, 20, 40, 3), 0.25)
    image = run(before, after, 0.25)[0]
    assert image.shape == (1, 20, 40, 3)
    assert (image[:, :, :9] == 0).all()
    assert (image[:, :, 12:] == 0.25).all()
    assert (image[:, :, 9:11] == 1).any()


@pytest.mark.parametrize(("position", "whole"), [(0.0, 0.25), (1.0, 0.0)])
def test_at_the_ends_one_is_whole(position, whole):
    image = run(torch.zeros(1, 9, 7, 3), torch.full((1, 9, 7, 3), 0.25), position)[0]
    assert (image == whole).all()


def test_the_page_gets_both_to_the_byte():
    before, after = torch.rand(2, 8, 6, 3), torch.rand(2, 8, 6, 3)
    ui = run(before, after).ui
    for name, pictures in (("chrominance_before", before), ("chrominance_after", after)):
        assert len(ui[name]) == 2
        for shown, picture in zip(ui[name], pictures, strict=True):
            assert (saved(shown) == (picture * 255).round().numpy()).all()


def test_another_size_and_alpha_and_grey_are_fitted():
    image = run(torch.rand(1, 5, 5, 1), torch.rand(3, 20, 30, 4))[0]
    assert image.shape == (3, 20, 30, 3)
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="before 2, after 3"):
        run(torch.rand(2, 4, 4, 3), torch.rand(3, 4, 4, 3))


def test_of_a_long_batch_some_are_shown():
    assert chosen(3) == [0, 1, 2]
    assert len(set(chosen(1000))) == MOST_PICTURES
    assert chosen(1000)[0] == 0
    assert chosen(1000)[-1] == 999
    ui = run(torch.rand(1, 2, 2, 3), torch.rand(40, 2, 2, 3)).ui
    assert len(ui["chrominance_before"]) == len(ui["chrominance_after"]) == MOST_PICTURES


def test_a_large_picture_is_shown_smaller():
    shown = saved(preview(torch.rand(3, 10, LONGEST_SIDE * 2)))
    assert shown.shape == (5, LONGEST_SIDE, 3)


def test_what_is_no_number_is_shown_black():
    assert (saved(preview(torch.full((3, 2, 2), float("nan")))) == 0).all()


def test_one_pixel():
    assert run(torch.rand(1, 1, 1, 3), torch.rand(1, 1, 1, 3))[0].shape == (1, 1, 1, 3)
