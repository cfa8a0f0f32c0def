"""Exchanging the colours of a palette."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..pipelines.choices import PAIRINGS, RECOLOR_METHODS
from . import host
from .changes import (
    change_clip,
    change_pictures,
    lightness_input,
    looked_at,
    mask_input,
    sampled_frames,
    strength_input,
)
from .meta_batch import chunk_of, hidden_inputs, meta_batch_input
from .sockets import LUT, PALETTE, Menu, check_palette
from .video import encoding_inputs

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.change_jobs import RecolorPlan
    from ..pipelines.palette import Palette
    from ..pipelines.recolor import PaletteEdit
    from ..pipelines.recolor_soft import Lightness

_ALIASES = [
    "recolor",
    "change colors",
    "swap colors",
    "palette swap",
    "replace color",
    "color scheme",
    "colorway",
]


class PaletteRecolor(io.ComfyNode):
    """IMAGE and palettes → IMAGE in other colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominancePaletteRecolor",
            display_name="Palette Recolor",
            category=Menu.PALETTE,
            description="Exchanges the colours of a palette in pictures; what is mixed of them follows in "
            "proportion, so gradients stay smooth. What belongs to a locked colour stays.",
            search_aliases=_ALIASES,
            inputs=[
                io.Image.Input("image", tooltip="The pictures to recolour. Any size; alpha is kept."),
                *palette_inputs("the pictures'"),
                mask_input(),
                *recolor_inputs(),
                strength_input(),
                meta_batch_input("the change that the first chunk gave stays that of the clip"),
            ],
            hidden=hidden_inputs(),
            outputs=[io.Image.Output("image", tooltip="The recoloured pictures."), *_change_outputs()],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        target: Palette,
        method: str,
        lightness: Lightness,
        pairing: str,
        strength: float,
        source: Palette | None = None,
        mask: Tensor | None = None,
        meta_batch: Any = None,
    ) -> io.NodeOutput:
        """Run the node."""
        plan = _plan(target, source, method, lightness, pairing)
        edit = chunk_of(meta_batch, cls.hidden, lambda: plan.fit_to(looked_at(image, mask), len(image))).kept
        return _give(change_pictures(image, edit, strength, mask), edit)


class PaletteRecolorVideo(io.ComfyNode):
    """VIDEO and palettes → VIDEO in other colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominancePaletteRecolorVideo",
            display_name="Palette Recolor Video",
            category=Menu.VIDEO,
            description="Exchanges the colours of a palette in a clip of any length: one decomposition for "
            "all frames, so that nothing flickers, and a few frames in memory at a time. Sound, timing and "
            "size are kept.",
            search_aliases=[*_ALIASES, "color grading", "video recolor"],
            inputs=[
                io.Video.Input("video", tooltip="The clip to recolour, from Load Video or Trim Video."),
                *palette_inputs("the clip's"),
                *recolor_inputs(),
                strength_input(),
                *encoding_inputs(),
            ],
            outputs=[
                io.Video.Output("video", tooltip="The recoloured clip, with the source's sound."),
                *_change_outputs(),
            ],
        )

    @classmethod
    def execute(
        cls,
        video: Input.Video,
        target: Palette,
        method: str,
        lightness: Lightness,
        pairing: str,
        strength: float,
        codec: str,
        crf: int,
        source: Palette | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.clip_sample import SAMPLED_FRAMES

        plan = _plan(target, source, method, lightness, pairing)
        frames: Iterable[Tensor] = sampled_frames(video) if source is None else ()
        edit = plan.fit_to(((rgb, None) for rgb in frames), SAMPLED_FRAMES)
        return _give(change_clip(video, edit, strength, codec, crf), edit)


def palette_inputs(whose: str) -> list[io.Input]:
    """Return target and source, in this order; ``whose``: palette stands in for a missing source."""
    return [
        PALETTE.Input(
            "target", tooltip="The new colours, from Palette Edit, Palette Extract or Load Palette."
        ),
        PALETTE.Input(
            "source",
            optional=True,
            tooltip="The colours to exchange, from Palette Extract. Connect it when target was made of it by "
            f"Palette Edit. Without it {whose} own palette is taken, and its colours find theirs in target "
            "by optimal transport.",
        ),
    ]


def recolor_inputs() -> list[io.Input]:
    """Return method, lightness and pairing, in this order."""
    return [
        io.Combo.Input(
            "method",
            options=list(RECOLOR_METHODS),
            default="soft",
            advanced=True,
            tooltip="soft: every colour is a mixture of few swatches and goes where they go. chang: radial "
            "basis functions, as in Chang 2015: changes reach further, and colours stay in the gamut.",
        ),
        lightness_input("the new colours' lightness is taken over too"),
        io.Combo.Input(
            "pairing",
            options=list(PAIRINGS),
            default="order",
            tooltip="order: the first colour of source becomes the first one of target, and so on; both have "
            "equally many. transport: each goes to where it fits best by optimal transport, for palettes of "
            "two different pictures. Does nothing without source.",
        ),
    ]


def _change_outputs() -> list[io.Output]:
    return [
        LUT.Output(
            "lut", tooltip="The change by itself: for Apply LUT, and for Save LUT, which writes a .cube file."
        ),
        PALETTE.Output("source", tooltip="The palette that was exchanged."),
        PALETTE.Output("target", tooltip="What became of each of its colours."),
    ]


def _plan(
    target: Palette, source: Palette | None, method: str, lightness: Lightness, pairing: str
) -> RecolorPlan:
    from ..pipelines.change_jobs import RecolorPlan

    target = check_palette(target, "target")
    source = None if source is None else check_palette(source, "source")
    return RecolorPlan(
        target, source, method, lightness, target.seed, device=host.compute_device(), pairing=pairing
    )


def _give(result: Tensor | io.NodeOutput, edit: PaletteEdit) -> io.NodeOutput:
    first = result.args[0] if isinstance(result, io.NodeOutput) else result
    return io.NodeOutput(first, edit, edit.model.source, edit.target)
