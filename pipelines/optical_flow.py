"""Dense motion between frames, and what is done with it: fetch, compose, see what is hidden, find cuts.

Motions are [1,2,H,W] float32, x and y in pixels: where each pixel of one frame is in the other.
Paper: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as OpenCV has it. Any of
OpenCV's packages will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

#: From two grey frames [H,W] uint8 to the motion [H,W,2] float32 (x, y) of the first one's pixels.
Flow = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
#: The same, looked for around a third argument, a motion or None.
GuidedFlow = Callable[[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32] | None], NDArray[np.float32]]

#: Share of pixels that must be found again, or two frames count as a cut: real cuts leave at most an eighth,
#: the fastest motion in the clips looked at (DAVIS) more than a third.
CUT_SHARE = 0.25

# Standard deviation, in pixels, of the window in which lightness is compared.
_WINDOW = 2.0


def make_guided_flow() -> GuidedFlow:
    """Return OpenCV's DIS optical flow, which can be told where to begin.

    Raises ModuleNotFoundError, naming a package, where OpenCV is not installed.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "following motion in a clip needs OpenCV, any of its packages: pip install opencv-python-headless"
        ) from error
    # One for each use: after a call that was told where to begin, one of OpenCV's goes on from there in calls
    # that are not.
    free, guided = (_dis(cv2) for _ in range(2))

    def flow(
        first: NDArray[np.uint8], second: NDArray[np.uint8], guess: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        # What it begins with is overwritten, hence the copy.
        return free.calc(first, second, None) if guess is None else guided.calc(first, second, guess.copy())

    return flow


def _dis(cv2: Any) -> Any:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def make_flow() -> Flow:
    """Return OpenCV's DIS optical flow; ModuleNotFoundError, naming a package, where OpenCV is missing."""
    flow = make_guided_flow()
    return lambda first, second: flow(first, second, None)


def to_grey(L: Tensor) -> NDArray[np.uint8]:
    """Turn lightness [1,1,H,W] 0..100 into the grey levels [H,W] that flows are found in."""
    return L[0, 0].mul(2.55).round().clamp(0, 255).byte().cpu().numpy()


def to_motion(flow: NDArray[np.float32]) -> Tensor:
    """Turn a flow [H,W,2] into a motion [1,2,H,W]."""
    return torch.from_numpy(np.ascontiguousarray(flow, np.float32)).permute(2, 0, 1)[None]


def to_flow(motion: Tensor) -> NDArray[np.float32]:
    """Turn a motion [1,2,H,W] into a flow [H,W,2]."""
    return np.ascontiguousarray(motion[0].permute(1, 2, 0).numpy(), np.float32)


def fetch(x: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Fetch each pixel of x [1,C,H,W] from where ``motion`` leads; also whether that is inside, [1,H,W]."""
    _, _, height, width = x.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([columns, rows])[None] + motion
    last = torch.tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    inside = ((place >= 0) & (place <= last)).all(1)
    grid = (2 * place / last.clamp(min=1) - 1).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True), inside


def compose(first: Tensor, then: Tensor) -> Tensor:
    """Return the motion that leads along ``first`` and, from there, along ``then``."""
    return first + fetch(then, first)[0]


def visible(there: Tensor, back: Tensor) -> Tensor:
    """Return which pixels [1,H,W] are in the other frame too: inside, and found again on the way back.

    Source: Sundaram, Brox, Keutzer, "Dense Point Trajectories by GPU-accelerated Large Displacement Optical
    Flow", ECCV 2010, equation 5.
    """
    returned, inside = fetch(back, there)
    apart = (there + returned).square().sum(1)
    length = there.square().sum(1) + returned.square().sum(1)
    return inside & (apart <= 0.01 * length + 0.5)


def is_cut(seen: Tensor) -> bool:
    """Tell from what is ``visible`` whether two frames show different scenes."""
    return float(seen.float().mean()) < CUT_SHARE


def mismatch(first: Tensor, second: Tensor, motion: Tensor) -> Tensor:
    """Return by how many L ``second`` differs from ``first`` along ``motion``, near each pixel: [1,1,H,W]."""
    return blur((fetch(second, motion)[0] - first).abs(), _WINDOW)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Average [B,C,H,W] under a Gaussian of ``sigma`` pixels; the edges' values go on outside."""
    reach = math.ceil(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / sigma).square())
    weights = (weights / weights.sum()).to(x.dtype)
    shape = x.shape
    x = F.pad(x.reshape(-1, 1, *shape[2:]), (reach,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return x.view(shape)
