"""Look at a network while it trains: figures on photos kept apart, and a sheet of pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..color import lab_to_rgb_in_gamut, rgb_to_lab
from ..color.ab_bins import annealed_mean
from ..pipelines.metrics import PhotoScores
from ..pipelines.photo_set import PhotoSet

#: Annealing temperature used in reviews, so that they can be compared with each other.
REVIEW_TEMPERATURE = 0.38


def load_square(photo: Image.Image, size: int) -> Tensor:
    """Return the central square of a photo at ``size``: [1,3,size,size] 0..1."""
    side = min(photo.size)
    x, y = (photo.width - side) // 2, (photo.height - side) // 2
    part = photo.resize((size, size), Image.Resampling.BICUBIC, (x, y, x + side, y + side))
    return torch.from_numpy(np.array(part)).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def color_squares(network: nn.Module, rgb: Tensor, temperature: float = REVIEW_TEMPERATURE) -> Tensor:
    """Colour the lightness of ``rgb`` [B,3,S,S] with a network that gives logits; returns the same shape."""
    device = next(network.parameters()).device
    lab = rgb_to_lab(rgb)
    logits = network(lab[:, :1].to(device))
    ab = annealed_mean(logits, temperature).cpu()
    ab = F.interpolate(ab, size=rgb.shape[-2:], mode="bicubic", align_corners=False)
    return lab_to_rgb_in_gamut(torch.cat([lab[:, :1], ab], 1))


class Review:
    """Scores a network on photos and writes a contact sheet: original, grey, coloured."""

    def __init__(
        self, photos: PhotoSet, folder: Path, *, count: int = 100, shown: int = 24, size: int = 192
    ) -> None:
        step = max(1, len(photos) // count)
        self.squares = [load_square(photos.load(i), size) for i in range(0, len(photos), step)][:count]
        self.folder, self.shown = folder, shown

    def __call__(self, network: nn.Module, samples: int) -> dict[str, float]:
        """Return the figures; write ``samples-NNNNNNN.jpg`` into the folder."""
        scores, rows = PhotoScores(), []
        for i, rgb in enumerate(self.squares):
            colored = color_squares(network, rgb)
            scores.add(colored, rgb)
            if i % max(1, len(self.squares) // self.shown) == 0 and len(rows) < self.shown:
                rows.append(torch.cat([rgb, colored], 3)[0])
        write_sheet(rows, self.folder / f"samples-{samples:08d}.jpg")
        return scores.figures()


def write_sheet(pictures: Sequence[Tensor], path: Path, columns: int = 6) -> None:
    """Write pictures of one size, [3,h,w] 0..1, as a grid."""
    blank = torch.ones_like(pictures[0])
    cells = [*pictures, *[blank] * (-len(pictures) % columns)]
    grid = torch.cat([torch.cat(cells[i : i + columns], 2) for i in range(0, len(cells), columns)], 1)
    pixels = grid.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    Image.fromarray(pixels).save(part, format="JPEG", quality=90)
    os.replace(part, path)
