"""Overlap: one stage of a pipeline per thread, bounded queues between them, buffers used again."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
_POLL_SECONDS = 0.2  # how long a wait may last before it looks whether it is still wanted


class BufferPool:
    """Hands out float32 arrays of one shape, and takes each back by itself when nothing refers to it.

    A fresh large array costs ten times as much to fill as a used one (page faults), and a stage may keep
    a frame for as long as it likes: so the end of the array's life is what returns its memory.
    """

    def __init__(self, shape: tuple[int, ...], keep: int = 64) -> None:
        self._shape = shape
        self._free: deque[NDArray[np.float32]] = deque(maxlen=keep)

    def take(self) -> NDArray[np.float32]:
        """Return an array with undefined content. Views and tensors made of it keep it alive."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(self._shape, np.float32)
        lent = memory[...]
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return lent


class Prefetch(Generic[T]):
    """Run an iterator in a thread of its own, at most ``depth`` items ahead of whoever iterates over this.

    An exception of the iterator is raised where the items are taken. ``close`` ends the thread, also in the
    middle, and closes the iterator there. A context manager.
    """

    def __init__(self, items: Iterator[T], depth: int, name: str = "prefetch") -> None:
        self._items = items
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(max(1, depth))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"chrominance-{name}", daemon=True)
        self._thread.start()

    def _put(self, entry: tuple[str, Any]) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=_POLL_SECONDS)
                return True
        return False

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(("item", item)):
                    return
                del item  # or the last frame's memory would be held while the next one is made
            self._put(("end", None))
        except BaseException as error:  # handed to the consumer, whatever it is
            self._put(("error", error))
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def __iter__(self) -> Iterator[T]:
        while not self._stop.is_set():
            try:
                kind, value = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
            del value

    def close(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._thread.join()
        while not self._queue.empty():
            self._queue.get_nowait()

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Outlet(Generic[T]):
    """Call ``consume`` for each item given to ``put``, in order, in a thread of its own.

    ``put`` waits while ``depth`` items are waiting. An exception of ``consume`` is raised by the next
    ``put`` or by ``finish``. ``finish`` waits until all is consumed; ``close`` drops what is waiting.
    """

    def __init__(self, consume: Callable[[T], None], depth: int, name: str = "outlet") -> None:
        self._consume = consume
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(max(1, depth))
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"chrominance-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    kind, value = self._queue.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if kind == "end":
                    return
                self._consume(value)
                del value
        except BaseException as error:  # handed to the producer, whatever it is
            self._error = error

    def _put(self, entry: tuple[str, Any]) -> None:
        while True:
            if self._error is not None:
                raise self._error
            if not self._thread.is_alive():
                raise RuntimeError("the outlet is closed")
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=_POLL_SECONDS)
                return

    def put(self, item: T) -> None:
        """Hand over one item; wait while the queue is full."""
        self._put(("item", item))

    def finish(self) -> None:
        """Wait until every item is consumed; raise what ``consume`` raised."""
        self._put(("end", None))
        while self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread without consuming what is waiting."""
        self._stop.set()
        self._thread.join()
        while not self._queue.empty():
            self._queue.get_nowait()
