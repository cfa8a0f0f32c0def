from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import color as skcolor
from skimage import data

from chrominance.color import delta_e76, lab_to_rgb, rgb_to_lab, rgb_to_lightness
from chrominance.pipelines.color_map import change_exactly
from chrominance.pipelines.palette import Palette, PaletteError, Swatch
from chrominance.pipelines.palette_extract import extract
from chrominance.pipelines.recolor import METHODS, PaletteModel, Recolorer, recolor
from chrominance.pipelines.recolor_chang import Chang2015, lightness_curve
from chrominance.pipelines.recolor_soft import with_locks


@pytest.fixture(scope="module")
def coffee():
    rgb = torch.from_numpy(data.coffee()).permute(2, 0, 1)[None].float() / 255
    return rgb[:, :, ::3, ::3].contiguous()


def moved(palette, number, ab=(-40.0, -60.0), L=0.0):
    swatches = list(palette.swatches)
    old = swatches[number].lab
    swatches[number] = replace(swatches[number], lab=(old[0] + L, old[1] + ab[0], old[2] + ab[1]))
    return replace(palette, swatches=tuple(swatches))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lightness", ["keep", "transfer"])
@pytest.mark.parametrize("count", [2, 6, 16])
def test_the_identity_edit_gives_the_picture(coffee, method, lightness, count):
    palette = extract(coffee, count)
    assert torch.equal(recolor(coffee, palette, palette, method=method, lightness=lightness), coffee)
    # And by the whole way: an edit that is all but the identity.
    nearly = moved(palette, 0, (1e-4, 0))
    out = recolor(coffee, palette, nearly, method=method, lightness=lightness)
    assert (out - coffee).abs().max() <= 1 / 255


def test_one_swatch_moves_what_is_like_it_and_the_rest_stays(coffee):
    """Lab is scikit-image's."""
    palette = extract(coffee, 6)
    target = moved(palette, 0)
    edit = PaletteModel(palette).edit(target)
    weights = edit.model.decomposition.weights(rgb_to_lab(coffee).flatten(2)[0])[0]
    out = recolor(coffee, palette, target)
    before, after = (torch.from_numpy(skcolor.rgb2lab(x[0].permute(1, 2, 0).numpy())) for x in (coffee, out))
    change = (after - before).view(-1, 3)
    assert change[:, 0].abs().max() < 0.1
    assert torch.linalg.vector_norm(change[weights < 0.01], dim=1).max() < 2
    belongs = change[weights > 0.9]
    assert len(belongs) > 100 and torch.linalg.vector_norm(belongs[:, 1:], dim=1).mean() > 30


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lightness", ["keep", "transfer"])
def test_locked_swatches_hold_what_belongs_to_them(coffee, method, lightness):
    palette = extract(coffee, 6).with_locks([True, False, True, False, False, False])
    target = palette
    for number in range(6):
        target = moved(target, number, (30.0, -70.0), 15.0)
    model = PaletteModel(palette, method)
    out = Recolorer(coffee, model).recolor(target, lightness=lightness)
    lab = rgb_to_lab(coffee)
    held = model.decomposition.weights(lab.flatten(2)[0])[palette.locked].sum(0) >= 0.9
    apart = delta_e76(rgb_to_lab(out), lab).flatten()
    assert 100 < held.sum() < held.numel() and apart[held].max() < 1 and apart.max() > 20
    # A lock of the target's counts as well.
    free = palette.with_locks([False] * 6)
    assert torch.equal(
        Recolorer(coffee, PaletteModel(free, method)).recolor(target, lightness=lightness), out
    )


def test_locks_take_over_smoothly():
    share = torch.linspace(0, 1, 1001)
    weights = with_locks(torch.stack([share, 1 - share]), torch.tensor([True, False]))
    torch.testing.assert_close(weights.sum(0), torch.ones(1001))
    assert weights[1, share >= 0.85].max() < 1e-6 and weights[1, 0] == 1
    assert weights[1].diff().abs().max() < 0.0025


@pytest.mark.parametrize("lightness", ["keep", "transfer"])
@pytest.mark.parametrize("count", [1, 2, 6, 16])
def test_the_table_is_near_the_exact_map(coffee, lightness, count):
    palette = extract(coffee, count) if count > 1 else Palette.from_hex(["#805030"])
    edit = PaletteModel(palette).edit(moved(palette, 0, (-30.0, -20.0), 10.0), lightness)
    assert (edit.apply(coffee) - change_exactly(coffee, edit)).abs().max() <= 2 / 255


def test_lightness_is_kept_to_the_last_digit_or_stays_in_range(coffee):
    palette = extract(coffee, 6)
    target = palette
    for number in range(6):
        target = moved(target, number, (20.0, 10.0), 0.6 * (100 - palette.swatches[number].lab[0]))
    kept = recolor(coffee, palette, target)
    torch.testing.assert_close(rgb_to_lightness(kept), rgb_to_lightness(coffee), atol=0.02, rtol=0)
    model = PaletteModel(palette)
    lab = rgb_to_lab(coffee).flatten(2)[0]
    L = lab[0] + model.edit(target, "transfer").displacement(lab)[0]
    assert L.min() >= -1e-3 and L.max() <= 100.001
    # Highlights do not run together.
    assert (L > 99.99).float().mean() < 0.001 + (lab[0] > 99).float().mean()


def test_a_whole_palette_that_turns_turns_the_picture():
    """A palette of greys and one red: what is red, also paler and stronger, becomes blue as far."""
    palette = Palette.from_lab(torch.tensor([[50.0, 50, 0], [90, 0, 0], [10, 0, 0], [50, 0, 0]]))
    target = moved(palette, 0, (-50.0, -50.0))
    a = torch.linspace(0, 70, 71)
    lab = torch.stack([torch.full_like(a, 50), a, torch.zeros_like(a)])
    out = lab + PaletteModel(palette).edit(target).displacement(lab)
    assert (out[2] + a).abs().max() < 12 and out[1].abs().max() < 12
    assert (out[2].diff() < 0).all()


def test_steps_of_a_gradient_stay_steps():
    from chrominance.benchmarks.recolor import nearest, ramp_measure, ramps, turned

    rgb = torch.from_numpy(data.coffee()).permute(2, 0, 1)[None].float() / 255
    palette = extract(rgb, 6)
    given = ramps(palette)
    for degrees in (60.0, 120.0, 180.0):
        edit = PaletteModel(palette).edit(turned(palette, degrees))
        flat, steep = ramp_measure(given, edit.apply(given))
        assert flat < 4 and steep < 8
        # The measure sees what posterises.
        flat, steep = ramp_measure(given, nearest(edit)(given))
        assert flat > 10 and steep > 10


@pytest.mark.parametrize("method", METHODS)
def test_masks_alpha_of_types_and_odd_sizes(coffee, method):
    rgb = coffee[..., :33, :47].contiguous()
    palette = extract(rgb, 3)
    target = moved(palette, 1)
    mask = torch.zeros(1, 1, 33, 47)
    mask[..., 20:] = 1
    out = recolor(rgb, palette, target, method=method, mask=mask)
    assert torch.equal(out[..., :20], rgb[..., :20]) and not torch.equal(out[..., 20:], rgb[..., 20:])
    both = torch.cat([rgb, rgb.flip(3)])
    twice = recolor(both, palette, target, method=method)
    torch.testing.assert_close(twice[1], twice[0].flip(2), atol=1e-6, rtol=0)
    half = recolor(rgb.half(), palette, target, method=method)
    assert half.dtype == torch.float16
    deep = (rgb * 65535).round() / 65535
    untouched = recolor(deep, palette, target, method=method, mask=mask)
    assert torch.equal(untouched[..., :20], deep[..., :20])


@pytest.mark.parametrize("method", METHODS)
def test_the_same_gives_the_same_bytes(coffee, method):
    palette = extract(coffee, 6, seed=3)
    target = moved(palette, 2)
    outs = [recolor(coffee, extract(coffee, 6, seed=3), target, method=method) for _ in range(2)]
    assert torch.equal(*outs)
    recolorer = Recolorer(coffee, PaletteModel(palette, method))
    recolorer.recolor(moved(palette, 0))
    assert torch.equal(recolorer.recolor(target), outs[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_of_one_colour(method):
    rgb = torch.full((1, 3, 8, 9), 0.4)
    palette = extract(rgb, 6)
    assert len(palette) == 1
    out = recolor(rgb, palette, Palette.from_hex(["#665040"]), method=method)
    goal = rgb_to_lab(torch.tensor([0x66, 0x50, 0x40]) / 255, dim=0)[1:]
    torch.testing.assert_close(rgb_to_lab(out)[0, 1:, 0, 0], goal, atol=0.5, rtol=0)


def test_what_does_not_fit_is_refused(coffee):
    palette = extract(coffee, 3)
    with pytest.raises(PaletteError, match="one of soft, chang"):
        PaletteModel(palette, "hard")
    with pytest.raises(PaletteError, match="equally many"):
        recolor(coffee, palette, extract(coffee, 4))
    with pytest.raises(PaletteError, match="lightness"):
        recolor(coffee, palette, palette, lightness="drop")  # pyright: ignore[reportArgumentType]
    with pytest.raises(PaletteError, match="colours 1 and 3 of the palette are the same"):
        PaletteModel(replace(palette, swatches=(*palette.swatches[:2], palette.swatches[0])))
    with pytest.raises(ValueError, match="NaN"):
        Recolorer(coffee * float("nan"), PaletteModel(palette))


def test_changs_weights_are_those_of_the_paper():
    """Each is 1 in its swatch and 0 in the others; by NumPy's own solver."""
    palette = torch.tensor([[50.0, 60, 40], [40, -40, 30], [30, 20, -60], [90, 0, 0]])
    weights = Chang2015(palette).weights(palette.T.contiguous())
    torch.testing.assert_close(weights, torch.eye(4), atol=1e-4, rtol=0)
    p = palette.double().numpy()
    apart = np.linalg.norm(p[:, None] - p[None], axis=2)
    sigma = apart[np.triu_indices(4, 1)].mean()
    x = np.array([55.0, 20, 10])
    factors = np.linalg.solve(np.exp(-(apart**2) / (2 * sigma**2)), np.eye(4))
    raw = np.maximum(factors @ np.exp(-((x - p) ** 2).sum(1) / (2 * sigma**2)), 0)
    found = Chang2015(palette).weights(torch.tensor(x, dtype=torch.float32)[:, None])
    np.testing.assert_allclose(found[:, 0].numpy(), raw / raw.sum(), atol=1e-4)


def test_changs_swatch_reaches_its_goal_and_stays_in_the_gamut():
    palette = Palette((Swatch((50.0, 30.0, 20.0)), Swatch((80.0, 0.0, 0.0)), Swatch((20.0, 0.0, 0.0))))
    target = moved(palette, 0, (-40.0, -30.0))
    edit = PaletteModel(palette, "chang").edit(target)
    lab = palette.lab.T.contiguous()
    torch.testing.assert_close((lab + edit.displacement(lab)).T, target.lab, atol=0.3, rtol=0)
    colors = rgb_to_lab(torch.rand(3, 400, generator=torch.Generator().manual_seed(0)), dim=0)
    rgb = lab_to_rgb(colors + edit.displacement(colors), dim=0)
    assert rgb.min() > -0.05 and rgb.max() < 1.05


def test_changs_lightness_keeps_order():
    L = torch.linspace(0, 100, 101)
    curve = lightness_curve(L, torch.tensor([60.0, 20.0]), torch.tensor([-45.0, 5.0]))
    assert (curve.diff() >= 0).all() and curve[0] == 0 and curve[-1] == 100 and curve[20] == 25
