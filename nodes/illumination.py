"""The light in pictures, found and changed."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..pipelines.choices import LIGHT_METHODS
from ..pipelines.light_colors import HOTTEST
from . import host
from .changes import change_pictures, looked_at, strength_input
from .sockets import LUT, Menu, fill_image, image_to_rgb, mask_for, mask_of_pictures

_GIVEN = "given"


class Illumination(io.ComfyNode):
    """IMAGE → IMAGE in another light."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceIllumination",
            display_name="Illumination",
            category=Menu.COLOR,
            description="Predicts the colour of the light in pictures and changes it: takes a cast away, or "
            "lights a scene like an evening. As a factor on red, green and blue, as in a camera.",
            search_aliases=[
                "white balance",
                "color cast",
                "relight",
                "color temperature",
                "color constancy",
                "light color",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures. Any size; alpha is kept."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to look for the light, and where to change: black stays as it is, bit for "
                    "bit.",
                ),
                io.Combo.Input(
                    "method",
                    options=[*LIGHT_METHODS, _GIVEN],
                    default="learned",
                    tooltip="How the light that is there is found. learned: by a small network. shades of "
                    "grey, grey world: without learning, from the brighter pixels, or from all. given: it is "
                    "what light says.",
                ),
                io.Color.Input(
                    "light",
                    default="#ffffff",
                    tooltip="The light that is there, for method given: what a white thing looks like in it. "
                    "Does nothing for the other methods.",
                ),
                io.Color.Input(
                    "target",
                    default="#ffffff",
                    tooltip="The new light: what a white thing shall look like. White takes a cast away. "
                    "Does nothing where kelvin is set.",
                ),
                io.Int.Input(
                    "kelvin",
                    default=0,
                    min=0,
                    max=int(HOTTEST),
                    tooltip="The new light by its colour temperature: 2000 a candle, 2850 a lamp, 6500 "
                    "neutral, 10000 a blue sky. 0: it is what target says.",
                ),
                io.Boolean.Input(
                    "together",
                    default=True,
                    tooltip="On: one light for all pictures of a batch, so that the frames of a clip cannot "
                    "flicker. Off: one for each.",
                ),
                strength_input(),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The pictures in the new light."),
                io.String.Output(
                    "light", tooltip="The light that was found, as #rrggbb; several with commas between."
                ),
                io.String.Output(
                    "report", tooltip="The lights with their colour temperatures, as a Markdown table."
                ),
                LUT.Output(
                    "lut",
                    tooltip="The change of the first picture by itself: for Apply LUT to Video, and for Save "
                    "LUT.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        method: str,
        light: str,
        target: str,
        kelvin: int,
        together: bool,
        strength: float,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.illumination import Relighting
        from ..pipelines.light_colors import light_from_hex, light_from_kelvin, light_to_hex

        rgb, alpha = image_to_rgb(image, "image")
        goal = light_from_kelvin(kelvin) if kelvin else light_from_hex(target)
        lights = [light_from_hex(light)] if method == _GIVEN else _found(image, method, together, mask)
        changes = [Relighting(one, goal) for one in lights]
        if len(changes) == 1:
            result = change_pictures(image, changes[0], strength, mask)
        else:
            mask = mask_of_pictures(mask, len(rgb))
            count, _, height, width = rgb.shape
            result = host.empty_result(count, height, width, 3 if alpha is None else 4)
            device = host.compute_device()

            def work(part: slice) -> None:
                picture = rgb[part].to(device, torch.float32)
                where = mask_for(mask, part, picture)
                changed = changes[part.start].apply(picture, mask=where, strength=strength)
                fill_image(result, part, changed, None if alpha is None else alpha[part])

            host.in_batches(count, work, 1, host.progress(count))
        names = [light_to_hex(one) for one in lights]
        return io.NodeOutput(result, ", ".join(names), _report(lights, names), changes[0])


def _found(image: Tensor, method: str, together: bool, mask: Tensor | None) -> list[Tensor]:
    """Return one light [3] for all pictures, or one for each."""
    from ..pipelines.illumination import predict_illumination, predict_together

    device = host.compute_device()
    pairs = [
        (rgb.to(device, torch.float32), None if where is None else where.to(device))
        for rgb, where in looked_at(image, mask)
    ]
    if together:
        return [predict_together((rgb for rgb, _ in pairs), method, masks=[where for _, where in pairs])]
    return [
        predict_illumination(rgb[None], method, mask=None if where is None else where[None, None])[0].cpu()
        for rgb, where in pairs
    ]


def _report(lights: list[Tensor], names: list[str]) -> str:
    """Write the lights as a Markdown table."""
    from ..pipelines.light_colors import kelvin_of

    lines = ["| picture | light | temperature | tint |", "| --- | --- | ---: | ---: |"]
    for number, (light, name) in enumerate(zip(lights, names, strict=True), 1):
        which = "all" if len(lights) == 1 else str(number)
        kelvin, tint = kelvin_of(light)
        lines.append(f"| {which} | {name} | {kelvin:.0f} K | {tint:+.0f} |")
    return "\n".join(lines)
