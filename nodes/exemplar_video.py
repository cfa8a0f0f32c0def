"""Colouring clips from reference pictures and keyframes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from . import host
from .exemplar import gather, reference_inputs
from .published import frames_published, one_reference, published_input
from .settings import make_settings, setting_inputs
from .sockets import COLORIZER, Menu
from .video import encoding_inputs, read_again, stream

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.video import Frame, VideoInfo


class ExemplarVideo(io.ComfyNode):
    """VIDEO, references and keyframes → coloured VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceExemplarVideo",
            display_name="Exemplar Colorize Video",
            category=Menu.VIDEO,
            description="Colours a clip of any length after reference pictures. A keyframe, a frame of the "
            "clip that you have coloured, is carried along the motion, forward and back, up to the next cut; "
            "other references give their colours to what is like them; the network colours the rest.",
            search_aliases=[
                "keyframe",
                "reference video colorization",
                "propagate color",
                "color propagation",
                "deep exemplar video",
                "colormnet",
                "film",
            ],
            inputs=[
                io.Video.Input("video", tooltip="The clip to colour, from Load Video or Trim Video."),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer: the embedded network, He 2018, exemplar video (Zhang 2019) "
                    "or Color2Embed. Without it, the network inside the pack.",
                ),
                io.String.Input(
                    "frames",
                    default="",
                    placeholder="0, 96, -",
                    tooltip="Which frames of the clip the references are, coloured: a number for each, in "
                    "their order, counted from 0, with commas between; - for one that is no frame of the "
                    "clip. Empty: none is. They follow the motion.",
                ),
                *reference_inputs(),
                *setting_inputs(),
                *encoding_inputs(),
                published_input(),
            ],
            outputs=[io.Video.Output("video", tooltip="The coloured clip, with the source's sound.")],
        )

    @classmethod
    def execute(
        cls,
        video: Input.Video,
        references: dict[str, Tensor | None],
        frames: str,
        features: str,
        trust: float,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        codec: str,
        crf: int,
        as_published: bool = False,
        colorizer: host.HostedColorizer | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.exemplar import Guide

        # Here, not above: PyAV takes a while to import.
        from ..pipelines.keyframes import ClipColorizer

        settings = make_settings(strength, saturation, temperature, size, as_published=as_published)
        hosted = host.hosted(colorizer)
        if as_published:
            if frames.strip():
                settings.check_own_way("frames that references are bound to")
            alone = one_reference(references)
            return stream(
                video, lambda clip, info: frames_published(clip, info, hosted, settings, alone), codec, crf
            )

        def stage(clip: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
            report = host.clip_progress(info.frames)
            memory = host.working_memory(hosted.colorizer, settings.size, info.height, info.width, 1)
            known = gather(references, host.ready_features(features, hosted, memory))
            guide = Guide(hosted.ready(memory), known, trust=trust, size=settings.size)
            numbers = parse_frames(frames, len(known))
            again = partial(read_again, video)
            for frame in ClipColorizer(guide, numbers, settings, open_again=again)(clip, info):
                yield frame
                report(frame.rgb)

        return stream(video, stage, codec, crf)


def parse_frames(text: str, count: int) -> list[int | None]:
    """Read the frames that ``count`` references are bound to; raises ValueError with what is wrong."""
    if not text.strip():
        return [None] * count
    parts = [part.strip() for part in text.split(",")]
    wrong = next((part for part in parts if part != "-" and not part.isdecimal()), None)
    if wrong is not None:
        raise ValueError(
            f"frames must be numbers from 0, or -, with commas between, got {wrong!r}: write such as 0, 96, -"
        )
    if len(parts) != count:
        raise ValueError(
            f"frames names {len(parts)} references, and {count} are connected: write a number for each, or -"
        )
    return [None if part == "-" else int(part) for part in parts]
