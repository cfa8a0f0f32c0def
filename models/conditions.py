"""What a user knows about the colours before a colorizer proposes any."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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


def check_condition_shapes(conditions: Conditions, batch: int) -> None:
    """Raise ValueError where conditions do not fit each other, or ``batch`` pictures, or hold NaN."""
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
