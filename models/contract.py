"""What every colorizer is: the conditions it takes, the chroma it gives, the facts about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Chroma:
    """What a colorizer proposes, at the resolution of its network.

    ``ab``: [B,2,h,w] float32, CIE units. ``confidence``: [B,1,h,w] float32, 0 (a guess) to 1 (sure).
    """

    ab: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class Conditions:
    """What a user knows about the colours; every entry may be absent.

    ``local_ab``: [B,2,H,W] in CIE units with ``local_confidence`` [B,1,H,W] 0..1, at the picture's size or a
    smaller one: hints, warped exemplar chroma, propagated chroma. ``color``: [B,C], one colour vector a
    picture, in the model's own space (``Colorizer.encode_reference``, ``encode_palette``). A batch of one
    stands for every picture.
    """

    local_ab: Tensor | None = None
    local_confidence: Tensor | None = None
    color: Tensor | None = None

    def names(self) -> frozenset[str]:
        """Return which conditions are present: a subset of {"local", "global"}."""
        present = set()
        if self.local_ab is not None or self.local_confidence is not None:
            present.add("local")
        if self.color is not None:
            present.add("global")
        return frozenset(present)


@dataclass(frozen=True)
class ModelSpec:
    """Facts about a system that its callers need: no weights, nothing mutable.

    ``size`` is the working size (pixels of the shorter side) that it was made for; ``multiple`` what both
    sides of the network's input must divide by; ``temperature`` the annealing temperature it was tuned
    for, or None where the system has none to set.
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
        that the system does not know, for weights that turn out to be damaged.
        """
        conditions = self._checked(L, conditions, size, temperature)
        return self._colorize(
            L, conditions, size=size or self.spec.size, temperature=temperature or self.spec.temperature
        )

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
        if temperature is not None and self.spec.temperature is None:
            raise ValueError(f"{self.spec.title} has no temperature to set: leave it out")
        if temperature is not None and not 0 < temperature <= 10:
            raise ValueError(f"temperature must be above 0 and at most 10, got {temperature}")
        if size is not None and not 16 <= size <= 4096:
            raise ValueError(f"working size must be 16..4096, got {size}")
        _check_condition_shapes(conditions, len(L))
        if self.before_first_use is not None:
            self.before_first_use()
            self.before_first_use = None
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

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the colour vectors [B,C] of reference pictures, rgb [B,3,H,W] 0..1.

        Raises ValueError where the system takes none.
        """
        raise ValueError(f"{self.spec.title} takes no reference: choose the embedded network")

    def encode_palette(
        self, lab: Tensor, share: Tensor | None = None, illumination: Tensor | None = None
    ) -> Tensor:
        """Return the colour vectors [B,C] of palettes, Lab [B,N,3].

        ``share``: [B,N], how much of the picture each has, by default alike. ``illumination``: [B,2], the ab
        of the light. Raises ValueError where the system takes none.
        """
        raise ValueError(f"{self.spec.title} takes no palette: choose the embedded network")

    @abstractmethod
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        """Do the work of ``colorize`` on checked arguments."""


def _check_condition_shapes(conditions: Conditions, batch: int) -> None:
    ab, confidence, color = conditions.local_ab, conditions.local_confidence, conditions.color
    if (ab is None) != (confidence is None):
        raise ValueError("local_ab and local_confidence go together: give both, or neither")
    if ab is not None and confidence is not None:
        ab_fits = ab.ndim == 4 and ab.shape[0] in (1, batch) and ab.shape[1] == 2 and 0 not in ab.shape
        if not ab_fits or confidence.shape != (ab.shape[0], 1, *ab.shape[2:]):
            raise ValueError(
                f"local_ab must be [1 or {batch},2,H,W] and local_confidence the same with one channel, got "
                f"{list(ab.shape)} and {list(confidence.shape)}"
            )
    if color is not None and (color.ndim != 2 or color.shape[0] not in (1, batch)):
        raise ValueError(f"color must be [1 or {batch},C], got {list(color.shape)}")
    for name, tensor in (("local_ab", ab), ("local_confidence", confidence), ("color", color)):
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds NaN or infinite values: repair it first")
