"""Redo some frames of a finished clip; the others stay as they are.

Frames are coded in groups that begin with a whole one. Groups that hold none of the frames to redo are
copied; of the one or two at the ends, the frames that are to stay are decoded and encoded once more.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from .clip_chunks import CHUNK, FRAMES_AHEAD, ChunkWriter
from .clip_join import in_ticks, join_packets, read_chunk, shown
from .clip_sinks import VideoSink, container_format, reorder_delay
from .clip_stage import ClipStage
from .clip_work import Chunk
from .video import open_reader
from .video_codecs import Encoding
from .video_folder import FolderReader, FolderWriter
from .video_read import VideoReader
from .video_threads import Prefetch
from .video_types import Frame, VideoError, VideoInfo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# FFmpeg's names of what the encoders make.
_MADE_BY = {"h264": "h264", "hevc": "h265", "ffv1": "ffv1", "prores": "prores"}


def redo_frames(
    source: Path,
    target: Path,
    stage: ClipStage,
    first: int,
    end: int,
    *,
    encoding: Encoding | None = None,
    rate: float | Fraction | None = None,
    on_info: Callable[[VideoInfo, int], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Make frames ``first`` to ``end``, which is not among them, of ``target`` anew from ``source``.

    ``target``: what ``process_clip`` made of ``source`` with the same ``encoding`` (None: its codec), a file
    or a folder of frames; it is replaced when all is done. The rest: see ``process_clip``. Raises VideoError
    where the two do not go together.
    """
    if not target.exists():
        raise VideoError(f"{target} is not there: redo frames of a clip that is finished")
    if target.with_name(f".{target.name}.chrominance").exists():
        raise VideoError(f"{target} is still being made: finish it first, by its own command again")
    if not 0 <= first < end:
        raise VideoError(f"the first frame must come before the end, got {first} to {end}")
    encoding = encoding or Encoding()
    if target.is_dir():
        old = None
        _check_folder(target, first, end)
    else:
        old = _look_at(target)
        encoding = replace(encoding, codec=_codec_of(target, old, encoding, first, end))
    before, _ = stage.reach()
    start = 0 if before is None else max(0, first - before)
    # Where the times of a video's frames are not known they are counted, from the first on.
    if old is not None:
        begin = start, old.times[start]
    else:
        begin = (start, Fraction(0)) if source.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix=".chrominance-", dir=target.parent))
    new = None
    try:
        with (
            open_reader(source, rate=rate, sound=False, begin=begin) as reader,
            # Closed before the reader, which a thread of it reads.
            closing(_colored(source, reader, stage, first, end, old, progress)) as colored,
        ):
            if on_info is not None:
                on_info(replace(reader.info, frames=end - first), 0)
            if old is None:
                writer = FolderWriter(target, reader.info, bits=encoding.bits, part=folder)
                for frame in colored:
                    writer.write(frame)
            else:
                new = _encode(target, folder, old, reader.info, encoding, colored, first, end)
        if old is not None and new is not None:
            _put_in(target, source, old, new)
        else:
            for number in range(first, end):
                (folder / _picture(number)).replace(target / _picture(number))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _picture(number: int) -> str:
    return f"{number:06d}.png"


def _check_folder(target: Path, first: int, end: int) -> None:
    for name in (_picture(first), _picture(end - 1)):
        if not (target / name).is_file():
            raise VideoError(f"{target} has no {name}: expected the frames of a finished clip")


def _codec_of(target: Path, old: _Made, encoding: Encoding, first: int, end: int) -> str:
    """Return the codec to encode with; raise VideoError where the clip cannot take such frames."""
    if end > len(old.times):
        raise VideoError(f"{target} has the frames 0 to {len(old.times) - 1}: asked for {first} to {end - 1}")
    codec = _MADE_BY.get(old.codec)
    if codec is None or encoding.codec not in (None, codec):
        wanted = encoding.codec or "a codec of this program"
        raise VideoError(f"{target} is {old.codec}, not {wanted}: redo all of it")
    return codec


@dataclass(frozen=True)
class _Made:
    """What a finished clip holds: its frames' times in seconds, and which of them begin groups.

    ``order``: the times in the order of decoding. ``codec``: as FFmpeg calls it. ``origin``: of the times.
    """

    codec: str
    origin: Fraction
    times: list[Fraction]
    order: list[Fraction]
    starts: list[int]


def _look_at(path: Path) -> _Made:
    with closing(VideoReader(path)) as reader:
        origin = reader.origin
    order: list[Fraction] = []
    keys: list[int] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context.name
            for packet in container.demux(stream):
                if packet.time_base is not None and packet.size:
                    if packet.is_keyframe:
                        keys.append(len(order))
                    counted = Fraction(len(order)) / (stream.average_rate or 25)
                    order.append(counted if _counts(container) else shown(packet) - origin)
    except (FFmpegError, OSError) as error:
        raise VideoError(f"{path} cannot be read ({error.strerror})") from error
    return _Made(codec, origin, sorted(order), order, closed_starts(order, keys))


def _counts(container: InputContainer) -> bool:
    """Tell whether a file has no times of its own but counts frames, of which none is out of order: AVI.

    What FFmpeg tells for times there is later by frames that it takes to be out of order.
    """
    return container.format.name == "avi"


def closed_starts(order: list[Fraction], keys: list[int]) -> list[int]:
    """Return which frames begin a group that needs none before it, and that none before it needs.

    ``order``: when each is shown, in the order of decoding; ``keys``: which are coded as whole pictures.
    """
    latest: list[Fraction] = []
    for time in order:
        latest.append(max(time, latest[-1]) if latest else time)
    earliest = list(order)
    for place in range(len(order) - 2, -1, -1):
        earliest[place] = min(order[place], earliest[place + 1])
    return [key for key in keys if earliest[key] == order[key] and (key == 0 or latest[key - 1] < order[key])]


def _colored(
    source: Path,
    reader: FolderReader | VideoReader,
    stage: ClipStage,
    first: int,
    end: int,
    old: _Made | None,
    progress: Callable[[int], None] | None,
) -> Generator[Frame]:
    """Give the frames that are made anew."""
    before, after = stage.reach()

    def seen() -> Iterator[Frame]:
        for frame in reader:
            if after is not None and frame.index >= end + after:
                return
            if before is None or frame.index >= first - before:
                yield frame

    wanted = first
    with Prefetch(seen(), FRAMES_AHEAD, "decode") as frames:
        for frame in stage.run(iter(frames), reader.info, None):
            if frame.index >= end:
                break
            if frame.index >= first:
                _check_time(source, frame, old, reader.info)
                yield frame
                wanted += 1
                if progress is not None:
                    progress(1)
    if wanted < end:
        raise VideoError(f"{source} has no frame {wanted}: the finished clip was made of another one")


def _check_time(source: Path, frame: Frame, old: _Made | None, info: VideoInfo) -> None:
    if old is not None and abs(old.times[frame.index] - frame.time) * info.rate > Fraction(1, 4):
        there, here = float(old.times[frame.index]), float(frame.time)
        raise VideoError(
            f"frame {frame.index} is at {there:.3f} s of the finished clip and at {here:.3f} s of {source}: "
            "it was made of another one"
        )


@dataclass(frozen=True)
class _New:
    """Frames ``begin`` to ``stop`` as they are to be, in chunks of ``sink``."""

    begin: int
    stop: int
    info: VideoInfo
    sink: VideoSink
    chunks: list[Chunk]


def _encode(
    target: Path,
    folder: Path,
    old: _Made,
    info: VideoInfo,
    encoding: Encoding,
    colored: Iterator[Frame],
    first: int,
    end: int,
) -> _New:
    """Encode whole groups: frames made anew, and around them what is there."""
    begin = max(start for start in old.starts if start <= first)
    stop = min((start for start in old.starts if start >= end), default=len(old.times))

    def there(start: int, stop: int) -> Iterator[Frame]:
        if start < stop:
            with VideoReader(target, copy=False, begin=(start, old.times[start])) as reader:
                for frame in reader:
                    if frame.index >= stop:
                        return
                    yield frame

    sink = VideoSink(target, folder, info, encoding, form=container_format(target))
    chunks: list[Chunk] = []
    with closing(ChunkWriter(sink, CHUNK, lambda index: 0, lambda following: chunks.append)) as writer:
        for frame in chain(there(begin, first), colored, there(end, stop)):
            # The source's shots are in the groups already.
            writer.take(replace(frame, cut=False))
        writer.finish()
    return _New(begin, stop, info, sink, chunks)


def _put_in(target: Path, source: Path, old: _Made, new: _New) -> None:
    """Write the clip anew: what was before the frames, they themselves, what was behind them."""
    tick, starts = new.sink.tick, frozenset(old.starts)
    with ExitStack() as opened:
        container = opened.enter_context(av.open(str(target)))
        sound = None if source.is_dir() else opened.enter_context(VideoReader(source))
        stream = container.streams.video[0]

        def groups() -> Iterator[list[Packet]]:
            group: list[Packet] = []
            count = 0
            for packet in container.demux(stream):
                if packet.time_base is None or not packet.size:
                    continue
                if count in starts and group:
                    yield group
                    group = []
                if count == new.begin:
                    yield from anew()
                if not new.begin <= count < new.stop:
                    if _counts(container):
                        packet.pts, packet.time_base = count, tick
                    else:
                        in_ticks([packet], tick, old.origin)
                    group.append(packet)
                count += 1
            if group:
                yield group

        def anew() -> Iterator[list[Packet]]:
            for chunk in new.chunks:
                made = read_chunk(new.sink.file(chunk), lambda one: _check_alike(target, stream, one))
                packets = in_ticks(made, tick)
                # Some containers count from their own first frame.
                late = round(chunk.time / tick) - min(packet.pts or 0 for packet in packets)
                for packet in packets:
                    packet.pts = (packet.pts or 0) + late
                yield packets

        delays = [chunk.delay for chunk in new.chunks]
        delay = max([*delays, reorder_delay([round(time / tick) for time in old.order])])
        join_packets(groups(), stream, target, new.info, tick=tick, delay=delay, sound=sound)


def _check_alike(target: Path, stream: VideoStream, made: VideoStream) -> None:
    """Raise VideoError where a decoder set up for one stream would not show the other."""

    def setting(one: VideoStream) -> tuple[object, ...]:
        context = one.codec_context
        return context.width, context.height, context.pix_fmt, parameter_sets(context.name, context.extradata)

    if setting(stream) != setting(made):
        raise VideoError(
            f"{target} was encoded in another way: give --codec as then, or redo all of it with --overwrite"
        )


def parameter_sets(codec: str, extradata: bytes | None) -> bytes | None:
    """Return what of a stream's header tells decoders anything.

    x265 puts the settings of the machine in it as well, as text: sets of type 39 in an hvcC (ISO 14496-15).
    """
    if codec != "hevc" or not extradata or extradata[:1] != b"\x01":
        return extradata
    kept, place = extradata[:22], 23
    for _ in range(extradata[22]):
        kind, count = extradata[place] & 0x3F, int.from_bytes(extradata[place + 1 : place + 3], "big")
        begin = place
        place += 3
        for _ in range(count):
            place += 2 + int.from_bytes(extradata[place : place + 2], "big")
        if kind not in (39, 40):
            # Without the bit that tells whether more of the kind may come among the pictures.
            kept += bytes([kind]) + extradata[begin + 1 : place]
    return kept
