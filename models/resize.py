"""Geometry between a picture and a network's input: working size, resampling, padding."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: A working picture is at most this many times longer than wide: a 1-pixel strip must not fill the memory.
MAX_ASPECT = 4


def working_size(height: int, width: int, size: int, *, multiple: int = 1) -> tuple[int, int]:
    """Return (h, w) with the shorter side ``size`` and the aspect kept, in steps of ``multiple``.

    A picture longer than four times its width is made smaller still, so that its longer side is four
    times ``size``; no side gets below one step.
    """
    scale = min(size / min(height, width), size * MAX_ASPECT / max(height, width))

    def step(side: int) -> int:
        return max(multiple, round(side * scale / multiple) * multiple)

    return step(height), step(width)


def resize_lightness(L: Tensor, height: int, width: int) -> Tensor:
    """Resample [B,1,H,W] to ``height`` x ``width``: bilinear, averaging where it shrinks; float32."""
    L = L.float()
    if L.shape[-2:] == (height, width):
        return L
    return F.interpolate(L, size=(height, width), mode="bilinear", align_corners=False, antialias=True)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last column and row until both sides of [B,C,H,W] divide by ``multiple``."""
    bottom, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


def pillow_resize(rgb: Tensor, height: int, width: int, how: Literal["bilinear", "bicubic"]) -> Tensor:
    """Resample a picture uint8 [3,H,W] as Pillow does, 8 bits out too: for what was published with it."""
    from PIL import Image  # only pictures that are coloured as published need it

    picture = Image.fromarray(rgb.permute(1, 2, 0).cpu().numpy())
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    return torch.from_numpy(np.array(picture.resize((width, height), filters[how]))).permute(2, 0, 1)
