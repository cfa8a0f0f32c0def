"""Pictures in rows and columns, for the pictures that the benchmarks draw: all [3,h,w], 0..1."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

#: Height of a row, and white between pictures, in pixels.
HEIGHT, GAP = 168, 6
#: JPEG quality: the pictures ship, so they are small.
QUALITY = 84

Source = TypeVar("Source")


def to_tensor(picture: Image.Image) -> Tensor:
    """Return a picture as [1,3,H,W]."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None].float() / 255


def to_pixels(rgb: Tensor) -> np.ndarray:
    """Return [3,H,W] as bytes [H,W,3]."""
    return rgb.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()


def fitted(rgb: Tensor, height: int = HEIGHT) -> Tensor:
    """Return a picture [1,3,H,W] or [1,1,H,W] as [3,height,w]."""
    width = max(1, round(rgb.shape[3] * height / rgb.shape[2]))
    small = F.interpolate(rgb.float(), (height, width), mode="bilinear", antialias=True, align_corners=False)
    return small[0].expand(3, -1, -1)


def row(*pictures: Tensor) -> Tensor:
    """Lay pictures [3,h,w] of one height side by side."""
    between = torch.ones(3, pictures[0].shape[1], GAP)
    parts = [part for picture in pictures for part in (picture, between)]
    return torch.cat(parts[:-1], 2)


def column(*rows: Tensor) -> Tensor:
    """Lay rows [3,h,w] under each other, the narrower ones with white behind."""
    width = max(one.shape[2] for one in rows)
    padded = [
        F.pad(one, (0, width - one.shape[2], 0, GAP if n < len(rows) - 1 else 0), value=1.0)
        for n, one in enumerate(rows)
    ]
    return torch.cat(padded, 1)


def framed(picture: Tensor, color: Sequence[float]) -> Tensor:
    """Return a picture [3,h,w] with a frame of a colour."""
    inner = picture[:, 3:-3, 3:-3]
    result = torch.tensor(color).view(3, 1, 1).expand_as(picture).clone()
    result[:, 3:-3, 3:-3] = inner
    return result


def split_picture(left: Tensor, right: Tensor) -> Tensor:
    """Return two pictures [3,h,w] as one, with a line in the middle."""
    half = left.shape[2] // 2
    joined = torch.cat([left[:, :, :half], right[:, :, half:]], 2)
    joined[:, :, half - 1 : half + 1] = 1.0
    return joined


def film(*clips: Tensor, shown: int = 5) -> Tensor:
    """Return some frames of clips [N,3,H,W], a row for each clip."""
    height = HEIGHT * 9 // 16
    places = [round(n * (len(clips[0]) - 1) / (shown - 1)) for n in range(shown)]
    return column(*(row(*(fitted(clip[n : n + 1], height) for n in places)) for clip in clips))


def write_pictures(
    argv: list[str] | None,
    parser: argparse.ArgumentParser,
    makers: Mapping[str, Callable[[Source], Tensor]],
    source: Callable[[], Source],
    prefix: str = "",
) -> int:
    """Write what each of ``makers``, or of those chosen, makes of the source: JPEG files of their names."""
    parser.add_argument("-o", "--output", type=Path, required=True, help=f"folder for {prefix}….jpg")
    parser.add_argument("--only", nargs="+", choices=sorted(makers), help="these alone")
    arguments = parser.parse_args(argv)
    arguments.output.mkdir(parents=True, exist_ok=True)
    given = source()
    with torch.inference_mode():
        for name in arguments.only or makers:
            image = Image.fromarray(to_pixels(makers[name](given)))
            path = arguments.output / f"{prefix}{name}.jpg"
            image.save(path, quality=QUALITY, optimize=True, subsampling=0)
            sys.stdout.write(f"{path}: {image.width} x {image.height}, {path.stat().st_size // 1024} kB\n")
    return 0
