"""From frames to an encoder's packets: size, pixel format, times and colour tags as the clip has them."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import torch
from av.codec.context import Flags

from .video_codecs import CODECS, X265_LEAST_SIDE, X265_REORDERS, Encoding
from .video_facts import usual_matrix
from .video_planes import rgb_to_planes
from .video_types import MATRIX_RGB, RANGE_FULL, RANGE_LIMITED, ColorTags, Frame, VideoError, VideoInfo

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)


class FrameEncoder:
    """Encode frames for a stream of ``container``.

    ``info``: of the clip the frames came from: time base, rate, colour tags and aspect are kept. ``rules``:
    the format, as FFmpeg calls it, of the file that the packets end up in, by default the container's.
    ``name``: of that file, for messages. ``first``: how many frames the clip had before.
    Raises VideoError for a depth that the codec does not have.
    """

    def __init__(
        self,
        container: OutputContainer,
        info: VideoInfo,
        encoding: Encoding,
        *,
        name: str,
        rules: str | None = None,
        first: int = 0,
    ) -> None:
        self.info, self.encoding, self.name = info, encoding, name
        self.codec = CODECS[encoding.codec or "h264"]
        self.codec.depth(encoding.bits, info.bits)
        self.count = 0
        self._first = first
        self._rules = rules or container.format.name
        self._apart = rules is not None
        # AVI counts frames, it has no times: one tick a frame, and no frame out of order.
        self.time_base = 1 / info.rate if self._rules == "avi" else info.time_base
        self._last: Fraction | None = None
        # Its size waits for the first frame.
        self.stream = cast("VideoStream", container.add_stream(self.codec.encoder, rate=info.rate))

    def _configure(self, frame: Frame) -> None:
        """Set the encoder up for frames of this size."""
        info, encoding, codec = self.info, self.encoding, self.codec
        height, width = frame.rgb.shape[-2:]
        alpha = frame.alpha is not None
        if codec.encoder == "libx265" and min(width, height) < X265_LEAST_SIDE:
            raise VideoError(
                f"h265 needs at least {X265_LEAST_SIDE} pixels a side, got {width}x{height}: choose h264"
            )
        stream, context = self.stream, self.stream.codec_context
        stream.width, stream.height = width, height
        if alpha and not codec.holds_alpha and self._first == 0:
            log.warning("%s: %s holds no transparency, it is left out", self.name, codec.encoder)
        odd = bool(width % 2 or height % 2)
        pixel_format = codec.pixel_format(odd, codec.depth(encoding.bits, info.bits), alpha)
        stream.pix_fmt = pixel_format
        context.options = codec.options(encoding, alpha)
        if self._rules == "avi":
            context.options = {**context.options, "bf": "0"}
        if self._apart:
            context.flags |= Flags.global_header
        context.time_base = self.time_base
        context.sample_aspect_ratio = info.sample_aspect
        if codec.encoder == "libx265" and self._rules in ("mp4", "mov") and not self._apart:
            context.codec_tag = "hvc1"
        self._tags = written_tags(info.tags, pixel_format, width, height)
        if codec.encoder == "prores_ks":  # it cannot say full range
            self._tags = replace(self._tags, range=RANGE_LIMITED)
        context.color_range = self._tags.range
        context.color_primaries = self._tags.primaries
        context.color_trc = self._tags.transfer
        context.colorspace = self._tags.matrix
        self._size = (width, height)
        self._pixel_format = pixel_format

    def encode(self, frame: Frame) -> list[Packet]:
        """Return the packets that are ready: rgb [3,H,W] 0..1, all of one size, times rising."""
        if self.count == 0:
            self._configure(frame)
        height, width = frame.rgb.shape[-2:]
        if (width, height) != self._size:
            raise VideoError(
                f"frame {frame.index} is {width}x{height}, the clip began as {self._size[0]}x{self._size[1]}"
            )
        picture = av.VideoFrame(width, height, self._pixel_format)
        picture.time_base = self.time_base
        picture.pts = self._tick(frame)
        picture.color_range = self._tags.range
        picture.colorspace = self._tags.matrix
        if hasattr(picture, "color_primaries"):  # PyAV 17; ProRes reads them here, not from the context
            picture.color_primaries = self._tags.primaries
            picture.color_trc = self._tags.transfer
        alpha = None if frame.alpha is None else _to_numpy(frame.alpha)
        rgb_to_planes(_to_numpy(frame.rgb), alpha, self._tags, picture)
        packets = self._timed(self.stream.encode(picture))
        self.count += 1
        return packets

    def flush(self) -> list[Packet]:
        """Return what the encoder still holds; it takes no more frames."""
        return self._timed(self.stream.encode(None)) if self.count else []

    def _timed(self, packets: list[Packet]) -> list[Packet]:
        if self.codec.encoder == "libx265" and self.count < X265_REORDERS:
            for packet in packets:
                packet.dts = packet.pts
        return packets

    def _tick(self, frame: Frame) -> int:
        tick = round(frame.time / self.time_base)
        if self._rules == "avi" and tick != self._first + self.count:
            raise VideoError(
                f"{self.name}: AVI has no varying frame rate, and frame {frame.index} does not fall "
                f"on {float(self.info.rate):g} frames a second: choose .mp4 or .mkv"
            )
        if self._last is not None and tick <= self._last:
            raise VideoError(f"frame {frame.index} does not come after the one before it")
        self._last = Fraction(tick)
        return tick


def written_tags(tags: ColorTags, pixel_format: str, width: int, height: int) -> ColorTags:
    """Return the clip's tags, with range and matrix as the pixel format needs them."""
    if pixel_format.startswith(("gbr", "bgr")):
        return replace(tags, range=RANGE_FULL, matrix=MATRIX_RGB)
    if tags.matrix == MATRIX_RGB:
        return replace(tags, range=RANGE_LIMITED, matrix=usual_matrix(width, height))
    return tags


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).numpy()
