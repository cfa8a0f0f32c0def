"""Colouring pictures by hints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from . import host
from .colorize import color_pictures
from .previews import preview
from .settings import make_settings, setting_inputs
from .sockets import (
    COLORIZER,
    LAB,
    Menu,
    check_counts,
    check_mask,
    image_to_rgb,
    mask_for,
    mask_of_pictures,
    take,
)

if TYPE_CHECKING:
    from ..models.contract import Colorizer
    from ..pipelines.colorize import Colorized
    from ..pipelines.hints import Hints

#: The picture that hints are clicked on has at most this size on the page.
SHOWN_SIDE = 1280
#: What the hints widget shows while it is empty.
EXAMPLE = "x,y,#rrggbb in pixels, a line each, such as:\n120,80,#c04030\n300,210,#3060a0,5"


class HintColorize(io.ComfyNode):
    """IMAGE and hints → coloured IMAGE, with the colours' confidence and the colours themselves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceHintColorize",
            display_name="Hint Colorize",
            category=Menu.COLORIZE,
            description="Colours black-and-white pictures by colours that you give at points, under a mask "
            "or as painted strokes. They are exact there, spread over what belongs to it, and the network "
            "colours the rest. The lightness and the alpha come through untouched.",
            search_aliases=[
                "color hints",
                "scribble colorize",
                "colorize by points",
                "recolor object",
                "eyedropper",
                "exact color",
                "hex color",
                "paint colors",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to colour. Any size; alpha is kept."),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer: one that takes hints, such as the embedded network. "
                    "Without it, the network inside the pack.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to colour: white is coloured, black stays as it is, bit for bit, hints or "
                    "not.",
                ),
                io.String.Input(
                    "hints",
                    multiline=True,
                    default="",
                    placeholder=EXAMPLE,
                    tooltip="Click on the picture below, and a line comes here for each point: x,y,#rrggbb "
                    "or x,y,#rrggbb,radius, in pixels from the upper left; or JSON, "
                    '{"unit": "fraction", "points": [{"x": 0.5, "y": 0.2, "color": "#c04030"}]}. May stay '
                    "empty when hint_mask or hint_image is connected; points lie over them.",
                ),
                io.Color.Input(
                    "color",
                    default="#c04030",
                    tooltip="The colour of what is white in hint_mask. Its lightness does not count. Unused "
                    "without hint_mask, and where hint_image has the colours.",
                ),
                io.Mask.Input(
                    "hint_mask",
                    optional=True,
                    tooltip="White where a colour is known: the one of color or, when hint_image is "
                    "connected, the one that is there.",
                ),
                io.Image.Input(
                    "hint_image",
                    optional=True,
                    tooltip="A copy of the picture with colours painted on it, of the same shape; they are "
                    "meant where hint_mask is white or, without hint_mask, where it is opaque.",
                ),
                *setting_inputs(saturates="the network's colour, not the hints"),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The coloured pictures."),
                io.Mask.Output(
                    "confidence",
                    tooltip="How sure the network is of each pixel's colour: black a guess, white sure. Look "
                    "here for where another hint helps most.",
                ),
                LAB.Output(
                    "lab",
                    tooltip="The pictures' lightness and their colours with saturation and hints in them, "
                    "before strength and mask: for Lab Merge.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        hints: str,
        color: str,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        colorizer: host.HostedColorizer | None = None,
        mask: Tensor | None = None,
        hint_mask: Tensor | None = None,
        hint_image: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.hints import colorize_with_hints, join_conditions

        rgb, alpha = image_to_rgb(image, "image")
        count, _, height, width = rgb.shape
        mask = mask_of_pictures(mask, count)
        known = _gather(hints, color, hint_mask, hint_image)
        check_counts(count, image=count, hints=len(known))
        settings = make_settings(strength, saturation, temperature, size)

        def colour(part: slice, pictures: Tensor, network: Colorizer) -> Colorized:
            chosen = known if len(known) == 1 else known[part]
            return colorize_with_hints(
                pictures,
                network,
                settings,
                conditions=join_conditions([one.conditions(height, width) for one in chosen]),
                mask=mask_for(mask, part, pictures),
                batch=len(pictures),
            )

        made = color_pictures(rgb, alpha, host.hosted(colorizer), settings, colour)
        coloured, _ = image_to_rgb(made[0], "image")
        shown = {
            "chrominance_picture": [preview(rgb[0], SHOWN_SIDE)],
            "chrominance_result": [preview(coloured[0], SHOWN_SIDE)],
            "chrominance_size": [width, height],
        }
        return io.NodeOutput(*made.args, ui=shown)


def _gather(hints: str, color: str, mask: Tensor | None, image: Tensor | None) -> Sequence[Hints]:
    """Return the hints of each picture, or one for all of them."""
    from ..pipelines.hint_files import parse_hints
    from ..pipelines.hints import HintPicture, Hints, hex_to_ab

    points = parse_hints(hints)
    if image is None and mask is None:
        if not points:
            raise ValueError(
                "there is no hint: write x,y,#rrggbb into hints, or connect hint_mask, white where the "
                "colour is meant"
            )
        return [Hints(points)]
    if mask is not None:
        mask = check_mask(mask)
    if image is None:
        assert mask is not None
        ab = hex_to_ab(color)
        return [Hints(points, (HintPicture.from_mask(one, ab, "hint_mask"),)) for one in mask.float().cpu()]
    rgb, alpha = image_to_rgb(image, "hint_image")
    if mask is None:
        if alpha is None:
            raise ValueError(
                "hint_image has no alpha, so nothing says where its colours are meant: connect hint_mask"
            )
        mask = alpha[:, 0]
    if mask.shape[1:] != rgb.shape[2:]:
        raise ValueError(
            f"hint_mask must have the size of hint_image, {rgb.shape[3]}×{rgb.shape[2]}, got "
            f"{mask.shape[2]}×{mask.shape[1]}"
        )
    count = max(len(rgb), len(mask))
    check_counts(count, hint_image=len(rgb), hint_mask=len(mask))
    each = (slice(n, n + 1) for n in range(count))
    return [
        Hints(points, (HintPicture.from_rgb(take(rgb, one)[0], take(mask, one)[0], "hint_image"),))
        for one in each
    ]
