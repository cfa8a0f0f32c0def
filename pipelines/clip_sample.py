"""Some frames from all over a clip: what a palette, a match or a light is fitted to, once for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from torch import Tensor

from .palette_extract import spread_out
from .video_types import Trim, VideoSource

#: Frames that are taken of a clip.
SAMPLED_FRAMES = 32


def sample_frames(
    source: VideoSource,
    *,
    trim: Trim | None = None,
    rate: float | Fraction | None = None,
    wanted: int = SAMPLED_FRAMES,
) -> Iterator[Tensor]:
    """Give about ``wanted`` frames [3,H,W], evenly over a clip; arguments as in ``video.open_reader``."""
    # PyAV is loaded for clips alone.
    from .video import open_reader

    with open_reader(source, trim=trim, rate=rate, sound=False) as reader:
        yield from spread_out((frame.rgb for frame in reader), reader.info.frames, wanted)
