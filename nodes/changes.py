"""What the nodes that change colours share: their widgets, and the way through pictures and clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io
from torch import Tensor

from ..pipelines.choices import LAST_SEED
from . import host
from .sockets import check_mask, fill_image, image_to_rgb, mask_for, mask_of_pictures
from .video import source_of, stream, trim_of

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ..pipelines.color_map import Change
    from ..pipelines.video import Frame, VideoInfo


def strength_input(
    tooltip: str = "How much of the change: 1 all of it, 0 leaves the picture as it is.",
) -> io.Input:
    """Return the widget strength."""
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip=tooltip,
    )


def lightness_input(what: str) -> io.Input:
    """Return the widget lightness; ``what``: whose lightness may be taken over."""
    return io.Combo.Input(
        "lightness",
        options=["keep", "transfer"],
        default="keep",
        tooltip=f"keep: hue and strength of the colours change, lightness does not. transfer: {what}.",
    )


def seed_input() -> io.Input:
    """Return the widget seed of what samples pixels."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=LAST_SEED,
        # Else the page draws another seed for every run, because of the name.
        control_after_generate=False,
        advanced=True,
        tooltip="Which pixels are looked at: the same seed gives the same result, to the last digit.",
    )


def mask_input() -> io.Input:
    """Return the input mask of a node that changes pictures."""
    return io.Mask.Input(
        "mask",
        optional=True,
        tooltip="Where to change: white changes, black stays as it is, bit for bit.",
    )


def change_pictures(image: Tensor, change: Change, strength: float, mask: Tensor | None) -> Tensor:
    """Return an IMAGE changed, some pictures at a time; alpha is kept, black of the mask stays."""
    rgb, alpha = image_to_rgb(image, "image")
    mask = mask_of_pictures(mask, len(rgb))
    count, _, height, width = rgb.shape
    result = host.empty_result(count, height, width, 3 if alpha is None else 4)
    device = host.compute_device()

    def work(part: slice) -> None:
        pictures = rgb[part].to(device, torch.float32)
        changed = change.apply(pictures, mask=mask_for(mask, part, pictures), strength=strength)
        fill_image(result, part, changed, None if alpha is None else alpha[part])

    host.in_batches(count, work, host.start_batch(height, width), host.progress(count))
    return result


def change_clip(video: Input.Video, change: Change, strength: float, codec: str, crf: int) -> io.NodeOutput:
    """Return a VIDEO changed, frame by frame."""
    from ..pipelines.color_map import change_stage

    apply = change_stage(change, strength=strength, device=host.compute_device())

    def stage(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        report = host.clip_progress(info.frames)
        for frame in apply(frames, info):
            yield frame
            report(frame.rgb)

    return stream(video, stage, codec, crf)


def sampled_frames(video: Input.Video) -> Iterator[Tensor]:
    """Give some frames [3,H,W] from all over a VIDEO."""
    from ..pipelines.clip_sample import sample_frames

    report = host.progress(None)
    for frame in sample_frames(source_of(video), trim=trim_of(video)):
        report(0)
        yield frame


def looked_at(
    source: Tensor | Input.Video, mask: Tensor | None = None, name: str = "image"
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Give the pictures [3,H,W] of an IMAGE, or some frames of a VIDEO, each with its mask [H,W] or None.

    Raises ValueError, naming the input ``name``, for anything else, and masks that do not fit.
    """
    if isinstance(source, Tensor):
        rgb, _ = image_to_rgb(source, name)
        mask = mask_of_pictures(mask, len(rgb))
        report = host.progress(len(rgb))
        for number in range(len(rgb)):
            where = mask_for(mask, slice(number, number + 1), rgb[number, None])
            yield rgb[number], None if where is None else where[0, 0]
            report(1)
        return
    if not hasattr(source, "get_stream_source"):
        raise ValueError(f"{name} must be pictures or a clip, got {type(source).__name__}")
    if mask is not None and len(mask := check_mask(mask)) != 1:
        raise ValueError(f"a clip takes one mask for all of its frames, got {len(mask)}")
    for rgb in sampled_frames(source):
        where = mask_for(mask, slice(0, 1), rgb[None])
        yield rgb, None if where is None else where[0, 0]
