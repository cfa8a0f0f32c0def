"""OKLab: a perceptual space with straighter hues than Lab.

Björn Ottosson, "A perceptual color space for image processing" (2020, bottosson.github.io/posts/oklab);
the matrices are those of its 2021 revision.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .chunks import convert
from .formulas import Matrix, Planes, decode, encode, mix

# Linear sRGB to cone responses.
RGB_TO_LMS: Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
# Cube roots of the cone responses to OKLab.
LMS_TO_OKLAB: Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
LMS_TO_RGB: Matrix = tuple(map(tuple, np.linalg.inv(RGB_TO_LMS).tolist()))
OKLAB_TO_LMS: Matrix = tuple(map(tuple, np.linalg.inv(LMS_TO_OKLAB).tolist()))

# Below this the cube root's slope is taken as zero: it would be infinite at black.
_SMALLEST = 1e-15


def rgb_to_oklab(rgb: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert sRGB to OKLab.

    ``rgb``: any shape with 3 channels on axis ``dim``, nominally 0..1. Returns L 0..1 and a, b about
    -0.4..0.4, in the same shape and type; ``out`` takes the result when given. Raises ValueError for a wrong
    shape or type.
    """
    return convert(_to_oklab, (rgb,), names=("rgb",), dim=dim, channels=3, out=out)


def oklab_to_rgb(oklab: Tensor, *, dim: int = -3, out: Tensor | None = None) -> Tensor:
    """Convert OKLab to sRGB, unclipped.

    ``oklab``: any shape with 3 channels on axis ``dim``, L 0..1. Returns the same shape and type; ``out``
    takes the result when given. Raises ValueError for a wrong shape or type.
    """
    return convert(_from_oklab, (oklab,), names=("oklab",), dim=dim, channels=3, out=out)


def _cube_root(x: Tensor) -> Tensor:
    return torch.sign(x) * x.abs().clamp_min(_SMALLEST) ** (1 / 3)


def _to_oklab(red: Tensor, green: Tensor, blue: Tensor) -> Planes:
    lms = mix(RGB_TO_LMS, decode(red), decode(green), decode(blue))
    return mix(LMS_TO_OKLAB, *(_cube_root(plane) for plane in lms))


def _from_oklab(L: Tensor, a: Tensor, b: Tensor) -> Planes:
    lms = mix(OKLAB_TO_LMS, L, a, b)
    return tuple(encode(plane) for plane in mix(LMS_TO_RGB, *(plane * plane * plane for plane in lms)))
