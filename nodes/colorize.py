"""Colouring pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lightness
from . import host
from .published import color_published, published_input
from .settings import make_settings, setting_inputs
from .sockets import (
    COLORIZER,
    LAB,
    Menu,
    fill_image,
    image_to_rgb,
    mask_for,
    mask_of_pictures,
)

if TYPE_CHECKING:
    from ..models.contract import Colorizer
    from ..pipelines.colorize import Colorized, ColorizeSettings

    #: Colours some pictures [B,3,H,W] of a batch, which ones the slice tells.
    Colour = Callable[[slice, Tensor, Colorizer], Colorized]


class AutoColorize(io.ComfyNode):
    """IMAGE → coloured IMAGE, with the colours' confidence and the colours themselves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceAutoColorize",
            display_name="Auto Colorize",
            category=Menu.COLORIZE,
            description="Colours black-and-white pictures by themselves, at any size. The lightness and the "
            "alpha come through untouched; colours that are there already are replaced.",
            search_aliases=[
                "colorize",
                "colourise",
                "colorization",
                "black and white",
                "b&w to color",
                "old photo",
                "restore color",
                "deoldify",
                "ddcolor",
            ],
            essentials_category="Image Tools",
            inputs=[
                io.Image.Input("image", tooltip="The pictures to colour. Any size; alpha is kept."),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer. Without it, the network inside the pack.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to colour: white is coloured, black stays as it is, bit for bit.",
                ),
                *setting_inputs(),
                published_input(),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The coloured pictures."),
                io.Mask.Output(
                    "confidence",
                    tooltip="How sure the network is of each pixel's colour: black a guess, white sure.",
                ),
                LAB.Output(
                    "lab",
                    tooltip="The pictures' lightness and the colours as the network proposes them, before "
                    "strength, saturation and mask: for Lab Merge.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        as_published: bool = False,
        colorizer: host.HostedColorizer | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.colorize import colorize

        rgb, alpha = image_to_rgb(image, "image")
        mask = mask_of_pictures(mask, len(rgb))
        settings = make_settings(strength, saturation, temperature, size, as_published=as_published)
        if as_published:
            return color_published(rgb, alpha, host.hosted(colorizer), settings, mask=mask)

        def colour(part: slice, pictures: Tensor, network: Colorizer) -> Colorized:
            where = mask_for(mask, part, pictures)
            return colorize(pictures, network, settings, mask=where, batch=len(pictures))

        return color_pictures(rgb, alpha, host.hosted(colorizer), settings, colour)


def color_pictures(
    rgb: Tensor,
    alpha: Tensor | None,
    hosted: host.HostedColorizer,
    settings: ColorizeSettings,
    colour: Colour,
) -> io.NodeOutput:
    """Colour a batch some pictures at a time; return IMAGE, the confidence as MASK, and LAB."""
    from ..pipelines.merge import LabImage

    count, _, height, width = rgb.shape
    batch = min(count, host.start_batch(height, width))
    network = hosted.ready(host.working_memory(hosted.colorizer, settings.size, height, width, batch))
    coloured = host.empty_result(count, height, width, 3 if alpha is None else 4)
    confidence = host.empty_result(count, height, width)
    L = host.empty_exact(count, 1, height, width)
    chroma: list[Tensor] = []

    def work(part: slice) -> None:
        pictures = rgb[part].to(network.device, torch.float32)
        done = colour(part, pictures, network)
        fill_image(coloured, part, done.rgb, None if alpha is None else alpha[part])
        sure = F.interpolate(done.confidence, (height, width), mode="bilinear", align_corners=False)
        confidence[part] = sure[:, 0].to(confidence)
        L[part] = rgb_to_lightness(pictures).to(L)
        chroma.append(done.ab.to(L))

    host.in_batches(count, work, batch, host.progress(count))
    return io.NodeOutput(coloured, confidence, LabImage(L=L, ab=torch.cat(chroma), alpha=alpha))
