"""What is done of a clip so far, on disk: finished chunks, and what it takes to go on after the last of them.

A folder beside the target, ``.NAME.chrominance``: ``manifest.json``, and what the chunks hold. The manifest
is replaced whole, after what it tells of is safely written: at whatever moment the program ends, what is
there is right, and the next run goes on behind it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from .replacing import replacing

_VERSION = 1
_MANIFEST = "manifest.json"

#: What a stage has to be given to go on in the middle of a clip.
State = dict[str, Tensor]


@dataclass(frozen=True)
class Chunk:
    """A finished part of a clip: frames ``start`` to ``end``, which is the next one's first.

    ``time``, ``last_time``: of its first and last frames, in seconds; ``check``, ``last_check``: their looks
    as they came from the source. ``delay``: by how many frames the encoder gives them out of order.
    """

    start: int
    end: int
    time: Fraction
    last_time: Fraction
    check: int
    last_check: int
    delay: int = 0


@dataclass(frozen=True)
class Entry:
    """Where to go on: frame ``index`` is the next.

    ``restart``: the frame from which the stage has to see the clip again for that; ``state``: the name of the
    file with what it needs there, or None.
    """

    index: int
    restart: int
    state: str | None = None


class ClipWork:
    """The work on one target. ``key``: everything that the result depends on; another key begins anew.

    ``chunks``: what is finished, from the clip's first frame on, without gaps. ``entry``: where to go on;
    None at the beginning and, with ``complete``, when every frame is done. Raises OSError where the folder
    cannot be used.
    """

    def __init__(self, target: Path, key: Mapping[str, Any]) -> None:
        self.folder = target.with_name(f".{target.name}.chrominance")
        self.key = json.loads(json.dumps(key))
        self.chunks: list[Chunk] = []
        self.entry: Entry | None = None
        self.complete = False
        #: Whether there was work that cannot be used: with other settings, or damaged.
        self.began_anew = False
        if not self._read():
            self.clear()

    def _read(self) -> bool:
        try:
            told = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
            if told["version"] != _VERSION or told["key"] != self.key:
                return False
            chunks = [_chunk(entry) for entry in told["chunks"]]
            entry = None if told["entry"] is None else Entry(**told["entry"])
            complete = bool(told["complete"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        starts = [0, *(chunk.end for chunk in chunks)]
        if any(chunk.start != start for chunk, start in zip(chunks, starts, strict=False)):
            return False
        self.chunks, self.entry, self.complete = chunks, entry, complete
        return complete or (entry is not None and entry.index == self.done)

    def clear(self) -> None:
        """Begin anew."""
        self.began_anew = (self.folder / _MANIFEST).exists()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        self.chunks, self.entry, self.complete = [], None, False

    @property
    def done(self) -> int:
        """How many frames are finished: the next one's number."""
        return self.chunks[-1].end if self.chunks else 0

    def checks(self) -> dict[int, int]:
        """Return what the source's frames were seen to hold, by number."""
        first = {chunk.start: chunk.check for chunk in self.chunks}
        return first | {chunk.end - 1: chunk.last_check for chunk in self.chunks}

    def time_of(self, index: int) -> Fraction | None:
        """Return the time of a chunk's first or last frame, None for another."""
        for chunk in self.chunks:
            if index in (chunk.start, chunk.end - 1):
                return chunk.time if index == chunk.start else chunk.last_time
        return None

    def load_state(self) -> State | None:
        """Return what the entry needs; raises OSError or SafetensorError where it is damaged."""
        if self.entry is None or self.entry.state is None:
            return None
        return load_file(str(self.folder / self.entry.state))

    def add(self, chunk: Chunk, index: int | None, restart: int = 0, state: State | None = None) -> None:
        """Note that a chunk, which is on disk by now, is finished, and where to go on: None at the end."""
        assert chunk.start == self.done < chunk.end
        before = self.entry
        name = None
        if state is not None:
            name = f"{index:07d}.state.safetensors"
            with replacing(self.folder / name) as temporary:
                save_file({key: value.contiguous().cpu() for key, value in state.items()}, str(temporary))
                _sync(temporary)
        self.chunks.append(chunk)
        self.entry = None if index is None else Entry(index, restart, name)
        self.complete = index is None
        told = {
            "version": _VERSION,
            "key": self.key,
            "complete": self.complete,
            "entry": None if self.entry is None else asdict(self.entry),
            "chunks": [_told(one) for one in self.chunks],
        }
        with replacing(self.folder / _MANIFEST) as temporary:
            temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")
            _sync(temporary)
        if before is not None and before.state is not None:
            (self.folder / before.state).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all of it: the target is in its place."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _told(chunk: Chunk) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Fraction) else v for k, v in asdict(chunk).items()}


def _chunk(told: dict[str, Any]) -> Chunk:
    return Chunk(**{**told, **{key: Fraction(told[key]) for key in ("time", "last_time")}})


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
