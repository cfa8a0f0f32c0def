"""Photos as small squares in memory, for networks that see no more of them."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..pipelines.photo_set import PhotoSet

logger = logging.getLogger(__name__)

#: What is kept of each side: a random part of it is what a network sees.
SIDE = 80


def load_thumbnails(photos: PhotoSet, workers: int = 2) -> NDArray[np.uint8]:
    """Decode every photo, squeezed to a square: uint8 [N,80,80,3]; 19 kB each."""

    def load(index: int) -> NDArray[np.uint8]:
        return np.asarray(photos.load(index).resize((SIDE, SIDE), Image.Resampling.BOX))

    with ThreadPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(load, range(len(photos)))))


def draw_batch(thumbnails: NDArray[np.uint8], size: int, batch: int, rng: np.random.Generator) -> Tensor:
    """Return random thumbnails, flipped and cropped by chance: sRGB [batch,3,size,size] 0..1."""
    parts = np.empty((batch, size, size, 3), np.uint8)
    for number, index in enumerate(rng.integers(len(thumbnails), size=batch)):
        y, x = rng.integers(SIDE - size + 1, size=2)
        part = thumbnails[index, y : y + size, x : x + size]
        parts[number] = part[:, ::-1] if rng.random() < 0.5 else part
    return torch.from_numpy(parts).permute(0, 3, 1, 2).float() / 255
