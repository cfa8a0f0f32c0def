"""Colours of light: from kelvin and from #rrggbb to linear sRGB, and back for people to read.

A light is linear sRGB [3] of luminance 1: what white looks like in it; D65 is all 1.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from ..color import linear_rgb_to_rgb, linear_rgb_to_xyz, rgb_to_linear_rgb, xyz_to_linear_rgb
from ..models.colorhouse.illumination import unit_luminance
from .palette import PaletteError, Swatch

#: Temperatures that a light can have, in kelvin: where the formulas of the loci hold.
COLDEST, HOTTEST = 1667.0, 25000.0

# A light is taken to be at most so many times as strong in one channel as in another.
_MOST_CAST = 50.0
# Lamps glow up to the first of these, the sky lights from the second; between them one becomes the other.
_LAMPS, _SKY = 4000.0, 5000.0
# Units of tint in a distance of 1 in CIE 1960 uv: Adobe's DNG SDK, dng_temperature.cpp.
_TINT = 3000.0
# Steps of the search, in reciprocal megakelvin.
_MIRED = 0.25


def of_luminance_1(light: Tensor) -> Tensor:
    """Scale lights [...,3] to luminance 1; a channel nearly black counts as a fiftieth of the largest.

    Raises ValueError for another shape, NaN, negative values, and black.
    """
    if light.shape[-1:] != (3,) or not bool(torch.isfinite(light).all()) or bool((light < 0).any()):
        raise ValueError(f"a light must be three numbers of 0 or more, linear red, green, blue, got {light}")
    if bool((light.amax(-1) <= 0).any()):
        raise ValueError("a light cannot be black: give the colour of a white thing in it")
    light = light / light.amax(-1, keepdim=True)
    return unit_luminance(light.clamp(min=1 / _MOST_CAST))


def light_from_hex(text: str) -> Tensor:
    """Return the light [3] in which white looks #rrggbb; raises PaletteError for another form, and black."""
    code = Swatch.from_hex(text).hex
    rgb = torch.tensor([value / 255 for value in bytes.fromhex(code[1:])])
    if not bool(rgb.any()):
        raise PaletteError("a light cannot be black: choose what a white thing looks like in it")
    return of_luminance_1(rgb_to_linear_rgb(rgb, dim=0))


def light_to_hex(light: Tensor) -> str:
    """Return what white looks like in a light [3], at full power, as #rrggbb."""
    rgb = linear_rgb_to_rgb(light.float().cpu() / light.max().item(), dim=0)
    return "#" + "".join(f"{value:02x}" for value in (rgb * 255).round().int().tolist())


def light_from_kelvin(kelvin: float, tint: float = 0.0) -> Tensor:
    """Return the light [3] of a temperature, 1,667 to 25,000 K: of lamps to 4,000 K, of the sky from 5,000 K.

    ``tint``: -150..150, how far off that line, in 3,000ths of CIE 1960 uv as raw converters count; positive
    is towards magenta, negative towards green. Blue too weak for sRGB, below 2,200 K, is a fiftieth of red.
    Raises ValueError out of range.
    """
    if not COLDEST <= kelvin <= HOTTEST:
        raise ValueError(f"a light must have {COLDEST:.0f} to {HOTTEST:.0f} K, got {kelvin:g}")
    if not -150 <= tint <= 150:
        raise ValueError(f"a tint must be -150 to 150, got {tint:g}")
    u, v = _to_uv(*locus(kelvin))
    across_u, across_v = _across(kelvin)
    x, y = _to_xy(u - tint / _TINT * across_u, v - tint / _TINT * across_v)
    xyz = torch.tensor([x / y, 1.0, (1 - x - y) / y], dtype=torch.float64)
    return of_luminance_1(xyz_to_linear_rgb(xyz, dim=0).clamp(min=0).float())


def kelvin_of(light: Tensor) -> tuple[float, float]:
    """Return temperature, in kelvin, and tint of a light [3]: what ``light_from_kelvin`` makes it of.

    The nearest point of the same line in CIE 1960 uv, as a correlated colour temperature is defined (CIE
    15:2018, 9.5), at most 25,000 K and at least 1,667. Beyond a tint of 150 (CIE's limit of 0.05) it tells
    little.
    """
    X, Y, Z = linear_rgb_to_xyz(of_luminance_1(light.double().cpu()), dim=0).tolist()
    u, v = _to_uv(X / (X + Y + Z), Y / (X + Y + Z))
    mireds, points = _table()
    apart = (points - points.new_tensor([u, v])).square().sum(1)
    near = int(apart.argmin().clamp(1, len(points) - 2))
    # Between the neighbours, the squared distance is all but a parabola: Ohno, Leukos 10 (2014).
    before, here, after = apart[near - 1 : near + 2].tolist()
    bend = before - 2 * here + after
    step = max(-1.0, min(1.0, 0.5 * (before - after) / bend)) if bend > 0 else 0.0
    kelvin = max(COLDEST, min(HOTTEST, 1e6 / (float(mireds[near]) + step * _MIRED)))
    on_u, on_v = _to_uv(*locus(kelvin))
    across_u, across_v = _across(kelvin)
    return kelvin, -_TINT * ((u - on_u) * across_u + (v - on_v) * across_v)


def correlated_temperature(light: Tensor) -> float:
    """Return the temperature of a light [3] in kelvin; see ``kelvin_of``."""
    return kelvin_of(light)[0]


def locus(kelvin: float) -> tuple[float, float]:
    """Return the chromaticity x, y of lamps and sky at a temperature, 1,667 to 25,000 K."""
    if kelvin <= _LAMPS:
        return planckian(kelvin)
    if kelvin >= _SKY:
        return daylight(kelvin)
    # By reciprocal temperature, in which distances look alike.
    share = (1 / _LAMPS - 1 / kelvin) / (1 / _LAMPS - 1 / _SKY)
    share = share * share * (3 - 2 * share)
    lamp, sky = planckian(kelvin), daylight(kelvin)
    return lamp[0] + share * (sky[0] - lamp[0]), lamp[1] + share * (sky[1] - lamp[1])


def planckian(kelvin: float) -> tuple[float, float]:
    """Return x, y of a glowing black body, 1,667 to 25,000 K.

    Source: Kim et al., US patent 7,024,034 (2006), cubic splines of the Planckian locus.
    """
    t = 1e3 / kelvin
    if kelvin <= 4000:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if kelvin <= 2222:
        return x, ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    if kelvin <= 4000:
        return x, ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    return x, ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483


def daylight(kelvin: float) -> tuple[float, float]:
    """Return x, y of daylight, 4,000 to 25,000 K. Source: CIE 15:2018, equations 4.1 to 4.3."""
    t = 1e3 / kelvin
    if kelvin <= 7000:
        x = ((-4.6070 * t + 2.9678) * t + 0.09911) * t + 0.244063
    else:
        x = ((-2.0064 * t + 1.9018) * t + 0.24748) * t + 0.237040
    return x, (-3.0 * x + 2.870) * x - 0.275


def _to_uv(x: float, y: float) -> tuple[float, float]:
    """CIE 1960."""
    below = -2 * x + 12 * y + 3
    return 4 * x / below, 6 * y / below


def _to_xy(u: float, v: float) -> tuple[float, float]:
    below = 2 * u - 8 * v + 4
    return 3 * u / below, 2 * v / below


def _across(kelvin: float) -> tuple[float, float]:
    """Return the unit vector in uv that leaves the locus at a right angle, towards green."""
    step = 1 + 1e-4
    low = _to_uv(*locus(max(COLDEST, kelvin / step)))
    high = _to_uv(*locus(min(HOTTEST, kelvin * step)))
    along_u, along_v = high[0] - low[0], high[1] - low[1]
    length = math.hypot(along_u, along_v)
    # To hotter lights u falls: green, where v grows, is on the right of that way.
    return along_v / length, -along_u / length


@functools.lru_cache(maxsize=1)
def _table() -> tuple[Tensor, Tensor]:
    """Return reciprocal temperatures [N], in megakelvin⁻¹, and the locus in uv [N,2], float64."""
    count = math.floor((1e6 / COLDEST - 1e6 / HOTTEST) / _MIRED) + 1
    mireds = 1e6 / HOTTEST + _MIRED * torch.arange(count, dtype=torch.float64)
    points = [_to_uv(*locus(1e6 / one)) for one in mireds.tolist()]
    return mireds, torch.tensor(points, dtype=torch.float64)
