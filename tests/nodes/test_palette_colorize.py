"""The node on a photo, with the network that ships."""

from __future__ import annotations

import pytest
import torch
from skimage import data

from chrominance.color import delta_e76, rgb_to_lab, rgb_to_lightness
from chrominance.nodes.palette_colorize import PaletteColorize
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.palette_extract import extract

GIVEN = {"light": "#ffffff", "strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 0}
PHOTO = torch.from_numpy(data.coffee()[::3, ::3].copy())[None].float() / 255
GREY = PHOTO.mean(3, keepdim=True).expand(-1, -1, -1, 3)
WARM = Palette.from_hex(["#803020", "#c08040", "#f0d8b0"])
COLD = Palette.from_hex(["#203060", "#5080c0", "#d0e0f0"])


def lab(image):
    return rgb_to_lab(image.movedim(-1, 1))


def test_the_palette_decides_and_lightness_stays():
    warm, cold = (PaletteColorize.execute(GREY, one, **GIVEN)[0] for one in (WARM, COLD))
    assert lab(warm)[:, 2].mean() > lab(cold)[:, 2].mean() + 8
    for out in (warm, cold):
        apart = rgb_to_lightness(out.movedim(-1, 1)) - rgb_to_lightness(GREY.movedim(-1, 1))
        assert apart.abs().max() < 0.01


def test_what_came_out_is_nearer_to_what_was_asked():
    """Mean ΔE of each asked colour to the nearest of the result: by its own palette, and by the other one."""

    def far(image, palette):
        made = extract(image.movedim(-1, 1), 3).lab
        return torch.cdist(palette.lab, made).amin(1).mean()

    warm, cold = (PaletteColorize.execute(GREY, one, **GIVEN)[0] for one in (WARM, COLD))
    assert far(warm, WARM) < far(cold, WARM) and far(cold, COLD) < far(warm, COLD)


def test_a_light_and_a_mask():
    plain = PaletteColorize.execute(GREY, WARM, **GIVEN)[0]
    lit = PaletteColorize.execute(GREY, WARM, **{**GIVEN, "light": "#ffb060"})[0]
    assert delta_e76(lab(lit), lab(plain)).mean() > 0.5
    mask = torch.zeros(1, *GREY.shape[1:3])
    mask[:, 60:] = 1
    image, confidence, exact = PaletteColorize.execute(GREY, WARM, **GIVEN, mask=mask).args
    assert torch.equal(image[:, :60], GREY[:, :60]) and not torch.equal(image[:, 60:], GREY[:, 60:])
    assert confidence.shape == GREY.shape[:3] and exact.ab.shape[:2] == (1, 2)


def test_what_cannot_be_done_is_said(hosted):
    with pytest.raises(ValueError, match="palette must come from a palette node"):
        PaletteColorize.execute(GREY, "#c04030", **GIVEN)
    with pytest.raises(ValueError, match="takes no palette"):
        PaletteColorize.execute(GREY, WARM, **GIVEN, colorizer=hosted)
