"""Frames into chunks: where one ends and the next begins, and the thread that encodes them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .clip_work import Chunk
from .video_threads import Outlet
from .video_types import Frame

if TYPE_CHECKING:
    from .clip_sinks import Sink

#: Frames of a chunk at most: what an interruption can cost, and how often a clip can be entered.
CHUNK = 96
#: How many frames wait for the encoder, and how many are read ahead.
FRAMES_AHEAD = 4

#: Makes of a chunk that ends before a frame, or with the clip, what is to be called when it is on disk.
Ending = Callable[[Frame | None], Callable[[Chunk], None]]


class ChunkWriter:
    """Give frames to ``sink`` in a thread of its own; a chunk has ``size`` of them, fewer where a shot ends.

    ``look``: tells what a frame of the source holds, by its number (``look_of``). ``ending``: asked where a
    chunk ends, as soon as the next one's first frame is there. Close it whatever happens.
    """

    def __init__(self, sink: Sink, size: int, look: Callable[[int], int], ending: Ending) -> None:
        self.sink, self.size, self.look, self.ending = sink, size, look, ending
        self._begun: _Begun | None = None
        self._outlet: Outlet[Callable[[], None]] = Outlet(_call, FRAMES_AHEAD, "encode")

    def take(self, frame: Frame) -> None:
        """Hand a frame to the thread, in the chunk that it belongs to."""
        begun, look = self._begun, self.look(frame.index)
        if begun is not None and (frame.cut or frame.index - begun.start >= self.size):
            self._end(frame)
            begun = None
        if begun is None:
            begun = self._begun = _Begun(frame.index, frame.time, look)
            self._outlet.put(lambda: self.sink.begin(frame.index))
        begun.last, begun.last_time, begun.last_check = frame.index, frame.time, look
        self._outlet.put(lambda: self.sink.write(frame))

    def finish(self) -> bool:
        """End the last chunk and wait until it is on disk; tell whether there was a frame since the last."""
        begun = self._begun is not None
        self._end(None)
        self._outlet.finish()
        return begun

    def close(self) -> None:
        """End the thread; drop what is not on disk."""
        self._outlet.close()
        self.sink.abort()

    def _end(self, following: Frame | None) -> None:
        begun, self._begun = self._begun, None
        if begun is None:
            return
        done = self.ending(following)

        def end() -> None:
            delay = self.sink.end()
            times = (begun.time, begun.last_time, begun.check, begun.last_check)
            done(Chunk(begun.start, begun.last + 1, *times, delay))

        self._outlet.put(end)


@dataclass
class _Begun:
    """The chunk that frames are going into."""

    start: int
    time: Fraction
    check: int
    last: int = 0
    last_time: Fraction = Fraction(0)
    last_check: int = 0


def look_of(frame: Frame) -> int:
    """Return a number that tells a frame from others: of some of its pixels."""
    return zlib.crc32(frame.rgb[:, ::8, ::8].contiguous().cpu().numpy().tobytes())


def _call(work: Callable[[], None]) -> None:
    work()
