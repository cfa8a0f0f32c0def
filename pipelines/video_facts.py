"""What a decoded frame and its file say about the picture: its turn, its colours, its pixel format."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av import VideoFrame

from .video_planes import plane_layout
from .video_types import (
    MATRIX_BT601,
    MATRIX_BT709,
    MATRIX_RGB,
    RANGE_FULL,
    RANGE_LIMITED,
    TRANSFER_HLG,
    TRANSFER_PQ,
    UNSPECIFIED,
    ColorTags,
    VideoError,
    VideoInfo,
)

if TYPE_CHECKING:
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

# Codecs of television heritage: grey pictures without a range tag are limited range there.
_LIMITED_BY_HABIT = (
    "h264",
    "hevc",
    "mpeg1video",
    "mpeg2video",
    "mpeg4",
    "vc1",
    "vp8",
    "vp9",
    "av1",
    "prores",
)
_CONTAINER_KEYS = frozenset(
    ("major_brand", "minor_version", "compatible_brands", "encoder", "creation_time", "duration", "timecode")
)


def display_turn(frame: VideoFrame) -> tuple[int, bool]:
    """Return the quarter turns anticlockwise, and whether to mirror left-right before them, to stand upright.

    Reads the display matrix (ISO 14496-12, as FFmpeg hands it over: nine 32-bit numbers).
    """
    matrix = frame.side_data.get(cast(Any, "DISPLAYMATRIX"))
    if matrix is None:
        return 0, False
    a, b, _, c, d = (float(value) for value in np.frombuffer(cast(Any, matrix), np.int32)[:5])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    # The matrix maps (x right, y down) to (a x + c y, b x + d y): a turn clockwise by atan2(b, a).
    degrees = float(np.degrees(np.arctan2(b, a)))
    quarters = round(degrees / 90)
    if abs(degrees - quarters * 90) > 1:
        log.warning("the clip asks for a turn by %.1f degrees; only quarter turns are applied", degrees)
        return 0, mirrored
    return -quarters % 4, mirrored


def color_tags(frame: VideoFrame, stream: VideoStream) -> ColorTags:
    """Tell how the clip's numbers stand for colours; what it leaves open follows the players' habit.

    Raises VideoError for HDR transfer functions.
    """
    context = stream.codec_context
    transfer = int(context.color_trc)
    if transfer in (TRANSFER_PQ, TRANSFER_HLG):
        kind = "PQ (HDR10)" if transfer == TRANSFER_PQ else "HLG"
        raise VideoError(f"the clip is HDR ({kind}): expected standard range, tone-map it to BT.709 first")
    layout = plane_layout(frame.format.name)
    is_rgb = frame.format.is_rgb or (layout is not None and layout.kind == "rgb")
    tagged_range = int(frame.color_range) or int(context.color_range)
    if tagged_range not in (RANGE_LIMITED, RANGE_FULL):
        grey = frame.format.name.startswith(("gray", "mono", "ya"))
        full = is_rgb or (grey and context.name not in _LIMITED_BY_HABIT)
        full = full or frame.format.name.startswith("yuvj")
        tagged_range = RANGE_FULL if full else RANGE_LIMITED
    matrix = int(frame.colorspace)
    if is_rgb:
        matrix = MATRIX_RGB
    elif matrix in (MATRIX_RGB, UNSPECIFIED):
        matrix = usual_matrix(frame.width, frame.height)
    return ColorTags(tagged_range, int(context.color_primaries), transfer, matrix)


def planar_frame(frame: VideoFrame) -> VideoFrame:
    """Bring a frame into a format that ``planes_to_rgb`` takes, losing nothing."""
    pixel_format = frame.format
    if plane_layout(pixel_format.name) is not None:
        return frame
    deep = max(component.bits for component in pixel_format.components) > 8
    alpha = any(component.is_alpha for component in pixel_format.components) or pixel_format.name == "pal8"
    name = pixel_format.name
    if name.startswith("mono"):
        target = "gray"
    elif name in ("nv12", "nv21"):
        target = "yuv420p"
    elif name.startswith("p010"):
        target = "yuv420p10le"
    elif name in ("yuyv422", "uyvy422", "yvyu422", "nv16"):
        target = "yuv422p"
    elif pixel_format.is_rgb or name.startswith("ya") or pixel_format.has_palette:
        target = ("gbrap" if alpha else "gbrp") + ("16le" if deep else "")
    else:
        target = ("yuva444p" if alpha else "yuv444p") + ("16le" if deep else "")
    return frame.reformat(format=target)


def stored_view(upright: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    """See an upright array [C,H,W] the way the file stores its pictures, no copy."""
    stored = np.rot90(upright, -quarters, axes=(1, 2))
    return stored[:, :, ::-1] if mirrored else stored


def usual_matrix(width: int, height: int) -> int:
    """The matrix that players assume where a clip names none: BT.709 for HD, BT.601 below."""
    return MATRIX_BT709 if max(width, height) >= 1280 or min(width, height) > 576 else MATRIX_BT601


def lasting_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """A container's metadata, without what belongs to the file it was."""
    return {key: value for key, value in metadata.items() if key.lower() not in _CONTAINER_KEYS}


def warn_interlaced(info: VideoInfo) -> None:
    """Say that a clip's frames hold two moments each, which are coloured, and written, as one."""
    if info.interlaced:
        log.warning(
            "%s is interlaced: each of its frames shows two moments, and is coloured and written as one "
            "picture. Deinterlace it first (FFmpeg: -vf bwdif) for clean edges in motion",
            info.name,
        )
