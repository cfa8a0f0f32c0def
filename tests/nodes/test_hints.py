from __future__ import annotations

from pathlib import Path

import folder_paths
import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.color import lab_to_rgb, rgb_to_lab, rgb_to_lightness
from chrominance.models.contract import ModelSpec
from chrominance.nodes.hints import HintColorize
from chrominance.nodes.lab import LabMerge
from chrominance.pipelines.hints import hex_to_ab

SETTINGS = {"strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 0}
GIVEN = {**SETTINGS, "hints": "", "color": "#a06050"}
#: A colour that exists in sRGB at the lightness of every test picture.
TINT = "#907878"


@pytest.fixture
def hinted(plain, hosted):
    """The stand-in, taking hints."""
    plain.spec = ModelSpec(
        "plain", "Plain", "", "", "", size=64, temperature=0.4, conditions=frozenset({"local"})
    )
    return hosted


@pytest.fixture
def pictures():
    """Three grey pictures of middling lightness as an IMAGE [3,33,47,3]."""
    L = 40 + 30 * torch.rand(3, 1, 33, 47, generator=torch.Generator().manual_seed(5))
    return lab_to_rgb(torch.cat([L, torch.zeros(3, 2, 33, 47)], 1)).movedim(1, -1)


def lab_of(image):
    return rgb_to_lab(image[..., :3].movedim(-1, 1))


def assert_ab(image, row, column, color, tolerance=0.02):
    expected = torch.tensor(hex_to_ab(color))
    torch.testing.assert_close(
        lab_of(image)[:, 1:, row, column], expected.expand(len(image), 2), atol=tolerance, rtol=0
    )


def test_points_are_exact_in_every_picture_of_a_batch(pictures, hinted):
    given = {**GIVEN, "hints": f"10,20,{TINT}\n40,3,#787890,2"}
    image, confidence, lab = HintColorize.execute(pictures, **given, colorizer=hinted).args
    assert image.shape == pictures.shape and confidence.shape == (3, 33, 47)
    assert_ab(image, 20, 10, TINT)
    assert_ab(image, 3, 41, "#787890")
    before = rgb_to_lightness(pictures.movedim(-1, 1))
    assert torch.allclose(lab_of(image)[:, :1], before, atol=0.01)
    assert torch.allclose(lab.L, before, atol=1e-4) and lab.ab.shape == (3, 2, 33, 47)
    merged = LabMerge.execute(pictures, strength=1.0, saturation=1.0, gamut="reduce", chroma=lab)[0]
    assert torch.allclose(merged, image, atol=1e-6)


def test_the_page_gets_the_picture_and_the_result(pictures, hinted):
    given = {**GIVEN, "hints": f"10,20,{TINT}"}
    made = HintColorize.execute(pictures, **given, colorizer=hinted)
    assert made.ui["chrominance_size"] == [47, 33]
    for name, picture in (("chrominance_picture", pictures[0]), ("chrominance_result", made[0][0])):
        (shown,) = made.ui[name]
        with Image.open(Path(folder_paths.get_temp_directory()) / shown["filename"]) as image:
            assert (np.asarray(image) == (picture * 255).round().numpy()).all()


def test_json_and_points_over_a_mask(pictures, hinted):
    mask = torch.zeros(33, 47)
    mask[10:20, 5:30] = 1
    points = '{"unit": "fraction", "points": [{"x": 0.5, "y": 0.5, "color": "#787890"}]}'
    image = HintColorize.execute(
        pictures, **{**GIVEN, "hints": points, "color": TINT}, colorizer=hinted, hint_mask=mask
    )[0]
    assert_ab(image, 16, 23, "#787890")
    for row, column in ((10, 5), (19, 29)):
        assert_ab(image, row, column, TINT)


def test_a_mask_for_each_picture_of_another_size(pictures, hinted):
    mask = torch.zeros(3, 66, 94)
    for n in range(3):
        mask[n, 20 * n, 30 * n] = 1
    image = HintColorize.execute(pictures, **{**GIVEN, "color": TINT}, colorizer=hinted, hint_mask=mask)[0]
    for n in range(3):
        assert_ab(image[n : n + 1], 10 * n, 15 * n, TINT)
    assert hinted.colorizer.calls == [1, 1, 1]


def test_a_painted_picture_with_alpha_or_a_mask(pictures, hinted):
    painted = torch.zeros(1, 33, 47, 4)
    painted[0, 4:8, 30:40] = torch.tensor([*(int(TINT[n : n + 2], 16) / 255 for n in (1, 3, 5)), 1.0])
    given = {**GIVEN, "color": "#00ff00"}
    by_alpha = HintColorize.execute(pictures, **given, colorizer=hinted, hint_image=painted)[0]
    by_mask = HintColorize.execute(
        pictures, **given, colorizer=hinted, hint_image=painted[..., :3], hint_mask=painted[..., 3]
    )[0]
    assert torch.equal(by_alpha, by_mask)
    assert_ab(by_alpha, 5, 35, TINT)


def test_alpha_and_masked_pixels_are_untouched(pictures, hinted):
    image = torch.cat([pictures, torch.rand(3, 33, 47, 1)], -1)
    mask = torch.zeros(33, 47)
    mask[:9] = 1
    given = {**GIVEN, "hints": f"10,5,{TINT}\n10,20,{TINT}"}
    done = HintColorize.execute(image, **given, colorizer=hinted, mask=mask)[0]
    assert torch.equal(done[..., 3], image[..., 3])
    assert torch.equal(done[:, 9:], image[:, 9:])
    assert_ab(done, 5, 10, TINT)


def test_cancel_stops_between_pictures(pictures, hinted, plain):
    import comfy.model_management as management

    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        HintColorize.execute(pictures, **{**GIVEN, "hints": f"1,1,{TINT}"}, colorizer=hinted)
    assert plain.calls == [1]


def test_out_of_memory_halves_the_batch_and_goes_on(hinted, plain, monkeypatch):
    monkeypatch.setattr("chrominance.nodes.host.start_batch", lambda height, width: 4)
    plain.out_of_memory_above = 2
    masks = torch.zeros(5, 16, 16)
    for n in range(5):
        masks[n, n, n] = 1
    image = torch.full((5, 16, 16, 3), 0.5)
    done = HintColorize.execute(image, **{**GIVEN, "color": TINT}, colorizer=hinted, hint_mask=masks)[0]
    assert plain.calls == [4, 2, 2, 1]
    for n in range(5):
        assert_ab(done[n : n + 1], n, n, TINT)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "there is no hint"),
        ({"hints": "# only a remark"}, "there is no hint"),
        ({"hints": "47,0,#ffffff"}, "line 1: x 47, y 0 is outside"),
        ({"hints": "1,1,white"}, "line 1: a hint is"),
        ({"hint_mask": torch.zeros(1, 64, 64)}, "mask is empty"),
        ({"hint_mask": torch.ones(33, 20)}, "must have one shape"),
        ({"hint_mask": torch.ones(2, 33, 47)}, "equally many"),
        ({"hint_mask": torch.full((33, 47), torch.nan)}, "NaN"),
        ({"hint_mask": torch.ones(33, 47), "color": "red"}, "#rrggbb"),
        ({"hint_image": torch.zeros(1, 33, 47, 3)}, "connect hint_mask"),
        ({"hint_image": torch.zeros(1, 33, 47, 3), "hint_mask": torch.ones(33, 46)}, "size of hint_image"),
        ({"hint_image": torch.full((1, 33, 47, 3), torch.nan), "hint_mask": torch.ones(33, 47)}, "NaN"),
        ({"hints": "1,1,#ffffff", "mask": torch.ones(2, 33, 47)}, "equally many"),
    ],
)
def test_wrong_inputs_are_refused(pictures, hinted, inputs, words):
    with pytest.raises(ValueError, match=words):
        HintColorize.execute(pictures, **{**GIVEN, **inputs}, colorizer=hinted)


def test_a_network_that_takes_no_hints_is_refused(pictures, hosted):
    with pytest.raises(ValueError, match="Plain knows these conditions: none; got local"):
        HintColorize.execute(pictures, **{**GIVEN, "hints": f"1,1,{TINT}"}, colorizer=hosted)
