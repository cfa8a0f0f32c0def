"""Where the frames of a clip in chunks go: an encoded file a chunk, or a picture a frame."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import av
from av.error import FFmpegError

from .clip_join import join_chunks
from .clip_work import Chunk
from .replacing import replacing
from .video_codecs import CODECS, Encoding
from .video_encode import FrameEncoder
from .video_folder import FolderWriter
from .video_read import VideoReader
from .video_types import Frame, VideoError, VideoInfo
from .video_write import cannot_write, check_codec, check_target

if TYPE_CHECKING:
    from av.container import OutputContainer

# Hold times as they are, and parameters once: what is joined later. NUT has no ProRes.
_CHUNK_FORMAT, _CHUNK_FORMATS = "nut", {"prores": "mov"}


class Sink(Protocol):
    """Takes a clip's frames chunk by chunk; all calls come from one thread."""

    def holds(self, chunks: Sequence[Chunk]) -> bool:
        """Tell whether what finished chunks hold is still there."""
        ...

    def begin(self, start: int) -> None:
        """Begin the chunk whose first frame has this number."""
        ...

    def write(self, frame: Frame) -> None:
        """Take one frame of the chunk."""
        ...

    def end(self) -> int:
        """Put what the chunk holds on disk; return by how many frames they come out of order."""
        ...

    def abort(self) -> None:
        """Give up the chunk that was begun."""
        ...

    def take_out(self, chunk: Chunk) -> dict[str, bytes]:
        """Return what a finished chunk consists of, by name, and remove it."""
        ...

    def put_in(self, files: Mapping[str, bytes]) -> None:
        """Put on disk what ``take_out`` gave elsewhere."""
        ...

    def join(self, chunks: Sequence[Chunk], sound: VideoReader | None) -> None:
        """Make the target of all chunks, and of a source's sound."""
        ...


class VideoSink:
    """Encode each chunk by itself, so that it does not matter when the one before was made.

    ``target``: the file to be; ``folder``: where the chunks' files go; ``encoding``: how; ``form``: of those
    files, by default one that holds all that joining takes. Raises VideoError for what does not work here.
    """

    def __init__(
        self, target: Path, folder: Path, info: VideoInfo, encoding: Encoding, *, form: str | None = None
    ) -> None:
        self.target, self.folder, self.info, self.encoding = target, folder, info, encoding
        check_target(target)
        with av.open(BytesIO(), "w", format=container_format(target)) as container:
            check_codec(CODECS[encoding.codec or "h264"], container, target)
            self._rules = container.format.name
            # Told now, not after an hour: this codec's depths.
            CODECS[encoding.codec or "h264"].depth(encoding.bits, info.bits)
        self._format = form or _CHUNK_FORMATS.get(encoding.codec or "", _CHUNK_FORMAT)
        self._path: Path | None = None
        self._container: OutputContainer | None = None
        self._encoder: FrameEncoder | None = None
        self._order: list[int] = []

    @property
    def tick(self) -> Fraction:
        """The unit of the clip's times, in seconds."""
        return 1 / self.info.rate if self._rules == "avi" else self.info.time_base

    def holds(self, chunks: Sequence[Chunk]) -> bool:
        """Tell whether each chunk's file is there."""
        return all(self.file(chunk).is_file() for chunk in chunks)

    def file(self, chunk: Chunk) -> Path:
        """Return where a chunk is."""
        return self.folder / f"{chunk.start:07d}.{self._format}"

    def begin(self, start: int) -> None:
        """Open the chunk's file under a temporary name."""
        self._path = self.folder / f"{start:07d}.part"
        try:
            # Or times would be shifted where decoding begins before zero: the first chunk's, and no other's.
            options = {"avoid_negative_ts": "disabled"}
            container = av.open(str(self._path), "w", format=self._format, container_options=options)
        except (FFmpegError, OSError) as error:
            raise cannot_write(self._path, error) from error
        self._container = container
        self._encoder = FrameEncoder(
            container, self.info, self.encoding, name=self.target.name, rules=self._rules, first=start
        )
        self._order = []

    def write(self, frame: Frame) -> None:
        """Encode a frame."""
        assert self._encoder is not None
        try:
            self._mux(self._encoder.encode(frame))
        except (FFmpegError, OSError) as error:
            where = f" at frame {frame.index}; what was done is kept"
            raise cannot_write(self.target, error, where) from error

    def _mux(self, packets: list[av.Packet]) -> None:
        assert self._container is not None
        self._order += [packet.pts for packet in packets if packet.pts is not None]
        self._container.mux(packets)

    def end(self) -> int:
        """Close the chunk's file and give it its name."""
        assert self._encoder is not None and self._container is not None and self._path is not None
        try:
            self._mux(self._encoder.flush())
            self._container.close()
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
            self._path.replace(self._path.with_suffix(f".{self._format}"))
        except (FFmpegError, OSError) as error:
            raise cannot_write(self.target, error, "; what was done is kept") from error
        self._container = self._encoder = None
        return reorder_delay(self._order)

    def abort(self) -> None:
        """Remove the chunk's file."""
        if self._container is not None and self._path is not None:
            with contextlib.suppress(FFmpegError, OSError, ValueError):  # a file that is thrown away
                self._container.close()
            self._path.unlink(missing_ok=True)
            self._container = self._encoder = None

    def take_out(self, chunk: Chunk) -> dict[str, bytes]:
        """Return a chunk's file, and remove it."""
        return _take_out([self.file(chunk)])

    def put_in(self, files: Mapping[str, bytes]) -> None:
        """Put a chunk's file on disk."""
        _put_in(self.folder, files)

    def join(self, chunks: Sequence[Chunk], sound: VideoReader | None) -> None:
        """Join the chunks, without encoding anything again."""
        files = [self.file(chunk) for chunk in chunks]
        delay = max(chunk.delay for chunk in chunks)
        join_chunks(files, self.target, self.info, tick=self.tick, delay=delay, sound=sound)


class FolderSink:
    """Save each frame as a picture; a chunk is some of them."""

    def __init__(self, target: Path, folder: Path, info: VideoInfo, bits: int | None = None) -> None:
        self._folder = folder / "frames"
        self.writer = FolderWriter(target, info, bits=bits, part=self._folder)

    def holds(self, chunks: Sequence[Chunk]) -> bool:
        """Tell whether each frame's picture is there."""
        return all(
            self._file(number).is_file() for chunk in chunks for number in range(chunk.start, chunk.end)
        )

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06d}.png"

    def begin(self, start: int) -> None:
        """Nothing is begun."""

    def write(self, frame: Frame) -> None:
        """Save a frame; one that is there from a chunk that was not finished is replaced."""
        self.writer.write(frame)

    def end(self) -> int:
        """Nothing is out of order."""
        return 0

    def abort(self) -> None:
        """What was saved is saved again."""

    def take_out(self, chunk: Chunk) -> dict[str, bytes]:
        """Return the pictures of a chunk, and remove them."""
        return _take_out(self._file(number) for number in range(chunk.start, chunk.end))

    def put_in(self, files: Mapping[str, bytes]) -> None:
        """Put the pictures of a chunk on disk."""
        _put_in(self._folder, files)

    def join(self, chunks: Sequence[Chunk], sound: VideoReader | None) -> None:
        """Put the folder in its place."""
        self.writer.commit()


def _take_out(paths: Iterable[Path]) -> dict[str, bytes]:
    taken = {}
    for path in paths:
        taken[path.name] = path.read_bytes()
        path.unlink()
    return taken


def _put_in(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        try:
            with replacing(folder / name) as temporary, temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(folder / name, error, "; what was done is kept") from error


def container_format(target: Path) -> str:
    """Return what FFmpeg calls the container of a file of this name."""
    names = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}
    try:
        return names[target.suffix.lower()]
    except KeyError:
        raise VideoError(f"{target}: expected a name that ends in {', '.join(names)}") from None


def reorder_delay(order: Sequence[int]) -> int:
    """Return by how many frames decoding runs ahead of showing: times in the order of decoding."""
    shown = sorted(order)
    delay = 0
    for place, time in enumerate(order):
        # The frame that is shown ``delay`` before must not be later than this one.
        while place - delay >= 0 and shown[place - delay] > time:
            delay += 1
    return delay
