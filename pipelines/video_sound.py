"""Sound and subtitles of a clip: packets carried over as they are, sound re-encoded only where it must be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, cast

import av
from av.error import FFmpegError

from .video_types import VideoError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

log = logging.getLogger(__name__)

_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
# FFmpeg's MOV writer names these among its codecs and then refuses them.
_MP4_ALONE = frozenset(("flac", "opus", "libopus", "truehd"))
_BITS_PER_SECOND = 96_000  # of re-encoded sound, a channel


class _Track(Protocol):
    def feed(self, packet: Packet) -> None: ...

    def flush(self) -> None: ...


class _Copied:
    """A stream whose packets go over untouched, but for the shift of their times."""

    def __init__(self, container: OutputContainer, source: Stream, origin: Fraction) -> None:
        self._container = container
        self._origin = origin
        self._stream = container.add_stream_from_template(source)
        if source.type == "audio":
            # Matroska tells how many channels, not which; MP4 wants to know.
            copied, given = cast("AudioStream", self._stream), cast("AudioStream", source)
            usual = _USUAL_LAYOUTS.get(given.codec_context.layout.nb_channels)
            if usual is not None and "channels" in given.codec_context.layout.name:
                copied.codec_context.layout = usual
        self._stream.metadata.update(_track_metadata(source))

    def feed(self, packet: Packet) -> None:
        shift = round(self._origin / packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        packet.dts = packet.pts if packet.dts is None else packet.dts - shift
        packet.stream = self._stream
        self._container.mux(packet)

    def flush(self) -> None:
        pass


class _Transcoded:
    """A sound track decoded and encoded again with the codec that the container recommends."""

    def __init__(self, container: OutputContainer, source: AudioStream, origin: Fraction) -> None:
        self._container = container
        self._origin = origin
        context = source.codec_context
        codec = av.Codec(container.default_audio_codec, "w")
        rates = codec.audio_rates
        rate = context.sample_rate
        if rates and rate not in rates:
            rate = min((r for r in rates if r >= rate), default=max(rates))
        self._stream = cast("AudioStream", container.add_stream(codec.name, rate=rate))
        self._stream.codec_context.layout = context.layout
        self._stream.codec_context.bit_rate = _BITS_PER_SECOND * context.layout.nb_channels
        self._stream.metadata.update(_track_metadata(source))
        log.info("sound is re-encoded from %s to %s", context.name, codec.name)

    def feed(self, packet: Packet) -> None:
        for frame in cast("list[AudioFrame]", packet.decode()):
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self._origin / frame.time_base)
            self._container.mux(self._stream.encode(frame))

    def flush(self) -> None:
        self._container.mux(self._stream.encode(None))


class SoundTracks:
    """Feed the packets of a reader's copied streams to a container.

    ``origin``: seconds by which their times go back, so that they agree with the frames'.
    Raises VideoError for sound that can neither be kept nor re-encoded. Subtitles that the container cannot
    hold are left out with a warning.
    """

    def __init__(
        self, container: OutputContainer, streams: Sequence[Stream], origin: Fraction, target: str
    ) -> None:
        self._tracks: dict[int, _Track] = {}
        supported = container.supported_codecs
        for stream in streams:
            name = stream.codec_context.name
            refused = container.format.name == "mov" and name in _MP4_ALONE
            if name in supported and not refused and not _wrong_from_avi(container, stream):
                self._tracks[stream.index] = _Copied(container, stream, origin)
            elif stream.type == "audio":
                try:
                    self._tracks[stream.index] = _Transcoded(container, cast("AudioStream", stream), origin)
                except (FFmpegError, ValueError) as error:
                    raise VideoError(
                        f"{target} cannot hold sound of the kind {name} and it cannot be re-encoded "
                        f"({error}): choose .mkv, or leave the sound out"
                    ) from error
            else:
                log.warning("%s cannot hold subtitles of the kind %s: they are left out", target, name)

    def feed(self, packet: Packet) -> None:
        """Take one packet of a source stream."""
        track = self._tracks.get(packet.stream.index)
        if track is not None:
            track.feed(packet)

    def flush(self) -> None:
        """Write what the encoders still hold."""
        for track in self._tracks.values():
            track.flush()


def _wrong_from_avi(container: OutputContainer, stream: Stream) -> bool:
    """Tell whether FFmpeg would give a track from one AVI file wrong times in another: AAC, AC-3."""
    both = container.format.name == stream.container.format.name == "avi"
    return both and not stream.codec_context.name.startswith(("pcm_", "mp3"))


def _track_metadata(source: Stream) -> dict[str, str]:
    return {key: value for key, value in source.metadata.items() if key in ("language", "title")}
