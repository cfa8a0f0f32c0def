"""Other colours by a network that sees what pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from . import host
from .changes import change_clip, change_pictures, lightness_input, mask_input, strength_input
from .settings import WHITE, light_ab
from .sockets import PALETTE, Menu, check_palette, image_to_rgb
from .video import encoding_inputs

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.palette import Palette
    from ..pipelines.recolor_neural import NeuralRecoloring
    from ..pipelines.recolor_soft import Lightness

_ALIASES = ["recolor", "colorhouse", "colorway", "color scheme", "style transfer", "change colors", "mood"]


class NeuralRecolor(io.ComfyNode):
    """IMAGE and a palette or a reference → IMAGE in other colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceNeuralRecolor",
            display_name="Neural Recolor",
            category=Menu.PALETTE,
            description="Gives colour pictures other colours by a network that sees what they show: those of "
            "a palette under a light, or those of a reference. For illustrations, interiors and designs, "
            "where Palette Recolor would need its colours paired.",
            search_aliases=_ALIASES,
            inputs=[
                io.Image.Input("image", tooltip="The pictures to recolour. Any size; alpha is kept."),
                *_asked_inputs(),
                mask_input(),
                *_network_inputs(),
                strength_input(),
            ],
            outputs=[io.Image.Output("image", tooltip="The pictures in the new colours.")],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        light: str,
        lightness: Lightness,
        size: int,
        strength: float,
        palette: Palette | None = None,
        reference: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        change = _change(palette, reference, light, lightness, size)
        return io.NodeOutput(change_pictures(image, change, strength, mask))


class NeuralRecolorVideo(io.ComfyNode):
    """VIDEO and a palette or a reference → VIDEO in other colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceNeuralRecolorVideo",
            display_name="Neural Recolor Video",
            category=Menu.VIDEO,
            description="Gives a clip of any length other colours by a network that sees what the frames "
            "show, a few frames in memory at a time. Sound, timing and size are kept. Frames are changed one "
            "by one: where they flicker, Temporal Stabilize Video helps.",
            search_aliases=[*_ALIASES, "video recolor"],
            inputs=[
                io.Video.Input("video", tooltip="The clip to recolour, from Load Video or Trim Video."),
                *_asked_inputs(),
                *_network_inputs(),
                strength_input(),
                *encoding_inputs(),
            ],
            outputs=[io.Video.Output("video", tooltip="The recoloured clip, with the source's sound.")],
        )

    @classmethod
    def execute(
        cls,
        video: Input.Video,
        light: str,
        lightness: Lightness,
        size: int,
        strength: float,
        codec: str,
        crf: int,
        palette: Palette | None = None,
        reference: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        change = _change(palette, reference, light, lightness, size)
        return change_clip(video, change, strength, codec, crf)


def _asked_inputs() -> list[io.Input]:
    return [
        PALETTE.Input(
            "palette",
            optional=True,
            tooltip="The colours asked for, with their shares, from Palette Edit, Palette Extract or Load "
            "Palette; what belongs to a locked one stays. Connect either this or a reference.",
        ),
        io.Image.Input(
            "reference",
            optional=True,
            tooltip="A picture whose colours are asked for, in place of a palette. One picture.",
        ),
    ]


def _network_inputs() -> list[io.Input]:
    """Return light, lightness and size, in this order."""
    return [
        io.Color.Input(
            "light",
            default=WHITE,
            tooltip="The colour of the light asked for beside a palette, such as the orange of an evening. "
            "White: nothing is said about it. Its lightness does not count.",
        ),
        lightness_input("light and contrast follow the new colours too, as far as shapes stay"),
        io.Int.Input(
            "size",
            display_name="working size",
            default=0,
            min=0,
            max=2048,
            step=32,
            advanced=True,
            tooltip="Working size: the pixels of the shorter side that the network sees; the change is "
            "enlarged with the picture's edges. 0: 128. Larger follows finer things, and takes longer.",
        ),
    ]


def _change(
    palette: Palette | None, reference: Tensor | None, light: str, lightness: Lightness, size: int
) -> NeuralRecoloring:
    from ..models.colorhouse.system import SIZE
    from ..pipelines.recolor_neural import NeuralRecoloring, shipped_colorhouse

    if (palette is None) == (reference is None):
        got = "neither" if palette is None else "both"
        raise ValueError(f"connect either a palette or a reference, got {got}")
    model = shipped_colorhouse(host.compute_device())
    size = size or SIZE
    if palette is not None:
        asked = check_palette(palette, "palette")
        return NeuralRecoloring(model, asked, light=light_ab(light), lightness=lightness, size=size)
    assert reference is not None
    rgb, _ = image_to_rgb(reference, "reference")
    if len(rgb) != 1:
        raise ValueError(f"reference must be one picture, got {len(rgb)}: choose one of the batch")
    if light_ab(light) is not None:
        raise ValueError("light goes with a palette, a reference has its own: set it to white")
    return NeuralRecoloring(model, rgb.float(), lightness=lightness, size=size)
