"""Palettes: taken of pictures and clips, edited, and laid over pictures as masks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lab
from ..pipelines.palette import MOST_COLORS
from ..pipelines.palette_edit import HARMONIES, SORTS
from . import host
from .changes import looked_at, seed_input
from .meta_batch import chunk_of, hidden_inputs, meta_batch_input
from .sockets import PALETTE, Menu, check_palette, image_to_rgb

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.palette import Palette

_LOG = logging.getLogger(__name__)

#: Size of the picture of a palette's colours.
SWATCH_WIDTH, SWATCH_HEIGHT = 1024, 256


class PaletteExtract(io.ComfyNode):
    """IMAGE or VIDEO → PALETTE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominancePaletteExtract",
            display_name="Palette Extract",
            category=Menu.PALETTE,
            description="Finds the few colours that a picture, a batch of pictures or a whole clip is made "
            "of, as one palette for all of it, so that colours never swap from frame to frame.",
            search_aliases=[
                "color palette",
                "dominant colors",
                "main colors",
                "k-means",
                "color scheme",
                "swatches",
                "quantize",
            ],
            inputs=[
                io.MultiType.Input(
                    "source",
                    [io.Image, io.Video],
                    tooltip="Pictures or a clip. All pictures of a batch give one palette, and so do frames "
                    "from all over a clip.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to look: white counts, black does not, grey counts in part. One mask for "
                    "all pictures, or one for each.",
                ),
                io.Combo.Input(
                    "method",
                    options=["k-means", "learned"],
                    default="k-means",
                    tooltip="k-means: the colours that the pixels lie nearest to. learned: five colours, by "
                    "the small network of ColorHouse, which looks at what is where as well; count and seed "
                    "do nothing then.",
                ),
                io.Int.Input(
                    "count",
                    default=6,
                    min=0,
                    max=MOST_COLORS,
                    tooltip=f"How many colours, 2 to {MOST_COLORS}. 0: as many as tell most of the picture. "
                    "A picture of fewer colours gives fewer.",
                ),
                seed_input(),
                meta_batch_input("the first chunk's palette stays that of the clip"),
            ],
            outputs=palette_outputs(),
            hidden=hidden_inputs(),
            # Runs without anything behind it, and the page is told of a cached palette, too.
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        source: Tensor | Input.Video,
        method: str,
        count: int,
        seed: int,
        mask: Tensor | None = None,
        meta_batch: Any = None,
    ) -> io.NodeOutput:
        """Run the node."""

        def extract() -> Palette:
            return _extract(source, mask, method, count, seed)

        return give(chunk_of(meta_batch, cls.hidden, extract).kept)


def _extract(
    source: Tensor | Input.Video, mask: Tensor | None, method: str, count: int, seed: int
) -> Palette:
    from ..pipelines.clip_sample import SAMPLED_FRAMES
    from ..pipelines.palette_extract import Sampler
    from ..pipelines.palette_learned import LearnedSampler

    frames = len(source) if isinstance(source, Tensor) else SAMPLED_FRAMES
    sampler = LearnedSampler() if method == "learned" else Sampler(seed, frames)
    for rgb, where in looked_at(source, mask, "source"):
        sampler.add(rgb, where)
    return sampler.palette() if isinstance(sampler, LearnedSampler) else sampler.palette(count or None)


class PaletteEdit(io.ComfyNode):
    """PALETTE → PALETTE with other colours, locks and order."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominancePaletteEdit",
            display_name="Palette Edit",
            category=Menu.PALETTE,
            description="Changes the colours of a palette, or makes one from nothing: by pickers on the "
            "node, by a list of colours, by blending with another palette, by harmonies. Locked colours "
            "stay, here and in Palette Recolor.",
            search_aliases=[
                "color picker",
                "hex colors",
                "color harmony",
                "complementary",
                "blend palettes",
                "sort colors",
                "lock color",
            ],
            inputs=[
                PALETTE.Input(
                    "palette",
                    optional=True,
                    tooltip="What to begin with. Without it, the colours written below are the palette.",
                ),
                PALETTE.Input(
                    "other", optional=True, tooltip="A palette to blend with. Used where blend is above 0."
                ),
                io.String.Input(
                    "colors",
                    default="",
                    multiline=True,
                    placeholder="#c04030, -, #204060!",
                    tooltip="One item for each colour, in order: #rrggbb, or - for the colour that is there; "
                    "! behind it locks, ~ unlocks. Fewer leave the rest, more add colours. The swatches on "
                    "the node write this list: click one to pick its colour, its lock to lock it.",
                ),
                io.Float.Input(
                    "blend",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How far to go towards the colours of other: 0 not at all, 1 all the way. Does "
                    "nothing where other is not connected.",
                ),
                io.Combo.Input(
                    "harmony",
                    options=["none", *HARMONIES],
                    default="none",
                    tooltip="Other hues in place of the colours that are not locked, by their angles on the "
                    "colour wheel from the first colour. none: the hues stay.",
                ),
                io.Combo.Input(
                    "sort",
                    options=["none", *SORTS],
                    default="none",
                    advanced=True,
                    tooltip="The order of the colours. none: as they are. Palettes that are to be exchanged "
                    "for each other must stay in one order.",
                ),
                io.Float.Input(
                    "merge",
                    default=0.0,
                    min=0.0,
                    max=20.0,
                    step=0.5,
                    advanced=True,
                    tooltip="Colours nearer to each other than this (ΔE) become one. 0: none do. Palettes "
                    "that are to be exchanged for each other must keep their number of colours.",
                ),
            ],
            outputs=palette_outputs(),
            # Runs without anything behind it, and the page is told of a cached palette, too.
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        colors: str,
        blend: float,
        harmony: str,
        sort: str,
        merge: float,
        palette: Palette | None = None,
        other: Palette | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.palette_edit import blended, harmonized, sorted_palette
        from ..pipelines.palette_text import edited

        given = None if palette is None else check_palette(palette, "palette")
        made = edited(given, colors)
        if other is not None and blend > 0:
            made = blended(made, check_palette(other, "other"), blend)
        if harmony != "none":
            made = harmonized(made, harmony)
        warning = ""
        if merge > 0 and len(merged := made.merged(merge)) < len(made):
            warning = (
                f"{len(made) - len(merged)} of {len(made)} colours were nearer than {merge:g} to another"
            )
            _LOG.warning("Palette Edit: %s, and made one with it", warning)
            made = merged
        if sort != "none":
            made = sorted_palette(made, sort)
        return give(made, given, warning or doubled(made))


class PaletteMasks(io.ComfyNode):
    """IMAGE and PALETTE → MASK, one for each colour."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominancePaletteMasks",
            display_name="Palette Masks",
            category=Menu.PALETTE,
            description="Shows where the colours of a palette are in a picture: a soft mask for each colour, "
            "together white. What Palette Recolor moves; to select by colour, and to change a region alone.",
            search_aliases=[
                "select by color",
                "color range",
                "color to mask",
                "layers",
                "segment by color",
                "soft segmentation",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures."),
                PALETTE.Input("palette", tooltip="Their palette, from Palette Extract."),
            ],
            outputs=[
                io.Mask.Output(
                    "masks",
                    tooltip="For the first picture a mask for each colour, in the palette's order, then for "
                    "the second one, and so on.",
                )
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, palette: Palette) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.recolor import check_apart
        from ..pipelines.recolor_weights import soft_weights

        rgb, _ = image_to_rgb(image, "image")
        palette = check_palette(palette, "palette")
        check_apart(palette)
        count, _, height, width = rgb.shape
        masks = host.empty_result(count * len(palette), height, width)
        device = host.compute_device()

        def work(part: slice) -> None:
            for number in range(part.start, part.stop):
                lab = rgb_to_lab(rgb[number].to(device, torch.float32), dim=0).flatten(1)
                weights = soft_weights(lab, palette.lab)
                first = number * len(palette)
                masks[first : first + len(palette)] = weights.view(-1, height, width).to(masks)

        host.in_batches(count, work, 1, host.progress(count))
        return io.NodeOutput(masks)


def palette_outputs() -> list[io.Output]:
    """Return what every node gives that makes a palette: itself, as a picture, as colours, as JSON."""
    return [
        PALETTE.Output("palette", tooltip="The palette: colours with their shares and locks."),
        io.Image.Output("swatches", tooltip="A picture of the colours, as wide as their shares."),
        io.String.Output("hex", tooltip="The colours as #rrggbb, with commas between."),
        io.String.Output("json", tooltip="The whole palette as JSON, exact: for files and other programs."),
    ]


def give(palette: Palette, given: Palette | None = None, warning: str = "") -> io.NodeOutput:
    """Return the outputs of ``palette_outputs``; the page shows the colours on the node.

    ``given``: what came in, for the pickers. ``warning``: shown with them.
    """
    from ..pipelines.palette_picture import swatch_picture

    picture = swatch_picture(palette, SWATCH_WIDTH, SWATCH_HEIGHT)
    swatches = host.empty_result(1, SWATCH_HEIGHT, SWATCH_WIDTH, 3)
    swatches[0] = picture.movedim(0, -1).to(swatches)
    shown = {
        "chrominance_palette": [palette.to_json()],
        "chrominance_given": [given.to_json() if given is not None else ""],
        "chrominance_warning": [warning],
    }
    return io.NodeOutput(palette, swatches, ", ".join(palette.hex_list()), palette.to_json(), ui=shown)


def doubled(palette: Palette) -> str:
    """Return a warning where two colours of a palette cannot be told apart, else nothing."""
    from ..pipelines.palette import PaletteError
    from ..pipelines.recolor import check_apart

    try:
        check_apart(palette)
    except PaletteError as error:
        _LOG.warning("%s", error)
        return str(error)
    return ""
