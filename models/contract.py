"""What every colorizer is: the chroma it gives, the facts about it, and the way as its authors have it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..color.ab_bins import annealed_mean, entropy_confidence
from .conditions import (
    SIMILARITY_CHANNELS,
    Conditions,
    Exemplar,
    Previous,
    check_condition_shapes,
)

__all__ = [
    "SIMILARITY_CHANNELS",
    "Chroma",
    "Colorizer",
    "Conditions",
    "Exemplar",
    "ModelSpec",
    "Previous",
    "Published",
    "check_reference",
    "to_8_bits",
]


@dataclass(frozen=True)
class Chroma:
    """What a colorizer proposes, at the resolution of its network.

    ``ab``: [B,2,h,w] float32, CIE units. ``confidence``: [B,1,h,w] float32, 0 (a guess) to 1 (sure).
    """

    ab: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class Published:
    """One picture as a system's authors colour it: ``Colorizer.as_published``.

    ``rgb``: [3,h,w] float32 0..1 on the network's device, of the size that their script writes. ``ab``:
    [1,2,h,w] float32, CIE units: what the network said, before it was enlarged, smoothed or put under a
    lightness. ``state``: the system's own, of systems that go from frame to frame; hand it to the next frame.
    """

    rgb: Tensor
    ab: Tensor
    state: object = None


@dataclass(frozen=True)
class ModelSpec:
    """Facts about a system that its callers need: no weights, nothing mutable.

    ``size`` is the working size (pixels of the shorter side) that it was made for; ``multiple`` what both
    sides of the network's input must divide by; ``temperature`` the annealing temperature it was tuned
    for, or None where the system has none to set. ``conditions``: the names of those it takes
    (``Conditions.names``); ``required``: of those, the ones without which it cannot colour.
    """

    system: str
    title: str
    paper: str
    code_licence: str
    weights_licence: str
    size: int = 256
    multiple: int = 32
    temperature: float | None = None
    conditions: frozenset[str] = field(default_factory=frozenset)
    required: frozenset[str] = field(default_factory=frozenset)


class Colorizer(ABC):
    """A network with everything needed to go from luminance to chroma.

    Preprocessing (resize, padding, normalisation) is in here: callers hand over L at any size.
    """

    spec: ModelSpec
    network: nn.Module

    #: Called once, before the first picture; it raises if the network cannot be used. The loader sets it
    #: where looking at every weight would cost more than loading them.
    before_first_use: Callable[[], None] | None = None

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are now."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating type that the network computes in."""
        return next(self.network.parameters()).dtype

    def check_once(self) -> None:
        """Run ``before_first_use`` if it has not run yet; every way into the network begins with this."""
        if self.before_first_use is not None:
            self.before_first_use()
            self.before_first_use = None

    def to(self, device: torch.device | str) -> Colorizer:
        """Move the network to ``device``; return self."""
        self.network.to(device)
        return self

    def colorize(
        self,
        L: Tensor,
        conditions: Conditions | None = None,
        *,
        size: int | None = None,
        temperature: float | None = None,
    ) -> Chroma:
        """Propose chroma for ``L``.

        ``L``: [B,1,H,W] 0..100, any size, any device or floating type. ``size``: working size in pixels of
        the shorter side, default the spec's. ``temperature``: annealing temperature, only for systems
        whose spec has one. Returns float32 on the network's device, aspect kept.
        Raises ValueError for L of another shape, for NaN or infinity in L, for a condition or a setting
        that the system does not know, for one that it cannot do without, for weights that turn out to be
        damaged; FloatingPointError where the network overflows in its type.
        """
        conditions = self._checked(L, conditions, size, temperature)
        chroma = self._colorize(
            L, conditions, size=size or self.spec.size, temperature=temperature or self.spec.temperature
        )
        if not bool(torch.isfinite(chroma.ab).all()):
            raise FloatingPointError(
                f"the network overflowed in {self.dtype}: load the model in float32 or bfloat16"
            )
        return chroma

    def _checked(
        self, L: Tensor, conditions: Conditions | None, size: int | None, temperature: float | None = None
    ) -> Conditions:
        """Raise ValueError for arguments of ``colorize`` that do not fit; return the conditions."""
        if L.ndim != 4 or L.shape[1] != 1 or 0 in L.shape:
            raise ValueError(f"L must be [B,1,H,W] with no empty side, got {list(L.shape)}")
        if not bool(torch.isfinite(L).all()):
            raise ValueError("L holds NaN or infinite values: repair the picture before colouring it")
        conditions = conditions or Conditions()
        unknown = conditions.names() - self.spec.conditions
        if unknown:
            known = ", ".join(sorted(self.spec.conditions)) or "none"
            raise ValueError(
                f"{self.spec.title} knows these conditions: {known}; got {', '.join(sorted(unknown))}. "
                "Choose a model that takes them, or leave them out"
            )
        lacking = self.spec.required - conditions.names()
        if lacking:
            raise ValueError(
                f"{self.spec.title} cannot colour without these conditions: {', '.join(sorted(lacking))}. "
                "Give it a reference picture, or choose the embedded network"
            )
        if temperature is not None and self.spec.temperature is None:
            raise ValueError(f"{self.spec.title} has no temperature to set: leave it out")
        if temperature is not None and not 0 < temperature <= 10:
            raise ValueError(f"temperature must be above 0 and at most 10, got {temperature}")
        if size is not None and not 16 <= size <= 4096:
            raise ValueError(f"working size must be 16..4096, got {size}")
        exemplar = conditions.exemplar
        if exemplar is not None and exemplar.system != self.spec.system:
            raise ValueError(
                f"the exemplar was made by {exemplar.system}: make it with this model's encode_exemplar"
            )
        check_condition_shapes(conditions, len(L))
        self.check_once()
        return conditions

    def distribution(
        self, L: Tensor, conditions: Conditions | None = None, *, size: int | None = None
    ) -> Tensor:
        """Return the logits over the 313 ab bins from which the chroma is taken: float32 [B,313,h,w].

        Arguments as in ``colorize``. Raises ValueError where the system has no such distribution.
        """
        raise ValueError(
            f"{self.spec.title} gives one colour, not a distribution: choose the embedded network"
        )

    def chroma_of(self, logits: Tensor, L: Tensor, temperature: float) -> Chroma:
        """Return the chroma of logits [B,313,h,w] that were bent since ``distribution`` gave them.

        ``L``: [B,1,H,W] 0..100, of the pictures.
        """
        return Chroma(annealed_mean(logits, temperature), entropy_confidence(logits))

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the colour vectors [B,C] of reference pictures, rgb [B,3,H,W] 0..1.

        Raises ValueError where the system takes none.
        """
        raise ValueError(f"{self.spec.title} takes no reference: choose the embedded network")

    def encode_exemplar(self, rgb: Tensor, *, size: int | None = None) -> Exemplar:
        """Return what the system needs of one reference picture, rgb [1,3,H,W] 0..1, computed once.

        ``size``: working size in pixels of the reference's shorter side, default the spec's. Raises
        ValueError where the system takes none.
        """
        raise ValueError(
            f"{self.spec.title} does not match an exemplar by itself: give it the warped chroma as the local "
            "condition, or choose the exemplar-video model"
        )

    def encode_palette(
        self, lab: Tensor, share: Tensor | None = None, illumination: Tensor | None = None
    ) -> Tensor:
        """Return the colour vectors [B,C] of palettes, Lab [B,N,3].

        ``share``: [B,N], how much of the picture each has, by default alike. ``illumination``: [B,2], the ab
        of the light. Raises ValueError where the system takes none.
        """
        raise ValueError(f"{self.spec.title} takes no palette: choose the embedded network")

    def as_published(
        self,
        rgb: Tensor,
        *,
        reference: Tensor | None = None,
        size: int | None = None,
        state: object = None,
    ) -> Published:
        """Colour one picture exactly as the system's authors do, faults included.

        ``rgb``: [3,H,W], uint8 or 0..1 (rounded to 8 bits, which is what their scripts read).
        ``reference``: likewise, for systems that need one. ``size``: the side of the authors' square or the
        like, by default theirs. ``state``: what the frame before gave, None for the first.
        Raises ValueError for other shapes, for a reference missing or not known, and where the authors
        published no such way.
        """
        _check_picture(rgb, "a picture")
        if not self.has_published_way:
            raise ValueError(f"{self.spec.title} has no published way of its own: leave as_published off")
        if reference is not None:
            _check_picture(reference, "a reference")
        needed = bool(self.spec.required)
        if needed and reference is None:
            raise ValueError(f"{self.spec.title} cannot colour without a reference picture: give it one")
        if reference is not None and not needed:
            raise ValueError(f"{self.spec.title} takes no reference: leave it out, or choose another model")
        if size is not None and not 16 <= size <= 4096:
            raise ValueError(f"working size must be 16..4096, got {size}")
        self.check_once()
        with torch.inference_mode():
            return self._as_published(
                to_8_bits(rgb).cpu(), None if reference is None else to_8_bits(reference).cpu(), size, state
            )

    @property
    def has_published_way(self) -> bool:
        """Whether ``as_published`` is there."""
        return type(self)._as_published is not Colorizer._as_published

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Do the work of ``as_published``: pictures are uint8 [3,H,W] in main memory."""
        raise NotImplementedError

    @abstractmethod
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        """Do the work of ``colorize`` on checked arguments."""


def check_reference(rgb: Tensor) -> None:
    """Raise ValueError if ``rgb`` is not [B,3,H,W] with finite values."""
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"a reference must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    if not bool(torch.isfinite(rgb).all()):
        raise ValueError("the reference holds NaN or infinite values: repair it first")


def _check_picture(rgb: Tensor, what: str) -> None:
    if rgb.ndim != 3 or rgb.shape[0] != 3 or 0 in rgb.shape:
        raise ValueError(f"{what} must be [3,H,W] with no empty side, got {list(rgb.shape)}")
    if rgb.dtype != torch.uint8 and not (rgb.is_floating_point() and bool(torch.isfinite(rgb).all())):
        raise ValueError(f"{what} must be uint8, or floating and without NaN or infinity: repair it first")


def to_8_bits(rgb: Tensor) -> Tensor:
    """Return a picture, uint8 or floating 0..1, as uint8, rounded."""
    return rgb if rgb.dtype == torch.uint8 else (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
