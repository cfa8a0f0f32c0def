"""What a user might know, made from the photo itself: hints, warped chroma, references, palettes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab
from ..models.embedded.conditions import DESCRIBED_SIZE
from ..models.embedded.local import local_to_grid
from ..pipelines.clusters import cluster_colors
from ..pipelines.illumination import estimate_illumination
from .thin_plate import random_warp, warp


@dataclass(frozen=True)
class Mix:
    """How often a sample has which condition; each row sums to 1."""

    #: only a local one, only a colour vector, both, neither.
    given: tuple[float, float, float, float] = (0.32, 0.33, 0.15, 0.2)
    #: hints, a warped exemplar's chroma, the previous frame's chroma.
    local: tuple[float, float, float] = (0.6, 0.25, 0.15)
    #: colour vector from a reference, from a palette.
    color: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Simulated:
    """Conditions of one batch, in the form that the network takes; row i belongs to sample i.

    ``local``: [B,3,h,w], zero where nothing is known; ``reference``: Lab [B,3,96,96]; ``palette``: Lab
    [B,N,3], ``share`` [B,N], ``light`` [B,2], ``lit`` [B]; ``kind``: [B] 0 no colour vector, 1
    reference, 2 palette.
    """

    local: Tensor
    reference: Tensor
    palette: Tensor
    share: Tensor
    light: Tensor
    lit: Tensor
    kind: Tensor


def simulate(
    rgb: Tensor, lab: Tensor, references: Tensor, rng: np.random.Generator, mix: Mix, stride: int = 4
) -> Simulated:
    """Draw conditions for a batch: rgb and lab [B,3,S,S], references [B,3,R,R] in sRGB 0..1.

    ``references`` are pictures to take the colours from (another part of the photo, or another photo).
    """
    batch, _, size, _ = lab.shape
    grid = size // stride
    given = rng.choice(4, batch, p=mix.given)
    local_kind = np.where(np.isin(given, (0, 2)), rng.choice(3, batch, p=mix.local), -1)
    color_kind = np.where(np.isin(given, (1, 2)), 1 + rng.choice(2, batch, p=mix.color), 0)
    known, confidence = torch.zeros(batch, 2, size, size), torch.zeros(batch, 1, size, size)
    for i in np.flatnonzero(local_kind == 0):
        place_hints(lab[i, 1:], known[i], confidence[i], rng)
    for number, simulated in ((1, warped_chroma), (2, propagated_chroma)):
        rows = np.flatnonzero(local_kind == number)
        if len(rows):
            known[rows], confidence[rows] = simulated(lab[rows, 1:], rng)
    palette, share = simulate_palette(lab, rng)
    return Simulated(
        local_to_grid(known, confidence, grid, grid),
        simulate_reference(references, rng),
        palette,
        share,
        estimate_illumination(rgb),
        torch.from_numpy(rng.random(batch) < 0.5),
        torch.from_numpy(color_kind),
    )


def place_hints(
    ab: Tensor, known: Tensor, confidence: Tensor, rng: np.random.Generator, *, count: int | None = None
) -> None:
    """Reveal patches of the true chroma [2,S,S] into ``known`` [2,S,S] and ``confidence`` [1,S,S].

    Without ``count`` it is geometric with p = 1/8, sides 1 to 9 pixels, each patch of its mean colour; a
    quarter of the pictures get up to 150 instead, as from a patient user. Source: Zhang et al., SIGGRAPH
    2017, section 3.2.
    """
    size = ab.shape[-1]
    if count is None:
        count = int(rng.integers(1, 151)) if rng.random() < 0.25 else int(rng.geometric(1 / 8))
    sides, xs, ys = rng.integers(1, 10, count), rng.integers(0, size, count), rng.integers(0, size, count)
    for side, x, y in zip(sides, xs, ys, strict=True):
        rows, columns = (slice(max(0, p - side // 2), p + side // 2 + 1) for p in (y, x))
        known[:, rows, columns] = ab[:, rows, columns].mean((1, 2), keepdim=True)
        confidence[:, rows, columns] = 1


def draw(rng: np.random.Generator, batch: int, low: float, high: float) -> Tensor:
    """Return a number for each picture of a batch, uniform from ``low`` to ``high``: [batch,1,1,1]."""
    return torch.from_numpy(rng.uniform(low, high, batch).astype(np.float32)).view(-1, 1, 1, 1)


def _noise(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, np.float32))


def _smooth_noise(rng: np.random.Generator, batch: int, size: int) -> Tensor:
    coarse = _noise(rng, batch, 1, int(rng.integers(3, 9)), int(rng.integers(3, 9)))
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)


def warped_chroma(ab: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Chroma as an exemplar's warp gives it: wrong in places, with a confidence that mostly knows where."""
    batch, _, size, _ = ab.shape
    amount = draw(rng, batch, 0.0, 0.25).flatten()
    moved = warp(ab, random_warp(batch, rng, amount=amount, height=size, width=size))
    moved = moved + draw(rng, batch, 0, 4) * _noise(rng, *moved.shape)
    error = F.avg_pool2d((moved - ab).norm(dim=1, keepdim=True), 5, 1, 2)
    sure = torch.exp(-error / 15) * draw(rng, batch, 0.5, 0.95)
    sure = sure + 0.15 * _smooth_noise(rng, batch, size)
    # Parts of the target that the reference does not have.
    hidden = (_smooth_noise(rng, batch, size) > draw(rng, batch, 0.2, 2.5)).float()
    return moved, (sure * (1 - hidden)).clamp(0, 0.95)


def propagated_chroma(ab: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Chroma as it comes from the frame before: nearly right, with holes where something was uncovered."""
    batch, _, size, _ = ab.shape
    amount = draw(rng, batch, 0.0, 0.03).flatten()
    moved = warp(ab, random_warp(batch, rng, amount=amount, height=size, width=size))
    moved = moved * draw(rng, batch, 0.9, 1.05) + _noise(rng, batch, 2, 1, 1)
    hidden = (_smooth_noise(rng, batch, size) > draw(rng, batch, 0.8, 3.0)).float()
    return moved, (1 - hidden) * draw(rng, batch, 0.7, 0.95)


def make_reference(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Return thin-plate-warped copies of pictures [B,3,R,R] 0..1, with noise of sigma 5 (of 255).

    Source: Color2Embed, section 3.
    """
    batch, _, size, _ = pictures.shape
    grid = random_warp(batch, rng, amount=draw(rng, batch, 0, 0.2).flatten(), height=size, width=size)
    return (warp(pictures, grid) + 5 / 255 * _noise(rng, batch, 3, size, size)).clamp(0, 1)


def simulate_reference(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Make references of pictures [B,3,R,R] as the network takes them: warped and noised, small, as Lab."""
    lab = rgb_to_lab(make_reference(pictures, rng))
    return F.interpolate(lab, size=(DESCRIBED_SIZE, DESCRIBED_SIZE), mode="area")


def asked_palette(
    rgb: Tensor, lab: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what pictures ask of others, as a palette encoder takes it: palette, share, light, lit.

    ``rgb``: [B,3,S,S] 0..1, ``lab``: the same as Lab; the light is told of by chance.
    """
    palette, share = simulate_palette(lab, rng)
    lit = torch.from_numpy(rng.random(len(rgb)) < 0.5)
    return palette, share, estimate_illumination(rgb), lit


def simulate_palette(lab: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Make palettes of lab [B,3,S,S]: 3 to 8 colours, mostly 5, a little off; shares mostly unknown."""
    batch = len(lab)
    points = F.adaptive_avg_pool2d(lab, 24).flatten(2).transpose(1, 2)
    count = 5 if rng.random() < 0.6 else int(rng.integers(3, 9))
    palette, share = cluster_colors(points, count, rounds=4)
    palette = palette + _noise(rng, *palette.shape) * torch.tensor([4.0, 2.0, 2.0])
    palette[..., :1].clamp_(0, 100)
    alike = torch.from_numpy(rng.random((batch, 1)) < 0.6)
    known = (share > 0).float()
    return palette, torch.where(alike, known / known.sum(1, keepdim=True), share)
