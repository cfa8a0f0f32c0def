"""Finding the shots of a clip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from . import host
from .sockets import Menu, image_to_rgb
from .video import read_again

if TYPE_CHECKING:
    from comfy_api.latest import Input


class DetectShots(io.ComfyNode):
    """VIDEO, or the frames as IMAGE → where its shots begin."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceDetectShots",
            display_name="Detect Shots",
            category=Menu.VIDEO,
            description="Finds where the shots of a clip begin: cuts, fades and dissolves, by lightness "
            "alone, so that it works on black-and-white film.",
            search_aliases=["scene detection", "cut detection", "shot boundary", "split clip", "scenes"],
            inputs=[
                io.MultiType.Input(
                    "clip",
                    [io.Video, io.Image],
                    tooltip="A video, or all frames of one as a batch of pictures.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "json",
                    tooltip='As text: {"shots": [{"start": 0, "end": 30}, ...]}, frames from 0, the end '
                    "being the next one's start.",
                ),
                io.Int.Output("count", tooltip="How many shots there are."),
                io.String.Output("starts", tooltip="The first frame of each shot, with commas between."),
            ],
        )

    @classmethod
    def execute(cls, clip: Input.Video | Tensor) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.shots import ShotDetector

        detector = ShotDetector()
        if isinstance(clip, Tensor):
            rgb, _ = image_to_rgb(clip, "clip")
            report = host.progress(len(rgb))
            for picture in rgb:
                detector.add(picture)
                report(1)
        else:
            report = host.progress(None)
            for frame in read_again(clip):
                detector.add(frame.rgb)
                report(1)
        shots = detector.finish()
        text = json.dumps({"shots": [{"start": s.start, "end": s.end} for s in shots]})
        return io.NodeOutput(text, len(shots), ", ".join(str(shot.start) for shot in shots))
