"""Grey pictures coloured towards a palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from . import host
from .colorize import color_pictures
from .settings import WHITE, light_ab, make_settings, setting_inputs
from .sockets import (
    COLORIZER,
    LAB,
    PALETTE,
    Menu,
    check_palette,
    image_to_rgb,
    mask_for,
    mask_of_pictures,
)

if TYPE_CHECKING:
    from ..models.contract import Colorizer
    from ..pipelines.colorize import Colorized
    from ..pipelines.palette import Palette


class PaletteColorize(io.ComfyNode):
    """IMAGE and PALETTE → IMAGE coloured towards it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominancePaletteColorize",
            display_name="Palette Colorize",
            category=Menu.COLORIZE,
            description="Colours black-and-white pictures towards a palette: the network decides what gets "
            "which of its colours, by what the picture shows. For a mood or a scheme; a colour at a certain "
            "place is Hint Colorize's.",
            search_aliases=[
                "colorize with palette",
                "color scheme",
                "mood",
                "color2embed",
                "colorhouse",
                "guided colorization",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to colour. Any size; alpha is kept."),
                PALETTE.Input(
                    "palette", tooltip="The colours that the picture should have, with their shares."
                ),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer, one that takes a palette. Without it, the network inside "
                    "the pack.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to colour: white is coloured, black stays as it is, bit for bit.",
                ),
                io.Color.Input(
                    "light",
                    default=WHITE,
                    tooltip="The colour of the light in the picture, such as the orange of an evening. "
                    "White: nothing is said about it. Its lightness does not count.",
                ),
                *setting_inputs(),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The coloured pictures."),
                io.Mask.Output(
                    "confidence",
                    tooltip="How sure the network is of each pixel's colour: black a guess, white sure.",
                ),
                LAB.Output(
                    "lab",
                    tooltip="The pictures' lightness and the colours before strength, saturation and mask: "
                    "for Lab Merge.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        palette: Palette,
        light: str,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        colorizer: host.HostedColorizer | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..models.contract import Conditions
        from ..pipelines.colorize import colorize

        rgb, alpha = image_to_rgb(image, "image")
        mask = mask_of_pictures(mask, len(rgb))
        settings = make_settings(strength, saturation, temperature, size)
        palette = check_palette(palette, "palette")
        hosted = host.hosted(colorizer)
        network = hosted.ready()
        ab = light_ab(light)
        illumination = None if ab is None else ab[None]
        color = network.encode_palette(palette.lab[None], palette.weights[None], illumination)

        def colour(part: slice, pictures: Tensor, network: Colorizer) -> Colorized:
            where = mask_for(mask, part, pictures)
            return colorize(
                pictures,
                network,
                settings,
                conditions=Conditions(color=color),
                mask=where,
                batch=len(pictures),
            )

        return color_pictures(rgb, alpha, hosted, settings, colour)
