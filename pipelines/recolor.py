"""Palette Recolor: exchange the colours of a palette in a picture or a clip; what is like them follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, get_args

import torch
from torch import Tensor

from .color_lattice import Lattice, Placed, Table, Tabulated
from .palette import Palette, PaletteError
from .recolor_chang import Chang2015
from .recolor_soft import Exchange, Lightness, SoftMixture

#: Colours nearer than this (ΔE76) cannot be told apart.
LEAST_DISTANCE = 1.0


class Decomposition(Protocol):
    """A method: how much of each swatch a colour holds, and where it goes with them."""

    def weights(self, lab: Tensor) -> Tensor:
        """Return for colours [3,K] the weights of the swatches: [N,K], 0..1, sum 1."""
        ...

    def displacement(self, lab: Tensor, weights: Tensor, exchange: Exchange) -> Tensor:
        """Return what colours [3,K] of known weights [N,K] move by: [3,K], Lab units."""
        ...


#: Methods by name: each is fitted to the Lab colours [N,3] of a palette.
METHODS: dict[str, Callable[[Tensor], Decomposition]] = {"soft": SoftMixture, "chang": Chang2015}


class PaletteModel:
    """The decomposition of colours by one palette, fitted once for any number of pictures and frames.

    ``source``: the palette of the pictures; its locks hold. ``method``: of METHODS. ``device``: where the
    work is done. Raises PaletteError for an unknown method, and colours that cannot be told apart.
    """

    def __init__(self, source: Palette, method: str = "soft", *, device: torch.device | str = "cpu") -> None:
        if method not in METHODS:
            raise PaletteError(f"the method must be one of {', '.join(METHODS)}, got {method!r}")
        check_apart(source)
        self.source, self.method = source, method
        self.lattice = Lattice(device)
        self.decomposition = METHODS[method](source.lab)
        self._weights = Table(
            self.lattice, lambda first: self.decomposition.weights(self.lattice.lab[:, first:])
        )

    def edit(self, target: Palette, lightness: Lightness = "keep") -> PaletteEdit:
        """Return the change to ``target``, whose colours stand in for the source's one by one.

        A colour that is locked in either palette stays. ``lightness``: "keep" changes a and b alone,
        "transfer" L too. Raises PaletteError for another number of colours and an unknown lightness.
        """
        return PaletteEdit(self, target, lightness)

    def node_weights(self) -> Tensor:
        """Return the weights [N,K] at the lattice's nodes."""
        return self._weights.values()


class PaletteEdit(Tabulated):
    """A change of palette, a ``ColorMap`` and a ``Change``; see ``PaletteModel.edit``."""

    def __init__(self, model: PaletteModel, target: Palette, lightness: Lightness = "keep") -> None:
        source = model.source
        if len(target) != len(source):
            raise PaletteError(
                f"the palettes must have equally many colours, got {len(source)} to be exchanged for "
                f"{len(target)}: pair them first, or leave the first one out"
            )
        if lightness not in get_args(Lightness):
            raise PaletteError(f'lightness must be "keep" or "transfer", got {lightness!r}')
        self.model, self.target = model, target
        new = target.lab
        new[:, 0].clamp_(0, 100)
        self.exchange = Exchange(source.lab, new, source.locked | target.locked, lightness)
        self._exchange = self.exchange.to(model.lattice.device)
        super().__init__(Table(model.lattice, self._at_nodes))

    def displacement(self, lab: Tensor) -> Tensor:
        """Return what colours [3,K] move by: [3,K]."""
        method = self.model.decomposition
        return method.displacement(lab, method.weights(lab), self.exchange.to(lab.device))

    def apply(self, rgb: Tensor, *, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """Recolour pictures [B,3,H,W]; see ``Recolorer``."""
        return super().apply(rgb, mask=mask, strength=strength if self.changes else 0.0)

    @property
    def changes(self) -> bool:
        """Whether anything changes at all."""
        return bool((self.exchange.difference != 0).any())

    def _at_nodes(self, first: int) -> Tensor:
        weights = self.model.node_weights()[:, first:]
        return self.model.decomposition.displacement(
            self.model.lattice.lab[:, first:], weights, self._exchange
        )


class Recolorer:
    """A picture that is recoloured again and again: its colours are taken apart once.

    ``rgb``: [B,3,H,W] sRGB 0..1, any type and device; ``mask``: [1 or B,1,H,W] 0..1, where to change. Raises
    ValueError for shapes that do not fit, and NaN.
    """

    def __init__(self, rgb: Tensor, model: PaletteModel, mask: Tensor | None = None) -> None:
        self.model = model
        self._placed = Placed(rgb, model.lattice, mask)

    def recolor(self, target: Palette, *, lightness: Lightness = "keep", strength: float = 1.0) -> Tensor:
        """Return the picture with the palette exchanged for ``target``; see ``PaletteModel.edit``.

        Colours that sRGB has not lose chroma at constant lightness and hue; where nothing changes the picture
        comes back bit for bit. ``strength``: 0..1.
        """
        return self.change(self.model.edit(target, lightness), strength)

    def change(self, edit: PaletteEdit, strength: float = 1.0) -> Tensor:
        """Return the picture after an edit of this model."""
        return self._placed.change(edit.table, strength if edit.changes else 0.0)


def recolor(
    rgb: Tensor,
    source: Palette,
    target: Palette,
    *,
    method: str = "soft",
    lightness: Lightness = "keep",
    mask: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Recolour pictures [B,3,H,W] once; see ``PaletteModel`` and ``Recolorer``."""
    edit = PaletteModel(source, method, device=rgb.device).edit(target, lightness)
    return edit.apply(rgb, mask=mask, strength=strength)


def check_apart(palette: Palette) -> None:
    """Raise PaletteError where two colours cannot be told apart."""
    apart = torch.cdist(palette.lab.double(), palette.lab.double())
    close = (apart < LEAST_DISTANCE).triu(1).nonzero()
    if len(close):
        first, second = (int(number) + 1 for number in close[0])
        raise PaletteError(
            f"colours {first} and {second} of the palette are the same ({palette.swatches[first - 1].hex}): "
            "a picture cannot be taken apart by them; leave one out"
        )
