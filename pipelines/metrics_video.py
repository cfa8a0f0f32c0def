"""Measures of a coloured clip: how steady its colours are in time, and how much colour there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from .metrics import check_rgb, colorfulness, to_8_bits

#: Frames apart at which histograms are compared.
CDC_LAGS = (1, 2, 4)
#: Mean chroma below which a clip counts as grey: noise by next to nothing says nothing.
GREY_CHROMA = 0.5
#: Share of pixels that must be found again, or two frames count as a cut: real cuts leave at most an eighth,
#: the fastest motion in the clips looked at (DAVIS) more than a third.
CUT_SHARE = 0.25
#: From two grey frames [H,W] uint8 to the motion [H,W,2] float32 (x, y) of the first one's pixels.
Flow = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]


class ColorDistributionConsistency:
    """CDC: Jensen-Shannon divergence (in nats) of RGB histograms 1, 2 and 4 frames apart, mean.

    Histograms have 256 bins a channel. 0 is perfectly steady, and grey scores well: give it beside the
    colourfulness. Source: Liu et al., "Temporally Consistent Video Colorization with Deep Feature Propagation
    and Self-regularization Learning", 2021.
    """

    def __init__(self) -> None:
        self._past: deque[Tensor] = deque(maxlen=max(CDC_LAGS))
        self._sum = dict.fromkeys(CDC_LAGS, 0.0)
        self._pairs = dict.fromkeys(CDC_LAGS, 0)

    def add(self, rgb: Tensor) -> None:
        """Add the next frame, [3,H,W] 0..1; frames may differ in size."""
        levels = to_8_bits(_frame(rgb)[0]).mul(255).round().long().flatten(1).cpu()
        counts = torch.stack([torch.bincount(channel, minlength=256) for channel in levels])
        histogram = counts.double() / levels.shape[1]
        for lag in CDC_LAGS:
            if len(self._past) >= lag:
                self._sum[lag] += float(_divergence(self._past[-lag], histogram).mean())
                self._pairs[lag] += 1
        self._past.append(histogram)

    def value(self) -> float:
        """Return the CDC. Raises ValueError for a clip of fewer than five frames."""
        if 0 in self._pairs.values():
            raise ValueError(
                f"CDC compares frames up to {max(CDC_LAGS)} apart: expected a clip of at least "
                f"{max(CDC_LAGS) + 1} frames, got {len(self._past)}"
            )
        return sum(self._sum[lag] / self._pairs[lag] for lag in CDC_LAGS) / len(CDC_LAGS)


class FlowWarpError:
    """How far each pixel's colour is from the one it had a frame before, as a share of the mean chroma.

    Motion is estimated between lightness pictures, both ways; pixels whose way there and back does not end
    where it began are hidden in one of the frames and left out, and so is a pair of frames with few others:
    a cut. Source: Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, with the occlusion test
    of Sundaram, Brox, Keutzer, "Dense Point Trajectories by GPU-accelerated Large Displacement Optical Flow",
    ECCV 2010. Here it is the distance in ab, divided by the mean chroma: without that, grey would win.
    """

    def __init__(self, flow: Flow | None = None) -> None:
        """Take an optical flow, OpenCV's DIS where None; ModuleNotFoundError without OpenCV."""
        self._flow = flow or make_flow()
        self._past: tuple[NDArray[np.uint8], Tensor] | None = None
        self._error = self._chroma = 0.0
        self._seen = 0

    def add(self, rgb: Tensor, guide: Tensor | None = None) -> None:
        """Add the next frame, [3,H,W] 0..1; motion is seen in ``guide`` [3,H,W], the original, if given.

        Raises ValueError where the size changes.
        """
        rgb = _frame(rgb)
        lightness = rgb_to_lightness((rgb if guide is None else _frame(guide)).float())
        if lightness.shape[2:] != rgb.shape[2:]:
            raise ValueError(
                f"the frame is {_size(rgb)}, its guide {_size(lightness)}: expected one size for both"
            )
        grey = lightness[0, 0].mul(2.55).round().clamp(0, 255).byte().cpu().numpy()
        ab = rgb_to_lab(rgb.float())[:, 1:].cpu()
        if self._past is not None:
            past_grey, past_ab = self._past
            if past_ab.shape != ab.shape:
                raise ValueError(
                    f"the frame is {_size(ab)}, the one before {_size(past_ab)}: bring all to one size"
                )
            self._compare(past_grey, past_ab, grey, ab)
        self._past = (grey, ab)

    def _compare(
        self, past_grey: NDArray[np.uint8], past_ab: Tensor, grey: NDArray[np.uint8], ab: Tensor
    ) -> None:
        back, forth = (_motion(self._flow(*pair)) for pair in ((grey, past_grey), (past_grey, grey)))
        there, inside = _warp(torch.cat([forth, past_ab], 1), back)
        forth, past_ab = there[:, :2], there[:, 2:]
        round_trip = (back + forth).square().sum(1)
        length = back.square().sum(1) + forth.square().sum(1)
        visible = inside & (round_trip <= 0.01 * length + 0.5)
        if float(visible.float().mean()) < CUT_SHARE:
            return
        self._error += float((ab - past_ab).square().sum(1).sqrt()[visible].double().sum())
        self._chroma += float(ab.square().sum(1).sqrt()[visible].double().sum())
        self._seen += int(visible.sum())

    def value(self) -> float:
        """Return the error by the chroma; NaN for a grey clip.

        Raises ValueError where no pixel could be followed from one frame to the next.
        """
        if not self._seen:
            raise ValueError(
                "no pixel could be followed from frame to frame: expected a clip of at least two frames of "
                "one scene"
            )
        return self._error / self._chroma if self._chroma >= GREY_CHROMA * self._seen else float("nan")


class ClipScores:
    """The figures of one coloured clip; memory does not grow with its length."""

    def __init__(self, flow: Flow | None = None) -> None:
        """Take an optical flow, OpenCV's DIS where None; ModuleNotFoundError without OpenCV."""
        self._cdc = ColorDistributionConsistency()
        self._warp = FlowWarpError(flow)
        self._colorfulness, self._frames = 0.0, 0

    def add(self, rgb: Tensor, guide: Tensor | None = None) -> None:
        """Add the next frame [3,H,W] 0..1, rounded to 8 bits here; ``guide`` as in ``FlowWarpError``."""
        rgb = to_8_bits(rgb)
        self._warp.add(rgb, guide)
        self._cdc.add(rgb)
        self._colorfulness += float(colorfulness(rgb[None]))
        self._frames += 1

    def figures(self) -> dict[str, float]:
        """Return ``cdc``, ``warp_error`` and the mean ``colorfulness``; ValueError for a clip too short."""
        cdc = self._cdc.value()
        mean = self._colorfulness / self._frames
        return {"cdc": cdc, "warp_error": self._warp.value(), "colorfulness": mean}


def make_flow() -> Flow:
    """Return OpenCV's DIS optical flow (Kroeger et al., ECCV 2016).

    Raises ModuleNotFoundError, naming the package, where OpenCV is not installed.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "measuring how steady a clip's colours are needs OpenCV: pip install opencv-python-headless"
        ) from error
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda first, second: dis.calc(first, second, None)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of distributions [...,K] → [...], in nats, 0 to ln 2."""
    middle = ((p + q) / 2).clamp(min=torch.finfo(torch.float64).tiny)
    return (torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)).sum(-1) / 2


def _motion(flow: NDArray[np.float32]) -> Tensor:
    """[H,W,2] → [1,2,H,W] (x, y) in pixels."""
    return torch.from_numpy(np.ascontiguousarray(flow, np.float32)).permute(2, 0, 1)[None]


def _warp(x: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Fetch each pixel of x [1,C,H,W] from where ``motion`` [1,2,H,W] leads; also whether that is inside."""
    _, _, height, width = x.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([columns, rows])[None] + motion
    last = torch.tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    inside = ((place >= 0) & (place <= last)).all(1)
    grid = (2 * place / last.clamp(min=1) - 1).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True), inside


def _frame(rgb: Tensor) -> Tensor:
    """Check a frame [3,H,W]; return it as [1,3,H,W]."""
    if rgb.ndim != 3:
        raise ValueError(f"a frame must be [3,H,W], got {list(rgb.shape)}")
    check_rgb(rgb[None], "the frame")
    return rgb[None]


def _size(x: Tensor) -> str:
    return f"{x.shape[-1]}x{x.shape[-2]}"
