"""Several versions of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lightness
from ..pipelines.choices import LAST_SEED, MOST_VARIANTS
from . import host
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
    from ..pipelines.colorize import ColorizeSettings
    from ..pipelines.variants import VariantSettings


class ColorVariants(io.ComfyNode):
    """IMAGE → several coloured versions of each picture as one IMAGE, with their colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceColorVariants",
            display_name="Color Variants",
            category=Menu.COLORIZE,
            description="Draws several plausible colourings of one black-and-white picture to choose from: "
            "they differ where nobody knows the colour, such as clothes, cars and walls, and agree where "
            "the network is sure. The lightness and the alpha come through untouched.",
            search_aliases=[
                "color variations",
                "colorize variations",
                "alternatives",
                "versions",
                "random colors",
                "diverse colorization",
                "seed",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to colour. Any size; alpha is kept."),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer: one with a distribution of colours, such as the embedded "
                    "network. Without it, the network inside the pack.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to colour: white is coloured, black stays as it is, bit for bit.",
                ),
                io.Int.Input(
                    "count",
                    default=4,
                    min=1,
                    max=MOST_VARIANTS,
                    tooltip="How many versions of each picture. A larger number keeps the first ones.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=LAST_SEED,
                    control_after_generate=True,
                    tooltip="Which versions: the same seed draws the same ones, another seed others.",
                ),
                io.Float.Input(
                    "diversity",
                    default=1.0,
                    min=0.01,
                    max=2.0,
                    step=0.01,
                    tooltip="How far the versions go from one another. Low: near the likeliest. High: rare "
                    "colours too, at the risk of wild ones.",
                ),
                *setting_inputs(),
            ],
            outputs=[
                io.Image.Output(
                    "image",
                    tooltip="All versions of the first picture, then all of the second, and so on.",
                ),
                LAB.Output(
                    "lab",
                    tooltip="Their lightness and drawn colours in the same order, before strength, "
                    "saturation and mask: for Lab Merge.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        count: int,
        seed: int,
        diversity: float,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        colorizer: host.HostedColorizer | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.variants import VariantSettings

        rgb, alpha = image_to_rgb(image, "image")
        mask = mask_of_pictures(mask, len(rgb))
        settings = make_settings(strength, saturation, temperature, size)
        variants = VariantSettings(count=count, seed=seed, diversity=diversity)
        return _draw(rgb, alpha, mask, host.hosted(colorizer), settings, variants)


def _draw(
    rgb: Tensor,
    alpha: Tensor | None,
    mask: Tensor | None,
    hosted: host.HostedColorizer,
    settings: ColorizeSettings,
    variants: VariantSettings,
) -> io.NodeOutput:
    from ..pipelines.merge import LabImage
    from ..pipelines.variants import draw_variants

    pictures, _, height, width = rgb.shape
    network = hosted.ready(host.working_memory(hosted.colorizer, settings.size, height, width, 1))
    total = pictures * variants.count
    drawn = host.empty_result(total, height, width, 3 if alpha is None else 4)
    L = host.empty_exact(total, 1, height, width)
    chroma: list[Tensor] = []
    report = host.progress(total)
    for number in range(pictures):
        one = slice(number, number + 1)
        picture = rgb[one].to(network.device, torch.float32)
        here = slice(number * variants.count, (number + 1) * variants.count)
        L[here] = rgb_to_lightness(picture).to(L)
        where = mask_for(mask, one, picture)
        for version in draw_variants(picture, network, settings, variants, mask=where):
            place = slice(len(chroma), len(chroma) + 1)
            fill_image(drawn, place, version.rgb, None if alpha is None else alpha[one])
            chroma.append(version.ab.to(L))
            report(1)
    return io.NodeOutput(drawn, LabImage(L=L, ab=torch.cat(chroma), alpha=_repeat(alpha, variants.count)))


def _repeat(alpha: Tensor | None, count: int) -> Tensor | None:
    return None if alpha is None else alpha.repeat_interleave(count, 0)
