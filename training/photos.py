"""What the network sees of a photo in training: a random part of it, degraded, by seed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..pipelines.photo_set import PhotoSet


def random_crop(photo: Image.Image, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a random part (30 to 100 % of the area, sides up to 4:3), scale it to ``size``, flip by chance.

    Returns uint8 [size,size,3].
    """
    width, height = photo.size
    area = width * height * rng.uniform(0.3, 1.0)
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    w = min(width, max(1, round(float(np.sqrt(area * ratio)))))
    h = min(height, max(1, round(float(np.sqrt(area / ratio)))))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    part = photo.resize((size, size), Image.Resampling.BICUBIC, (x, y, x + w, y + h))
    pixels = np.array(part)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def degrade_lightness(L: Tensor, rng: np.random.Generator) -> Tensor:
    """Make the luminance of clean photos look like that of old ones, each fault by chance.

    ``L``: [B,1,H,W] 0..100. Contrast, gamma, blur and film grain; returns the same shape and range.
    """
    batch = L.shape[0]

    def draw(low: float, high: float, chance: float, off: float) -> Tensor:
        values = np.where(rng.random(batch) < chance, rng.uniform(low, high, batch), off)
        return torch.tensor(values, dtype=L.dtype).view(-1, 1, 1, 1)

    out = (L / 100).clamp(1e-4, 1) ** draw(0.7, 1.4, 0.5, 1.0)
    contrast = draw(0.6, 1.1, 0.4, 1.0)
    out = (out - 0.5) * contrast + 0.5 + draw(-0.08, 0.08, 0.4, 0.0)
    blurred = torch.nn.functional.avg_pool2d(out, 3, 1, 1, count_include_pad=False)
    share = draw(0.3, 1.0, 0.2, 0.0)
    out = out + share * (blurred - out)
    grain = torch.from_numpy(rng.standard_normal(L.shape, np.float32)).to(L.dtype)
    out = out + draw(0.01, 0.06, 0.25, 0.0) * grain
    return (out * 100).clamp_(0, 100)


def batches(
    photos: PhotoSet, *, size: int, batch: int, seed: int, start: int = 0, workers: int = 2
) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """Yield batches for ever: uint8 [batch,size,size,3] and a generator for whatever else is random.

    ``start``: index of the first batch, so that a resumed run goes on with what it would have seen. Every
    epoch is a new permutation; the same seed gives the same pictures, whatever the number of workers.
    """

    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, 1, epoch]).permutation(len(photos))

    def load(sample: int) -> np.ndarray:
        epoch, position = divmod(sample, len(photos))
        if epoch not in orders:
            orders[epoch] = order(epoch)
        rng = np.random.default_rng([seed, 2, sample])
        return random_crop(photos.load(int(orders[epoch][position])), size, rng)

    orders: dict[int, np.ndarray] = {}
    with ThreadPoolExecutor(workers) as pool:
        number, pending = start, []
        while True:
            while len(pending) < 4:
                first = (number + len(pending)) * batch
                pending.append([pool.submit(load, i) for i in range(first, first + batch)])
            pixels = np.stack([future.result() for future in pending.pop(0)])
            for epoch in [e for e in orders if e < (number * batch) // len(photos)]:
                orders.pop(epoch, None)
            yield pixels, np.random.default_rng([seed, 3, number])
            number += 1
