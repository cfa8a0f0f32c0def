"""The light in pictures: found, and changed."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import torch
from torch import Tensor

from ..color import (
    lab_to_xyz,
    linear_rgb_to_rgb,
    linear_rgb_to_xyz,
    rgb_to_lab,
    rgb_to_linear_rgb,
    xyz_to_lab,
    xyz_to_linear_rgb,
)
from ..models.colorhouse.illumination import IlluminationPredictor, shades_of_grey, shrink
from ..models.colorhouse.load import load_illumination_predictor
from .choices import LIGHT_METHODS
from .color_map import change_exactly, check_picture
from .light_colors import (
    correlated_temperature,
    kelvin_of,
    light_from_hex,
    light_from_kelvin,
    light_to_hex,
    of_luminance_1,
)

__all__ = [
    "Relighting",
    "correlated_temperature",
    "estimate_illumination",
    "kelvin_of",
    "light_from_hex",
    "light_from_kelvin",
    "light_to_hex",
    "predict_illumination",
    "predict_together",
    "relight",
    "shipped_predictor",
]

# Powers of the mean of those that are not learned.
_POWERS = {"shades of grey": 6.0, "grey world": 1.0}
# Luminance from which on what gets too bright is held back.
_KNEE = 0.8


def estimate_illumination(rgb: Tensor, power: float = 6.0) -> Tensor:
    """Estimate the light's colour by shades of grey: rgb [B,3,H,W] 0..1 → its ab [B,2] at full power.

    The Minkowski mean of each linear channel, scaled so that the largest is 1. Source: Finlayson and Trezzi,
    "Shades of Gray and Colour Constancy", CIC 2004 (power 6).
    """
    linear = rgb_to_linear_rgb(rgb.float().clamp(0, 1))
    mean = linear.clamp(min=1e-6).pow(power).mean((2, 3)).pow(1 / power)
    light = mean / mean.amax(1, keepdim=True)
    return rgb_to_lab(linear_rgb_to_rgb(light[:, :, None, None]))[:, 1:, 0, 0]


def predict_illumination(
    rgb: Tensor,
    method: str = "learned",
    predictor: IlluminationPredictor | None = None,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the lights of pictures [B,3,H,W] sRGB 0..1: linear sRGB of luminance 1, [B,3], neutral all 1.

    ``method``: of LIGHT_METHODS; "learned" asks ``predictor``, by default the one that ships. ``mask``:
    [1 or B,1,H,W] 0..1, where to look. Black tells nothing: neutral. Raises ValueError for another name,
    shapes that do not fit, NaN, and a mask that leaves nothing.
    """
    if method not in LIGHT_METHODS:
        raise ValueError(f"the method must be one of {', '.join(LIGHT_METHODS)}, got {method!r}")
    check_picture(rgb, mask)
    if mask is not None:
        mask = mask.to(rgb.device, torch.float32).clamp(0, 1).expand(len(rgb), -1, -1, -1)
        if bool((mask.amax((1, 2, 3)) <= 0).any()):
            raise ValueError("the mask leaves no pixel to find the light of: make some of it white")
    if method == "learned" and predictor is None:
        predictor = shipped_predictor(str(rgb.device))
    with torch.inference_mode():
        if method == "learned" and predictor is not None:
            light = predictor(rgb, mask)
        else:
            linear, weight = shrink(rgb, mask)
            light = shades_of_grey(linear, _POWERS[method], weight)
    # What is made in inference mode could not be used in training.
    return of_luminance_1(light.clone())


def predict_together(
    pictures: Iterable[Tensor],
    method: str = "learned",
    predictor: IlluminationPredictor | None = None,
    *,
    masks: Iterable[Tensor | None] | None = None,
) -> Tensor:
    """Return one light [3] of many pictures [3,H,W], such as the frames of a clip, so that it cannot flicker.

    The geometric median of their log chroma: a few wrong ones do not move it far. ``masks``: [H,W] each.
    Raises ValueError where there is no picture, and as ``predict_illumination``.
    """
    lights = []
    where = iter(masks) if masks is not None else None
    for picture in pictures:
        mask = None if where is None else next(where)
        mask = None if mask is None else mask[None, None]
        lights.append(predict_illumination(picture[None], method, predictor, mask=mask)[0].cpu())
    if not lights:
        raise ValueError("there is no picture whose light could be found")
    log = torch.stack(lights).double().log()
    points = log - log[:, 1:2]
    # Weiszfeld's algorithm, from the mean on.
    middle = points.mean(0)
    for _ in range(64):
        pull = 1 / (points - middle).square().sum(1).add(1e-8).sqrt()
        middle = (points * pull[:, None]).sum(0) / pull.sum()
    return of_luminance_1(middle.exp().float())


@functools.lru_cache(maxsize=2)
def shipped_predictor(device: str = "cpu") -> IlluminationPredictor:
    """Return the predictor that ships, on a device; loaded once (1 MB)."""
    return load_illumination_predictor(device=device)


class Relighting:
    """A change of light, a ``ColorMap`` and a ``Change``: ``source`` to ``target``, linear sRGB [3] each.

    Every linear channel is multiplied by target / source, as von Kries supposed of the eye and as cameras do;
    greys of the old light become greys of the new one, of the same luminance. In sRGB's own primaries: what a
    camera or a program multiplied comes back exactly, and nothing turns negative, as colours can in
    Bradford's sharper ones.

    What would get brighter than white is held back from a luminance of 0.8 on, by Reinhard's curve (E.
    Reinhard et al., "Photographic Tone Reproduction for Digital Images", 2002, equation 4): one curve for all
    pictures, no curve where white stays as bright as it is. What leaves the gamut loses chroma. So the
    brightest highlights turn white, not into a clipped colour.

    ``keep_lightness``: every pixel keeps its own luminance, only chroma changes. Raises ValueError for what
    is no light.
    """

    def __init__(self, source: Tensor, target: Tensor, *, keep_lightness: bool = False) -> None:
        self.source, self.target = (of_luminance_1(x.float().cpu().view(3)) for x in (source, target))
        self.keep_lightness = keep_lightness
        self._gains = self.target / self.source
        white = float(linear_rgb_to_xyz(self._gains, dim=0)[1])
        self._brightest = (white - _KNEE) / (1 - _KNEE)

    def displacement(self, lab: Tensor) -> Tensor:
        """Return what is added to colours [3,K]: [3,K], Lab units."""
        given = lab_to_xyz(lab, dim=0)
        linear = xyz_to_linear_rgb(given, dim=0)
        lit = linear_rgb_to_xyz(linear * self._gains.to(linear)[:, None], dim=0)
        luminance = lit[1].clamp(min=1e-9)
        wanted = given[1] if self.keep_lightness else self._held_back(luminance)
        # Below black there is nothing to scale.
        scale = torch.where(lit[1] > 1e-9, wanted / luminance, 1.0)
        return xyz_to_lab(lit * scale, dim=0) - lab

    def _held_back(self, luminance: Tensor) -> Tensor:
        if self._brightest <= 1 + 1e-4:
            return luminance
        over = ((luminance - _KNEE) / (1 - _KNEE)).clamp(min=0)
        curve = over * (1 + over / self._brightest**2) / (1 + over)
        return torch.where(over > 0, _KNEE + (1 - _KNEE) * curve, luminance)

    def apply(self, rgb: Tensor, *, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """Relight pictures [B,3,H,W]; see ``change_exactly``. The same light changes nothing, bit for bit."""
        if bool((self._gains - 1).abs().max() < 1e-6):
            check_picture(rgb, mask, strength)
            return rgb.clone()
        return change_exactly(rgb, self, mask=mask, strength=strength)


def relight(
    rgb: Tensor,
    source: Tensor,
    target: Tensor,
    *,
    strength: float = 1.0,
    mask: Tensor | None = None,
    keep_lightness: bool = False,
) -> Tensor:
    """Change the light of pictures [B,3,H,W] sRGB 0..1 from ``source`` to ``target``.

    These are linear sRGB, [3] for all or [B,3]; all 1 is neutral. The rest as in ``Relighting`` and
    ``change_exactly``: where mask or strength is 0 a picture stays, bit for bit. Raises ValueError for what
    does not fit, and NaN.
    """
    check_picture(rgb, mask, strength)
    lights = []
    for name, light in (("source", source), ("target", target)):
        if light.shape not in ((3,), (1, 3), (len(rgb), 3)):
            raise ValueError(f"{name} must be [3] or [{len(rgb)},3], got {list(light.shape)}")
        lights.append(light.view(-1, 3).expand(len(rgb), -1))
    out = torch.empty_like(rgb)
    for number in range(len(rgb)):
        change = Relighting(lights[0][number], lights[1][number], keep_lightness=keep_lightness)
        where = None if mask is None else mask[number if len(mask) > 1 else 0][None]
        out[number] = change.apply(rgb[number, None], mask=where, strength=strength)[0]
    return out
