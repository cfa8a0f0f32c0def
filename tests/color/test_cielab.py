import math

import numpy as np
import pytest
import torch
from skimage import color as skcolor
from skimage import data

from chrominance.color import (
    lab_to_lch,
    lab_to_rgb,
    lab_to_xyz,
    lch_to_lab,
    rgb_to_lab,
    rgb_to_lightness,
    xyz_to_lab,
)
from chrominance.color.formulas import WHITE

D65_ASTM = (0.95047, 1.0, 1.08883)


def _cube(steps: int) -> torch.Tensor:
    """Return a regular grid over the RGB cube as [3,steps,steps²], float64."""
    axis = torch.linspace(0, 1, steps, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis, axis).T.reshape(3, steps, steps * steps)


def _random(low: float, high: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 200, 200, generator=generator, dtype=torch.float64) * (high - low) + low


def _inputs() -> dict[str, torch.Tensor]:
    return {
        "cube": _cube(41),
        "dark": _random(0.0, 0.06, 1),
        "out of range": _random(-0.2, 1.2, 2),
        "grey": torch.linspace(-0.2, 1.2, 50001, dtype=torch.float64).expand(3, 1, -1),
    }


def _scalar_lab(rgb: tuple[float, float, float]) -> tuple[float, float, float]:
    """Convert one colour by the definitions, in Python's floats: an oracle that shares no code."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    rows = [(0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227)]
    relative = [sum(m * v for m, v in zip(row, linear, strict=True)) / sum(row) for row in rows]
    f = [math.cbrt(t) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in relative]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize(
    "rgb",
    [
        (0, 0, 0),
        (1, 1, 1),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0.5, 0.25, 0.75),
        (0.01, 0.03, 0.02),
        (-0.1, 0.2, 1.1),
    ],
)
def test_single_colours_follow_the_definition(rgb):
    expected = torch.tensor(_scalar_lab(rgb), dtype=torch.float64)
    exact = rgb_to_lab(torch.tensor(rgb, dtype=torch.float64), dim=-1)
    assert torch.allclose(exact, expected, rtol=0, atol=1e-9)
    assert (rgb_to_lab(torch.tensor(rgb, dtype=torch.float32), dim=-1) - expected).abs().max() < 1e-4


def test_known_colours():
    red = rgb_to_lab(torch.tensor([1.0, 0.0, 0.0]), dim=-1)
    assert torch.allclose(red, torch.tensor([53.24, 80.09, 67.20]), rtol=0, atol=0.02)
    blue = rgb_to_lab(torch.tensor([0.0, 0.0, 1.0]), dim=-1)
    assert torch.allclose(blue, torch.tensor([32.30, 79.19, -107.86]), rtol=0, atol=0.02)


def test_agrees_with_scikit_image():
    rgb = torch.from_numpy(data.astronaut()[::3, ::3].astype(np.float64) / 255).permute(2, 0, 1)
    bhwc = rgb.permute(1, 2, 0).numpy()
    lab = rgb_to_lab(rgb)
    # scikit-image divides by the rounded white of ASTM E308. With XYZ scaled from one white to the other,
    # what is left is its rounded constants 0.008856 and 7.787.
    xyz = skcolor.rgb2xyz(bhwc) * (np.array(D65_ASTM) / np.array(WHITE))
    oracle = torch.from_numpy(skcolor.xyz2lab(xyz)).permute(2, 0, 1)
    assert (lab - oracle).abs().max() < 2e-4
    direct = torch.from_numpy(skcolor.rgb2lab(bhwc)).permute(2, 0, 1)
    assert (lab - direct)[0].abs().max() < 1e-4
    assert (lab - direct).abs().max() < 6e-3
    back = torch.from_numpy(skcolor.lab2rgb(direct.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    assert (lab_to_rgb(direct) - back).abs().max() < 2e-4


@pytest.mark.parametrize("name", _inputs())
def test_fast_float32_is_within_1e_4_of_float64(name):
    rgb = _inputs()[name].float()
    exact = rgb_to_lab(rgb.double())
    assert (rgb_to_lab(rgb) - exact).abs().max() < 1e-4
    assert (rgb_to_lightness(rgb) - exact[:1]).abs().max() < 1e-4
    lab = exact.float()
    assert (lab_to_rgb(lab) - lab_to_rgb(lab.double())).abs().max() < 2e-5


def test_fast_inverse_far_outside_the_gamut():
    lab = _random(-128, 128, 3).float()
    lab[0] = lab[0].abs() * (100 / 128)
    assert (lab_to_rgb(lab) - lab_to_rgb(lab.double())).abs().max() < 1e-4


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 3e-5)])
def test_round_trips(dtype, tolerance):
    for rgb in _inputs().values():
        rgb = rgb.to(dtype)
        assert (lab_to_rgb(rgb_to_lab(rgb)) - rgb).abs().max() < tolerance
    lab = rgb_to_lab(_cube(21).to(dtype))
    assert (xyz_to_lab(lab_to_xyz(lab)) - lab).abs().max() < 100 * tolerance
    assert (lch_to_lab(lab_to_lch(lab)) - lab).abs().max() < 100 * tolerance


def test_greys_are_neutral_and_white_is_white():
    grey = torch.linspace(0, 1, 65536).expand(3, 1, -1)
    lab = rgb_to_lab(grey)
    assert lab[1:].abs().max() <= 1e-4
    assert (lab[:, 0, -1] - torch.tensor([100.0, 0.0, 0.0])).abs().max() <= 1e-4
    assert lab[:, 0, 0].abs().max() <= 1e-5
    rising = lab[0, 0].diff()
    assert rising.min() > -2e-5


def test_nan_stays_and_stays_alone():
    rgb = _random(0, 1, 5)[:, :8, :8].float()
    rgb[1, 2, 3] = torch.nan
    clean = rgb.clone()
    clean[1, 2, 3] = 0.5
    for convert in (rgb_to_lab, lab_to_rgb, rgb_to_lightness, lab_to_lch):
        result, expected = convert(rgb), convert(clean)
        assert result[..., 2, 3].isnan().any()
        result[..., 2, 3] = expected[..., 2, 3]
        assert torch.equal(result, expected)


def test_clip():
    lab = torch.tensor([50.0, 120.0, -120.0]).reshape(3, 1, 1)
    assert lab_to_rgb(lab).min() < 0 < 1 < lab_to_rgb(lab).max()
    assert torch.equal(lab_to_rgb(lab, clip=True), lab_to_rgb(lab).clamp(0, 1))


def test_lch():
    lab = torch.tensor([[50.0, 0.0, 10.0], [50.0, -10.0, 0.0], [50.0, 3.0, -4.0], [50.0, 0.0, 0.0]])
    lch = lab_to_lch(lab, dim=-1)
    assert torch.allclose(lch[:, 1], torch.tensor([10.0, 10.0, 5.0, 0.0]))
    assert torch.allclose(lch[:, 2], torch.tensor([90.0, 180.0, 306.8699, 0.0]), atol=1e-3)
    edge = lab_to_lch(torch.tensor([50.0, 10.0, -1e-30]), dim=-1)
    assert 0 <= edge[2] < 360


@pytest.mark.parametrize(
    "convert", [rgb_to_lab, lab_to_rgb, rgb_to_lightness, lab_to_lch, lch_to_lab, xyz_to_lab]
)
def test_gradients(convert):
    black = torch.zeros(3, 2, 2, requires_grad=True)
    convert(black).sum().backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()
    generator = torch.Generator().manual_seed(4)
    inner = torch.rand(3, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convert, (inner,), eps=1e-7, atol=1e-3)
    assert torch.allclose(convert(inner), convert(inner.detach()), rtol=0, atol=1e-9)


def test_lightness_of_grey_alone_is_that_of_grey_among_colours():
    grey = torch.linspace(-0.2, 1.2, 4096).view(1, 64, 64).expand(3, -1, -1).contiguous()
    among = grey.clone()
    among[1, 0, 0] = 0.5
    alone, other = rgb_to_lightness(grey), rgb_to_lightness(among)
    torch.testing.assert_close(alone[0, 1:], other[0, 1:], atol=2e-5, rtol=0)
    assert alone[0, 0, 0] != other[0, 0, 0]
