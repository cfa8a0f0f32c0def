"""Colour a clip in chunks: stopped at any moment, the next run goes on where it was, to the same bytes."""

from __future__ import annotations

import logging
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from .clip_chunks import CHUNK, FRAMES_AHEAD, ChunkWriter, look_of
from .clip_segments import ClipTask, Part, Segment, Spread, find_segments
from .clip_sinks import Sink, VideoSink
from .clip_stage import ClipStage
from .clip_work import Chunk, ClipWork, State
from .video_codecs import Encoding
from .video_facts import warn_interlaced
from .video_read import VideoReader
from .video_threads import Prefetch
from .video_types import Frame, VideoError, VideoInfo, VideoResult

log = logging.getLogger(__name__)

# Frames whose look is remembered, for a stage that is behind the reader by as many.
_REMEMBERED = 1024


def process_clip(
    source: Path,
    target: Path,
    stage: ClipStage,
    *,
    key: Mapping[str, Any],
    encoding: Encoding | None = None,
    rate: float | Fraction | None = None,
    chunk: int = CHUNK,
    on_info: Callable[[VideoInfo, int], None] | None = None,
    progress: Callable[[int], None] | None = None,
    spread: Spread | None = None,
) -> VideoResult:
    """Send a clip's frames through ``stage`` into a new clip, in chunks that are kept when it is stopped.

    ``source``: a video file, or a folder of frames with its ``rate``. ``target``: a video file, or a folder;
    it appears, or is replaced, when all is done. ``key``: all that the result depends on beside the source
    and ``encoding``: with another one the work begins anew. ``chunk``: frames of a chunk at most; it ends
    earlier where a shot does. ``on_info`` gets the clip's facts and how many frames are done already,
    ``progress`` the number of frames done since its last call. What either raises stops the work.
    ``spread``: makes the segments of the clip elsewhere; ``stage`` only tells here where those begin.
    Raises VideoError for a clip that cannot be read or written; what was done by then is kept.
    """
    encoding = encoding or Encoding()
    if not source.exists():
        raise VideoError(f"{source}: no such file")
    try:
        work = ClipWork(target, _whole_key(source, key, encoding, rate, chunk))
    except OSError as error:
        raise VideoError(f"{target} cannot be written ({error.strerror or error})") from error
    try:
        into_folder = not target.suffix or target.is_dir()
        task = ClipTask(source, target, encoding, rate, chunk, into_folder)
        return _Runner(task, stage, work, spread).run(on_info, progress)
    finally:
        if not work.chunks:
            work.close()  # nothing to keep


def _whole_key(
    source: Path,
    key: Mapping[str, Any],
    encoding: Encoding,
    rate: float | Fraction | None,
    chunk: int,
) -> dict[str, Any]:
    return {
        "source": [str(source.resolve()), *_look(source)],
        "encoding": [encoding.codec, encoding.crf, encoding.preset, encoding.bits],
        "rate": None if rate is None else str(rate),
        "chunk": chunk,
        **key,
    }


def _look(source: Path) -> list[Any]:
    """Return what tells one state of a clip from another."""
    try:
        if source.is_dir():
            entries = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in source.iterdir())
            return [len(entries), zlib.crc32(repr(entries).encode())]
        facts = source.stat()
    except OSError as error:
        raise VideoError(f"{source}: cannot be read ({error.strerror or error})") from error
    return [facts.st_size, facts.st_mtime_ns]


class _ChangedError(Exception):
    """The source does not give the frames that it gave before."""


class _Runner:
    """One run over a clip's work."""

    def __init__(self, task: ClipTask, stage: ClipStage, work: ClipWork, spread: Spread | None) -> None:
        self.task, self.stage, self.work, self.spread = task, stage, work, spread
        self.source, self.target = task.source, task.target
        self._looks: OrderedDict[int, int] = OrderedDict()

    def run(
        self,
        on_info: Callable[[VideoInfo, int], None] | None,
        progress: Callable[[int], None] | None,
    ) -> VideoResult:
        """Do what is left to do."""
        with self.task.open_source() as reader:
            info = reader.info
        sink = self.task.open_sink(self.work.folder, info)
        if not sink.holds(self.work.chunks):
            log.warning("%s: a part of what was done is missing: the work begins anew", self.target)
            self.work.clear()
            sink = self.task.open_sink(self.work.folder, info)
        warn_interlaced(info)
        if on_info is not None:
            on_info(info, self.work.done)
        if not self.work.complete:
            self._go_on(sink, progress)
        sound = None
        if isinstance(sink, VideoSink) and not self.source.is_dir():
            sound = VideoReader(self.source)
        try:
            sink.join(self.work.chunks, sound)
        finally:
            if sound is not None:
                sound.close()
        last = self.work.chunks[-1].last_time
        self.work.close()
        return VideoResult(self.target, self.work.done, float(last + 1 / info.rate), info)

    def _go_on(self, sink: Sink, progress: Callable[[int], None] | None) -> None:
        """Colour from where the work is; where seeking leads elsewhere, read the clip from its beginning."""
        try:
            state = self.work.load_state()
        except (OSError, SafetensorError):
            self.work.clear()
            state = None
        color = self._color if self.spread is None else self._have_colored
        if self.work.entry is not None:
            for seek in (True, False):
                try:
                    return color(sink, state, progress, seek=seek)
                except _ChangedError:
                    log.info("%s: seeking did not find the frame it should", self.source)
            log.warning("%s is not the clip that was begun with: the work begins anew", self.source)
            self.work.clear()
        return color(sink, None, progress, seek=False)

    def _color(
        self, sink: Sink, state: State | None, progress: Callable[[int], None] | None, *, seek: bool
    ) -> None:
        first, restart, begin = self._entry(seek=seek)
        writer = ChunkWriter(sink, self.task.chunk, self._looks.__getitem__, self._ending)
        try:
            with self.task.open_source(begin) as reader:
                with Prefetch(iter(reader), FRAMES_AHEAD, "decode") as frames:
                    staged = self.stage.run(self._from(iter(frames), restart), reader.info, state)
                    try:
                        for frame in staged:
                            if frame.index >= first:
                                writer.take(frame)
                                if progress is not None:
                                    progress(1)
                            del frame
                    finally:
                        close = getattr(staged, "close", None)
                        if close is not None:
                            close()
                if not writer.finish() and not self.work.chunks:
                    raise VideoError(f"{reader.info.name}: there were no frames to write")
        finally:
            writer.close()

    def _have_colored(
        self, sink: Sink, state: State | None, progress: Callable[[int], None] | None, *, seek: bool
    ) -> None:
        """Let the clip be made elsewhere, segment by segment, and note in order what comes in any order."""
        assert self.spread is not None
        first, restart, begin = self._entry(seek=seek)
        waiting: dict[int, tuple[Segment, Part]] = {}
        with (
            self.task.open_source(begin) as reader,
            Prefetch(iter(reader), FRAMES_AHEAD, "decode") as frames,
        ):
            ours = self._from(iter(frames), restart)
            segments = find_segments(ours, self.stage, self.task.chunk, first, state)
            for segment, part in self.spread(segments, self.task):
                start = part.chunk.start
                if start < self.work.done or start in waiting:
                    continue  # made once more after a worker was lost
                sink.put_in(part.files)
                waiting[start] = segment, replace(part, files={})
                if progress is not None:
                    progress(part.chunk.end - start)
                while self.work.done in waiting:
                    segment, part = waiting.pop(self.work.done)
                    ends = segment.last and part.chunk.end == segment.end
                    self.work.add(part.chunk, None if ends else part.chunk.end, part.restart, part.state)
            if not self.work.chunks:
                raise VideoError(f"{reader.info.name}: there were no frames to write")

    def _ending(self, following: Frame | None) -> Callable[[Chunk], None]:
        index = None if following is None else following.index
        restart, state = (0, None) if following is None else self.stage.resume_at(following)
        return lambda chunk: self.work.add(chunk, index, restart, state)

    def _entry(self, *, seek: bool) -> tuple[int, int, tuple[int, Fraction] | None]:
        """Return the frame to go on with, the one that the stage begins with, and what to seek to."""
        entry = self.work.entry
        first, restart = (0, 0) if entry is None else (entry.index, entry.restart)
        return first, restart, self._begin_at(restart) if seek else None

    def _begin_at(self, restart: int) -> tuple[int, Fraction] | None:
        """Return the frame to read first: one whose look is known, to see that it is the one meant."""
        for index in (restart, restart - 1):
            time = self.work.time_of(index)
            if time is not None:
                return index, time
        return None

    def _from(self, frames: Iterator[Frame], restart: int) -> Iterator[Frame]:
        """Give the frames from ``restart`` on; raise _ChangedError for one that looks other than it did."""
        known = self.work.checks()
        for frame in frames:
            look = look_of(frame)
            if known.get(frame.index, look) != look:
                raise _ChangedError
            self._looks[frame.index] = look
            if len(self._looks) > _REMEMBERED:
                self._looks.popitem(last=False)
            if frame.index >= restart:
                yield frame
