"""Writing a clip: frames encoded as they come, sound beside them, the file in place only when it is whole."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import torch
from av.error import FFmpegError

from .video_codecs import CODECS, CONTAINERS, X265_LEAST_SIDE, X265_REORDERS, Encoding
from .video_facts import usual_matrix
from .video_planes import rgb_to_planes
from .video_sound import SoundTracks
from .video_types import MATRIX_RGB, RANGE_FULL, RANGE_LIMITED, ColorTags, Frame, VideoError, VideoInfo

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)


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
        self.frames = 0
        self._encoding = encoding or Encoding()
        self._codec = CODECS[self._encoding.codec or "h264"]
        self._packets = packets if packets is not None else deque()
        self._time_base = info.time_base
        self._last: tuple[Fraction, Fraction] | None = None
        if not self.target.parent.is_dir():
            raise VideoError(f"{self.target.parent} is not a folder: create it first")
        if self.target.suffix.lower() not in CONTAINERS:
            raise VideoError(f"{self.target}: expected a name that ends in {', '.join(CONTAINERS)}")
        if self.target.is_dir():
            raise VideoError(f"{self.target} is a folder: expected the name of a video file")
        # The suffix stays: by it FFmpeg knows the container.
        self._part = self.target.with_name(f".chrominance-{secrets.token_hex(6)}{self.target.suffix}")
        self._container = self._open()
        self._stream: VideoStream | None = None
        try:
            self._codec.depth(self._encoding.bits, info.bits)
            self._check_codec()
            self._add_stream()
            self._sound = SoundTracks(self._container, streams, origin, self.target.name)
        except BaseException:
            self.abort()
            raise

    def _open(self) -> OutputContainer:
        options = {}
        suffix = self.target.suffix.lower()
        if suffix in (".mp4", ".mov", ".m4v"):
            # Players start at once (index in front); the clip's start is kept to the tick.
            scale = self._time_base.denominator
            options = {"movflags": "+faststart", "movie_timescale": str(max(1000, min(scale, 2**31 - 1)))}
        try:
            return av.open(str(self._part), "w", container_options=options)
        except (FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoError(f"{self.target} cannot be written ({reason}): choose another folder") from error

    def _check_codec(self) -> None:
        encoder = self._codec.encoder
        try:
            av.Codec(encoder, "w")
        except ValueError as error:
            raise VideoError(f"this FFmpeg has no {encoder}: choose another codec") from error
        if encoder not in self._container.supported_codecs:
            raise VideoError(
                f"{self.target.suffix} files cannot hold {encoder}'s pictures: choose .mkv, or another codec"
            )

    def _add_stream(self) -> None:
        """Create the video stream; its size waits for the first frame."""
        self._stream = cast(
            "VideoStream", self._container.add_stream(self._codec.encoder, rate=self.info.rate)
        )
        timecode = self.info.timecode
        if timecode is not None:
            self._stream.metadata["timecode"] = timecode
        self._container.metadata.update(self.info.metadata)

    def _configure(self, frame: Frame) -> None:
        """Set the encoder up for frames of this size."""
        info, encoding, codec = self.info, self._encoding, self._codec
        height, width = frame.rgb.shape[-2:]
        alpha = frame.alpha is not None
        if codec.encoder == "libx265" and min(width, height) < X265_LEAST_SIDE:
            raise VideoError(
                f"h265 needs at least {X265_LEAST_SIDE} pixels a side, got {width}x{height}: choose h264"
            )
        stream = cast("VideoStream", self._stream)
        context = stream.codec_context
        stream.width, stream.height = width, height
        if alpha and not codec.holds_alpha:
            log.warning("%s: %s holds no transparency, it is left out", self.target.name, codec.encoder)
        odd = bool(width % 2 or height % 2)
        pixel_format = codec.pixel_format(odd, codec.depth(encoding.bits, info.bits), alpha)
        stream.pix_fmt = pixel_format
        context.options = codec.options(encoding, alpha)
        if self._container.format.name == "avi":
            # AVI counts frames, it has no times: one tick a frame, and no frame out of order.
            self._time_base = 1 / info.rate
            context.options = {**context.options, "bf": "0"}
        context.time_base = self._time_base
        context.sample_aspect_ratio = info.sample_aspect
        if codec.encoder == "libx265" and self._container.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        self._tags = _written_tags(info.tags, pixel_format, width, height)
        if codec.encoder == "prores_ks":  # it cannot say full range
            self._tags = replace(self._tags, range=RANGE_LIMITED)
        context.color_range = self._tags.range
        context.color_primaries = self._tags.primaries
        context.color_trc = self._tags.transfer
        context.colorspace = self._tags.matrix
        self._size = (width, height)
        self._pixel_format = pixel_format

    def write(self, frame: Frame) -> None:
        """Encode one frame: rgb [3,H,W] 0..1, all of one size, times rising."""
        if self._stream is None:
            raise VideoError("the writer is closed")
        if self.frames == 0:
            self._configure(frame)
        height, width = frame.rgb.shape[-2:]
        if (width, height) != self._size:
            raise VideoError(
                f"frame {frame.index} is {width}x{height}, the clip began as {self._size[0]}x{self._size[1]}"
            )
        picture = av.VideoFrame(width, height, self._pixel_format)
        picture.time_base = self._time_base
        picture.pts = self._tick(frame)
        picture.color_range = self._tags.range
        picture.colorspace = self._tags.matrix
        if hasattr(picture, "color_primaries"):  # PyAV 17; ProRes reads them here, not from the context
            picture.color_primaries = self._tags.primaries
            picture.color_trc = self._tags.transfer
        alpha = None if frame.alpha is None else _to_numpy(frame.alpha)
        rgb_to_planes(_to_numpy(frame.rgb), alpha, self._tags, picture)
        try:
            self._mux(self._stream.encode(picture))
            self.frames += 1
            self._drain()
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _mux(self, packets: list[Packet]) -> None:
        if self._codec.encoder == "libx265" and self.frames < X265_REORDERS:
            for packet in packets:
                packet.dts = packet.pts
        self._container.mux(packets)

    def _tick(self, frame: Frame) -> int:
        exact = frame.time / self._time_base
        tick = round(exact)
        if self._container.format.name == "avi" and tick != self.frames:
            raise VideoError(
                f"{self.target.name}: AVI has no varying frame rate, and frame {frame.index} does not fall "
                f"on {float(self.info.rate):g} frames a second: choose .mp4 or .mkv"
            )
        if self._last is not None and tick <= self._last[0]:
            raise VideoError(f"frame {frame.index} does not come after the one before it")
        self._last = (Fraction(tick), frame.time)
        return tick

    def _drain(self) -> None:
        while self._packets:
            self._sound.feed(self._packets.popleft())

    def _failure(self, error: Exception) -> VideoError:
        reason = getattr(error, "strerror", None) or str(error)
        return VideoError(f"{self.target} cannot be written ({reason}) at frame {self.frames}")

    def finish(self) -> None:
        """Write what is left and close the file; it is not yet in its place."""
        if self.frames == 0:
            raise VideoError(f"{self.info.name}: there were no frames to write")
        try:
            self._mux(cast("VideoStream", self._stream).encode(None))
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
        self._stream = None
        try:
            self._container.close()
        except (FFmpegError, OSError, ValueError):
            pass  # a file that is thrown away may stay without its trailer
        finally:
            self._part.unlink(missing_ok=True)


def _written_tags(tags: ColorTags, pixel_format: str, width: int, height: int) -> ColorTags:
    """The clip's tags, with range and matrix as the pixel format needs them."""
    if pixel_format.startswith(("gbr", "bgr")):
        return replace(tags, range=RANGE_FULL, matrix=MATRIX_RGB)
    if tags.matrix == MATRIX_RGB:
        return replace(tags, range=RANGE_LIMITED, matrix=usual_matrix(width, height))
    return tags


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).numpy()
