"""Colouring exactly as the authors of a published system do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lab
from . import host
from .sockets import image_to_rgb

if TYPE_CHECKING:
    from ..pipelines.colorize import ColorizeSettings
    from ..pipelines.video import Frame, VideoInfo


def published_input() -> io.Input:
    """Return the switch."""
    return io.Boolean.Input(
        "as_published",
        default=False,
        advanced=True,
        tooltip="Do exactly what the model's authors do, faults included: stretched to a square, chroma "
        "enlarged their way, their rounding, their saturation; the result may have another size. For "
        "comparing with a paper. Leaves only the working size to set. Not for the embedded network.",
    )


def color_published(
    rgb: Tensor,
    alpha: Tensor | None,
    hosted: host.HostedColorizer,
    settings: ColorizeSettings,
    *,
    reference: Tensor | None = None,
    features: str = host.EMBEDDED,
    mask: Tensor | None = None,
) -> io.NodeOutput:
    """Colour pictures [B,3,H,W] as published; return IMAGE, a white MASK, and LAB.

    ``features``: what He 2018 compares by. Raises ValueError for a mask, which no published way knows.
    """
    from ..models.he2018 import He2018Colorizer
    from ..pipelines.he2018 import he2018_way
    from ..pipelines.merge import LabImage
    from ..pipelines.published import color_as_published, published_way

    if mask is not None:
        settings.check_own_way("mask")
    count, _, height, width = rgb.shape
    memory = host.working_memory(hosted.colorizer, settings.size, height, width, 1)
    network = hosted.ready(memory)
    if isinstance(network, He2018Colorizer) and reference is not None:
        way = he2018_way(
            network, host.ready_features(features, hosted, memory), reference, size=settings.size
        )
    else:
        way = published_way(network, reference=reference, size=settings.size)
    report = host.progress(count)
    coloured, _ = color_as_published(rgb.float(), way, progress=report)
    height, width = coloured.shape[2:]
    if alpha is not None and alpha.shape[2:] != coloured.shape[2:]:
        alpha = F.interpolate(alpha.float(), (height, width), mode="bilinear", antialias=True)
    image = host.empty_result(count, height, width, 3 if alpha is None else 4)
    image[..., :3] = coloured.movedim(1, -1).to(image)
    if alpha is not None:
        image[..., 3:] = alpha.movedim(1, -1).to(image)
    confidence = host.empty_result(count, height, width).fill_(1)
    lab = host.empty_exact(count, 3, height, width)
    lab.copy_(rgb_to_lab(coloured))
    return io.NodeOutput(image, confidence, LabImage(L=lab[:, :1], ab=lab[:, 1:], alpha=alpha))


def frames_published(
    frames: Iterator[Frame],
    info: VideoInfo,
    hosted: host.HostedColorizer,
    settings: ColorizeSettings,
    reference: Tensor | None = None,
) -> Iterator[Frame]:
    """Colour the frames of a clip as published, one after the other."""
    from ..pipelines.published import color_frames_as_published, published_way

    report = host.clip_progress(info.frames)
    memory = host.working_memory(hosted.colorizer, settings.size, info.height, info.width, 1)
    way = published_way(hosted.ready(memory), reference=reference, size=settings.size)
    for frame in color_frames_as_published(frames, way):
        yield frame
        report(frame.rgb)


def one_reference(references: dict[str, Tensor | None]) -> Tensor:
    """Return the one picture [3,H,W] of a node's references; raises ValueError for none, or for more."""
    pictures = [
        picture
        for socket, image in references.items()
        if image is not None
        for picture in image_to_rgb(image, socket)[0]
    ]
    if len(pictures) != 1:
        raise ValueError(
            f"as_published takes one reference, got {len(pictures)}: connect one picture, or leave it off"
        )
    return pictures[0]
