"""Thin-plate-spline warps, with which a picture becomes a reference for itself."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def _kernel(distance2: Tensor) -> Tensor:
    return distance2 * torch.log(distance2 + 1e-9)


def still_grid(height: int, width: int) -> Tensor:
    """Return where ``grid_sample`` reads each pixel of an unmoved picture: [height,width,2], x and y."""
    y = (torch.arange(height, dtype=torch.float64) + 0.5) * 2 / height - 1
    x = (torch.arange(width, dtype=torch.float64) + 0.5) * 2 / width - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).float()


def thin_plate_grid(points: Tensor, moved: Tensor, height: int, width: int) -> Tensor:
    """Return where every pixel of the warped picture is read: [B,height,width,2] for ``grid_sample``.

    ``points``, ``moved``: [B,N,2], x and y in -1..1; the warped picture shows at ``points`` what the
    original has at ``moved``; at least three points that are not in a line. Source: Bookstein, "Principal
    warps", 1989, as Color2Embed uses it for its references.
    """
    batch, count, _ = points.shape
    points, moved = points.double(), moved.double()
    ones = points.new_ones(batch, count, 1)
    affine = torch.cat([ones, points], 2)  # [B,N,3]
    system = points.new_zeros(batch, count + 3, count + 3)
    system[:, :count, :count] = _kernel(torch.cdist(points, points).square())
    system[:, :count, count:] = affine
    system[:, count:, :count] = affine.transpose(1, 2)
    target = torch.cat([moved, moved.new_zeros(batch, 3, 2)], 1)
    weights = torch.linalg.solve(system, target)
    where = still_grid(height, width).double().view(1, -1, 2).expand(batch, -1, -1)
    basis = torch.cat(
        [
            _kernel(torch.cdist(where, points).square()),
            torch.ones(batch, where.shape[1], 1, dtype=torch.float64),
            where,
        ],
        2,
    )
    return (basis @ weights).view(batch, height, width, 2).float()


def random_warp(batch: int, rng: np.random.Generator, *, amount: Tensor, height: int, width: int) -> Tensor:
    """Return a random warp for each picture of a batch, [B,height,width,2].

    A 4 by 4 lattice of points is moved by a Gaussian of ``amount`` [B] (1 is half the picture's side).
    """
    axis = torch.linspace(-0.9, 0.9, 4)
    lattice = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(1, 16, 2).expand(batch, -1, -1)
    shift = torch.from_numpy(rng.standard_normal((batch, 16, 2), np.float32)) * amount.view(-1, 1, 1)
    # So smooth a warp need not be solved for at every pixel; what is enlarged is by how much each one moves.
    small = (min(height, 32), min(width, 32))
    still = still_grid(*small)
    moves = (thin_plate_grid(lattice, lattice + shift, *small) - still).permute(0, 3, 1, 2)
    moves = F.interpolate(moves, size=(height, width), mode="bicubic", align_corners=False)
    return still_grid(height, width) + moves.permute(0, 2, 3, 1)


def warp(pictures: Tensor, grid: Tensor) -> Tensor:
    """Sample [B,C,H,W] at ``grid`` [B,h,w,2]; what lies outside is mirrored in."""
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
