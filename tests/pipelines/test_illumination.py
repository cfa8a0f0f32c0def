"""Light found and changed: there and back is the picture, and what is masked out stays."""

from __future__ import annotations

import pytest
import torch
from skimage import data

from chrominance.color import linear_rgb_to_rgb, rgb_to_lab, rgb_to_linear_rgb
from chrominance.pipelines.choices import LIGHT_METHODS
from chrominance.pipelines.illumination import (
    Relighting,
    estimate_illumination,
    predict_illumination,
    predict_together,
    relight,
)
from chrominance.pipelines.light_colors import light_from_kelvin, of_luminance_1
from chrominance.pipelines.lut import Cube

NEUTRAL = torch.ones(3)
WARM, COOL = light_from_kelvin(3200), light_from_kelvin(12000)
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])


def photo(name: str = "coffee") -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255


def muted(size: int = 40) -> torch.Tensor:
    """Colours that no light here pushes out of the gamut."""
    rgb = torch.rand(2, 3, size, size + 3, generator=torch.Generator().manual_seed(0))
    return rgb * 0.3 + 0.25


def gained(rgb: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    return linear_rgb_to_rgb(rgb_to_linear_rgb(rgb) * gains[:, None, None])


def chroma(light: torch.Tensor) -> torch.Tensor:
    log = light.log()
    return log[..., ::2] - log[..., 1:2]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("light", [WARM, COOL, torch.tensor([1.0, 0.8, 1.1])])
def test_there_and_back_is_the_picture(light, keep):
    rgb = muted()
    there = relight(rgb, NEUTRAL, light, keep_lightness=keep)
    assert (there - rgb).abs().mean() > 0.01
    back = relight(there, light, NEUTRAL, keep_lightness=keep)
    assert (back - rgb).abs().max() < 1 / 255


def test_it_is_gains_on_linear_rgb():
    evening, shade = light_from_kelvin(4500), light_from_kelvin(7500)
    expected = gained(muted(), shade / evening)
    assert expected.max() < 0.9
    assert (relight(muted(), evening, shade) - expected).abs().max() < 1e-4


def test_two_changes_are_one():
    rgb = muted()
    twice = relight(relight(rgb, NEUTRAL, WARM), WARM, COOL)
    assert (twice - relight(rgb, NEUTRAL, COOL)).abs().max() < 1 / 255


def test_the_same_light_changes_nothing():
    rgb = photo()
    assert torch.equal(relight(rgb, WARM, WARM * 3), rgb)


def test_greys_get_the_lights_colour_and_stay_as_bright():
    ramp = torch.linspace(0, 0.6, 50).expand(1, 3, 1, 50)
    lit = rgb_to_linear_rgb(relight(ramp, NEUTRAL, WARM))[0, :, 0, 5:]
    assert torch.allclose(lit / lit[1], (WARM / WARM[1])[:, None].expand_as(lit), rtol=2e-3)
    luminance = (lit * LUMINANCE[:, None]).sum(0)
    assert torch.allclose(luminance, rgb_to_linear_rgb(ramp)[0, 1, 0, 5:], rtol=2e-3)


def test_lightness_can_be_kept():
    rgb = photo()[:, :, ::4, ::4]
    kept = relight(rgb, NEUTRAL, WARM, keep_lightness=True)
    assert (rgb_to_lab(kept)[:, 0] - rgb_to_lab(rgb)[:, 0]).abs().max() < 0.1
    # Without, a blue thing gets darker in the light of a lamp.
    blue = torch.tensor([0.2, 0.3, 0.7])[None, :, None, None]
    assert rgb_to_lab(relight(blue, NEUTRAL, WARM))[0, 0] < rgb_to_lab(blue)[0, 0] - 3


@pytest.mark.parametrize("source", [WARM, COOL, torch.tensor([1.0, 0.6, 0.9]), torch.tensor([0.5, 1.0, 0.6])])
@pytest.mark.parametrize("target", [NEUTRAL, WARM])
def test_highlights_go_smoothly_to_white(source, target):
    # Greys, the light's own colour and another, from black to as bright as they get.
    top = of_luminance_1(source) / of_luminance_1(source).max()
    for end in (torch.ones(3), linear_rgb_to_rgb(top, dim=0), torch.tensor([0.7, 0.8, 1.0])):
        ramp = torch.linspace(0, 1, 1024) * end[:, None]
        lit = relight(ramp[None, :, None], source, target)[0, :, 0]
        assert lit.min() >= 0 and lit.max() <= 1
        lab = rgb_to_lab(lit, dim=0)
        assert lab[0].diff().min() > -0.01, "brighter stays brighter"
        assert lab.diff().square().sum(0).sqrt()[16:].max() < 2.5, "no edge where a channel ends"


def test_white_stays_white_and_what_is_too_bright_keeps_its_shape():
    blue = torch.tensor([0.3, 0.4, 1.0])
    ramp = torch.linspace(0.5, 1, 64).expand(1, 3, 1, 64)
    lit = rgb_to_lab(relight(ramp, blue, NEUTRAL))[0, 0, 0]
    assert lit.diff().min() > 0.02 and lit[-1] == pytest.approx(100, abs=0.1)


def test_strength_and_mask():
    rgb = photo()[:, :, :60, :90]
    full = relight(rgb, NEUTRAL, WARM)
    assert torch.equal(relight(rgb, NEUTRAL, WARM, strength=0), rgb)
    half = relight(rgb, NEUTRAL, WARM, strength=0.5)
    middle = (rgb_to_lab(rgb) + rgb_to_lab(full)) / 2
    assert (rgb_to_lab(half) - middle).abs().median() < 0.05
    mask = torch.zeros(1, 1, 60, 90)
    mask[..., 45:] = 1
    part = relight(rgb, NEUTRAL, WARM, mask=mask)
    assert torch.equal(part[..., :45], rgb[..., :45])
    assert torch.allclose(part[..., 45:], full[..., 45:], atol=1e-5)


def test_each_picture_can_have_its_own_light():
    rgb = torch.cat([photo()[:, :, :30, :40], photo()[:, :, 30:60, :40]]).half()
    both = relight(rgb, NEUTRAL, torch.stack([WARM, COOL]))
    assert both.dtype == torch.half and both.shape == rgb.shape
    assert torch.equal(both[:1], relight(rgb[:1], NEUTRAL, WARM))
    assert torch.equal(both[1:], relight(rgb[1:], NEUTRAL, COOL))


def test_a_table_of_it_does_the_same():
    rgb = photo()[:, :, ::3, ::3]
    change = Relighting(WARM, NEUTRAL)
    assert (Cube.of(change, 65).apply(rgb) - change.apply(rgb)).abs().max() < 3 / 255


@pytest.mark.parametrize("method", LIGHT_METHODS)
def test_lights_are_found_again(method):
    before = predict_illumination(photo() * 0.9, method)
    assert before.shape == (1, 3) and float(before[0] @ LUMINANCE) == pytest.approx(1, abs=1e-4)
    for gains in (torch.tensor([1.0, 0.8, 0.5]), torch.tensor([0.6, 0.8, 1.0])):
        after = predict_illumination(gained(photo() * 0.9, gains), method)
        assert (chroma(after) - chroma(before) - chroma(gains)).abs().max() < 0.12


def test_grey_world_and_shades_are_power_means():
    rgb = photo()[:, :, :128, :128]  # of which the mean of each 2x2 is looked at
    linear = rgb_to_linear_rgb(rgb)[0].double().view(3, 64, 2, 64, 2).mean((2, 4))
    for method, power in (("grey world", 1), ("shades of grey", 6)):
        light = predict_illumination(rgb, method)[0].double()
        mean = linear.pow(power).mean((1, 2)) ** (1 / power)
        assert torch.allclose(light / light[1], mean / mean[1], rtol=1e-3)


def test_a_mask_says_where_to_look():
    rgb = torch.cat([gained(photo(), torch.tensor([1.0, 0.8, 0.5])), gained(photo(), COOL / COOL.max())], 3)
    mask = torch.zeros(1, 1, *rgb.shape[2:])
    mask[..., : rgb.shape[3] // 2] = 1
    for method in LIGHT_METHODS:
        left = predict_illumination(rgb, method, mask=mask)[0]
        right = predict_illumination(rgb, method, mask=1 - mask)[0]
        assert left[0] / left[2] > 1.6 * right[0] / right[2]


def test_black_is_lit_by_nothing():
    for method in LIGHT_METHODS:
        light = predict_illumination(torch.zeros(1, 3, 9, 7), method)
        assert torch.allclose(light, torch.ones(1, 3), atol=1e-5)


def test_a_clip_has_one_light_that_wrong_frames_do_not_move():
    frames = [photo()[0], photo()[0, :, 8:], photo()[0, :, :, 8:]] * 3
    alone = predict_illumination(frames[0][None])[0]
    together = predict_together(iter(frames))
    assert together.shape == (3,) and (chroma(together) - chroma(alone)).abs().max() < 0.05
    flash = gained(frames[0][None], torch.tensor([0.2, 0.2, 1.0]))[0]
    disturbed = predict_together([*frames, flash, flash])
    assert (chroma(disturbed) - chroma(together)).abs().max() < 0.05
    assert torch.allclose(predict_together(frames[:1]), alone, atol=1e-4)
    masks = [torch.ones(400, 600), None]
    assert torch.allclose(predict_together([frames[0]] * 2, masks=masks), alone, atol=1e-4)


def test_bad_input_is_refused():
    rgb = photo()[:, :, :8, :8]
    with pytest.raises(ValueError, match="method"):
        predict_illumination(rgb, "guess")
    with pytest.raises(ValueError, match="B,3,H,W"):
        predict_illumination(rgb[0])
    with pytest.raises(ValueError, match="NaN"):
        predict_illumination(rgb * torch.nan)
    with pytest.raises(ValueError, match="leaves no pixel"):
        predict_illumination(rgb, mask=torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="mask must be"):
        predict_illumination(rgb, mask=torch.ones(1, 1, 8, 9))
    with pytest.raises(ValueError, match="no picture"):
        predict_together([])
    with pytest.raises(ValueError, match="source must be"):
        relight(rgb, torch.ones(2, 3), NEUTRAL)
    with pytest.raises(ValueError, match="black"):
        relight(rgb, NEUTRAL, torch.zeros(3))
    with pytest.raises(ValueError, match="strength"):
        relight(rgb, WARM, WARM, strength=2)


def test_the_networks_condition_is_ab_of_the_power_mean():
    rgb = photo()
    ab = estimate_illumination(rgb)
    linear = rgb_to_linear_rgb(rgb.double())
    mean = linear.pow(6).mean((2, 3), keepdim=True) ** (1 / 6)
    expected = rgb_to_lab(linear_rgb_to_rgb(mean / mean.amax(1, keepdim=True)))[:, 1:, 0, 0]
    assert torch.allclose(ab.double(), expected, atol=0.05)
