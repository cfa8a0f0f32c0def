"""Colour from reference pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lightness
from . import host
from .colorize import color_pictures
from .meta_batch import chunk_of, hidden_inputs, meta_batch_input
from .published import color_published, one_reference, published_input
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
    from ..models.features import FeatureExtractor
    from ..pipelines.colorize import Colorized
    from ..pipelines.exemplar import Warped
    from ..pipelines.references import References

#: How many sockets of references a node grows at most; each takes any number of pictures.
MOST_SOCKETS = 50

_REFERENCES = (
    "Colour pictures to take colours from, of any size. Each socket takes one or a batch, and another one "
    "grows when it is used. All of the pictures are searched."
)


class ExemplarWarp(io.ComfyNode):
    """IMAGE and references → what those alone say about its colours, and how surely."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceExemplarWarp",
            display_name="Exemplar Warp",
            category=Menu.REFERENCES,
            description="For each place of a black-and-white picture, finds what is like it in any of the "
            "reference pictures and fetches its colour, with how sure that is. No network makes colours up "
            "here: Exemplar Colorize does all in one.",
            search_aliases=[
                "reference colors",
                "exemplar",
                "semantic correspondence",
                "color transfer",
                "warp colors",
                "deep image analogy",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to find colours for. Any size; alpha is kept."),
                *reference_inputs(),
            ],
            outputs=[
                LAB.Output(
                    "lab", tooltip="The pictures' own lightness with the references' colours: for Lab Merge."
                ),
                io.Mask.Output(
                    "confidence",
                    tooltip="How sure it is that a place has the colour that was found: white sure, black "
                    "nothing like it in the references.",
                ),
                io.Image.Output("preview", tooltip="The pictures in those colours, sure or not."),
            ],
        )

    @classmethod
    def execute(
        cls, image: Tensor, references: dict[str, Tensor | None], features: str, trust: float
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.exemplar import warp
        from ..pipelines.merge import LabImage, merge

        rgb, alpha = image_to_rgb(image, "image")
        count, _, height, width = rgb.shape
        hosted = host.hosted_colorizer()
        memory = host.working_memory(hosted.colorizer, None, height, width, 1)
        known = gather(references, host.ready_features(features, hosted, memory))
        preview = host.empty_result(count, height, width, 3 if alpha is None else 4)
        confidence = host.empty_result(count, height, width)
        L = host.empty_exact(count, 1, height, width)
        chroma: list[Tensor] = []

        def work(part: slice) -> None:
            pictures = rgb[part].to(known.extractor.device, torch.float32)
            lightness = rgb_to_lightness(pictures)
            found = warp(lightness, known)
            merged = merge(pictures, found.ab)
            fill_image(preview, part, merged, None if alpha is None else alpha[part])
            confidence[part] = confidence_map(found, trust, height, width).to(confidence)
            L[part] = lightness.to(L)
            chroma.append(found.ab.to(L))

        host.in_batches(count, work, 1, host.progress(count))
        lab = LabImage(L=L, ab=torch.cat(chroma), alpha=alpha)
        return io.NodeOutput(lab, confidence, preview)


class ExemplarColorize(io.ComfyNode):
    """IMAGE and references → coloured IMAGE, with how far the references were followed, and LAB."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceExemplarColorize",
            display_name="Exemplar Colorize",
            category=Menu.REFERENCES,
            description="Colours black-and-white pictures after colour pictures of the same or similar "
            "things: each place takes the colour of what is like it in any of them, and where nothing is, "
            "the network colours by itself. The lightness and the alpha come through untouched.",
            search_aliases=[
                "reference image",
                "colorize from reference",
                "exemplar",
                "style reference",
                "color transfer",
                "colorize like",
                "deep exemplar",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to colour. Any size; alpha is kept."),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer: the embedded network, He 2018, exemplar video (Zhang 2019) "
                    "or Color2Embed. Without it, the network inside the pack.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to colour: white is coloured, black stays as it is, bit for bit.",
                ),
                *reference_inputs(),
                *setting_inputs(),
                published_input(),
                meta_batch_input("the references are looked at once"),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The coloured pictures."),
                io.Mask.Output(
                    "confidence",
                    tooltip="How far the references were followed: white as they say, black coloured by the "
                    "network alone. Where it is dark, another reference would help.",
                ),
                LAB.Output(
                    "lab",
                    tooltip="The pictures' lightness and the colours before strength, saturation and mask: "
                    "for Lab Merge.",
                ),
            ],
            hidden=hidden_inputs(),
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        references: dict[str, Tensor | None],
        features: str,
        trust: float,
        strength: float,
        saturation: float,
        temperature: float,
        size: int,
        as_published: bool = False,
        colorizer: host.HostedColorizer | None = None,
        mask: Tensor | None = None,
        meta_batch: Any = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.exemplar import Guide, colorize_with_references

        rgb, alpha = image_to_rgb(image, "image")
        mask = mask_of_pictures(mask, len(rgb))
        settings = make_settings(strength, saturation, temperature, size, as_published=as_published)
        hosted = host.hosted(colorizer)
        if as_published:
            alone = one_reference(references)
            return color_published(
                rgb, alpha, hosted, settings, reference=alone, features=features, mask=mask
            )
        memory = host.working_memory(hosted.colorizer, settings.size, rgb.shape[2], rgb.shape[3], 1)
        extractor = host.ready_features(features, hosted, memory)
        known = chunk_of(meta_batch, cls.hidden, lambda: gather(references, extractor)).kept
        guide = Guide(hosted.colorizer, known, trust=trust, size=settings.size)

        def colour(part: slice, pictures: Tensor, network: Colorizer) -> Colorized:
            where = mask_for(mask, part, pictures)
            return colorize_with_references(pictures, guide, settings, mask=where)[0]

        return color_pictures(rgb, alpha, hosted, settings, colour)


def reference_inputs() -> list[io.Input]:
    """Return references, features and trust, in this order."""
    return [
        io.Autogrow.Input(
            "references",
            template=io.Autogrow.TemplatePrefix(
                io.Image.Input("reference", tooltip=_REFERENCES),
                prefix="reference",
                min=1,
                max=MOST_SOCKETS,
            ),
            tooltip=_REFERENCES,
        ),
        io.Combo.Input(
            "features",
            options=host.colorizer_names(),
            default=host.EMBEDDED,
            advanced=True,
            tooltip=f"What pictures are compared by. {host.EMBEDDED}: the network inside the pack. Others: a "
            f"VGG19, or a checkpoint of the embedded network, in models/{host.MODEL_FOLDER}.",
        ),
        io.Float.Input(
            "trust",
            default=0.5,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="How much likeness it takes to follow a reference. 0.5: where it is likely nearer to the "
            "truth than automatic colour. Higher: also where less is alike, 1 everywhere. 0: nowhere.",
        ),
    ]


def gather(references: dict[str, Tensor | None], extractor: FeatureExtractor) -> References:
    """Make of the sockets' pictures what is matched; raises ValueError, naming the socket, for a bad one."""
    from ..pipelines.references import References

    pictures: list[Tensor] = []
    names: list[str] = []
    for socket, image in references.items():
        if image is None:
            continue
        rgb, _ = image_to_rgb(image, socket)
        for number, picture in enumerate(rgb):
            pictures.append(picture)
            names.append(socket if len(rgb) == 1 else f"{socket}, picture {number + 1}")
    return References(pictures, extractor, names)


def confidence_map(found: Warped, trust: float, height: int, width: int) -> Tensor:
    """Return the confidence at the pictures' own size: [B,H,W] 0..1."""
    sure = found.confidence(trust)
    return F.interpolate(sure, (height, width), mode="bilinear", align_corners=False)[:, 0]
