"""What ColorMNet keeps of the frames it has coloured: some whole, older ones as prototypes; bounded.

Paper: Cheng and Schwing, "XMem: Long-Term Video Object Segmentation with an Atkinson-Shiffrin Memory Model",
ECCV 2022, section 3. Code licence: Apache-2.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .encoders import KEY, Key


@dataclass(frozen=True)
class MemorySettings:
    """How much is kept.

    ``every``: frames from one that is memorised to the next. ``nearest``: how many places a reading is made
    of. ``most``, ``least``: frames kept whole, at which older ones are made prototypes, and how many stay,
    beside the first. ``prototypes``: how many come of it. ``long``: how many are kept at most.
    """

    every: int = 5
    nearest: int = 30
    most: int = 10
    least: int = 5
    prototypes: int = 128
    long: int = 10_000


@dataclass
class Store:
    """Places: keys [64,N], shrinkage [1,N], values [2,512,N], of whole frames selection [64,N]; their use."""

    key: Tensor
    shrinkage: Tensor
    value: Tensor
    selection: Tensor | None
    used: Tensor
    lived: Tensor

    def take(self, kept: Tensor) -> Store:
        """Return some of the places."""
        selection = None if self.selection is None else self.selection[:, kept]
        return Store(
            self.key[:, kept],
            self.shrinkage[:, kept],
            self.value[:, :, kept],
            selection,
            self.used[kept],
            self.lived[kept],
        )

    def joined(self, other: Store) -> Store:
        """Return these places and, behind them, others of the same kind."""
        both = None
        if self.selection is not None and other.selection is not None:
            both = torch.cat([self.selection, other.selection], 1)
        return Store(
            torch.cat([self.key, other.key], 1),
            torch.cat([self.shrinkage, other.shrinkage], 1),
            torch.cat([self.value, other.value], 2),
            both,
            torch.cat([self.used, other.used]),
            torch.cat([self.lived, other.lived]),
        )


@dataclass
class Memory:
    """All places that can be read."""

    settings: MemorySettings
    work: Store | None = None
    long: Store | None = None
    _area: int = field(default=0)

    def add(self, seen: Key, value: Tensor) -> None:
        """Memorise a frame; ``value`` [2,512,h,w]."""
        key, shrinkage, selection = (t.flatten(2)[0] for t in (seen.key, seen.shrinkage, seen.selection))
        nothing = key.new_zeros(key.shape[1])
        new = Store(key, shrinkage, value.flatten(2), selection, nothing, nothing + 1e-7)
        self._area = key.shape[1]
        self.work = new if self.work is None else self.work.joined(new)
        if self.work.key.shape[1] >= self.settings.most * self._area:
            self._consolidate()

    def read(self, seen: Key) -> Tensor:
        """Return what a frame's places find: [2,512,h,w]."""
        assert self.work is not None
        query, selection = (t.flatten(2)[0] for t in (seen.key, seen.selection))
        stores = [store for store in (self.long, self.work) if store is not None]
        key = torch.cat([store.key for store in stores], 1)
        shrinkage = torch.cat([store.shrinkage for store in stores], 1)
        value = torch.cat([store.value for store in stores], 2)
        weights = affinity(similarity(key, shrinkage, query, selection), self.settings.nearest)
        start = 0
        for store in stores:
            count = store.key.shape[1]
            store.used = store.used + weights[start : start + count].sum(1)
            store.lived = store.lived + 1
            start += count
        return (value @ weights).unflatten(2, seen.key.shape[2:])

    def _consolidate(self) -> None:
        """Make prototypes of the frames between the first and the newest."""
        assert self.work is not None
        settings, area, count = self.settings, self._area, self.work.key.shape[1]
        if self.long is not None and self.long.key.shape[1] >= settings.long - settings.prototypes:
            self.long = most_used(self.long, settings.long - settings.prototypes)
        places = torch.arange(count, device=self.work.key.device)
        old = (places >= area) & (places < count - settings.least * area)
        candidates = self.work.take(old)
        self.work = self.work.take(~old)
        self.long_add(prototypes_of(candidates, settings.prototypes))

    def long_add(self, prototypes: Store) -> None:
        """Keep prototypes."""
        self.long = prototypes if self.long is None else self.long.joined(prototypes)


def similarity(key: Tensor, shrinkage: Tensor, query: Tensor, selection: Tensor) -> Tensor:
    """Return minus the squared distances [N,M] of keys [64,N] and queries [64,M], as each query weighs them.

    Farther-reaching keys have larger ``shrinkage`` [1,N]. Source: XMem, equation 2.
    """
    squares = key.square().T @ selection
    products = 2 * (key.T @ (query * selection))
    own = (selection * query.square()).sum(0, keepdim=True)
    return (-squares + products - own) * shrinkage.T / KEY**0.5


def affinity(likeness: Tensor, nearest: int | None = None) -> Tensor:
    """Return of how much of each place [N] readings [M] are made: softmax over the ``nearest``, or all."""
    if nearest is None or nearest >= len(likeness):
        return likeness.softmax(0)
    values, index = likeness.topk(nearest, 0)
    return torch.zeros_like(likeness).scatter_(0, index, values.softmax(0))


def prototypes_of(candidates: Store, count: int) -> Store:
    """Return the most used of some places, each with a value made of all that are like it."""
    assert candidates.selection is not None
    index = (candidates.used / candidates.lived).topk(min(count, candidates.key.shape[1])).indices
    key = candidates.key[:, index]
    weights = affinity(similarity(candidates.key, candidates.shrinkage, key, candidates.selection[:, index]))
    nothing = key.new_zeros(key.shape[1])
    return Store(
        key, candidates.shrinkage @ weights, candidates.value @ weights, None, nothing, nothing + 1e-7
    )


def most_used(store: Store, count: int) -> Store:
    """Return the ``count`` most used places, in their order."""
    usage = store.used / store.lived
    if len(usage) <= count:
        return store
    return store.take(usage.topk(count).indices.sort().values)
