"""Joining the chunks of a clip: their packets one after the other, the source's sound beside them."""

from __future__ import annotations

import contextlib
import heapq
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from .video_sound import SoundTracks
from .video_types import VideoError, VideoInfo
from .video_write import add_facts, cannot_write, open_container

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from .video_read import VideoReader


def join_chunks(
    files: Sequence[Path],
    target: Path,
    info: VideoInfo,
    *,
    tick: Fraction,
    delay: int,
    sound: VideoReader | None = None,
) -> None:
    """Write ``target`` of chunks that were encoded alike: see ``join_packets``."""
    with open_chunk(files[0]) as first:
        groups = (in_ticks(read_chunk(path), tick) for path in files)
        join_packets(groups, first.streams.video[0], target, info, tick=tick, delay=delay, sound=sound)


def join_packets(
    groups: Iterable[list[Packet]],
    template: VideoStream,
    target: Path,
    info: VideoInfo,
    *,
    tick: Fraction,
    delay: int,
    sound: VideoReader | None = None,
) -> None:
    """Write ``target`` of groups of packets; it appears, or is replaced, when all is done.

    ``groups``: in the order of decoding, with times in ticks; what is shown of one is shown before the next.
    ``template``: a stream that was encoded as all of them were. ``tick``: the unit of the clip's times, in
    seconds. ``delay``: by how many frames decoding runs ahead of showing, at most. ``sound``: a reader whose
    copied streams go along. Memory does not grow with the clip's length. Raises VideoError where the target
    cannot be written.
    """
    part = target.with_name(f".chrominance-{secrets.token_hex(6)}{target.suffix}")
    container = open_container(part, target, info)
    try:
        stream = container.add_stream_from_template(template)
        stream.time_base = tick
        stream.codec_context.framerate = info.rate
        if template.codec_context.name == "hevc" and container.format.name in ("mp4", "mov"):
            stream.codec_context.codec_tag = "hvc1"
        add_facts(container, stream, info)
        streams = () if sound is None else sound.copied
        origin = Fraction(0) if sound is None else sound.origin
        tracks = SoundTracks(container, streams, origin, target.name)
        pictures = ((float((p.dts or 0) * tick), 0, p) for p in ordered(groups, tick, delay, info.rate))
        others: Iterable[tuple[float, int, Packet]] = ()
        if sound is not None:
            others = ((float(time - origin), 1, packet) for time, packet in sound.copied_packets())
        for _, kind, packet in heapq.merge(pictures, others, key=lambda entry: entry[:2]):
            if kind == 0:
                packet.stream = stream
                container.mux(packet)
            else:
                tracks.feed(packet)
        tracks.flush()
        container.close()
        part.replace(target)
    except (FFmpegError, OSError) as error:
        raise cannot_write(target, error, "; what was done is kept, run the same command again") from error
    finally:
        with contextlib.suppress(FFmpegError, OSError, ValueError):  # a file that may be thrown away
            container.close()
        part.unlink(missing_ok=True)


def open_chunk(path: Path) -> InputContainer:
    """Open one chunk's file."""
    try:
        return av.open(str(path), "r")
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"{path} is damaged ({reason}): remove the folder {path.parent} and run the same command again"
        ) from error


def read_chunk(path: Path, check: Callable[[VideoStream], None] | None = None) -> list[Packet]:
    """Return the packets of a chunk in the order of decoding; ``check`` is shown its stream."""
    with open_chunk(path) as container:
        if check is not None:
            check(container.streams.video[0])
        return [packet for packet in container.demux(video=0) if packet.size]


def in_ticks(packets: list[Packet], tick: Fraction, origin: Fraction = Fraction(0)) -> list[Packet]:
    """Count the packets' times, of their files, in ticks from ``origin``, in seconds."""
    for packet in packets:
        packet.pts = round((shown(packet) - origin) / tick)
        packet.time_base = tick
    return packets


def shown(packet: Packet) -> Fraction:
    """Return when a packet's frame is shown, in seconds of its file."""
    # AVI files do not say; they have no frames out of order.
    time = packet.dts if packet.pts is None else packet.pts
    assert time is not None and packet.time_base is not None
    return time * packet.time_base


def ordered(chunks: Iterable[list[Packet]], tick: Fraction, delay: int, rate: Fraction) -> Iterator[Packet]:
    """Give packets whose times are in ticks with the time of decoding, rising, and with durations.

    A packet is decoded at the time at which the frame is shown that comes ``delay`` frames before it: that
    needs no more than the times of the frames, of which each chunk's come after all of the one before's.
    """
    usual = max(1, round(1 / rate / tick))
    shown: deque[int] = deque()
    waiting: deque[Packet] = deque()
    begun = False
    for packets in chunks:
        times = sorted(packet.pts for packet in packets if packet.pts is not None)
        if not begun and times:
            step = times[1] - times[0] if len(times) > 1 else usual
            shown.extend(times[0] - step * n for n in range(delay, 0, -1))
            begun = True
        shown.extend(times)
        lasting = {a: b - a for a, b in pairwise(times)}
        for packet in packets:
            packet.dts = shown.popleft()
            packet.duration = lasting.get(packet.pts or 0, usual)
            waiting.append(packet)
        yield from waiting
        waiting.clear()
