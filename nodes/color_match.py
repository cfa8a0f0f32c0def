"""The colours of pictures and clips brought to those of a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..pipelines.choices import MATCH_METHODS
from . import host
from .changes import (
    change_clip,
    change_pictures,
    lightness_input,
    looked_at,
    sampled_frames,
    seed_input,
    strength_input,
)
from .meta_batch import chunk_of, hidden_inputs, meta_batch_input
from .sockets import LUT, Menu, image_to_rgb
from .video import encoding_inputs

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.change_jobs import MatchPlan
    from ..pipelines.recolor_soft import Lightness

_ALIASES = [
    "color transfer",
    "match colors",
    "color grading",
    "reinhard",
    "monge-kantorovich",
    "color correction",
    "white balance match",
]


class ColorMatch(io.ComfyNode):
    """IMAGE and a reference → IMAGE in the reference's colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceColorMatch",
            display_name="Color Match",
            category=Menu.COLOR,
            description="Brings the colours of pictures to those of a reference, whatever both show. A batch "
            "gets one change for all its pictures, so that the frames of a clip cannot flicker.",
            search_aliases=_ALIASES,
            inputs=[
                io.Image.Input("image", tooltip="The pictures to change. Any size; alpha is kept."),
                _reference_input(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to look in the pictures, and where to change: black stays as it is, bit "
                    "for bit.",
                ),
                *_match_inputs(),
                meta_batch_input("the change that the first chunk gave stays that of the clip"),
            ],
            hidden=hidden_inputs(),
            outputs=[io.Image.Output("image", tooltip="The pictures in the new colours."), _lut_output()],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        reference: Tensor,
        method: str,
        lightness: Lightness,
        strength: float,
        seed: int,
        mask: Tensor | None = None,
        meta_batch: Any = None,
    ) -> io.NodeOutput:
        """Run the node."""
        plan = _plan(reference, method, lightness, seed)
        match = chunk_of(meta_batch, cls.hidden, lambda: plan.fit_to(looked_at(image, mask), len(image))).kept
        return io.NodeOutput(change_pictures(image, match, strength, mask), match)


class ColorMatchVideo(io.ComfyNode):
    """VIDEO and a reference → VIDEO in the reference's colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceColorMatchVideo",
            display_name="Color Match Video",
            category=Menu.VIDEO,
            description="Brings the colours of a clip of any length to those of a reference, by one change "
            "for all of it, so that it cannot flicker, and with a few frames in memory at a time. Sound, "
            "timing and size are kept.",
            search_aliases=[*_ALIASES, "video color match"],
            inputs=[
                io.Video.Input("video", tooltip="The clip to change, from Load Video or Trim Video."),
                _reference_input(),
                *_match_inputs(),
                *encoding_inputs(),
            ],
            outputs=[
                io.Video.Output("video", tooltip="The clip in the new colours, with the source's sound."),
                _lut_output(),
            ],
        )

    @classmethod
    def execute(
        cls,
        video: Input.Video,
        reference: Tensor,
        method: str,
        lightness: Lightness,
        strength: float,
        seed: int,
        codec: str,
        crf: int,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.clip_sample import SAMPLED_FRAMES

        plan = _plan(reference, method, lightness, seed)
        match = plan.fit_to(((rgb, None) for rgb in sampled_frames(video)), SAMPLED_FRAMES)
        return io.NodeOutput(change_clip(video, match, strength, codec, crf).args[0], match)


def _reference_input() -> io.Input:
    return io.Image.Input(
        "reference", tooltip="The picture whose colours are wanted; of a batch, those of all its pictures."
    )


def _match_inputs() -> list[io.Input]:
    """Return method, lightness, strength and seed, in this order."""
    return [
        io.Combo.Input(
            "method",
            options=[name.replace("_", "-") for name in MATCH_METHODS],
            default="monge-kantorovich",
            tooltip="reinhard: mean and spread of each channel, the gentlest. monge-kantorovich: also how "
            "channels go together, which suits most pictures. sliced: the whole distribution, the nearest "
            "match, for pictures that hold similar things.",
        ),
        lightness_input("the reference's light and contrast are taken over too"),
        strength_input(),
        seed_input(),
    ]


def _lut_output() -> io.Output:
    return LUT.Output(
        "lut", tooltip="The change by itself: for Apply LUT, and for Save LUT, which writes a .cube file."
    )


def _plan(reference: Tensor, method: str, lightness: Lightness, seed: int) -> MatchPlan:
    from ..pipelines.change_jobs import MatchPlan
    from ..pipelines.color_match import sample_colors

    rgb, _ = image_to_rgb(reference, "reference")
    colors = sample_colors(rgb, seed=seed)
    return MatchPlan(colors, method.replace("-", "_"), lightness, seed, host.compute_device())
