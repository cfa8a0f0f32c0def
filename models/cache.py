"""Loaded models, one copy each, shared by everyone who asks."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import torch

from .checkpoint import stamp
from .contract import Colorizer
from .errors import NotAFileError
from .load import load_colorizer
from .locate import resolve_source

T = TypeVar("T")

_log = logging.getLogger(__name__)

# Resolved file, newest change in ns, computing type.
_Key = tuple[Path, int, torch.dtype]


def _load(path: Path, dtype: torch.dtype) -> Colorizer:
    return load_colorizer(path, dtype=dtype)


class ModelCache(Generic[T]):
    """A bounded cache of loaded models: one entry per (resolved file, time of change, dtype).

    ``capacity``: how many entries are kept; the least recently used goes first. ``load``: makes the model
    of a path and type, by default the colorizer. ``wrap``: makes what is kept and handed out, once an entry
    (ComfyUI's model patchers); without it the models themselves. All methods may be called from any thread;
    one model is never loaded twice at the same time. The cache holds the only references that it makes:
    what leaves it is freed when the last user drops it.
    """

    @overload
    def __init__(self: ModelCache[Colorizer], capacity: int) -> None: ...
    @overload
    def __init__(self, capacity: int, load: Callable[[Path, torch.dtype], T]) -> None: ...
    @overload
    def __init__(
        self,
        capacity: int,
        load: Callable[[Path, torch.dtype], Colorizer] = ...,
        *,
        wrap: Callable[[Colorizer], T],
    ) -> None: ...
    def __init__(
        self,
        capacity: int,
        load: Callable[[Path, torch.dtype], Any] = _load,
        *,
        wrap: Callable[[Any], Any] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self._make = load
        self._wrap = wrap
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, Future[T]] = OrderedDict()
        self._loads = 0

    @property
    def loads(self) -> int:
        """How many models were loaded since the cache was made, failed attempts included."""
        return self._loads

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, source: str | Path = "embedded", dtype: torch.dtype = torch.float32) -> T:
        """Return the entry of a model, loading it if it is not here or its file has changed.

        ``source``: as for ``load_colorizer``. Raises what loading raises; a failure is not kept.
        """
        path, changed = stamp(resolve_source(source))
        key = (path, changed, dtype)
        with self._lock:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                for old in [k for k in self._entries if k[0] == path and k[1] != changed]:
                    del self._entries[old]
                    _log.info("%s has changed: its loaded copy is dropped", path.name)
                entry = Future()
                self._entries[key] = entry
                self._trim()
                self._loads += 1
            else:
                self._entries.move_to_end(key)
        if mine:
            self._fill(key, entry)
        return entry.result()

    def evict(self, source: str | Path) -> int:
        """Drop every entry of a file, whatever its type; return how many there were.

        A file that is gone by now can still be named by its path.
        """
        try:
            path = resolve_source(source).resolve()
        except NotAFileError:
            path = Path(source).expanduser().resolve()
        with self._lock:
            old = [key for key in self._entries if key[0] == path]
            for key in old:
                del self._entries[key]
        return len(old)

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self._entries.clear()

    def _trim(self) -> None:
        """Drop the least recently used entries beyond the capacity; those still loading stay."""
        for key in [k for k, entry in self._entries.items() if entry.done()]:
            if len(self._entries) <= self.capacity:
                break
            del self._entries[key]

    def _fill(self, key: _Key, entry: Future[T]) -> None:
        # The lock is not held: other models load and are handed out meanwhile.
        try:
            made: T = self._make(key[0], key[2])
            if self._wrap is not None:
                made = self._wrap(made)
        except BaseException as error:  # an interrupt too must reach those who wait for this entry
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            entry.set_exception(error)
        else:
            entry.set_result(made)
            with self._lock:
                self._trim()
