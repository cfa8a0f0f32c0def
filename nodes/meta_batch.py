"""A clip in chunks, by VideoHelperSuite's Meta Batch Manager: what a node keeps from one chunk to the next.

The manager queues the whole prompt once for each chunk, with a counter in its inputs, 0 for the first. Nodes
find what they kept by the manager's id and their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from comfy_api.latest import io

#: What VideoHelperSuite's Meta Batch Manager gives.
META_BATCH = io.Custom("VHS_BatchManager")

# Of how many nodes something is kept at once.
_KEPT = 16

T = TypeVar("T")


@dataclass
class Chunk(Generic[T]):
    """One chunk of a clip: what was kept (changed in place), and whether it is the clip's last."""

    kept: T
    last: bool


@dataclass
class _Entry:
    number: int
    kept: Any


_entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()


def meta_batch_input(kept: str) -> io.Input:
    """Return the optional input; ``kept``: what goes on from chunk to chunk."""
    return META_BATCH.Input(
        "meta_batch",
        optional=True,
        tooltip="From the Meta Batch Manager of VideoHelperSuite, the one that Load Video has: a clip too "
        f"long for memory comes in chunks then, and {kept}.",
    )


def hidden_inputs() -> list[io.Hidden]:
    """Return what a node with a ``meta_batch`` needs to know of the prompt."""
    return [io.Hidden.unique_id, io.Hidden.prompt]


def chunk_of(manager: Any, hidden: Any, begin: Callable[[], T]) -> Chunk[T]:
    """Return what a node kept at the chunk before, or what ``begin`` gives where a clip begins.

    ``manager``: what ``meta_batch`` carries, None for a clip in one piece; ``hidden``: the node's.
    Raises ValueError for another pack's socket, and for a chunk whose predecessor is not known.
    """
    if manager is None:
        return Chunk(begin(), True)
    owner, node = getattr(manager, "unique_id", None), getattr(hidden, "unique_id", None)
    prompt = getattr(hidden, "prompt", None) or {}
    if owner is None or node is None or not hasattr(manager, "has_closed_inputs") or owner not in prompt:
        raise ValueError(
            "meta_batch must come from the Meta Batch Manager of VideoHelperSuite, connected to Load Video "
            f"too, got {type(manager).__name__}"
        )
    number = int(prompt[owner]["inputs"].get("requeue", 0))
    key = (str(owner), str(node))
    entry = _entries.pop(key, None)
    if number == 0:
        entry = _Entry(0, begin())
    elif entry is None or entry.number != number - 1:
        raise ValueError(
            f"chunk {number + 1} of a clip came, and not the one before it: queue the prompt again, from the "
            "clip's beginning"
        )
    entry.number = number
    last = bool(manager.has_closed_inputs)
    if not last:
        _entries[key] = entry
        while len(_entries) > _KEPT:
            _entries.popitem(last=False)
    return Chunk(entry.kept, last)
