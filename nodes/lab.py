"""Lightness and chroma apart, and together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io
from torch import Tensor

from ..color import lab_to_rgb, rgb_to_lab
from . import host
from .sockets import (
    LAB,
    Menu,
    check_mask,
    common_count,
    fill_image,
    image_to_rgb,
    mask_for,
    take,
)

if TYPE_CHECKING:
    from ..pipelines.merge import Gamut, LabImage

# a and b as pictures: (value + 128) / 255, the integers of 8-bit Lab. sRGB colours stay within 0..1.
CHROMA_OFFSET, CHROMA_RANGE = 128.0, 255.0
# How far the two pictures' shapes may differ before their colours would land in the wrong places.
ASPECT_TOLERANCE = 1.15


class LabSplit(io.ComfyNode):
    """IMAGE → lightness, a, b as pictures, and all of it as a LAB."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceLabSplit",
            display_name="Lab Split",
            category=Menu.LAB,
            description="Takes pictures apart into lightness and colour (CIE L*a*b*, D65).",
            search_aliases=[
                "rgb to lab",
                "lightness",
                "luminance",
                "luma",
                "desaturate",
                "cielab",
                "channels",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to take apart. Alpha goes with lightness."),
            ],
            outputs=[
                io.Image.Output(
                    "lightness",
                    tooltip="The pictures in black and white: every pixel the grey of the same L*.",
                ),
                io.Image.Output("a", tooltip="Green to red, as grey: (a + 128) / 255. Neutral is 0.502."),
                io.Image.Output("b", tooltip="Blue to yellow, as grey: (b + 128) / 255. Neutral is 0.502."),
                LAB.Output("lab", tooltip="Lightness, colour and alpha together, exact: for Lab Merge."),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.merge import LabImage

        rgb, alpha = image_to_rgb(image, "image")
        count, _, height, width = rgb.shape
        lightness = host.empty_result(count, height, width, 3 if alpha is None else 4)
        a, b = (host.empty_result(count, height, width, 1) for _ in range(2))
        L = host.empty_exact(count, 1, height, width)
        ab = host.empty_exact(count, 2, height, width)
        device = host.compute_device()

        def split(part: slice) -> None:
            lab = rgb_to_lab(rgb[part].to(device, torch.float32))
            L[part], ab[part] = lab[:, :1].to(L), lab[:, 1:].to(ab)
            planes = ((lab[:, 1:] + CHROMA_OFFSET) / CHROMA_RANGE).to(a)
            a[part, ..., 0], b[part, ..., 0] = planes[:, 0], planes[:, 1]
            lab[:, 1:] = 0
            grey = lab_to_rgb(lab)[:, 1:2].expand(-1, 3, -1, -1)
            fill_image(lightness, part, grey, None if alpha is None else alpha[part])

        host.in_batches(count, split, host.start_batch(height, width), host.progress(count))
        return io.NodeOutput(
            lightness, a.expand(-1, -1, -1, 3), b.expand(-1, -1, -1, 3), LabImage(L=L, ab=ab, alpha=alpha)
        )


class LabMerge(io.ComfyNode):
    """Lightness of one picture, colour of another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceLabMerge",
            display_name="Lab Merge",
            category=Menu.LAB,
            description="Puts the colour of one picture under the lightness of another. The lightness comes "
            "through untouched at its own size; the colour may come from a picture of any size, such as a "
            "diffusion model's output.",
            search_aliases=[
                "lab to rgb",
                "keep luminance",
                "keep lightness",
                "transfer color",
                "copy color",
                "chroma transfer",
                "color blend",
                "recolor",
            ],
            essentials_category="Image Tools",
            inputs=[
                io.Image.Input(
                    "lightness",
                    tooltip="The pictures whose lightness, size and alpha are kept; grey or coloured.",
                ),
                io.MultiType.Input(
                    "chroma",
                    [LAB, io.Image],
                    optional=True,
                    tooltip="Where the colour comes from: a LAB, or any coloured picture of the same shape, "
                    "scaled smoothly to fit.",
                ),
                io.Image.Input(
                    "a",
                    optional=True,
                    tooltip="Instead of chroma: the picture a of Lab Split, perhaps edited. Needs b too.",
                ),
                io.Image.Input(
                    "b",
                    optional=True,
                    tooltip="Instead of chroma: the picture b of Lab Split, perhaps edited. Needs a too.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the new colour goes: white takes it, black leaves the pixel as it is.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the new colour: 1 all of it, 0 leaves the pictures as they are.",
                ),
                io.Float.Input(
                    "saturation",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.01,
                    tooltip="Multiplies the new colour: 0 grey, 1 as it comes, above 1 more colourful.",
                ),
                io.Combo.Input(
                    "gamut",
                    options=["reduce", "clip"],
                    default="reduce",
                    tooltip="What to do where the colour is too strong for its lightness. reduce: take "
                    "saturation away until it fits, lightness and hue stay. clip: cut off red, green and "
                    "blue, which changes lightness and hue.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="The merged pictures.")],
        )

    @classmethod
    def execute(
        cls,
        lightness: Tensor,
        strength: float,
        saturation: float,
        gamut: Gamut,
        chroma: LabImage | Tensor | None = None,
        a: Tensor | None = None,
        b: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.merge import merge

        rgb, alpha = image_to_rgb(lightness, "lightness")
        mask = None if mask is None else check_mask(mask)
        device = host.compute_device()
        size, colours, ab_of = _chroma_source(chroma, a, b, device)
        _check_aspect(rgb.shape[2:], size)
        masks = {} if mask is None else {"mask": mask.shape[0]}
        count = common_count(lightness=rgb.shape[0], chroma=colours, **masks)
        image = host.empty_result(count, *rgb.shape[2:], 3 if alpha is None else 4)

        def put_together(part: slice) -> None:
            pictures = take(rgb, part).to(device, torch.float32)
            pictures = pictures.expand(part.stop - part.start, -1, -1, -1)
            merged = merge(
                pictures,
                ab_of(part).expand(part.stop - part.start, -1, -1, -1),
                mask=mask_for(mask, part, pictures),
                strength=strength,
                saturation=saturation,
                gamut=gamut,
            )
            fill_image(image, part, merged, None if alpha is None else take(alpha, part))

        host.in_batches(count, put_together, host.start_batch(*rgb.shape[2:]), host.progress(count))
        return io.NodeOutput(image)


def _chroma_source(
    chroma: LabImage | Tensor | None, a: Tensor | None, b: Tensor | None, device: torch.device
) -> tuple[torch.Size, int, Callable[[slice], Tensor]]:
    """Return the size and number of the colours, and a function giving ab [B,2,h,w] of some of them."""
    from ..pipelines.merge import LabImage

    given = [name for name, value in (("chroma", chroma), ("a", a), ("b", b)) if value is not None]
    if given not in (["chroma"], ["a", "b"]):
        raise ValueError(
            "Lab Merge takes its colour either from chroma, or from a and b together; connected: "
            f"{', '.join(given) or 'none of them'}. Connect one of the two"
        )
    if isinstance(chroma, LabImage):
        ab = chroma.ab
        return chroma.L.shape[2:], ab.shape[0], lambda part: take(ab, part).to(device, torch.float32)
    if chroma is not None:
        rgb, _ = image_to_rgb(chroma, "chroma")
        return (
            rgb.shape[2:],
            rgb.shape[0],
            lambda part: rgb_to_lab(take(rgb, part).to(device, torch.float32))[:, 1:],
        )
    assert a is not None and b is not None
    planes = [image_to_rgb(value, name)[0].mean(1, keepdim=True) for name, value in (("a", a), ("b", b))]
    if planes[0].shape[2:] != planes[1].shape[2:]:
        raise ValueError(
            f"a and b must be of one size, got {list(planes[0].shape[2:])} and {list(planes[1].shape[2:])}"
        )
    count = common_count(a=planes[0].shape[0], b=planes[1].shape[0])

    def from_planes(part: slice) -> Tensor:
        both = [take(plane, part).to(device, torch.float32) for plane in planes]
        return torch.cat(torch.broadcast_tensors(*both), 1) * CHROMA_RANGE - CHROMA_OFFSET

    return planes[0].shape[2:], count, from_planes


def _check_aspect(picture: torch.Size, colour: torch.Size) -> None:
    ratio = (picture[1] / picture[0]) / (colour[1] / colour[0])
    if max(ratio, 1 / ratio) > ASPECT_TOLERANCE:
        raise ValueError(
            f"lightness is {picture[1]}×{picture[0]} and the colour {colour[1]}×{colour[0]}: pictures of "
            "different shapes, so colours would land in wrong places. Crop or resize one of them to the "
            "other's shape first"
        )
