"""What a picture file holds, as samples: any mode of Pillow's to grey or RGB, with or without alpha."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import deep
from .icc import ProfileError, image_to_rgb, profile_space

logger = logging.getLogger(__name__)

#: Largest picture that is read, in pixels: 100-megapixel scans pass, a malicious header does not.
MAX_PIXELS = 500_000_000


class PictureError(ValueError):
    """A picture that cannot be read or written, with the reason in one line."""


def check_readable(path: Path, image: Image.Image) -> None:
    """Raise PictureError for pictures too large, animated, or of samples that have no range of their own."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{path}: {width}×{height} is {width * height / 1e6:.0f} megapixels, the limit is "
            f"{MAX_PIXELS / 1e6:.0f}: scale it down or cut it into parts"
        )
    frames = count_frames(image)
    if frames > 1 and image.format == "TIFF":
        raise PictureError(f"{path}: a TIFF of {frames} pages: save each page as a file of its own")
    if frames > 1:
        raise PictureError(
            f"{path}: an animation of {frames} frames: colour it into a video file (.mp4), or save one as PNG"
        )
    wide = (
        image.format == "PPM"
        and image.mode == "RGB"
        and any(isinstance(tile[3], tuple) and tile[3][-1] > 255 for tile in getattr(image, "tile", ()))
    )
    if wide:
        raise PictureError(f"{path}: a PPM of more than 8 bits a channel: save it as 16-bit PNG or TIFF")
    tags = getattr(image, "tag_v2", {})
    if tags.get(deep.PLANAR) == 2 and max(tags.get(deep.BITS, (8,))) > 8:
        # Pillow reads the planes' bytes as if each were a sample.
        raise PictureError(f"{path}: a 16-bit TIFF in separate planes: save it with interleaved channels")
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise PictureError(
            f"{path}: samples of 32 bits, or with a sign, have no white of their own: save it as 16-bit TIFF"
        )


def count_frames(image: Image.Image) -> int:
    """Count a file's frames or pages; previews and masks of the same picture do not count."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == "MPO":
        return 1
    if image.format != "TIFF":
        return frames
    pages = 0
    for frame in range(frames):
        image.seek(frame)
        # NewSubfileType: bit 0 is a reduced copy, bit 2 a transparency mask.
        pages += not getattr(image, "tag_v2", {}).get(254, 0) & 0b101
    image.seek(0)
    return pages


def read_samples(
    path: Path, image: Image.Image, profile: bytes | None
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger] | None, bytes | None]:
    """Decode a picture: samples [H,W,1 or 3], alpha [H,W,1] or None, both uint8 or uint16; its profile."""
    if deep.is_deep(image):
        return *read_deep_samples(path, image), profile
    if image.mode.startswith("I"):
        return *read_deep_grey(image), profile
    if image.mode == "CMYK":
        if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(deep.BITS, (8,))[0] > 8:
            logger.warning("%s: CMYK of 16 bits a channel is read at 8 bits", path)
        if profile and profile_is_for(profile, "CMYK"):
            try:
                return image_to_rgb(image, profile), None, None
            except ProfileError as error:
                logger.warning("%s: %s; the inks were taken for plain ones", path, error)
        return np.asarray(image.convert("RGB")), None, None
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        samples = np.asarray(image.convert("RGBA"))
        return samples[:, :, : 1 if grey else 3], samples[:, :, 3:], profile
    return np.asarray(image.convert("L" if grey else "RGB")).reshape(*image.size[::-1], -1), None, profile


def profile_is_for(profile: bytes, space: str) -> bool:
    """Tell whether a profile is one, and for the colour space named."""
    try:
        return profile_space(profile) == space
    except ProfileError:
        return False


def read_deep_samples(path: Path, image: Image.Image) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Decode 16-bit colour, or grey with alpha: samples [H,W,1 or 3], alpha [H,W,1] or None."""
    samples, premultiplied = deep.load_deep(path)
    if samples.shape[2] in (2, 4):
        samples, alpha = samples[:, :, :-1], samples[:, :, -1:]
        if premultiplied:
            straight = samples * (65535.0 / np.maximum(alpha, 1))
            samples = straight.round().clip(0, 65535).astype(np.uint16)
        return samples, alpha
    key = image.info.get("transparency")
    if isinstance(key, tuple):
        return samples, np.where((samples == key).all(axis=2, keepdims=True), 0, 65535).astype(np.uint16)
    return samples, None


def read_deep_grey(image: Image.Image) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Decode grey of more than 8 bits: samples [H,W,1], alpha [H,W,1] or None."""
    tags = getattr(image, "tag_v2", {})
    samples = np.asarray(image).astype(np.int64)[:, :, None]
    if samples.size and (samples.min() < 0 or samples.max() > 65535):
        raise ValueError("samples beyond 16 bits")
    key = image.info.get("transparency")
    alpha = None if not isinstance(key, int) else np.where(samples == key, 0, 65535).astype(np.uint16)
    if tags.get(deep.BITS, (16,))[0] == 12:
        samples = (samples * 65535 + 2047) // 4095
    if tags.get(deep.PHOTOMETRIC) == 0:
        samples = 65535 - samples  # white is zero
    return samples.astype(np.uint16), alpha


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, or its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
