"""Recolouring nodes that ask ColorHouse's network, on a photo and a clip, with the weights that ship."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from chrominance.benchmarks.quality_conditions import palette_distance
from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.nodes.recolor_neural import NeuralRecolor, NeuralRecolorVideo
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.palette_extract import extract
from chrominance.pipelines.recolor_neural import NeuralRecoloring, shipped_colorhouse

GIVEN = {"light": "#ffffff", "lightness": "transfer", "size": 128, "strength": 1.0}
BLUES = Palette.from_hex(["#14213d", "#2a6f97", "#89c2d9", "#e9ecef", "#6a4c93"])
WARMS = Palette.from_hex(["#2b2d42", "#c8553d", "#f2c078", "#faedca", "#588b8b"])


@pytest.fixture(scope="module")
def photo():
    """A photo as an IMAGE [1,133,200,3]."""
    return torch.from_numpy(data.coffee()[::3, ::3].copy())[None].float() / 255


def lab_of(image):
    return rgb_to_lab(image.movedim(-1, 1))


@pytest.mark.parametrize("palette", [BLUES, WARMS])
def test_the_result_is_nearer_to_the_palette(photo, palette):
    out = NeuralRecolor.execute(photo, **GIVEN, palette=palette)[0]
    before, after = (extract(one.movedim(-1, 1), 5).lab for one in (photo, out))
    assert palette_distance(palette.lab, after) < 0.8 * palette_distance(palette.lab, before)


def test_a_reference_lends_its_colours(photo):
    reference = torch.from_numpy(data.rocket()[::4, ::4].copy())[None].float() / 255
    out = NeuralRecolor.execute(photo, **GIVEN, reference=reference)[0]
    apart = [(lab_of(one)[:, 1:].mean((0, 2, 3)) - lab_of(reference)[:, 1:].mean((0, 2, 3))).norm()
             for one in (photo, out)]  # fmt: skip
    assert apart[1] < 0.6 * apart[0]


def test_a_batch_is_recoloured_as_the_engine_does_it(photo):
    alpha = torch.rand(2, *photo.shape[1:3], 1)
    image = torch.cat([torch.cat([photo, photo.flip(2)]), alpha], 3)
    out = NeuralRecolor.execute(image, **GIVEN, palette=BLUES)[0]
    change = NeuralRecoloring(shipped_colorhouse(), BLUES, lightness="transfer", size=128)
    expected = change.apply(image[..., :3].movedim(-1, 1)).movedim(1, -1)
    torch.testing.assert_close(out[..., :3], expected, atol=1e-4, rtol=0)
    assert torch.equal(out[..., 3:], alpha)


def test_lightness_mask_and_locks_hold(photo):
    mask = torch.zeros(1, *photo.shape[1:3])
    mask[:, :, 100:] = 1
    kept = NeuralRecolor.execute(photo, **{**GIVEN, "lightness": "keep"}, palette=BLUES, mask=mask)[0]
    assert torch.equal(kept[:, :, :100], photo[:, :, :100]) and not torch.equal(kept, photo)
    lightness = [rgb_to_lightness(one.movedim(-1, 1)) for one in (kept, photo)]
    torch.testing.assert_close(*lightness, atol=0.05, rtol=0)
    own = extract(photo.movedim(-1, 1), 4)
    out = NeuralRecolor.execute(photo, **GIVEN, palette=own.with_locks([True] * 4))[0]
    free = NeuralRecolor.execute(photo, **GIVEN, palette=own)[0]
    assert (out - photo).abs().mean() < 0.2 * (free - photo).abs().mean()


def test_the_light_counts(photo):
    white, evening = (
        NeuralRecolor.execute(photo, **{**GIVEN, "light": light}, palette=WARMS)[0]
        for light in ("#ffffff", "#ff9040")
    )
    assert lab_of(evening)[:, 2].mean() > lab_of(white)[:, 2].mean() + 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "got neither"),
        ({"palette": BLUES, "reference": torch.rand(1, 8, 8, 3)}, "got both"),
        ({"reference": torch.rand(2, 8, 8, 3)}, "must be one picture, got 2"),
        ({"reference": torch.rand(1, 8, 8, 3), "light": "#ff9040"}, "set it to white"),
        ({"reference": torch.full((1, 8, 8, 3), torch.nan)}, "NaN"),
        ({"palette": ["#ff0000"]}, "palette must come from a palette node"),
    ],
)
def test_what_does_not_fit_is_said(photo, inputs, message):
    with pytest.raises(ValueError, match=message):
        NeuralRecolor.execute(photo, **{**GIVEN, **inputs})


def test_a_clip_is_recoloured(photo, clip_over, frames_of):
    video = clip_over(photo)
    before = torch.from_numpy(frames_of(video)).movedim(-1, 1).float() / 255
    done = NeuralRecolorVideo.execute(video, **GIVEN, codec="h264", crf=4, palette=BLUES)[0]
    change = NeuralRecoloring(shipped_colorhouse(), BLUES, lightness="transfer", size=128)
    expected = torch.cat([change.apply(one[None]) for one in before]).movedim(1, -1) * 255
    assert np.abs(frames_of(done) - expected.numpy()).mean() < 4
