"""What Zhang 2019 do to a frame before and after their networks, to the digit.

Facts: test.py and utils/ of github.com/zhangmozhe/Deep-Exemplar-based-Video-Colorization, which go through
scikit-image's resize and Lab and OpenCV's fast global smoother. The lines here are our own.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..global_smoother import smooth_globally
from ..scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb

#: Between the network's chroma and the frame.
ENLARGE = 2
#: What the authors multiply all chroma by.
SATURATION = 1.25

_HEIGHT, _WIDTH = 432, 768
# The network's sides divide by 8 and 16.
_STEPS = 16
# Of a Gaussian, in standard deviations, as SciPy cuts it.
_TRUNCATE = 4.0


def frame_of(rgb: Tensor, height: int | None = None) -> Tensor:
    """Return a picture uint8 [3,H,W] as Lab [1,3,h,w], L less 50: cropped to 16:9 and resized.

    ``height``: of the frame, by default 432; its width is 16/9 of that. Raises ValueError where half of the
    frame does not suit the network.
    """
    height = height or _HEIGHT
    width = height * _WIDTH // _HEIGHT
    if height % _STEPS or width % (2 * _STEPS) or height * _WIDTH != width * _HEIGHT:
        raise ValueError(f"a published frame's height must be a multiple of 144, got {height}")
    lab = rgb_to_scikit_lab(_cropped(rgb, height, width).double() / 255)[None].float()
    lab[:, 0] -= 50
    return lab


def reference_rgb(lab: Tensor) -> Tensor:
    """Lab [1,3,h,w], L less 50 → the sRGB that the reference's features are made of."""
    shift = torch.tensor([50.0, 0.0, 0.0]).view(3, 1, 1)
    return scikit_lab_to_rgb(lab.cpu() + shift).float().to(lab.device)


def smooth_as_published(ab: Tensor, L: Tensor) -> Tensor:
    """Smooth chroma [1,2,H,W] along the edges of L [1,1,H,W] 0..100, cut down to 8 bits."""
    return smooth_globally(ab, (L * 255 / 100).to(torch.uint8))


def lab_to_8_bit_rgb(lab: Tensor) -> Tensor:
    """Lab [1,3,H,W] → [3,H,W] 0..1, each value cut down to one of 256."""
    rgb = scikit_lab_to_rgb(lab.cpu())[0]
    return ((rgb * 255).floor() / 255).float().to(lab.device)


def _cropped(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return uint8 [3,height,width]: the whole of one side, the middle of the other."""
    old_height, old_width = rgb.shape[1:]
    if (old_height, old_width) == (height, width):
        return rgb
    ratio = height / width
    # In this order, so that rounding falls as theirs does.
    if old_height / old_width > ratio:
        new = int(old_height * width / old_width), int(old_width * width / old_width)
    else:
        new = int(old_height * height / old_height), int(old_width * height / old_height)
    pixels = _resize(rgb.numpy().astype(np.float64), new)
    top, left = (new[0] - height) // 2, (new[1] - width) // 2
    crop = pixels[:, top : top + height, left : left + width]
    return torch.from_numpy(np.ascontiguousarray(crop.astype(np.uint8)))


def _resize(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample [3,H,W] as scikit-image: a Gaussian where it shrinks, then linear, mirrored at the edges."""
    for axis, wanted in zip((1, 2), size, strict=True):
        have = planes.shape[axis]
        factor = have / wanted
        planes = _blur(planes, axis, max(0.0, (factor - 1) / 2))
        at = (np.arange(wanted) + 0.5) * factor - 0.5
        low = np.floor(at).astype(int)
        part = at - low
        a, b = (planes.take(_mirrored(i, have), axis) for i in (low, low + 1))
        part = part.reshape(-1, 1) if axis == 1 else part
        planes = a * (1 - part) + b * part
    return planes


def _blur(planes: np.ndarray, axis: int, sigma: float) -> np.ndarray:
    radius = int(_TRUNCATE * sigma + 0.5)
    if radius == 0:
        return planes
    x = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 / sigma**2 * x**2)
    padded = planes.take(_mirrored(np.arange(-radius, planes.shape[axis] + radius), planes.shape[axis]), axis)
    rows = torch.from_numpy(np.moveaxis(padded, axis, -1).copy())
    weights = torch.from_numpy(kernel / kernel.sum()).view(1, 1, -1)
    blurred = F.conv1d(rows.reshape(-1, 1, rows.shape[-1]), weights).view(*rows.shape[:-1], -1)
    return np.moveaxis(blurred.numpy(), -1, axis)


def _mirrored(index: np.ndarray, count: int) -> np.ndarray:
    """Return indices with those outside mirrored about the outermost pixels, which are not repeated."""
    if count == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * count - 2)
    return np.minimum(index, 2 * count - 2 - index)
