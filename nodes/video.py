"""Colouring clips."""

from __future__ import annotations

import io as streams
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, io

from . import host
from .published import frames_published, published_input
from .settings import make_settings, setting_inputs
from .sockets import COLORIZER, PALETTE, Menu, check_palette

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..models.contract import Colorizer
    from ..pipelines.colorize import ColorizeSettings
    from ..pipelines.palette import Palette
    from ..pipelines.video import Frame, Stage, VideoInfo

# What ComfyUI's Save Video can copy into an MP4 file without encoding it again.
CODECS = ["h264", "h265"]


class ColorizeVideo(io.ComfyNode):
    """VIDEO → coloured VIDEO, a few frames in memory at a time."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceColorizeVideo",
            display_name="Colorize Video",
            category=Menu.VIDEO,
            description="Colours a clip of any length by itself, frame by frame, without ever holding more "
            "than a few frames in memory. Sound, timing and size are kept.",
            search_aliases=[
                "colorize film",
                "colorize clip",
                "video colorization",
                "black and white movie",
                "old film",
                "deoldify",
            ],
            essentials_category="Video Tools",
            inputs=[
                io.Video.Input("video", tooltip="The clip to colour, from Load Video or Trim Video."),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer. Without it, the network inside the pack.",
                ),
                *setting_inputs(),
                *encoding_inputs(),
                published_input(),
                io.Float.Input(
                    "stabilize",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Above 0, colours are averaged along the motion, within shots, so that they do "
                    "not flicker: 1 all of the mean. Needs OpenCV, any of its packages.",
                ),
                PALETTE.Input(
                    "palette",
                    optional=True,
                    tooltip="Colours that the clip should have, the same all through: the network decides "
                    "what gets which of them.",
                ),
                io.String.Input(
                    "shots",
                    optional=True,
                    force_input=True,
                    tooltip="The output json of Detect Shots, or one you have edited: stabilize begins anew "
                    "where a shot begins, beside the cuts that it sees itself.",
                ),
            ],
            outputs=[io.Video.Output("video", tooltip="The coloured clip, with the source's sound.")],
        )

    @classmethod
    def execute(
        cls,
        video: Input.Video,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        codec: str,
        crf: int,
        as_published: bool = False,
        stabilize: float = 0.0,
        colorizer: host.HostedColorizer | None = None,
        palette: Palette | None = None,
        shots: str | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.shots import parse_shots, starts_of

        settings = make_settings(strength, saturation, temperature, size, as_published=as_published)
        hosted = host.hosted(colorizer)
        if as_published and (stabilize or palette is not None):
            settings.check_own_way("stabilisation and no palette")
        if shots is not None and not stabilize:
            raise ValueError("shots are for stabilize: set it above 0, or leave shots out")
        cuts = () if shots is None else tuple(starts_of(parse_shots(shots, "shots")))
        given = None if palette is None else check_palette(palette, "palette")
        if as_published:
            return stream(
                video, lambda clip, info: frames_published(clip, info, hosted, settings), codec, crf
            )

        def stage(clip: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
            return _colour_frames(clip, info, hosted, settings, given, stabilize, cuts)

        return stream(video, stage, codec, crf)


def encoding_inputs() -> list[io.Input]:
    """Return codec and crf, in this order."""
    return [
        io.Combo.Input(
            "codec",
            options=CODECS,
            default="h264",
            advanced=True,
            tooltip="How the result is compressed. h264 plays everywhere; h265 is smaller. Save "
            "Video with format and codec on auto keeps it as it is.",
        ),
        io.Int.Input(
            "crf",
            default=18,
            min=0,
            max=51,
            advanced=True,
            tooltip="How good the result looks: 0 is best and largest, 18 can hardly be told from "
            "the original, 28 is small and visibly worse.",
        ),
    ]


def stream(video: Input.Video, stage: Stage, codec: str, crf: int) -> io.NodeOutput:
    """Send a VIDEO through ``stage`` into a new one in ComfyUI's temporary folder."""
    # Here, not above: PyAV takes a while to import.
    from ..pipelines.video import Encoding, process_video

    target = host.temporary_file(".mp4")
    process_video(
        video.get_stream_source(), target, stage, codec=Encoding(codec, crf=crf), trim=trim_of(video)
    )
    return io.NodeOutput(InputImpl.VideoFromFile(str(target)))


def source_of(video: Input.Video) -> str | streams.BytesIO:
    """Return where a VIDEO is read from, also while it is being read elsewhere."""
    source = video.get_stream_source()
    return streams.BytesIO(source.getvalue()) if isinstance(source, streams.BytesIO) else source


def read_again(video: Input.Video) -> Iterator[Frame]:
    """Give the frames of a VIDEO, also while it is being read elsewhere."""
    from ..pipelines.video import open_reader

    with open_reader(source_of(video), trim=trim_of(video), sound=False) as reader:
        yield from reader


def trim_of(video: Input.Video) -> tuple[Fraction, Fraction] | None:
    """Return the part of a VIDEO that is meant, start and duration in seconds, or None for all of it."""
    # 0.4 means four tenths: as a float it is a little more, and would take one frame too many.
    start, duration = (
        Fraction(seconds).limit_denominator(1_000_000) for seconds in video.get_active_trim_window()
    )
    return (start, duration) if start or duration else None


def _colour_frames(
    frames: Iterator[Frame],
    info: VideoInfo,
    hosted: host.HostedColorizer,
    settings: ColorizeSettings,
    palette: Palette | None,
    stabilize: float,
    cuts: Sequence[int],
) -> Iterator[Frame]:
    from ..pipelines.colorize import told_palette
    from ..pipelines.video import colorize_frames

    report = host.clip_progress(info.frames)
    batch = 1 if stabilize else host.start_batch(info.height, info.width)
    network: Colorizer = hosted.ready(
        host.working_memory(hosted.colorizer, settings.size, info.height, info.width, batch)
    )
    conditions = None
    if palette is not None:
        conditions = told_palette(palette, network)
    if stabilize:
        from ..pipelines.film import SteadyFrames

        stage = SteadyFrames(network, settings, strength=stabilize, conditions=conditions, cuts=cuts)
        for frame in stage.run(frames, info, None):
            yield frame
            report(frame.rgb)
        return
    while group := list(islice(frames, batch)):
        done: list[Frame] = []

        def colour(part: slice, group: list[Frame] = group, done: list[Frame] = done) -> None:
            length = len(group[part])
            done.extend(
                colorize_frames(iter(group[part]), network, settings, batch=length, conditions=conditions)
            )

        batch = host.in_batches(len(group), colour, batch=batch)
        for frame in done:
            yield frame
            report(frame.rgb)
