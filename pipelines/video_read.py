"""Reading a clip as a stream of upright RGB frames, whatever container and codec FFmpeg knows."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import torch
from av.error import FFmpegError
from av.stream import Disposition

from .video_facts import color_tags, display_turn, lasting_metadata, planar_frame, stored_view
from .video_planes import plane_layout, planes_to_rgb
from .video_threads import BufferPool
from .video_types import Frame, Trim, VideoError, VideoInfo, VideoSource, exact_window, source_name

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

# Containers whose header says how long the clip is: there a shorter stream means a cut file.
_DECLARED_LENGTH = ("mov", "mp4", "matroska", "avi", "flv", "asf", "nut")
_PRIMING_SECONDS = Fraction(1, 10)  # an encoder's start-up samples lie this far before time zero at most


class VideoReader:
    """Iterate over the frames of a clip. A context manager; iterate once.

    ``source``: a path or a seekable file-like object. ``trim``: start and duration in seconds, a duration
    of None or 0 reads to the end. ``info`` is known at once. Packets of the sound and subtitle streams
    ``copied`` gather in ``packets`` while the frames are read; their times count from ``origin``, the
    clip's (or the window's) start in seconds, as the frames' times do. ``begin``: number and time of a frame,
    as an earlier reading gave them, to begin at instead of the first; ``info`` stays that of the whole.

    Raises VideoError for anything that is not a readable clip, and while iterating for one that is cut off.
    """

    def __init__(
        self,
        source: VideoSource,
        *,
        trim: Trim | None = None,
        copy: bool = True,
        begin: tuple[int, Fraction] | None = None,
    ) -> None:
        self.name = source_name(source)
        start, length = exact_window(trim)
        self._start, self._end = start, None if length is None else start + length
        self.packets: deque[Packet] = deque()
        self._container = self._open(source)
        try:
            self._stream = self._find_video()
            self._stream.thread_type = "AUTO"
            # Sound is read even where it is not copied: the file's length is the longest stream's.
            self._others: list[Stream] = [
                stream
                for stream in self._container.streams
                if stream.type in ("audio", "subtitle") and stream.codec_context
            ]
            self.copied = self._others if copy else []
            self._decoded = 0
            self._reached = Fraction(0)
            self._zero = Fraction(0)  # the file's own time of its start, once its first frame is there
            self._started = False
            first = self._first_frame()
            self._shift = self._time(first) if self._start else Fraction(0)
            self.origin = self._zero + self._shift
            self._turn = display_turn(first)
            self.info = self._describe(first)
            if begin is not None and begin[0] > 0:
                self._frames = self._from(*begin)
        except BaseException:
            self._container.close()
            raise

    def _open(self, source: VideoSource) -> InputContainer:
        if isinstance(source, str | Path):
            if not Path(source).exists():
                raise VideoError(f"{self.name}: no such file")
            source = str(source)
        elif source.seekable():
            source.seek(0)
        try:
            return av.open(source, "r", metadata_errors="replace")
        except (FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoError(
                f"{self.name} cannot be read as a video ({reason}): it is damaged, cut off, or not a video"
            ) from error

    def _find_video(self) -> VideoStream:
        for stream in self._container.streams.video:
            if not stream.disposition & Disposition.attached_pic and stream.codec_context:
                return stream
        raise VideoError(
            f"{self.name} has no video stream: expected a clip, got only sound or a cover picture"
        )

    def _find_zero(self, first: av.VideoFrame) -> Fraction:
        """Time of the file's start: its first frame, or sound that begins well before that."""
        zero = self._time(first)
        for stream in self._others:
            if stream.type == "audio" and stream.start_time is not None and stream.time_base is not None:
                start = stream.start_time * stream.time_base
                if start < zero - _PRIMING_SECONDS:
                    zero = start
        return zero

    def _time(self, frame: av.VideoFrame) -> Fraction:
        """A frame's seconds since the file's start (for clips without times: by counting)."""
        if frame.pts is None or frame.time_base is None:
            return self._decoded / self._rate
        return frame.pts * frame.time_base - self._zero

    def _past_end(self, time: Fraction) -> bool:
        return self._started and self._end is not None and time >= self._end

    @property
    def _rate(self) -> Fraction:
        return self._stream.average_rate or self._stream.guessed_rate or Fraction(25)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Decode to the end of the window or the file; gather the other streams' packets."""
        wanted: list[Stream] = [self._stream, *self._others]
        done: set[int] = set()
        try:
            for packet in self._container.demux(*wanted):
                if packet.stream.index in done:
                    continue
                if packet.stream.index == self._stream.index:
                    for frame in cast("list[av.VideoFrame]", packet.decode()):
                        if self._past_end(self._time(frame)):
                            done.add(self._stream.index)
                            break
                        yield frame
                elif _time(packet) is not None:
                    self._note_packet(packet, done)
                begin = _time(packet)
                if begin is not None:
                    self._reached = max(self._reached, begin + _duration(packet))
                if self._stream.index in done and len(done) == len(wanted):
                    return
        except FFmpegError as error:
            if isinstance(error, EOFError):
                return
            reason = error.strerror or str(error)
            raise VideoError(f"{self.name}: frame {self._decoded} cannot be decoded ({reason})") from error
        if self._stream.index not in done:
            self._check_length()

    def _note_packet(self, packet: Packet, done: set[int]) -> None:
        begin = cast(Fraction, _time(packet)) - self._zero
        if self._start and begin + _duration(packet) <= self._start:
            return
        if self._past_end(begin):
            done.add(packet.stream.index)
        elif packet.stream in self.copied:
            self.packets.append(packet)

    def _check_length(self) -> None:
        """Raise if the file ended before the length that its header declares."""
        container_format = self._container.format.name
        if self._container.duration is None or not any(n in container_format for n in _DECLARED_LENGTH):
            return
        declared = Fraction(self._container.duration, av.time_base)
        if container_format == "avi":  # here FFmpeg measures the duration; the count is the header's
            declared = max(declared, self._stream.frames / self._rate)
        reached = self._reached - self._zero
        if declared - reached > max(Fraction(1, 2) * min(declared, 1), 2 / self._rate):
            raise VideoError(
                f"{self.name} is cut off: it says {float(declared):.2f} s and ends after "
                f"{float(max(reached, Fraction(0))):.2f} s. Get a whole copy, or trim it to what is there"
            )

    def _first_frame(self) -> av.VideoFrame:
        """Decode up to the first frame of the window."""
        frames = self._decode()
        first = next(frames, None)
        if first is None:
            raise VideoError(f"{self.name} has no frames: nothing to read")
        self._zero, self._started = self._find_zero(first), True
        if self._start and first.pts is None:
            raise VideoError(f"{self.name} has no times to trim by: put it into .mkv or .mp4 first")
        if self._start:
            frames = self._seek(self._start)
            first = next(frames, None)
            if first is None or self._time(first) > self._start:  # a wrong index: read from the beginning
                frames = self._seek(Fraction(0))
                first = next(frames, None)
        while first is not None and first.pts is not None and self._time(first) < self._start:
            first = next(frames, None)
        if first is None:
            raise VideoError(f"{self.name} has no frames from {float(self._start):g} s on: nothing to read")
        self._frames = chain([first], frames)
        return first

    def _seek(self, time: Fraction) -> Iterator[av.VideoFrame]:
        target = (time + self._zero) / cast(Fraction, self._stream.time_base)
        self.packets.clear()
        self._container.seek(int(target), stream=self._stream, backward=True)
        return self._decode()

    def _from(self, index: int, time: Fraction) -> Iterator[av.VideoFrame]:
        """Give the frames from one on that an earlier reading has seen; it is found by its time."""
        wanted = time + self._shift
        frames = self._seek(wanted)
        found = next((frame for frame in frames if frame.pts is None or self._time(frame) >= wanted), None)
        if found is None or found.pts is None or self._time(found) != wanted:
            # No times, or a wrong index: count from the window's first frame.
            frames = self._seek(self._shift)
            frames = (f for f in frames if f.pts is None or self._time(f) >= self._shift)
            found = next(islice(frames, index, None), None)
        if found is None:
            raise VideoError(f"{self.name}: frame {index} is not there any more: the file has changed")
        self._decoded = index
        return chain([found], frames)

    def copied_packets(self) -> Iterator[tuple[Fraction, Packet]]:
        """Give the packets of ``copied`` alone, each with its time in the file; no frame can be read then."""
        if not self.copied:
            return
        # Finding the first frame has read some of them.
        while self.packets:
            packet = self.packets.popleft()
            yield _time(packet) or Fraction(0), packet
        done: set[int] = set()
        try:
            for packet in self._container.demux(*self.copied):
                time = _time(packet)
                if packet.stream.index in done or time is None:
                    continue
                begin = time - self._zero
                if self._start and begin + _duration(packet) <= self._start:
                    continue
                if self._past_end(begin):
                    done.add(packet.stream.index)
                    if len(done) == len(self.copied):
                        return
                else:
                    yield time, packet
        except FFmpegError as error:
            if not isinstance(error, EOFError):
                reason = error.strerror or str(error)
                raise VideoError(f"{self.name}: its sound cannot be read ({reason})") from error

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        stream, turned = self._stream, self._turn[0] % 2 == 1
        planar = plane_layout(planar_frame(first).format.name)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        return VideoInfo(
            name=self.name,
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            rate=self._rate,
            time_base=stream.time_base or 1 / self._rate,
            frames=self._expected_frames(),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            bits=planar.bits if planar else 8,
            sample_aspect=1 / aspect if turned else aspect,
            tags=color_tags(first, stream),
            rotation=-self._turn[0] * 90 % 360,
            interlaced=bool(first.interlaced_frame),
            alpha=bool(planar and planar.alpha),
            audio=tuple(s.codec_context.name for s in self.copied if s.type == "audio"),
            timecode=stream.metadata.get("timecode") or self._container.metadata.get("timecode"),
            metadata=lasting_metadata(self._container.metadata),
        )

    def _expected_frames(self) -> int | None:
        stream = self._stream
        total: Fraction | None = None
        if stream.frames:
            total = Fraction(stream.frames)
        elif stream.duration and stream.time_base:
            total = stream.duration * stream.time_base * self._rate
        elif self._container.duration:
            total = Fraction(self._container.duration, av.time_base) * self._rate
        if total is None:
            return None
        left = total - self._start * self._rate
        if self._end is not None:
            left = min(left, (self._end - self._start) * self._rate)
        return max(1, round(left))

    def __iter__(self) -> Iterator[Frame]:
        info, layout_alpha = self.info, self.info.alpha
        colors = BufferPool((3, info.height, info.width))
        alphas = BufferPool((1, info.height, info.width))
        quarters, mirrored = self._turn
        previous: Fraction | None = None
        for decoded in self._frames:
            size = (decoded.width, decoded.height)
            if (size[::-1] if quarters % 2 else size) != (info.width, info.height):
                raise VideoError(
                    f"{self.name}: frame {self._decoded} is {size[0]}x{size[1]}, the clip began as "
                    f"{info.width}x{info.height}: split it where the size changes"
                )
            rgb = colors.take()
            alpha = alphas.take() if layout_alpha else None
            planes_to_rgb(
                planar_frame(decoded),
                info.tags,
                stored_view(rgb, quarters, mirrored),
                None if alpha is None else stored_view(alpha, quarters, mirrored),
            )
            time = self._time(decoded) - self._shift
            if previous is not None and time <= previous:
                log.warning("%s: frame %d does not come after the one before it", self.name, self._decoded)
                time = previous + 1 / info.rate
            previous = time
            index, self._decoded = self._decoded, self._decoded + 1
            yield Frame(
                index, time, torch.from_numpy(rgb), None if alpha is None else torch.from_numpy(alpha)
            )
            del rgb, alpha

    def close(self) -> None:
        """Close the file."""
        self._frames = iter(())
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _time(packet: Packet) -> Fraction | None:
    """A packet's time in the file, None for the empty packets that end a stream."""
    ticks = packet.dts if packet.pts is None else packet.pts
    return None if ticks is None else ticks * packet.time_base


def _duration(packet: Packet) -> Fraction:
    return (packet.duration or 0) * packet.time_base
