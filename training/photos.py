"""What the network sees of a photo in training: a random part of it, degraded, by seed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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


def draw_photos(photos: PhotoSet, size: int, batch: int, rng: np.random.Generator) -> Tensor:
    """Return random parts of random photos: sRGB [batch,3,size,size] 0..1."""
    parts = [random_crop(photos.load(int(n)), size, rng) for n in rng.integers(len(photos), size=batch)]
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).float() / 255


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


@dataclass(frozen=True)
class Batch:
    """Photos for one step, their references, and a generator for whatever else is random.

    ``pixels``: uint8 [B,S,S,3]; ``references``: uint8 [B,R,R,3], another part of the same photo, a photo of
    the same group, a neighbouring frame, or any photo; None where photos stand alone.
    """

    pixels: np.ndarray
    references: np.ndarray | None
    rng: np.random.Generator

    def pictures(self) -> tuple[Tensor, Tensor | None]:
        """Return photos and references as sRGB [B,3,S,S] and [B,3,R,R] 0..1."""
        return _as_rgb(self.pixels), None if self.references is None else _as_rgb(self.references)


def _as_rgb(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@dataclass(frozen=True)
class ReferenceMix:
    """Where references come from; sums to 1. What a photo has no group or neighbour for comes from itself."""

    itself: float = 0.45
    group: float = 0.15
    neighbour: float = 0.1
    any: float = 0.3

    @classmethod
    def with_itself(cls, share: float) -> ReferenceMix:
        """Return the mix with another share of ``itself``, the others in their proportions."""
        usual = cls()
        rest = (1 - share) / (1 - usual.itself)
        return cls(share, usual.group * rest, usual.neighbour * rest, usual.any * rest)


#: Frames of a clip that are at most this far apart are neighbours.
NEIGHBOURS = 5


def choose_reference(photos: PhotoSet, index: int, rng: np.random.Generator, mix: ReferenceMix) -> int:
    """Return the index of the photo that ``index`` takes its reference from."""
    chance = rng.random()
    if chance < mix.any:
        return int(rng.integers(len(photos)))
    if chance < mix.any + mix.group:
        members = photos.group_of(index)
        return int(members[rng.integers(len(members))])
    if chance < mix.any + mix.group + mix.neighbour:
        frames = photos.neighbours(index, NEIGHBOURS)
        return int(frames[rng.integers(len(frames))])
    return index


def batches(
    photos: PhotoSet,
    *,
    size: int,
    batch: int,
    seed: int,
    start: int = 0,
    workers: int = 2,
    reference_size: int = 96,
    mix: ReferenceMix | None = None,
    alone: float = 0.0,
) -> Iterator[Batch]:
    """Yield batches for ever; a share of ``alone`` of them without references.

    ``start``: index of the first batch, so that a resumed run goes on with what it would have seen. Every
    epoch is a new permutation; the same seed gives the same pictures, whatever the number of workers.
    """
    mix = mix or ReferenceMix()

    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, 1, epoch]).permutation(len(photos))

    def load(sample: int) -> tuple[np.ndarray, np.ndarray | None]:
        epoch, position = divmod(sample, len(photos))
        if epoch not in orders:
            orders[epoch] = order(epoch)
        rng = np.random.default_rng([seed, 2, sample])
        index = int(orders[epoch][position])
        other = choose_reference(photos, index, rng, mix)
        photo = photos.load(index)
        crop = random_crop(photo, size, rng)
        if stands_alone(sample // batch):
            return crop, None
        reference = photo if other == index else photos.load(other)
        return crop, random_crop(reference, reference_size, rng)

    def stands_alone(number: int) -> bool:
        return np.random.default_rng([seed, 4, number]).random() < alone

    orders: dict[int, np.ndarray] = {}
    with ThreadPoolExecutor(workers) as pool:
        number, pending = start, []
        while True:
            while len(pending) < 4:
                first = (number + len(pending)) * batch
                pending.append([pool.submit(load, i) for i in range(first, first + batch)])
            pairs = [future.result() for future in pending.pop(0)]
            for epoch in [e for e in orders if e < (number * batch) // len(photos)]:
                orders.pop(epoch, None)
            pixels = np.stack([photo for photo, _ in pairs])
            references = [reference for _, reference in pairs if reference is not None]
            rng = np.random.default_rng([seed, 3, number])
            yield Batch(pixels, np.stack(references) if references else None, rng)
            number += 1
