"""Steady colours in the frames of a clip, whoever coloured them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lab
from . import host
from .changes import strength_input
from .meta_batch import chunk_of, hidden_inputs, meta_batch_input
from .sockets import Menu, check_counts, fill_image, image_to_rgb, take
from .video import encoding_inputs, stream

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.stabilize import Stabilizer, Steady
    from ..pipelines.video import Frame, VideoInfo

_STRENGTH = "How much of the mean along the motion: 0 leaves the frames as they are."
_ALIASES = ["deflicker", "flicker", "temporal consistency", "smooth video", "steady colors"]


class TemporalStabilize(io.ComfyNode):
    """IMAGE, the frames of a clip → the same with steady colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceTemporalStabilize",
            display_name="Temporal Stabilize",
            category=Menu.VIDEO,
            description="Takes the flicker out of colours, whoever made them: chroma is averaged along the "
            "motion and begins anew at cuts. The lightness stays as it is. Needs OpenCV, any package of it.",
            search_aliases=_ALIASES,
            inputs=[
                io.Image.Input("image", tooltip="The coloured frames of a clip, all of them, in order."),
                strength_input(_STRENGTH),
                io.Image.Input(
                    "guide",
                    optional=True,
                    tooltip="The frames in which motion is seen, such as the black-and-white originals. "
                    "Without it, the coloured frames' own lightness.",
                ),
                _ahead_input(),
                meta_batch_input("the colours go on from chunk to chunk; with look_ahead frames come late"),
            ],
            outputs=[io.Image.Output("image", tooltip="The frames with steady colours.")],
            hidden=hidden_inputs(),
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        strength: float,
        guide: Tensor | None = None,
        look_ahead: int = 6,
        meta_batch: Any = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.merge import merge

        rgb, _ = image_to_rgb(image, "image")
        seen = rgb if guide is None else image_to_rgb(guide, "guide")[0]
        check_counts(len(rgb), image=len(rgb), guide=len(seen))
        chunk = chunk_of(meta_batch, cls.hidden, lambda: _begin(strength, look_ahead))
        work = chunk.kept
        work.waiting.extend(image)
        out = host.empty_result(len(work.waiting), *image.shape[1:])
        report = host.progress(len(rgb))
        number = 0

        def finish(done: list[Steady]) -> None:
            nonlocal number
            for steady in done:
                here, there = work.waiting.popleft()[None], slice(number, number + 1)
                picture, opacity = image_to_rgb(here, "image")
                picture = picture.float()
                fill_image(out, there, picture if strength == 0 else merge(picture, steady.ab[None]), opacity)
                number += 1

        with torch.inference_mode():
            for place in range(len(rgb)):
                part = slice(place, place + 1)
                ab = rgb_to_lab(rgb[part].float())[0, 1:]
                finish(work.stabilizer.add(take(seen, part)[0].float(), ab))
                report(1)
            if chunk.last:
                finish(work.stabilizer.finish())
        # What waits for the next chunk, without the batch that it was part of.
        work.waiting = deque(picture.clone() for picture in work.waiting)
        if number == 0:
            raise ValueError(
                f"a chunk of {len(rgb)} frames gives none with look_ahead {look_ahead}: set frames_per_batch "
                f"of the Meta Batch Manager to {2 * look_ahead} at least, or look_ahead to 0"
            )
        return io.NodeOutput(out[:number])


class TemporalStabilizeVideo(io.ComfyNode):
    """VIDEO → VIDEO with steady colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceTemporalStabilizeVideo",
            display_name="Temporal Stabilize Video",
            category=Menu.VIDEO,
            description="Takes the flicker out of a clip's colours, whoever made them, a few frames in "
            "memory at a time: chroma is averaged along the motion and begins anew at cuts. Lightness, "
            "sound and timing are kept. Needs OpenCV, any package of it.",
            search_aliases=_ALIASES,
            inputs=[
                io.Video.Input("video", tooltip="The coloured clip, from Load Video or Trim Video."),
                strength_input(_STRENGTH),
                _ahead_input(),
                *encoding_inputs(),
            ],
            outputs=[io.Video.Output("video", tooltip="The clip with steady colours, with its sound.")],
        )

    @classmethod
    def execute(
        cls, video: Input.Video, strength: float, look_ahead: int, codec: str, crf: int
    ) -> io.NodeOutput:
        """Run the node."""
        # Here, not above: it needs OpenCV.
        from ..pipelines.film import SteadyFrames

        def stage(clip: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
            report = host.clip_progress(info.frames)
            for frame in SteadyFrames(None, strength=strength, look_ahead=look_ahead).run(clip, info, None):
                yield frame
                report(frame.rgb)

        return stream(video, stage, codec, crf)


def _ahead_input() -> io.Input:
    return io.Int.Input(
        "look_ahead",
        default=6,
        min=0,
        max=48,
        advanced=True,
        tooltip="How many frames ahead are looked at, at least: what comes into view has its colours at "
        "once then. 0: only the past counts.",
    )


@dataclass
class _Work:
    """A stabiliser, and the pictures that wait for it."""

    stabilizer: Stabilizer
    waiting: deque[Tensor] = field(default_factory=deque)


def _begin(strength: float, look_ahead: int) -> _Work:
    # Here, not above: it needs OpenCV.
    from ..pipelines.stabilize import Stabilizer

    return _Work(Stabilizer(strength, look_ahead=look_ahead))
