"""What a clip is made of while it streams: frames, and the facts about the clip they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO

from torch import Tensor

VideoSource = str | Path | IO[bytes]
# Start and duration in seconds; a duration of None or 0 reads to the end.
Trim = tuple[float | Fraction, float | Fraction | None]

# Code points of ITU-T H.273, which FFmpeg uses as they are.
UNSPECIFIED = 2
RANGE_LIMITED, RANGE_FULL = 1, 2
MATRIX_RGB, MATRIX_BT709, MATRIX_BT601 = 0, 1, 6
TRANSFER_PQ, TRANSFER_HLG = 16, 18


class VideoError(ValueError):
    """A clip that cannot be read or written; the message is one line for the user."""


@dataclass(frozen=True)
class ColorTags:
    """How a clip's numbers stand for colours, as code points of ITU-T H.273.

    ``range``: 1 limited, 2 full. ``primaries`` and ``transfer``: 2 where the clip does not say; kept and
    passed on. ``matrix``: the one in use, 0 for clips that hold RGB.
    """

    range: int = RANGE_LIMITED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = MATRIX_BT709


@dataclass(frozen=True)
class Frame:
    """One picture of a clip, upright.

    ``index``: its number in the clip, from 0. ``time``: seconds since the clip's start. ``rgb``: [3,H,W]
    float32, sRGB 0..1. ``alpha``: [1,H,W] float32 0..1, or None. ``cut``: it is the first of a shot. A frame
    is never modified: a stage makes a new one with ``dataclasses.replace``.
    """

    index: int
    time: Fraction
    rgb: Tensor
    alpha: Tensor | None = None
    cut: bool = False


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a clip, known before its frames are read.

    ``width`` and ``height``: of the upright picture. ``rate``: mean frames a second. ``time_base``: the
    unit in which the clip counts time. ``frames``: how many to expect (an estimate), None if unknown.
    ``bits``: per sample. ``sample_aspect``: width of a pixel by its height, upright. ``rotation``: degrees
    by which the stored pictures were turned clockwise to stand upright. ``audio``: names of the codecs of
    the sound tracks. ``timecode``: of the first frame, or None.
    """

    name: str
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    frames: int | None = None
    codec: str = ""
    pixel_format: str = ""
    bits: int = 8
    sample_aspect: Fraction = Fraction(1)
    tags: ColorTags = field(default_factory=ColorTags)
    rotation: int = 0
    interlaced: bool = False
    alpha: bool = False
    audio: tuple[str, ...] = ()
    timecode: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VideoResult:
    """What was written: the file or folder, how many frames, and how many seconds they last."""

    target: Path
    frames: int
    seconds: float
    info: VideoInfo


def source_name(source: VideoSource) -> str:
    """Name ``source`` in a message to the user."""
    if isinstance(source, str | Path):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the clip in memory"


def exact_window(trim: Trim | None) -> tuple[Fraction, Fraction | None]:
    """Return a trim window's start and duration, exact where floats are not (0.2 s is a fifth).

    Raises VideoError for a negative one.
    """
    if trim is None:
        return Fraction(0), None
    start, length = (Fraction(value or 0).limit_denominator(1_000_000) for value in trim)
    if start < 0 or length < 0:
        raise VideoError(f"the trim window must not be negative, got start {trim[0]}, duration {trim[1]}")
    return start, length or None
