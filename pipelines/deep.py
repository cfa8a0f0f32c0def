"""PNG and TIFF files of 16 bits a channel, which Pillow decodes and knows the tags of but cannot hold.

Reading: Pillow keeps the upper or the lower byte of each sample, as the raw mode of its tile says; decoded
once each way, the two give the whole. So all of its (and libtiff's) compressions and its checks for damaged
files are at our service, without a second imaging library (imagecodecs is 79 MB, OpenCV more).
Writing: the two containers are written here, the TIFF's directory by Pillow.
Sources: PNG specification, third edition; TIFF 6.0; Pillow's "writing your own image plugin" on tiles.
"""

from __future__ import annotations

import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

#: Bytes that compress as one strip of a TIFF.
STRIP_BYTES = 1 << 20

# The lower byte is noise and hardly compresses: level 6 takes twice the time to save two per cent.
ZLIB_LEVEL = 3

# TIFF tags by number: the directory is built from these.
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, SAMPLES, STRIP_ROWS, STRIP_SIZES = (
    *(256, 257, 258, 259, 262),
    *(273, 277, 278, 279),
)
X_RESOLUTION, Y_RESOLUTION, PLANAR, RESOLUTION_UNIT, PREDICTOR, EXTRA_SAMPLES, SAMPLE_FORMAT, ICC_PROFILE = (
    *(282, 283, 284, 296),
    *(317, 338, 339, 34675),
)


def is_deep(image: Image.Image) -> bool:
    """Tell whether an opened, not yet decoded picture has colour channels of 16 bits."""
    return image.mode in ("RGB", "RGBA", "LA") and any(
        mode[-4:-1] == ";16" and mode[-1] in "BLN" for mode in raw_modes(image)
    )


def raw_modes(image: Image.Image) -> list[str]:
    """Return the raw modes of a picture's tiles, as far as they name one."""
    found = []
    for tile in getattr(image, "tile", ()):
        mode = tile[3][0] if isinstance(tile[3], tuple) and tile[3] else tile[3]
        if isinstance(mode, str):
            found.append(mode)
    return found


def load_deep(path: Path) -> tuple[NDArray[np.uint16], bool]:
    """Read 16-bit samples: [H,W,C] with C = 2 (grey, alpha), 3 or 4 (with alpha or black), and whether the
    colour is premultiplied by the alpha.

    Raises what Pillow raises for damaged files.
    """
    with Image.open(path) as image:
        tag_v2 = getattr(image, "tag_v2", {})
        if tag_v2.get(PLANAR) == 2 or tag_v2.get(SAMPLE_FORMAT, (1,))[0] != 1:
            raise ValueError(
                "16-bit TIFF with separate planes or signed samples: save it interleaved, unsigned"
            )
        modes = raw_modes(image)
    if modes == ["LA;16B"]:
        # Four bytes a pixel, which Pillow has a mode for.
        samples = load_raw(path, {"LA;16B": "RGBA"}).view(">u2").reshape(*image.size[::-1], 2)
        return samples.astype(np.uint16), False
    native = "L" if sys.byteorder == "little" else "B"
    upper, lower = {}, {}
    for mode in modes:
        order = native if mode[-1] == "N" else mode[-1]
        stem = mode[:-1].replace("RGBa", "RGBA")
        upper[mode], lower[mode] = f"{stem}{order}", f"{stem}{'B' if order == 'L' else 'L'}"
    samples = load_raw(path, upper).astype(np.uint16)
    samples <<= 8
    samples |= load_raw(path, lower)
    return samples, any(mode.startswith("RGBa") for mode in modes)


def load_raw(path: Path, modes: dict[str, str]) -> NDArray[np.uint8]:
    """Decode a picture with the raw modes of its tiles exchanged."""
    with Image.open(path) as image:
        tiles: list[Any] = image.tile  # pyright: ignore[reportAttributeAccessIssue]
        for index, tile in enumerate(tiles):
            args = tile[3]
            args = (modes[args[0]], *args[1:]) if isinstance(args, tuple) else modes[args]
            # A named tuple since Pillow 11, a tuple before.
            tiles[index] = tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)
        # Pillow knows how to unpack premultiplied samples as straight ones: its name for both is RGBA.
        image.load()
        return np.asarray(image)


def write_png(
    file: IO[bytes],
    samples: NDArray[np.uint16],
    *,
    icc: bytes,
    exif: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """Write 16-bit samples [H,W,3 or 4] as a PNG. ``exif``: a block as Pillow gives it; ``dpi``: per inch."""
    height, width, channels = samples.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0))
    write_chunk(file, b"iCCP", b"sRGB\0\0" + zlib.compress(icc))
    if dpi:
        x, y = (round(value / 0.0254) for value in dpi)
        write_chunk(file, b"pHYs", struct.pack(">IIB", x, y, 1))
    if exif:
        write_chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    deflate = zlib.compressobj(ZLIB_LEVEL)
    rows = max(1, STRIP_BYTES // (width * channels * 2))
    above = np.zeros((1, width * channels * 2), dtype=np.uint8)
    for top in range(0, height, rows):
        part = samples[top : top + rows].astype(">u2").reshape(-1, width * channels).view(np.uint8)
        # Each byte less the one above: filter type 2.
        filtered = np.full((len(part), 1 + part.shape[1]), 2, dtype=np.uint8)
        np.subtract(part, np.concatenate([above, part[:-1]]), out=filtered[:, 1:])
        above = part[-1:]
        if data := deflate.compress(filtered.tobytes()):
            write_chunk(file, b"IDAT", data)
    write_chunk(file, b"IDAT", deflate.flush())
    write_chunk(file, b"IEND", b"")


def write_chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    """Write one chunk of a PNG: length, name, data, checksum."""
    file.write(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
    )


def write_tiff(
    file: IO[bytes],
    samples: NDArray[np.unsignedinteger],
    *,
    icc: bytes,
    exif: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """Write 8- or 16-bit samples [H,W,3 or 4] as a deflated TIFF; arguments as for ``write_png``.

    Pillow's own writer loses the EXIF directory when it compresses, so only its directory class is used.
    """
    height, width, channels = samples.shape
    rows = max(1, STRIP_BYTES // (width * channels * samples.itemsize))
    with ThreadPoolExecutor() as pool:
        strips = list(pool.map(deflate_strip, (samples[top : top + rows] for top in range(0, height, rows))))
    sizes = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2(b"II\x2a\0\x08\0\0\0")
    if exif:
        block = Image.Exif()
        block.load(exif)
        for tag, value in block.items():
            nested = block.get_ifd(tag) if tag in (0x8769, 0x8825) else None
            directory[tag] = value if nested is None else dict(nested)
    offsets = tuple(int(offset) for offset in np.cumsum([0, *sizes[:-1]]))
    entries: dict[int, Any] = {
        WIDTH: width,
        HEIGHT: height,
        BITS: (samples.itemsize * 8,) * channels,
        COMPRESSION: 8,
        PHOTOMETRIC: 2,
        STRIPS: offsets,
        SAMPLES: channels,
        STRIP_ROWS: rows,
        STRIP_SIZES: tuple(sizes),
        PLANAR: 1,
        PREDICTOR: 2,
        SAMPLE_FORMAT: (1,) * channels,
        ICC_PROFILE: icc,
    }
    if channels == 4:
        entries[EXTRA_SAMPLES] = 2  # straight alpha
    if dpi:
        entries |= {X_RESOLUTION: dpi[0], Y_RESOLUTION: dpi[1], RESOLUTION_UNIT: 2}
    for tag, value in entries.items():
        directory[tag] = value
    for tag in (STRIPS, STRIP_SIZES, STRIP_ROWS, WIDTH, HEIGHT):
        directory.tagtype[tag] = 4  # LONG: the offsets grow when the directory moves them behind itself
    directory.save(file)
    for strip in strips:
        file.write(strip)


def deflate_strip(strip: NDArray[np.unsignedinteger]) -> bytes:
    """Compress [rows,W,C] samples of a TIFF: each pixel less its left neighbour, then deflate."""
    different = strip.astype(strip.dtype.newbyteorder("<"))
    different[:, 1:] = strip[:, 1:] - strip[:, :-1]
    return zlib.compress(different.tobytes(), ZLIB_LEVEL)
