"""Pictures read for being compared, not looked at: scaled to a small square while they are decoded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .exif import read_orientation, upright
from .icc import ProfileError, icc_to_rgb
from .pictures import DAMAGED, any_size, load_picture, one_line_errors, open_image, to_tensor
from .samples import check_readable

# What is scaled as it is decoded; other modes go through load_picture.
_PLAIN = ("L", "LA", "P", "RGB", "RGBA")


def load_small(path: str | Path, side: int) -> Tensor:
    """Read a picture as rgb [3,side,side] 0..1, its aspect given up; upright, in sRGB, alpha left out.

    A JPEG is decoded at a fraction of its size: much faster than ``load_picture``, and 8 bits exact at most.
    Raises PictureError as ``load_picture`` does.
    """
    path = Path(path)
    with one_line_errors(path):
        with any_size():  # its lock is let go before the decoding, so that several threads can do that
            image = open_image(path)
        with image:
            check_readable(path, image)
            if image.mode in _PLAIN:
                return _decode(image, side)
    rgb = load_picture(path).rgb
    return small_square(rgb[None], side)[0]


def small_square(rgb: Tensor, side: int) -> Tensor:
    """Scale rgb [B,3,H,W] to [B,3,side,side], as ``load_small`` does."""
    if rgb.shape[2:] == (side, side):
        return rgb
    # Pillow's bilinear filter is this one.
    return F.interpolate(rgb.float(), (side, side), mode="bilinear", antialias=True).clamp(0, 1)


def _decode(image: Image.Image, side: int) -> Tensor:
    profile, grey = image.info.get("icc_profile"), image.mode in ("L", "LA")
    if image.format in ("JPEG", "MPO"):
        image.draft(image.mode, (2 * side, 2 * side))
    small = image if image.mode == "RGB" else image.convert("RGB")
    small = small.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    samples = np.asarray(small)
    # Pillow turns a TIFF upright by itself. A damaged block says nothing of how the picture stands.
    with suppress(*DAMAGED):
        samples = upright(samples, 1 if image.format == "TIFF" else read_orientation(image.getexif()))
    if profile:
        try:
            rgb = icc_to_rgb(np.ascontiguousarray(samples[:, :, :1] if grey else samples), profile)
        except ProfileError:
            rgb = None
        if rgb is not None:
            return rgb.expand(3, -1, -1).contiguous()
    return to_tensor(samples)
