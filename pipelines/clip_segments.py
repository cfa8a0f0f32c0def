"""Parts of a clip that can be made apart, anywhere, and give the bytes of the clip in one go."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from .clip_chunks import FRAMES_AHEAD, ChunkWriter, look_of
from .clip_sinks import FolderSink, Sink, VideoSink
from .clip_stage import ClipStage
from .clip_work import Chunk, State
from .video import open_reader
from .video_codecs import Encoding
from .video_folder import FolderReader
from .video_read import VideoReader
from .video_threads import Prefetch
from .video_types import Frame, VideoError, VideoInfo


@dataclass(frozen=True)
class ClipTask:
    """A clip that is to be made: see ``process_clip``. ``into_folder``: it becomes a folder of frames."""

    source: Path
    target: Path
    encoding: Encoding
    rate: float | Fraction | None
    chunk: int
    into_folder: bool

    def open_source(self, begin: tuple[int, Fraction] | None = None) -> VideoReader | FolderReader:
        """Open the source, without its sound; ``begin``: see ``VideoReader``."""
        return open_reader(self.source, rate=self.rate, sound=False, begin=begin)

    def open_sink(self, folder: Path, info: VideoInfo) -> Sink:
        """Open what takes the frames and keeps finished chunks in ``folder``."""
        if not self.into_folder:
            return VideoSink(self.target, folder, info, self.encoding)
        given = (self.encoding.codec, self.encoding.crf, self.encoding.preset)
        if any(value is not None for value in given):
            raise VideoError(
                f"{self.target} becomes a folder of PNG frames: leave the codec and its settings out"
            )
        return FolderSink(self.target, folder, info, self.encoding.bits)


@dataclass(frozen=True)
class Segment:
    """Frames ``first`` to ``end``, which is the next segment's first; ``last``: the clip ends with it.

    ``begin``: number and time of the frame to read first, ``state``: what the stage is given there.
    """

    first: int
    end: int
    begin: tuple[int, Fraction]
    last: bool
    state: State | None = None


@dataclass(frozen=True)
class Part:
    """A chunk of a segment; ``files``: what it consists of, by name.

    ``restart``, ``state``: from ``ClipStage.resume_at``, for the frame that comes after it.
    """

    chunk: Chunk
    restart: int
    state: State | None
    files: dict[str, bytes]


#: Has segments made, and gives their parts: in any order, but each segment's in order; perhaps one twice.
Spread = Callable[[Iterator[Segment], ClipTask], Iterator[tuple[Segment, Part]]]


def find_segments(
    frames: Iterator[Frame], stage: ClipStage, chunk: int, first: int, state: State | None = None
) -> Iterator[Segment]:
    """Give the segments of a clip as they are found, from frame ``first`` on, where a chunk begins.

    ``frames``: from the one at which the stage begins on, with ``state``; ``chunk``: frames of one.
    """
    begun: tuple[int, Fraction] | None = None
    count = first

    def counted() -> Iterator[Frame]:
        nonlocal begun, count
        for frame in frames:
            begun = begun or (frame.index, frame.time)
            count = frame.index + 1
            yield frame

    for frame in stage.splits(counted(), chunk):
        assert begun is not None
        if frame.index > first:
            yield Segment(first, frame.index, begun, False, state)
            first, begun, state = frame.index, (frame.index, frame.time), None
    if begun is not None and count > first:
        yield Segment(first, count, begun, True, state)


def color_segment(task: ClipTask, stage: ClipStage, segment: Segment) -> Iterator[Part]:
    """Make a segment, and give it chunk by chunk. Raises VideoError as ``process_clip``."""
    looks: dict[int, int] = {}
    done: deque[Part] = deque()

    def ending(following: Frame | None) -> Callable[[Chunk], None]:
        restart, state = (segment.end, None) if following is None else stage.resume_at(following)

        def end(finished: Chunk) -> None:
            done.append(Part(finished, restart, state, writer.sink.take_out(finished)))

        return end

    def read(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if frame.index >= segment.end:
                return
            looks[frame.index] = look_of(frame)
            yield frame

    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="chrominance-")))
        reader = opened.enter_context(task.open_source(segment.begin))
        # The target's folder may be on another machine.
        sink = replace(task, target=folder / task.target.name).open_sink(folder, reader.info)
        writer = opened.enter_context(closing(ChunkWriter(sink, task.chunk, looks.pop, ending)))
        frames = opened.enter_context(Prefetch(read(iter(reader)), FRAMES_AHEAD, "decode"))
        count = segment.first
        for frame in stage.run(iter(frames), reader.info, segment.state):
            if frame.index >= segment.first:
                writer.take(frame)
                count = frame.index + 1
            while done:
                yield done.popleft()
        if count != segment.end:
            raise VideoError(f"{task.source} has changed: it has no frame {count} any more")
        writer.finish()
        while done:
            yield done.popleft()
