"""Lights by kelvin and by hex: published chromaticities, and the way back."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from chrominance.color import linear_rgb_to_xyz
from chrominance.pipelines.light_colors import (
    COLDEST,
    HOTTEST,
    correlated_temperature,
    daylight,
    kelvin_of,
    light_from_hex,
    light_from_kelvin,
    light_to_hex,
    locus,
    of_luminance_1,
    planckian,
)
from chrominance.pipelines.palette import PaletteError


def xy_of(light: torch.Tensor) -> tuple[float, float]:
    x, y, z = linear_rgb_to_xyz(light.double(), dim=0).tolist()
    return x / (x + y + z), y / (x + y + z)


def black_body(kelvin: float) -> tuple[float, float]:
    """Planck's law through Gaussians that fit the CIE 1931 observer (Wyman et al., JCGT 2013)."""

    def bump(nm, height, middle, below, above):
        width = below if nm < middle else above
        return height * math.exp(-0.5 * ((nm - middle) * width) ** 2)

    X = Y = Z = 0.0
    for nm in range(380, 781):
        power = nm**-5 / (math.exp(1.4388e7 / (nm * kelvin)) - 1)
        X += power * (
            bump(nm, 0.362, 442.0, 0.0624, 0.0374)
            + bump(nm, 1.056, 599.8, 0.0264, 0.0323)
            + bump(nm, -0.065, 501.1, 0.0490, 0.0382)
        )
        Y += power * (bump(nm, 0.821, 568.8, 0.0213, 0.0247) + bump(nm, 0.286, 530.9, 0.0613, 0.0322))
        Z += power * (bump(nm, 1.217, 437.0, 0.0845, 0.0278) + bump(nm, 0.681, 459.0, 0.0385, 0.0725))
    return X / (X + Y + Z), Y / (X + Y + Z)


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    [
        (2856, 0.44757, 0.40745),  # illuminant A
        (5003, 0.34567, 0.35850),  # D50
        (5503, 0.33242, 0.34743),  # D55
        (6504, 0.31272, 0.32903),  # D65
        (7504, 0.29902, 0.31485),  # D75
    ],
)
def test_the_cie_illuminants(kelvin, x, y):
    assert locus(kelvin) == pytest.approx((x, y), abs=6e-4)
    assert xy_of(light_from_kelvin(kelvin)) == pytest.approx((x, y), abs=6e-4)


@pytest.mark.parametrize("kelvin", [1700, 2200, 2856, 4000, 6500, 10000, 20000])
def test_the_planckian_locus_is_plancks_law(kelvin):
    assert planckian(kelvin) == pytest.approx(black_body(kelvin), abs=4e-3)


def test_d65_is_neutral_and_lights_go_from_red_to_blue():
    assert light_from_kelvin(6504).tolist() == pytest.approx([1, 1, 1], abs=2e-3)
    ratios = [float(light[0] / light[2]) for light in map(light_from_kelvin, range(2000, 25001, 250))]
    assert ratios == sorted(ratios, reverse=True) and ratios[0] > 20 and ratios[-1] < 0.5


def test_the_locus_has_no_steps():
    points = [locus(1e6 / mired) for mired in range(40, 599)]
    assert max(math.dist(a, b) for a, b in pairwise(points)) < 1.5e-3


@pytest.mark.parametrize("kelvin", [2700, 2856, 3500, 4321, 4800, 5003, 6504, 9000, 20000])
@pytest.mark.parametrize("tint", [-30.0, 0.0, 12.0])
def test_a_lights_temperature_and_tint_come_back(kelvin, tint):
    found, side = kelvin_of(light_from_kelvin(kelvin, tint))
    assert found == pytest.approx(kelvin, rel=5e-3) and side == pytest.approx(tint, abs=0.5)


def test_positive_tint_is_magenta():
    magenta, green = (light_from_kelvin(5000, tint) for tint in (40, -40))
    assert magenta[1] < light_from_kelvin(5000)[1] < green[1]


def test_known_temperatures_of_lights():
    assert correlated_temperature(torch.ones(3)) == pytest.approx(6504, abs=10)
    # McCamy's polynomial, an independent estimate.
    for code in ("#ffd6aa", "#fff4e5", "#d6e4ff"):
        light = light_from_hex(code)
        x, y = xy_of(light)
        n = (x - 0.3320) / (0.1858 - y)
        mccamy = 449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33
        assert correlated_temperature(light) == pytest.approx(mccamy, rel=0.04)


def test_extremes_end_at_the_ends():
    assert COLDEST <= kelvin_of(torch.tensor([1.0, 0.1, 0.0]))[0] < 1900
    assert kelvin_of(light_from_kelvin(1667))[0] == pytest.approx(1700, rel=0.03)
    assert kelvin_of(torch.tensor([0.05, 0.2, 1.0]))[0] == pytest.approx(HOTTEST, rel=0.01)
    assert kelvin_of(torch.tensor([1.0, 0.2, 1.0]))[1] > 150


@pytest.mark.parametrize("code", ["#ffffff", "#ffb46b", "#a0c0ff", "#40ff40", "#ff0000"])
def test_hex_comes_back(code):
    light = light_from_hex(code)
    assert float(light @ torch.tensor([0.2126, 0.7152, 0.0722])) == pytest.approx(1, abs=1e-5)
    # A channel that is missing counts as a fiftieth.
    expected = {"#ff0000": "#ff2727"}.get(code, code)
    assert light_to_hex(light) == expected


def test_a_lights_scale_does_not_matter():
    assert light_from_hex("#804020").tolist() == pytest.approx(
        of_luminance_1(light_from_hex("#804020") * 7).tolist()
    )
    assert of_luminance_1(torch.rand(4, 3) + 0.1).shape == (4, 3)


def test_what_is_no_light_is_refused():
    for kelvin, tint in ((1600, 0), (25001, 0), (math.nan, 0), (5000, 151), (5000, math.nan)):
        with pytest.raises(ValueError, match="got"):
            light_from_kelvin(kelvin, tint)
    for code in ("#00000", "red", ""):
        with pytest.raises(PaletteError, match="rrggbb"):
            light_from_hex(code)
    with pytest.raises(PaletteError, match="black"):
        light_from_hex("#000")
    for light in ([1.0, math.nan, 1], [1.0, -0.1, 1], [1.0, 1.0]):
        with pytest.raises(ValueError, match="three numbers"):
            of_luminance_1(torch.tensor(light))
    with pytest.raises(ValueError, match="black"):
        of_luminance_1(torch.zeros(2, 3))


def test_daylight_meets_itself_where_its_formulas_do():
    assert daylight(7000) == pytest.approx(daylight(7000.001), abs=1e-4)
