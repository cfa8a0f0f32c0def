"""Measures of a coloured clip: how steady its colours are in time, and how much colour there is."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from .metrics import check_rgb, colorfulness, to_8_bits
from .optical_flow import Flow, fetch, is_cut, make_flow, to_grey, to_motion, visible

#: Frames apart at which histograms are compared.
CDC_LAGS = (1, 2, 4)
#: Mean chroma below which a clip counts as grey: noise by next to nothing says nothing.
GREY_CHROMA = 0.5


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
        grey = to_grey(lightness)
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
        back, forth = (to_motion(self._flow(*pair)) for pair in ((grey, past_grey), (past_grey, grey)))
        seen = visible(back, forth)
        if is_cut(seen):
            return
        past_ab = fetch(past_ab, back)[0]
        self._error += float((ab - past_ab).square().sum(1).sqrt()[seen].double().sum())
        self._chroma += float(ab.square().sum(1).sqrt()[seen].double().sum())
        self._seen += int(seen.sum())

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


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of distributions [...,K] → [...], in nats, 0 to ln 2."""
    middle = ((p + q) / 2).clamp(min=torch.finfo(torch.float64).tiny)
    return (torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)).sum(-1) / 2


def _frame(rgb: Tensor) -> Tensor:
    """Check a frame [3,H,W]; return it as [1,3,H,W]."""
    if rgb.ndim != 3:
        raise ValueError(f"a frame must be [3,H,W], got {list(rgb.shape)}")
    check_rgb(rgb[None], "the frame")
    return rgb[None]


def _size(x: Tensor) -> str:
    return f"{x.shape[-1]}x{x.shape[-2]}"
