"""Pictures from files and to files: upright, in sRGB, at 8 or 16 bits, with what their files say of them."""

from __future__ import annotations

import logging
import math
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from . import deep
from .exif import JPEG_EXIF_LIMIT, read_orientation, upright, upright_exif
from .icc import ProfileError, icc_to_rgb, srgb_profile
from .replacing import replacing
from .samples import PictureError, check_readable, one_line, read_samples

logger = logging.getLogger(__name__)

#: What save_picture can write, by the end of the file's name.
WRITABLE = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")

#: What a folder's files are taken for pictures by.
READABLE = (*WRITABLE, ".gif", ".jfif", ".mpo", ".jp2", ".avif", ".ppm", ".pgm", ".pnm", ".pbm", ".tga")

# Formats that Pillow is asked to look for; each that its build lacks is left out.
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "PPM", "TGA")

# Longest side that a format can hold.
LONGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}

# What Pillow raises for damaged files, depending on where it notices.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    struct.error,
    zlib.error,
)

_limits = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A picture in memory, upright and in sRGB.

    ``rgb``: [3,H,W] float32, 0..1. ``alpha``: [1,H,W] float32, 0..1, straight, or None. ``bits``: 8 or 16 a
    channel in its file. ``exif``: a block as Pillow reads and writes it, orientation 1. ``dpi``: x and y.
    """

    rgb: torch.Tensor
    alpha: torch.Tensor | None = None
    bits: int = 8
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None

    def with_rgb(self, rgb: torch.Tensor) -> Picture:
        """Return this picture with other colours [3,H,W]: alpha and all else stay."""
        if rgb.shape != self.rgb.shape:
            raise ValueError(f"rgb must be {list(self.rgb.shape)} as the picture, got {list(rgb.shape)}")
        return replace(self, rgb=rgb)

    def replaced_by(self, rgb: torch.Tensor) -> Picture:
        """Return a picture [3,h,w] of any size in this one's place; alpha stays where it fits."""
        alpha = self.alpha if rgb.shape[1:] == self.rgb.shape[1:] else None
        return replace(self, rgb=rgb, alpha=alpha)


def load_picture(path: str | Path) -> Picture:
    """Read a picture: any common format, palette, grey, CMYK, 1 to 16 bits, with or without alpha.

    The orientation is applied, any ICC profile converted to sRGB. A value of a picture that is sRGB already
    comes back exactly when saved. Raises PictureError for a file that is missing, damaged, animated, too
    large, or not a picture of 8 or 16 bits.
    """
    path = Path(path)
    with one_line_errors(path), any_size():
        return read_picture(path)


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Raise PictureError where there is no file to read, and in the place of whatever reading it raises."""
    if not path.exists():
        raise PictureError(f"{path}: no such file")
    if path.is_dir():
        raise PictureError(f"{path}: a folder, not a picture")
    try:
        if path.stat().st_size == 0:
            raise PictureError(f"{path}: an empty file")
        yield
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not a picture, or of an unknown format") from None
    except MemoryError:
        raise PictureError(f"{path}: too large for this machine's memory") from None
    except DAMAGED as error:
        raise PictureError(f"{path}: cannot be read, the file may be damaged ({one_line(error)})") from error


@contextmanager
def any_size() -> Iterator[None]:
    """Put our own limit of size in the place of Pillow's, which refuses scans of 180 megapixels."""
    with _limits:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def open_image(path: Path) -> Image.Image:
    """Open a file as one of FORMATS; raises whatever Pillow does."""
    Image.init()
    return Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])


def read_picture(path: Path) -> Picture:
    """Do the work of ``load_picture``; raises whatever Pillow does."""
    with open_image(path) as image:
        check_readable(path, image)
        info = dict(image.info)
        profile = info.get("icc_profile")
        samples, alpha, profile = read_samples(path, image, profile)
        try:
            exif = image.getexif()
            # Pillow turns a TIFF upright while it decodes it, and no other format.
            orientation = 1 if image.format == "TIFF" else read_orientation(exif)
        except DAMAGED as error:
            logger.warning("%s: the EXIF block is damaged and was left out (%s)", path, one_line(error))
            exif, orientation = Image.Exif(), 1
    samples = upright(samples, orientation)
    height, width, _ = samples.shape
    rgb = None
    if profile:
        try:
            rgb = icc_to_rgb(samples, profile)
        except ProfileError as error:
            logger.warning("%s: %s; the picture was taken for sRGB", path, error)
    if rgb is None:
        rgb = to_tensor(samples).expand(3, -1, -1).contiguous()
    dpi = read_dpi(info.get("dpi"))
    return Picture(
        rgb=rgb,
        alpha=None if alpha is None else to_tensor(upright(alpha, orientation)),
        bits=samples.itemsize * 8,
        exif=upright_exif(exif, width, height),
        dpi=(dpi[1], dpi[0]) if dpi and orientation >= 5 else dpi,
    )


def to_tensor(samples: NDArray[np.unsignedinteger]) -> torch.Tensor:
    """Convert [H,W,C] samples to float32 [C,H,W], 0..1."""
    planes = np.ascontiguousarray(samples.transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(planes).div_(float(np.iinfo(samples.dtype).max))


def read_dpi(value: object) -> tuple[float, float] | None:
    """Return a resolution that every format can hold, or None."""
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(v) and 1 < v < 65535 for v in (x, y)) else None


def save_picture(path: str | Path, picture: Picture) -> None:
    """Write a picture in the format that the end of ``path`` names; whole or not at all.

    PNG and TIFF keep 16 bits; JPEG is of quality 95 with full-resolution chroma, WebP lossless. sRGB is
    embedded (BMP has no place for it). Raises PictureError for a format that is not in WRITABLE or cannot
    hold the picture's alpha or size, and for a file that cannot be written.
    """
    path = Path(path)
    check_writable(path, picture)
    try:
        with replacing(path) as temporary, temporary.open("xb") as file:
            write_picture(file, path.suffix.lower(), picture)
    except (OSError, ValueError, struct.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
        raise PictureError(f"{path}: cannot be written ({reason})") from error


def check_writable(path: Path, picture: Picture) -> None:
    """Raise PictureError where the format of ``path`` is unknown or cannot hold ``picture``."""
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise PictureError(
            f"{path}: cannot write {suffix or 'a name without an ending'}: choose {', '.join(WRITABLE)}"
        )
    if picture.alpha is not None and suffix in (".jpg", ".jpeg", ".bmp"):
        raise PictureError(f"{path}: {suffix} cannot hold the picture's alpha: choose .png, .tif or .webp")
    longest = max(picture.rgb.shape[1:])
    if longest > LONGEST_SIDE.get(suffix, longest):
        raise PictureError(
            f"{path}: {suffix} holds at most {LONGEST_SIDE[suffix]} pixels a side, this has {longest}"
        )


def write_picture(file, suffix: str, picture: Picture) -> None:
    """Write a checked picture into an open file."""
    bits = picture.bits if suffix in (".png", ".tif", ".tiff") else 8
    samples = to_samples(picture, bits)
    icc = srgb_profile()
    if suffix in (".tif", ".tiff"):
        deep.write_tiff(file, samples, icc=icc, exif=picture.exif, dpi=picture.dpi)
        return
    if bits == 16:
        deep.write_png(file, samples, icc=icc, exif=picture.exif, dpi=picture.dpi)
        return
    options: dict[str, object] = {} if picture.dpi is None else {"dpi": picture.dpi}
    exif = picture.exif
    if suffix in (".jpg", ".jpeg"):
        if exif and len(exif) > JPEG_EXIF_LIMIT:
            logger.warning("the EXIF block is too long for JPEG and was left out")
            exif = None
        options |= {"quality": 95, "subsampling": 0, "optimize": True}
    if suffix == ".webp":
        options |= {"lossless": True, "exact": True}
    if suffix != ".bmp":
        options |= {"icc_profile": icc} | ({"exif": exif} if exif else {})
    Image.fromarray(samples).save(file, format=Image.registered_extensions()[suffix], **options)


def to_samples(picture: Picture, bits: int) -> NDArray[np.unsignedinteger]:
    """Round a picture to [H,W,3 or 4] samples of 8 or 16 bits."""
    planes = [*picture.rgb, *([] if picture.alpha is None else picture.alpha)]
    top = 2**bits - 1
    samples = np.empty((*picture.rgb.shape[1:], len(planes)), dtype=np.uint8 if bits == 8 else np.uint16)
    for index, plane in enumerate(planes):
        values = plane.detach().float().cpu().numpy() * np.float32(top)
        samples[:, :, index] = np.rint(values, out=values).clip(0, top, out=values)
    return samples
