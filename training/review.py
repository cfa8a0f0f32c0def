"""Look at a network while it trains: figures on photos kept apart, and a sheet of pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from ..models.contract import Conditions
from ..models.embedded import SPEC, EmbeddedColorizer, EmbeddedNetwork
from ..pipelines.clusters import extract_palette
from ..pipelines.merge import merge
from ..pipelines.metrics import PhotoScores, psnr
from ..pipelines.photo_set import PhotoSet
from .conditions import place_hints
from .thin_plate import random_warp, warp


def load_square(photo: Image.Image, size: int) -> Tensor:
    """Return the central square of a photo at ``size``: [1,3,size,size] 0..1."""
    side = min(photo.size)
    x, y = (photo.width - side) // 2, (photo.height - side) // 2
    part = photo.resize((size, size), Image.Resampling.BICUBIC, (x, y, x + side, y + side))
    return torch.from_numpy(np.array(part)).permute(2, 0, 1)[None].float() / 255


def color_square(colorizer: EmbeddedColorizer, rgb: Tensor, conditions: Conditions | None = None) -> Tensor:
    """Colour the lightness of ``rgb`` [1,3,S,S], at its own size; returns the same shape on its device."""
    size = rgb.shape[-1]
    chroma = colorizer.colorize(rgb_to_lightness(rgb), conditions, size=size)
    return merge(rgb, chroma.ab)


class Review:
    """Scores a network on photos and writes a sheet of them, with and without conditions.

    A row of the sheet: the original; coloured by itself; with ten of its own colours as hints; after a warped
    copy of itself; towards the palette of another photo.
    """

    def __init__(
        self, photos: PhotoSet, folder: Path, *, count: int = 100, shown: int = 24, size: int = 192
    ) -> None:
        step = max(1, len(photos) // count)
        self.squares = [load_square(photos.load(i), size) for i in range(0, len(photos), step)][:count]
        self.folder, self.shown = folder, shown

    @torch.inference_mode()
    def __call__(self, network: EmbeddedNetwork, samples: int) -> dict[str, float]:
        """Return the figures; write ``samples-NNNNNNNN.jpg`` into the folder.

        The figures without conditions are of all photos, those with (``psnr_…``) of the ones on the sheet.
        """
        colorizer = EmbeddedColorizer(network, SPEC)
        scores, rows = PhotoScores(), []
        gains: dict[str, list[float]] = {}
        every = max(1, len(self.squares) // self.shown)
        for i, rgb in enumerate(self.squares):
            colored = color_square(colorizer, rgb)
            scores.add(colored, rgb)
            if i % every or len(rows) == self.shown:
                continue
            row = [rgb, colored]
            for name, conditions in self._conditions(colorizer, i).items():
                row.append(color_square(colorizer, rgb, conditions))
                gains.setdefault(name, []).append(float(psnr(row[-1], rgb).clamp(max=100)))
            rows.append(torch.cat(row, 3)[0])
        write_sheet(rows, self.folder / f"samples-{samples:08d}.jpg", columns=2)
        del gains["palette"]  # another photo's: nothing to compare with
        return scores.figures() | {f"psnr_{name}": sum(v) / len(v) for name, v in gains.items()}

    def _conditions(self, colorizer: EmbeddedColorizer, index: int) -> dict[str, Conditions]:
        rgb, rng = self.squares[index], np.random.default_rng(index)
        ab = rgb_to_lab(rgb)[0, 1:]
        known, confidence = torch.zeros_like(ab), torch.zeros_like(ab[:1])
        place_hints(ab, known, confidence, rng, count=10)
        size = rgb.shape[-2:]
        warped = warp(rgb, random_warp(1, rng, amount=torch.tensor([0.15]), height=size[0], width=size[1]))
        palette, _ = extract_palette(self.squares[index - 1])
        return {
            "hints": Conditions(known[None], confidence[None]),
            "reference": Conditions(color=colorizer.encode_reference(warped)),
            "palette": Conditions(color=colorizer.encode_palette(palette)),
        }


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
