"""Finding references in a folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from . import host
from .sockets import COLORIZER, Menu, fill_image, image_to_rgb

if TYPE_CHECKING:
    from ..models.features import FeatureExtractor
    from ..pipelines.retrieval import Found, ReferenceIndex

#: References leave at most so large: whoever takes their colours looks at them smaller than that.
LONGEST_SIDE = 2048
MOST_REFERENCES = 16


class FindReference(io.ComfyNode):
    """IMAGE and a folder → the pictures there whose colours suit it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceFindReference",
            display_name="Find Reference",
            category=Menu.REFERENCES,
            description="Looks through a folder of colour pictures for those that show the same kind of "
            "thing as a black-and-white one, in the same light: references to take colours from. The folder "
            "is read once; later runs read only what is new in it.",
            search_aliases=[
                "reference image",
                "exemplar",
                "image retrieval",
                "similar images",
                "image search",
                "find similar",
                "recommend reference",
            ],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The pictures to find references for. Only their lightness is looked at.",
                ),
                io.String.Input(
                    "folder",
                    default="",
                    placeholder="a folder in ComfyUI's input folder, or a whole path",
                    tooltip="Colour pictures, some thousands if you like, in sub-folders too: the name of a "
                    "folder inside of ComfyUI's input folder, or a whole path. An index file is put there.",
                ),
                io.Int.Input(
                    "count",
                    default=4,
                    min=1,
                    max=MOST_REFERENCES,
                    tooltip="How many references for each picture; all there are, where there are fewer.",
                ),
                COLORIZER.Input(
                    "colorizer",
                    optional=True,
                    tooltip="From Load Colorizer: the embedded network or one trained from it, by whose "
                    "features the pictures are compared. Without it, the network inside the pack.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "best",
                    tooltip="The best reference for each picture, whole; where there are several, the "
                    "others are cropped and scaled to the first one's size.",
                ),
                io.Image.Output(
                    "references",
                    tooltip="The best references for the first picture, the best first, then for the second, "
                    "and so on; cropped about the centre and scaled to the size of the first one.",
                ),
                io.String.Output(
                    "report",
                    tooltip="Their files and scores, as a Markdown table: 1 is the picture itself, 0 nothing "
                    "in common.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str | None = None, **_: object) -> str | float:
        """Return what changes when the node has to run again: pictures come and go in a folder."""
        from ..pipelines.retrieval_folder import folder_pictures

        if folder is None:  # it comes from another node
            return math.nan
        try:
            there = sorted(folder_pictures(host.named_folder(folder)))
        except ValueError:
            return math.nan  # execute says what is wrong with it
        return hashlib.sha256(repr(there).encode("utf-8", "surrogateescape")).hexdigest()

    @classmethod
    def execute(
        cls,
        image: Tensor,
        folder: str,
        count: int,
        colorizer: host.HostedColorizer | None = None,
    ) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.retrieval import ReferenceIndex

        rgb, _ = image_to_rgb(image, "image")
        index = ReferenceIndex.open(host.named_folder(folder))
        extractor = _extractor(host.hosted(colorizer))
        changes = index.changes()
        report = host.progress(len(changes.to_read) + len(rgb))
        index.update(extractor, changes, progress=report)
        found: list[list[Found]] = []
        for number in range(len(rgb)):
            picture = rgb[number : number + 1].to(extractor.device, torch.float32)
            found.append(index.find(picture, extractor, count))
            report(1)
        every = _load([one.path for each in found for one in each])
        best = every[:: len(found[0])].clone()
        return io.NodeOutput(best, every, _report(found, index))


def _extractor(hosted: host.HostedColorizer) -> FeatureExtractor:
    from ..models.embedded import EmbeddedColorizer, EmbeddedNetwork
    from ..models.embedded.features import EmbeddedFeatures
    from ..pipelines.retrieval_features import SIDE

    if not isinstance(hosted.colorizer, EmbeddedColorizer):
        raise ValueError(
            f"{hosted.colorizer.spec.title} gives no features to compare pictures by: connect the embedded "
            "network, or nothing"
        )
    colorizer = hosted.ready(host.working_memory(hosted.colorizer, SIDE, SIDE, SIDE, host.GPU_BATCH))
    colorizer.check_once()
    network = colorizer.network
    assert isinstance(network, EmbeddedNetwork)
    return EmbeddedFeatures(network)


def _load(paths: Sequence[Path]) -> Tensor:
    """Load pictures as one IMAGE, at the size of the first."""
    from ..pipelines.pictures import load_picture

    first = load_picture(paths[0]).rgb
    height, width = first.shape[1:]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    images = host.empty_result(len(paths), height, width, 3)
    for number, path in enumerate(paths):
        rgb = first if number == 0 else load_picture(path).rgb
        fill_image(images, slice(number, number + 1), _cover(rgb[None], height, width), None)
    return images


def _cover(rgb: Tensor, height: int, width: int) -> Tensor:
    """Crop rgb [1,3,H,W] about its centre to the aspect of ``height`` and ``width``, and scale it to them."""
    rows, columns = rgb.shape[2:]
    if (rows, columns) == (height, width):
        return rgb
    scale = min(rows / height, columns / width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (rows - high) // 2, (columns - wide) // 2
    cut = rgb[:, :, top : top + high, left : left + wide]
    size = (height, width)
    return F.interpolate(cut, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)


def _report(found: Sequence[Sequence[Found]], index: ReferenceIndex) -> str:
    """Write which were found as a Markdown table."""
    lines = [
        f"{index.folder}: {index}\n",
        "| picture | reference | score | whole | places | lightness |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for number, each in enumerate(found):
        for one in each:
            name = one.path.relative_to(index.folder).as_posix().replace("|", "\\|")
            parts = (one.score, one.overall, one.places, one.lightness)
            lines.append(f"| {number + 1} | {name} | " + " | ".join(f"{part:.3f}" for part in parts) + " |")
    return "\n".join(lines)
