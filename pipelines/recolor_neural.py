"""Recolouring by ColorHouse's generator: a palette and a light in, and the network decides what gets what."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab
from ..models.colorhouse.system import SIZE, ColorHouse, check_size, load_colorhouse
from .color_map import check_picture, finish
from .palette import Palette
from .recolor_soft import LOCKED_FROM, Lightness
from .recolor_weights import soft_weights, solve_symmetric

# Half the side of the windows in which the change follows the picture, in pixels of what the network sees,
# and how far colours have to differ in them, in Lab units, to be told apart.
_RADIUS, _PLAIN = 4, 2.0
# Rows of a picture at a time.
_ROWS = 256


class NeuralRecoloring:
    """A change of colours, a ``Change``: what it does to a colour depends on what the picture shows.

    ``target``: the palette asked for, whose locked colours, and what belongs to them, stay; or a picture
    [1,3,H,W] whose colours are asked for. ``light``: the ab [2] of a light asked for beside a palette, None
    says nothing. ``lightness``: "keep" takes a and b alone from the network. ``size``: pixels of the shorter
    side that it sees. The colour vector is made once, for any number of pictures and frames.
    Raises ValueError for a light beside a picture, which has its own, for a picture with NaN, and a size
    outside 16..4096.
    """

    def __init__(
        self,
        model: ColorHouse,
        target: Palette | Tensor,
        *,
        light: Tensor | None = None,
        lightness: Lightness = "keep",
        size: int = SIZE,
    ) -> None:
        self.model, self.target, self.lightness, self.size = model, target, lightness, size
        check_size(size)
        if not isinstance(target, Tensor):
            illumination = None if light is None else light[None]
            self._code = model.encode_palette(target.lab[None], target.weights[None], illumination)
        elif light is None:
            self._code = model.encode_reference(target)
        else:
            raise ValueError("a light goes with a palette: the reference picture has its own")

    def apply(self, rgb: Tensor, *, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """Recolour pictures [B,3,H,W]; arguments and result as in ``change_exactly``."""
        check_picture(rgb, mask, strength)
        if strength == 0:
            return rgb.clone()
        lab = rgb_to_lab(rgb.float())
        small, made = self.model.recolor(rgb, self._code, size=self.size)
        small_lab = rgb_to_lab(small)
        moved = enlarge_change(small_lab, rgb_to_lab(made) - small_lab, lab)
        if self.lightness == "keep":
            moved[:, 0] = 0
        if isinstance(self.target, Palette) and bool(self.target.locked.any()):
            moved *= 1 - locked_share(lab, self.target)
        return finish(rgb, lab, moved, mask, strength)


@lru_cache(maxsize=2)
def shipped_colorhouse(device: torch.device | str = "cpu") -> ColorHouse:
    """Return the generator that ships, on a device, loaded once."""
    return load_colorhouse(device=device)


def locked_share(lab: Tensor, palette: Palette) -> Tensor:
    """Return how far pictures [B,3,H,W] belong to the locked colours of a palette: [B,1,H,W], smooth 0..1."""
    shares = []
    for one in lab.flatten(2):
        share = soft_weights(one, palette.lab)[palette.locked.to(one.device)].sum(0)
        t = (share / LOCKED_FROM).clamp(0, 1)
        shares.append(t * t * (3 - 2 * t))
    return torch.stack(shares).view(len(lab), 1, *lab.shape[2:])


def enlarge_change(small: Tensor, moved: Tensor, lab: Tensor) -> Tensor:
    """Bring a change [B,3,h,w] of a small picture [B,3,h,w] to the large one [B,3,H,W], with its edges.

    Around each place the change is a linear function of the colour, fitted to the small picture and applied
    to the large one (K. He, J. Sun, "Fast Guided Filter", 2015, equations 6 to 8, with colour as the guide).
    """
    slope, offset = _linear_model(small, moved)
    size = lab.shape[2:]
    model = torch.cat([slope.flatten(1, 2), offset], 1)
    if lab.device.type == "cpu" and size[0] > 2 * _ROWS and model.shape[2] < size[0]:
        # Twelve planes of a large picture at once would fill the memory.
        return torch.cat([_apply_model(model, lab, rows) for rows in _bands(size[0])], 2)
    return _apply_model(model, lab, slice(0, size[0]))


def _bands(height: int) -> list[slice]:
    return [slice(start, min(start + _ROWS, height)) for start in range(0, height, _ROWS)]


def _apply_model(model: Tensor, lab: Tensor, rows: slice) -> Tensor:
    """Apply linear models [B,12,h,w], spread over a picture [B,3,H,W], to some of its rows."""
    height, width = lab.shape[2:]
    y = (torch.arange(rows.start, rows.stop, device=lab.device) + 0.5) / height * 2 - 1
    x = (torch.arange(width, device=lab.device) + 0.5) / width * 2 - 1
    grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, width)], 2)
    grid = grid.expand(len(lab), -1, -1, -1).to(lab.dtype)
    spread = F.grid_sample(model, grid, mode="bilinear", padding_mode="border", align_corners=False)
    slope, offset = spread[:, :9].unflatten(1, (3, 3)), spread[:, 9:]
    return (slope * lab[:, None, :, rows]).sum(2) + offset


def _linear_model(small: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """Fit moved ≈ slope · small + offset in the window around each place: [B,3,3,h,w] and [B,3,h,w]."""
    mean, goal = _around(small), _around(moved)
    xx, yy, zz = (_around(small.square()) - mean.square() + _PLAIN**2).unbind(1)
    L, a, b = small.unbind(1)
    mL, ma, mb = mean.unbind(1)
    xy, xz, yz = (
        _around((p * q)[:, None])[:, 0] - m * n
        for p, q, m, n in ((L, a, mL, ma), (L, b, mL, mb), (a, b, ma, mb))
    )
    rows = []
    for channel in range(3):
        value = moved[:, channel, None]
        along = _around(small * value) - mean * goal[:, channel, None]
        rows.append(solve_symmetric(xx, yy, zz, xy, xz, yz, along.transpose(0, 1)).transpose(0, 1))
    slope = torch.stack(rows, 1)
    offset = goal - (slope * mean[:, None]).sum(2)
    return _around(slope.flatten(1, 2)).unflatten(1, (3, 3)), _around(offset)


def _around(x: Tensor) -> Tensor:
    """Average over the window around each place; at the border over what is there."""
    side = 2 * _RADIUS + 1
    return F.avg_pool2d(x, side, 1, _RADIUS, count_include_pad=False)
