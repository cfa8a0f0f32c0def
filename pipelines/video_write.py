"""Writing a clip: frames encoded as they come, sound beside them, the file in place only when it is whole."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from .video_codecs import CODECS, CONTAINERS, Codec, Encoding
from .video_encode import FrameEncoder
from .video_sound import SoundTracks
from .video_types import Frame, VideoError, VideoInfo

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream


class VideoWriter:
    """Write frames to a video file: ``write`` each, ``finish``, ``commit``; or ``abort`` at any moment.

    ``info``: of the clip the frames came from: time base, rate, colour tags, aspect and metadata are kept.
    ``streams``, ``packets`` and ``origin``: a reader's copied streams, the queue in which their packets
    gather, and their common start.
    Raises VideoError for a target or a codec that does not work here.
    """

    def __init__(
        self,
        target: str | Path,
        info: VideoInfo,
        encoding: Encoding | None = None,
        *,
        streams: Sequence[Stream] = (),
        packets: deque[Packet] | None = None,
        origin: Fraction = Fraction(0),
    ) -> None:
        self.target = Path(target)
        self.info = info
        encoding = encoding or Encoding()
        self._packets = packets if packets is not None else deque()
        check_target(self.target)
        # The suffix stays: by it FFmpeg knows the container.
        self._part = self.target.with_name(f".chrominance-{secrets.token_hex(6)}{self.target.suffix}")
        self._container = open_container(self._part, self.target, info)
        self._encoder: FrameEncoder | None = None
        try:
            check_codec(CODECS[encoding.codec or "h264"], self._container, self.target)
            self._encoder = FrameEncoder(self._container, info, encoding, name=self.target.name)
            add_facts(self._container, self._encoder.stream, info)
            self._sound = SoundTracks(self._container, streams, origin, self.target.name)
        except BaseException:
            self.abort()
            raise

    @property
    def frames(self) -> int:
        """How many frames were written."""
        return self._encoder.count if self._encoder is not None else 0

    def write(self, frame: Frame) -> None:
        """Encode one frame: rgb [3,H,W] 0..1, all of one size, times rising."""
        if self._encoder is None:
            raise VideoError("the writer is closed")
        try:
            self._container.mux(self._encoder.encode(frame))
            self._drain()
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _drain(self) -> None:
        while self._packets:
            self._sound.feed(self._packets.popleft())

    def _failure(self, error: Exception) -> VideoError:
        return cannot_write(self.target, error, f" at frame {self.frames}")

    def finish(self) -> None:
        """Write what is left and close the file; it is not yet in its place."""
        if self._encoder is None or self.frames == 0:
            raise VideoError(f"{self.info.name}: there were no frames to write")
        try:
            self._container.mux(self._encoder.flush())
            self._drain()
            self._sound.flush()
            self._container.close()
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def commit(self) -> None:
        """Put the finished file in its place."""
        try:
            self._part.replace(self.target)
        except OSError as error:
            raise VideoError(f"{self.target} cannot be replaced ({error.strerror})") from error

    def abort(self) -> None:
        """Stop and remove what was written; the target is as it was."""
        self._encoder = None
        try:
            self._container.close()
        except (FFmpegError, OSError, ValueError):
            pass  # a file that is thrown away may stay without its trailer
        finally:
            self._part.unlink(missing_ok=True)


def check_target(target: Path) -> None:
    """Raise VideoError for a target that cannot become a video file."""
    if not target.parent.is_dir():
        raise VideoError(f"{target.parent} is not a folder: create it first")
    if target.suffix.lower() not in CONTAINERS:
        raise VideoError(f"{target}: expected a name that ends in {', '.join(CONTAINERS)}")
    if target.is_dir():
        raise VideoError(f"{target} is a folder: expected the name of a video file")


def open_container(part: Path, target: Path, info: VideoInfo) -> OutputContainer:
    """Open ``part`` for what is to become ``target``; raises VideoError where it cannot be written."""
    # Matroska would draw a number for each file: the same clip twice would be two files.
    options = {"fflags": "+bitexact"} if target.suffix.lower() == ".mkv" else {}
    if target.suffix.lower() == ".avi":
        # It has no times, and would get empty frames for sound that begins before the picture.
        options = {"avoid_negative_ts": "disabled"}
    if target.suffix.lower() in (".mp4", ".mov", ".m4v"):
        # Players start at once (index in front); the clip's start is kept to the tick.
        scale = info.time_base.denominator
        options = {"movflags": "+faststart", "movie_timescale": str(max(1000, min(scale, 2**31 - 1)))}
    try:
        return av.open(str(part), "w", container_options=options)
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{target} cannot be written ({reason}): choose another folder") from error


def check_codec(codec: Codec, container: OutputContainer, target: Path) -> None:
    """Raise VideoError where this FFmpeg has no such encoder, or the container cannot hold it."""
    try:
        av.Codec(codec.encoder, "w")
    except ValueError as error:
        raise VideoError(f"this FFmpeg has no {codec.encoder}: choose another codec") from error
    if codec.encoder not in container.supported_codecs:
        raise VideoError(
            f"{target.suffix} files cannot hold {codec.encoder}'s pictures: choose .mkv, or another codec"
        )


def add_facts(container: OutputContainer, stream: Stream, info: VideoInfo) -> None:
    """Give a file the clip's timecode and metadata."""
    if info.timecode is not None:
        stream.metadata["timecode"] = info.timecode
    container.metadata.update(info.metadata)


def cannot_write(target: Path, error: Exception, where: str = "") -> VideoError:
    """Return the error that says why a file cannot be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return VideoError(f"{target} cannot be written ({reason}){where}")
