"""Colour a clip, streamed: decoding, network and encoding overlap, memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch

from ..color import rgb_to_lightness
from ..models.contract import Colorizer, Conditions
from .colorize import ColorizeSettings, propose
from .merge import merge
from .video_codecs import Encoding
from .video_facts import warn_interlaced
from .video_folder import FolderReader, FolderWriter
from .video_read import VideoReader
from .video_threads import Outlet, Prefetch
from .video_types import Frame, Trim, VideoError, VideoInfo, VideoResult, VideoSource
from .video_write import VideoWriter

__all__ = [
    "Encoding",
    "FolderReader",
    "FolderWriter",
    "Frame",
    "Stage",
    "Trim",
    "VideoError",
    "VideoInfo",
    "VideoReader",
    "VideoResult",
    "VideoWriter",
    "colorize_frames",
    "colorize_video",
    "open_reader",
    "open_writer",
    "process_video",
]

Stage = Callable[[Iterator[Frame], VideoInfo], Iterator[Frame]]

_FRAMES_AHEAD = 4


def colorize_frames(
    frames: Iterator[Frame],
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    *,
    batch: int = 1,
    conditions: Conditions | None = None,
) -> Iterator[Frame]:
    """Colour frames one batch at a time, under the same conditions; index, time and alpha pass through."""
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    settings = settings or ColorizeSettings()
    settings.check_own_way("batches of frames")
    while group := list(islice(frames, batch)):
        yield from _color_group(group, colorizer, settings, conditions)


@torch.inference_mode()
def _color_group(
    group: list[Frame], colorizer: Colorizer, settings: ColorizeSettings, conditions: Conditions | None
) -> Iterator[Frame]:
    # Frames are never stacked: tensors of that size would be fresh memory each time, which costs more than
    # all that is done with them.
    pictures = [frame.rgb[None].to(colorizer.device) for frame in group]
    L = torch.cat([rgb_to_lightness(picture.float()) for picture in pictures])
    ab = propose(L, colorizer, settings, conditions).ab
    for number, (frame, picture) in enumerate(zip(group, pictures, strict=True)):
        here = slice(number, number + 1)
        rgb = merge(
            picture,
            ab[here],
            strength=settings.strength,
            saturation=settings.saturation,
            gamut=settings.gamut,
            lightness=L[here],
        )
        yield replace(frame, rgb=rgb[0].to(frame.rgb.device))


def open_reader(
    source: VideoSource,
    *,
    trim: Trim | None = None,
    rate: float | Fraction | None = None,
    sound: bool = True,
    begin: tuple[int, Fraction] | None = None,
) -> VideoReader | FolderReader:
    """Open a video file, a file-like object or a folder of frames; ``rate`` is for folders alone.

    ``begin``: see ``VideoReader``.
    """
    if isinstance(source, str | Path) and Path(source).is_dir():
        return FolderReader(source, rate=rate, trim=trim, begin=begin)
    if rate is not None:
        raise VideoError("a frame rate can be set for a folder of frames; a video has its own")
    return VideoReader(source, trim=trim, copy=sound, begin=begin)


def open_writer(
    target: str | Path, reader: VideoReader | FolderReader, encoding: Encoding
) -> VideoWriter | FolderWriter:
    """Open a video file, or a folder of frames where ``target`` is a folder or has no suffix."""
    target = Path(target)
    if not target.is_dir() and target.suffix:
        return VideoWriter(
            target, reader.info, encoding, streams=reader.copied, packets=reader.packets, origin=reader.origin
        )
    if encoding.codec is not None or encoding.crf is not None or encoding.preset is not None:
        raise VideoError(f"{target} becomes a folder of PNG frames: leave the codec and its settings out")
    return FolderWriter(target, reader.info, bits=encoding.bits)


def process_video(
    source: VideoSource,
    target: str | Path,
    stage: Stage,
    *,
    codec: str | Encoding | None = None,
    trim: Trim | None = None,
    rate: float | Fraction | None = None,
    sound: bool = True,
    on_info: Callable[[VideoInfo], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> VideoResult:
    """Send a clip's frames through ``stage`` into a new clip.

    ``source``: a video file, a seekable file-like object, or a folder of frames with its ``rate``.
    ``target``: a video file, whose suffix chooses the container, or a folder (no suffix) for PNG frames; it
    appears, or is replaced, only when all is done. ``stage``: from an iterator of frames and the clip's
    facts to an iterator of frames; it runs in the caller's thread. ``trim``: start and duration in seconds.
    ``sound``: carry sound and subtitles over. ``on_info`` is called once with the clip's facts (among them
    how many frames to expect); ``progress`` with the number of frames done since its last call. Any
    exception that one of them raises stops the work and leaves no file behind.
    Raises VideoError for a clip that cannot be read or written.
    """
    encoding = codec if isinstance(codec, Encoding) else Encoding(codec)
    with open_reader(source, trim=trim, rate=rate, sound=sound) as reader:
        warn_interlaced(reader.info)
        if on_info is not None:
            on_info(reader.info)
        writer = open_writer(target, reader, encoding)
        try:
            seconds = _stream(reader, writer, stage, progress)
            writer.finish()
            reader.close()  # the target may be the source
            writer.commit()
        except BaseException:
            writer.abort()
            raise
    return VideoResult(writer.target, writer.frames, seconds, reader.info)


def _stream(
    reader: VideoReader | FolderReader,
    writer: VideoWriter | FolderWriter,
    stage: Stage,
    progress: Callable[[int], None] | None,
) -> float:
    """Decode, work and encode in three threads; return the seconds that the frames last."""
    last = None
    outlet = Outlet(writer.write, _FRAMES_AHEAD, "encode")
    try:
        with Prefetch(iter(reader), _FRAMES_AHEAD, "decode") as frames:
            staged = stage(iter(frames), reader.info)
            try:
                for frame in staged:
                    last = frame.time
                    outlet.put(frame)
                    del frame
                    if progress is not None:
                        progress(1)
            finally:
                close = getattr(staged, "close", None)
                if close is not None:
                    close()
        outlet.finish()
    finally:
        outlet.close()
    return 0.0 if last is None else float(last + 1 / reader.info.rate)


def colorize_video(
    source: VideoSource,
    target: str | Path,
    colorizer: Colorizer,
    settings: ColorizeSettings | None = None,
    *,
    batch: int = 1,
    codec: str | Encoding | None = None,
    trim: Trim | None = None,
    rate: float | Fraction | None = None,
    sound: bool = True,
    on_info: Callable[[VideoInfo], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> VideoResult:
    """Colour a clip. ``batch``: how many frames the network sees at once; the rest as in process_video."""

    def stage(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        return colorize_frames(frames, colorizer, settings, batch=batch)

    return process_video(
        source,
        target,
        stage,
        codec=codec,
        trim=trim,
        rate=rate,
        sound=sound,
        on_info=on_info,
        progress=progress,
    )
