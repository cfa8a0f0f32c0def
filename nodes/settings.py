"""The widgets that every colouring node has, and the engine's settings made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipelines.colorize import ColorizeSettings

#: Of the widget light: nothing is said about it.
WHITE = "#ffffff"


def setting_inputs(*, saturates: str = "the new colour") -> list[io.Input]:
    """Return strength, saturation, temperature and size, in this order; ``saturates``: what is multiplied."""
    return [
        io.Float.Input(
            "strength",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="How much of the new colour: 1 all of it, 0 leaves the picture as it is.",
        ),
        io.Float.Input(
            "saturation",
            default=1.0,
            min=0.0,
            max=4.0,
            step=0.01,
            tooltip=f"Multiplies {saturates}: 0 grey, 1 as the network gives it, above 1 more colourful.",
        ),
        io.Float.Input(
            "temperature",
            default=0.0,
            min=0.0,
            max=2.0,
            step=0.01,
            advanced=True,
            tooltip="How the network decides between the colours that it holds possible. Low: the likeliest, "
            "more vivid, at the risk of patches. High: their average, calmer and greyer. 0: what the network "
            "was tuned for. Only for networks that have it, such as the embedded one.",
        ),
        io.Int.Input(
            "size",
            display_name="working size",
            default=0,
            min=0,
            max=4096,
            step=16,
            advanced=True,
            tooltip="Shorter side, in pixels, at which the network sees the picture; the result keeps the "
            "picture's own size. Larger follows small things better, but is slower and may get paler. 0: "
            "what the network was made for.",
        ),
    ]


def light_ab(light: str) -> Tensor | None:
    """Return the ab [2] of a light asked for beside a palette; None for white, which says nothing."""
    import torch

    from ..pipelines.hints import hex_to_ab

    return None if light.lower() == WHITE else torch.tensor(hex_to_ab(light))


def make_settings(
    strength: float, saturation: float, temperature: float, size: int, *, as_published: bool = False
) -> ColorizeSettings:
    """Return the engine's settings; a temperature or size of 0 is the network's own."""
    from ..pipelines.colorize import ColorizeSettings

    return ColorizeSettings(
        strength=strength,
        saturation=saturation,
        temperature=temperature or None,
        size=size or None,
        as_published=as_published,
    )
