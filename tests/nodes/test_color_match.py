from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.nodes.color_match import ColorMatch, ColorMatchVideo

GIVEN = {"method": "monge-kantorovich", "lightness": "keep", "strength": 1.0, "seed": 0}


def image(array):
    return torch.from_numpy(array.copy())[None].float() / 255


COFFEE, ROCKET = image(data.coffee()[::3, ::3]), image(data.rocket()[::3, ::3])


def means(picture):
    return rgb_to_lab(picture.movedim(-1, 1)).mean((0, 2, 3))


@pytest.mark.parametrize("method", ["reinhard", "monge-kantorovich", "sliced"])
def test_the_references_mean_is_reached(method):
    out = ColorMatch.execute(COFFEE, ROCKET, **{**GIVEN, "method": method, "lightness": "transfer"})[0]
    assert (means(out) - means(ROCKET)).abs().max() < 4
    assert (means(COFFEE) - means(ROCKET)).abs().max() > 15
    kept = ColorMatch.execute(COFFEE, ROCKET, **{**GIVEN, "method": method})[0]
    assert (rgb_to_lightness(kept.movedim(-1, 1)) - rgb_to_lightness(COFFEE.movedim(-1, 1))).abs().max() < 0.1


def test_a_batch_gets_one_change():
    other = COFFEE.flip(2) * 0.5
    both, lut = ColorMatch.execute(torch.cat([COFFEE, other]), ROCKET, **GIVEN).args
    torch.testing.assert_close(lut.apply(other.movedim(-1, 1)).movedim(1, -1), both[1:], atol=1e-5, rtol=0)


def test_the_mask_says_where_to_look_and_where_to_change():
    mask = torch.zeros(1, *COFFEE.shape[1:3])
    mask[:, 60:] = 1
    out = ColorMatch.execute(COFFEE, ROCKET, **GIVEN, mask=mask)[0]
    assert torch.equal(out[:, :60], COFFEE[:, :60])
    alone = ColorMatch.execute(COFFEE[:, 60:], ROCKET, **GIVEN)[0]
    assert (means(out[:, 60:]) - means(alone)).abs().max() < 1


def test_a_clip_is_matched_as_one(clip_over, frames_of):
    video = clip_over(COFFEE)
    done, lut = ColorMatchVideo.execute(video, ROCKET, **GIVEN, codec="h264", crf=4).args
    before, after = frames_of(video), frames_of(done)
    expected = lut.apply(torch.from_numpy(before).movedim(-1, 1).float() / 255).movedim(1, -1).numpy() * 255
    assert np.abs(after - expected).mean() < 4
    a, b = means(torch.from_numpy(after).float() / 255)[1:].tolist()
    goal = means(ROCKET)[1:].tolist()
    assert abs(a - goal[0]) < 6 and abs(b - goal[1]) < 6
