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


#: Channels of ``Conditions.similarity``: five levels, there and back.
SIMILARITY_CHANNELS = 10


@dataclass(frozen=True)
class Exemplar:
    """Everything that a system needs of a reference picture, computed once: ``Colorizer.encode_exemplar``.

    One picture, which stands for every picture of a batch. What is in it is the system's own;
    ``system`` is the short name of the one that made it, and no other can use it.
    """

    system: str

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class Previous:
    """The frames before those that are coloured, with what the same colorizer proposed for them.

    ``L``: [B,1,H,W] 0..100, any size. ``ab``: [B,2,h,w] CIE units as ``Chroma.ab`` gave them, before any
    filter or merge. A batch of one stands for every picture.
    """

    L: Tensor
    ab: Tensor

    def __len__(self) -> int:
        return len(self.L)

    def __getitem__(self, part: slice) -> Previous:
        return Previous(self.L[part], self.ab[part])


@dataclass(frozen=True)
class Conditions:
    """What a user knows about the colours; every entry may be absent.

    ``local_ab``: [B,2,H,W] in CIE units with ``local_confidence`` [B,1,H,W] 0..1, at the picture's size or a
    smaller one: hints, warped exemplar chroma, propagated chroma. ``color``: [B,C], one colour vector a
    picture, in the model's own space (``Colorizer.encode_reference``, ``encode_palette``).
    ``similarity``: [B,10,h,w] 0 (nothing alike) to 1 (a perfect match), cosines of features at the matches
    that ``local_ab`` was warped by. Channels 0..4: of each pixel x and its match y in the reference, by five
    levels of features, the deepest first; channels 5..9: of that y and its own match in the picture, same
    levels. A matcher with fewer levels repeats them. ``exemplar``: from ``Colorizer.encode_exemplar``.
    ``previous``: the frames before, for systems that go from frame to frame. A batch of one stands for
    every picture.
    """

    local_ab: Tensor | None = None
    local_confidence: Tensor | None = None
    color: Tensor | None = None
    similarity: Tensor | None = None
    exemplar: Exemplar | None = None
    previous: Previous | None = None

    def names(self) -> frozenset[str]:
        """Return which are present: a subset of {"local", "global", "similarity", "exemplar", "previous"}."""
        entries = {
            "local": self.local_ab if self.local_ab is not None else self.local_confidence,
            "global": self.color,
            "similarity": self.similarity,
            "exemplar": self.exemplar,
            "previous": self.previous,
        }
        return frozenset(name for name, entry in entries.items() if entry is not None)


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
        _check_condition_shapes(conditions, len(L))
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

    @abstractmethod
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        """Do the work of ``colorize`` on checked arguments."""


def check_reference(rgb: Tensor) -> None:
    """Raise ValueError if ``rgb`` is not [B,3,H,W] with finite values."""
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"a reference must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    if not bool(torch.isfinite(rgb).all()):
        raise ValueError("the reference holds NaN or infinite values: repair it first")


def _check_condition_shapes(conditions: Conditions, batch: int) -> None:
    ab, confidence, color = conditions.local_ab, conditions.local_confidence, conditions.color
    similarity, previous = conditions.similarity, conditions.previous
    if (ab is None) != (confidence is None):
        raise ValueError("local_ab and local_confidence go together: give both, or neither")
    if ab is not None and confidence is not None:
        one_channel = (ab.shape[0], 1, *ab.shape[2:])
        if not (_is_map(ab, 2, batch) and confidence.shape == one_channel):
            raise ValueError(
                f"local_ab must be [1 or {batch},2,H,W] and local_confidence the same with one channel, got "
                f"{list(ab.shape)} and {list(confidence.shape)}"
            )
    if color is not None and (color.ndim != 2 or color.shape[0] not in (1, batch)):
        raise ValueError(f"color must be [1 or {batch},C], got {list(color.shape)}")
    if similarity is not None:
        if ab is None:
            raise ValueError("similarity tells how far local_ab can be trusted: give that too")
        if not _is_map(similarity, SIMILARITY_CHANNELS, batch):
            raise ValueError(
                f"similarity must be [1 or {batch},{SIMILARITY_CHANNELS},H,W], got {list(similarity.shape)}"
            )
    if previous is not None and not (
        _is_map(previous.L, 1, batch)
        and _is_map(previous.ab, 2, batch)
        and len(previous.L) == len(previous.ab)
    ):
        raise ValueError(
            f"previous must hold L [1 or {batch},1,H,W] and as many ab [B,2,h,w], got "
            f"{list(previous.L.shape)} and {list(previous.ab.shape)}"
        )
    tensors = {
        "local_ab": ab,
        "local_confidence": confidence,
        "color": color,
        "similarity": similarity,
        "previous.L": None if previous is None else previous.L,
        "previous.ab": None if previous is None else previous.ab,
    }
    for name, tensor in tensors.items():
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds NaN or infinite values: repair it first")


def _is_map(tensor: Tensor, channels: int, batch: int) -> bool:
    """Return whether a tensor is [1 or batch,channels,H,W] with no empty side."""
    return (
        tensor.ndim == 4
        and len(tensor) in (1, batch)
        and tensor.shape[1] == channels
        and 0 not in tensor.shape
    )
