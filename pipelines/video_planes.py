"""Decoded planes to RGB and back, in floating point, with the clip's own matrix, range and bit depth.

Why not FFmpeg's scaler: it rounds RGB to integers, guesses the matrix, and its rounding differs between
machines. Here grey stays grey and a luma that comes in goes out unchanged. NumPy, on one thread, in strips
that fit the cache: the threads of a pipeline are its stages. Formulas: ITU-T H.273, section 8.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .video_types import MATRIX_RGB, RANGE_FULL, ColorTags, VideoError

if TYPE_CHECKING:
    from av import VideoFrame

Floats = NDArray[np.float32]

# Weights of red and blue in luma.
_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_STRIP_PIXELS = 131_072
_PLANAR = re.compile(r"(?:yuvj?(a?)(420|422|444)p|gbr(a?)p|gray)(\d+le)?")


# Bytes of a pixel in formats of 8 bits that store it in one piece: where red, green, blue and alpha are.
_PACKED: dict[str, tuple[int, int, int, int]] = {
    "rgb24": (0, 1, 2, -1),
    "bgr24": (2, 1, 0, -1),
    "rgb0": (0, 1, 2, -1),
    "bgr0": (2, 1, 0, -1),
    "0rgb": (1, 2, 3, -1),
    "0bgr": (3, 2, 1, -1),
    "rgba": (0, 1, 2, 3),
    "bgra": (2, 1, 0, 3),
    "argb": (1, 2, 3, 0),
    "abgr": (3, 2, 1, 0),
}


@dataclass(frozen=True)
class PlaneLayout:
    """How a pixel format stores a picture: ``kind`` is "yuv", "rgb" or "gray"."""

    kind: str
    bits: int
    alpha: bool
    step_x: int = 1
    step_y: int = 1


def plane_layout(pixel_format: str) -> PlaneLayout | None:
    """Describe a pixel format that this module handles; None for any other."""
    if pixel_format in _PACKED:
        return PlaneLayout("rgb", 8, _PACKED[pixel_format][3] >= 0)
    match = _PLANAR.fullmatch(pixel_format)
    if match is None:
        return None
    yuv_alpha, sampling, rgb_alpha, depth = match.groups()
    bits = int(depth[:-2]) if depth else 8
    if sampling:
        step_x, step_y = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[sampling]
        return PlaneLayout("yuv", bits, bool(yuv_alpha), step_x, step_y)
    if pixel_format.startswith("gbr"):
        return PlaneLayout("rgb", bits, bool(rgb_alpha))
    return PlaneLayout("gray", bits, False)


def luma_weights(matrix: int) -> tuple[float, float, float]:
    """Return the weights of red, green and blue in luma. Raises VideoError for an unknown matrix."""
    if matrix not in _LUMA_WEIGHTS:
        raise VideoError(
            f"colour matrix {matrix} is not one of BT.601, BT.709, BT.2020, FCC, SMPTE 240M: "
            "convert the clip to one of these first"
        )
    red, blue = _LUMA_WEIGHTS[matrix]
    return red, 1.0 - red - blue, blue


def _levels(tags: ColorTags, bits: int) -> tuple[float, float, float, float]:
    """Return luma's offset and span, chroma's offset and span, in code values."""
    unit = 2.0 ** (bits - 8)
    middle = 128.0 * unit
    if tags.range == RANGE_FULL:
        top = 2.0**bits - 1.0
        return 0.0, top, middle, top
    return 16.0 * unit, 219.0 * unit, middle, 224.0 * unit


def plane_array(frame: VideoFrame, number: int, bits: int) -> NDArray[np.unsignedinteger]:
    """View plane ``number`` of a decoded or fresh frame as [rows, columns], no copy."""
    plane = frame.planes[number]
    kind: np.dtype[np.unsignedinteger] = np.dtype("u1" if bits == 8 else "<u2")
    stride = plane.line_size // kind.itemsize
    values = np.frombuffer(memoryview(plane), kind, stride * plane.height)
    return values.reshape(plane.height, stride)[:, : plane.width]


def _channels(frame: VideoFrame, layout: PlaneLayout) -> list[NDArray[np.unsignedinteger]]:
    """View a frame's samples: Y, Cb, Cr or R, G, B or grey, each with alpha after them where there is one."""
    name = frame.format.name
    if name in _PACKED:
        plane = frame.planes[0]
        size = 3 if name in ("rgb24", "bgr24") else 4
        values = np.frombuffer(memoryview(plane), np.uint8, plane.line_size * plane.height)
        pixels = values.reshape(plane.height, -1)[:, : plane.width * size].reshape(plane.height, -1, size)
        return [pixels[..., place] for place in _PACKED[name] if place >= 0]
    planes = [plane_array(frame, number, layout.bits) for number in range(len(frame.planes))]
    if layout.kind == "rgb":  # stored as G, B, R
        planes[:3] = planes[2], planes[0], planes[1]
    return planes


def _strips(height: int, width: int) -> list[tuple[int, int]]:
    """Cut the rows into even-sized strips that fit the cache."""
    rows = max(2, _STRIP_PIXELS // max(width, 1) // 2 * 2)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def _chroma_strip(
    plane: NDArray, top: int, bottom: int, width: int, layout: PlaneLayout, offset: float, scale: float
) -> Floats:
    """Chroma of the luma rows top..bottom at full width: [rows, width], scaled to -0.5..0.5.

    Samples sit where H.264 and MPEG-2 put them by default: on the left pixel of a pair, halfway between
    two rows.
    """
    first, last = top // layout.step_y, -(-bottom // layout.step_y)
    if layout.step_y == 1:
        rows = np.subtract(plane[first:last], np.float32(offset), dtype=np.float32)
        rows *= np.float32(scale)
        return _widen(rows, width) if layout.step_x == 2 else rows
    rows = np.empty((last - first + 2, plane.shape[1]), np.float32)  # with a neighbour above and below
    np.subtract(plane[first:last], np.float32(offset), out=rows[1:-1], dtype=np.float32)
    np.subtract(plane[max(first - 1, 0)], np.float32(offset), out=rows[0], dtype=np.float32)
    np.subtract(plane[min(last, len(plane) - 1)], np.float32(offset), out=rows[-1], dtype=np.float32)
    rows *= np.float32(scale / 4)
    if layout.step_x == 2:
        rows = _widen(rows, width)
    full = np.empty(((last - first) * 2, rows.shape[1]), np.float32)
    triple = rows[1:-1] * np.float32(3)
    np.add(triple, rows[:-2], out=full[0::2])
    np.add(triple, rows[2:], out=full[1::2])
    return full[: bottom - top]


def _widen(rows: Floats, width: int) -> Floats:
    """Put a value between each two of a row, their mean; cut to ``width``."""
    full = np.empty((len(rows), rows.shape[1] * 2), np.float32)
    between = rows[:, :-1] + rows[:, 1:]
    between *= np.float32(0.5)
    full[:, 0::2] = rows
    full[:, 1:-1:2] = between
    full[:, -1] = rows[:, -1]
    return full[:, :width]


def planes_to_rgb(frame: VideoFrame, tags: ColorTags, rgb: Floats, alpha: Floats | None = None) -> None:
    """Convert a decoded frame into ``rgb`` [3,H,W] float32 0..1 and ``alpha`` [1,H,W], both of any stride.

    The frame's format must be one that ``plane_layout`` knows. Footroom and headroom of limited range are
    clipped, as players do.
    """
    layout = plane_layout(frame.format.name)
    if layout is None:
        raise VideoError(f"pixel format {frame.format.name} must be converted before it is split")
    bits, top_code = layout.bits, 2.0**layout.bits - 1.0
    planes = _channels(frame, layout)
    height, width = planes[0].shape
    if alpha is not None and layout.alpha:
        np.multiply(planes[3], np.float32(1 / top_code), out=alpha[0], dtype=np.float32)
    if layout.kind == "rgb":
        for channel, plane in enumerate(planes[:3]):
            np.multiply(plane, np.float32(1 / top_code), out=rgb[channel], dtype=np.float32)
        return
    luma_offset, luma_span, chroma_offset, chroma_span = _levels(tags, bits)
    red, green, blue = luma_weights(tags.matrix)
    cr_to_red, cb_to_blue = 2 * (1 - red), 2 * (1 - blue)
    for top, bottom in _strips(height, width):
        luma = np.subtract(planes[0][top:bottom], np.float32(luma_offset), dtype=np.float32)
        luma *= np.float32(1 / luma_span)
        chroma_rows = slice(top // layout.step_y, -(-bottom // layout.step_y))
        if layout.kind == "gray" or all(
            bool((plane[chroma_rows] == int(chroma_offset)).all()) for plane in planes[1:3]
        ):
            np.clip(luma, 0.0, 1.0, out=luma)
            for channel in range(3):
                rgb[channel, top:bottom] = luma
            continue
        cb, cr = (
            _chroma_strip(plane, top, bottom, width, layout, chroma_offset, 1 / chroma_span)
            for plane in planes[1:3]
        )
        work = cr * np.float32(cr_to_red)
        work += luma
        np.clip(work, 0.0, 1.0, out=rgb[0, top:bottom])
        np.multiply(cb, np.float32(cb_to_blue), out=work)
        work += luma
        np.clip(work, 0.0, 1.0, out=rgb[2, top:bottom])
        cr *= np.float32(cr_to_red * red / green)
        cb *= np.float32(cb_to_blue * blue / green)
        luma -= cr
        luma -= cb
        np.clip(luma, 0.0, 1.0, out=rgb[1, top:bottom])


def _store(values: Floats, target: NDArray, scale: float, offset: float, top_code: float) -> None:
    """Write ``values · scale + offset`` into integer ``target``, rounded. Overwrites ``values``."""
    values *= np.float32(scale)
    values += np.float32(offset + 0.5)  # the cast below cuts off
    np.clip(values, 0.0, np.float32(top_code + 0.5), out=values)
    np.copyto(target, values, casting="unsafe")


def _thin_chroma(chroma: Floats, layout: PlaneLayout) -> Floats:
    """Reduce full-size chroma to the layout's sampling, at the positions of ``_chroma_strip``."""
    if layout.step_y == 2:  # rows first: they lie in one piece, and there is half as much left to do
        if len(chroma) % 2:
            chroma = np.concatenate([chroma, chroma[-1:]])
        chroma = chroma[0::2] + chroma[1::2]
        chroma *= np.float32(0.5)
    if layout.step_x == 2:
        if chroma.shape[1] % 2:
            chroma = np.concatenate([chroma, chroma[:, -1:]], axis=1)
        between = np.ascontiguousarray(chroma[:, 1::2])
        thin = chroma[:, 0::2] * np.float32(2)
        thin += between
        thin[:, 1:] += between[:, :-1]
        thin[:, 0] += chroma[:, 0]
        thin *= np.float32(0.25)
        chroma = thin
    return chroma


def rgb_to_planes(rgb: Floats, alpha: Floats | None, tags: ColorTags, frame: VideoFrame) -> None:
    """Fill a fresh frame, of a format that ``plane_layout`` knows, from ``rgb`` [3,H,W].

    ``alpha``: [1,H,W], None is opaque. Every value is rounded to the nearest code.
    Raises VideoError for values that are not finite.
    """
    height, width = rgb.shape[1:]
    layout = plane_layout(frame.format.name)
    if layout is None:
        raise VideoError(f"pixel format {frame.format.name} cannot be written")
    planes = _channels(frame, layout)
    top_code = 2.0**layout.bits - 1.0
    if layout.alpha and alpha is None:
        planes[3][...] = int(top_code)
    elif layout.alpha and alpha is not None:
        _store(alpha[0].copy(), planes[3], top_code, 0.0, top_code)
    red, green, blue = luma_weights(tags.matrix) if tags.matrix != MATRIX_RGB else (1 / 3, 1 / 3, 1 / 3)
    luma_offset, luma_span, chroma_offset, chroma_span = _levels(tags, layout.bits)
    for top, bottom in _strips(height, width):
        luma = rgb[0, top:bottom] * np.float32(red)
        work = rgb[1, top:bottom] * np.float32(green)
        luma += work
        np.multiply(rgb[2, top:bottom], np.float32(blue), out=work)
        luma += work
        if not np.isfinite(luma.sum()):
            raise VideoError("a frame holds NaN or infinite values: the picture was not made properly")
        if layout.kind == "rgb":
            for channel, plane in enumerate(planes[:3]):
                np.copyto(work, rgb[channel, top:bottom])
                _store(work, plane[top:bottom], top_code, 0.0, top_code)
            continue
        if layout.kind == "yuv":
            rows = slice(top // layout.step_y, -(-bottom // layout.step_y))
            for channel, weight, plane in ((2, blue, planes[1]), (0, red, planes[2])):
                np.subtract(rgb[channel, top:bottom], luma, out=work)
                thin = _thin_chroma(work, layout)
                _store(thin, plane[rows], chroma_span / (2 * (1 - weight)), chroma_offset, top_code)
        _store(luma, planes[0][top:bottom], luma_span, luma_offset, top_code)
