"""EXIF blocks: what of them stays true for a picture that was turned upright and converted to sRGB."""

from __future__ import annotations

import logging
import struct

from numpy.typing import NDArray
from PIL import Image

logger = logging.getLogger(__name__)

ORIENTATION = 0x0112
EXIF_IFD = 0x8769
GPS_IFD = 0x8825
INTEROP_IFD = 0xA005
COLOR_SPACE = 0xA001
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003

# Tags of the first directory that describe a file's own layout (strips, tables, profiles, resolution,
# previews): a TIFF keeps them beside the ones that describe the picture, and a new file writes its own.
LAYOUT_TAGS = frozenset(
    [
        *(254, 255, *range(256, 267), 273, *range(277, 286), *range(288, 298), 301),
        *(*range(317, 348), *range(512, 534), 700, 33723, 34377, 34675, 37724, 42112, 42113),
    ]
)

# A JPEG segment's 64 KB less its length, and less the name before the block.
JPEG_EXIF_LIMIT = 65533


def read_orientation(exif: Image.Exif) -> int:
    """Return the orientation that a picture's EXIF asks for: 1 (upright) to 8."""
    value = exif.get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(samples: NDArray, orientation: int) -> NDArray:
    """Turn [H,W,C] samples as EXIF's orientation 1 to 8 asks."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return samples[::rows, ::columns]


def upright_exif(exif: Image.Exif, width: int, height: int) -> bytes | None:
    """Return the EXIF block for a picture turned upright, in sRGB, of ``width`` × ``height``.

    The orientation becomes 1, size and colour space are brought up to date, the preview (of the picture as it
    was) is left out, all else stays. None where there is nothing to keep, or where the block is damaged (a
    warning is logged).
    """
    try:
        kept = Image.Exif()
        kept.endian = exif.endian or "<"
        for tag, value in exif.items():
            if tag not in LAYOUT_TAGS and tag not in (EXIF_IFD, GPS_IFD):
                kept[tag] = value
        for directory in (EXIF_IFD, GPS_IFD):
            if entries := dict(exif.get_ifd(directory)):
                kept[directory] = entries
        if not dict(kept):
            return None
        kept[ORIENTATION] = 1
        details = kept.get(EXIF_IFD, {})
        if COLOR_SPACE in details:
            details[COLOR_SPACE] = 1
        if PIXEL_WIDTH in details or PIXEL_HEIGHT in details:
            details[PIXEL_WIDTH], details[PIXEL_HEIGHT] = width, height
        # The interoperability index would still name the camera's colour space.
        details.pop(INTEROP_IFD, None)
        return kept.tobytes()
    except (ValueError, TypeError, KeyError, IndexError, SyntaxError, OverflowError, struct.error) as error:
        logger.warning("the EXIF block is damaged and was left out (%s)", error)
        return None
