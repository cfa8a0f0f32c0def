"""The fast global smoother: an edge-preserving filter, which exemplar video puts behind its network.

Paper: Min et al., "Fast Global Image Smoothing Based on Weighted Least Squares", TIP 2014: equations 6 and 9,
each direction a tridiagonal system; weights and the way they fade as OpenCV's ximgproc has them.
Reference source: none; the lines here are written from the paper. Code licence: Apache-2.0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def smooth_globally(
    x: Tensor,
    guide: Tensor,
    *,
    strength: float = 500.0,
    sigma: float = 4.0,
    attenuation: float = 0.25,
    iterations: int = 3,
) -> Tensor:
    """Smooth planes [B,C,H,W] up to the edges of a guide [B or 1,1,H,W].

    ``guide``: any floating type, usually grey levels 0..255. ``strength`` is the paper's lambda, times
    ``attenuation`` after every iteration; ``sigma``: a difference in the guide at which the weight is 1/e.
    Returns float32. Raises ValueError for shapes that do not fit.
    """
    if x.ndim != 4 or guide.ndim != 4 or guide.shape[1] != 1 or guide.shape[2:] != x.shape[2:]:
        raise ValueError(f"guide must be [B,1,H,W] as the planes {list(x.shape)}, got {list(guide.shape)}")
    out, guide = x.float(), guide.float()
    along = torch.exp(-guide.diff(dim=3).abs() / sigma)
    down = torch.exp(-guide.diff(dim=2).abs() / sigma).transpose(2, 3)
    for _ in range(iterations):
        out = _solve_rows(out, along * strength)
        out = _solve_rows(out.transpose(2, 3), down * strength).transpose(2, 3)
        strength *= attenuation
    return out.contiguous()


def _solve_rows(right: Tensor, weight: Tensor) -> Tensor:
    """Solve (1 + w₋ + w₊) u - w₋ u₋ - w₊ u₊ = right along rows [B,C,H,W], weights [B,1,H,W-1] between them.

    Thomas's algorithm, all rows at a time.
    """
    # The last axis first: what is worked on then lies together.
    rest, between = right.movedim(3, 0).contiguous(), weight.movedim(3, 0).contiguous()
    count = len(rest)
    solved = torch.empty_like(rest)
    factors = torch.empty_like(between)
    none = torch.zeros_like(between[0]) if count > 1 else torch.zeros_like(rest[0])
    before = none
    for n in range(count):
        after = between[n] if n < count - 1 else none
        pivot = 1 + before + after
        if n:
            pivot = pivot - before * factors[n - 1]
            solved[n] = (rest[n] + before * solved[n - 1]) / pivot
        else:
            solved[n] = rest[n] / pivot
        if n < count - 1:
            factors[n] = after / pivot
        before = after
    for n in range(count - 2, -1, -1):
        solved[n] += factors[n] * solved[n + 1]
    return solved.movedim(0, 3)
