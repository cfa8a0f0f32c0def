"""Steady colours in a clip: chroma averaged along the motion, where that can be trusted; lightness untouched.

What a place has had for colours is carried to where the motion takes it, and the new frame's colour joins
the mean, which goes back about ten frames. It is forgotten where a place was hidden, where lightness along
the motion differs, and at cuts. How colourful a place is is averaged apart from its hue, so that hues that
disagree do not turn grey. Paper: the mean along trajectories is that of Lang et al., "Practical Temporal
Consistency for Image-Based Graphics Applications", SIGGRAPH 2012, made recursive as in Bonneel et al.,
"Blind Video Temporal Consistency", SIGGRAPH Asia 2015; occlusions: ``optical_flow``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lightness
from ..models.resize import resize_lightness, working_size
from .carry import Still, step
from .clip_work import State
from .merge import resize_chroma
from .optical_flow import GuidedFlow, fetch, make_guided_flow, mismatch

#: Shorter side, in pixels, at which motion is followed and chroma averaged.
SIZE = 192
#: How many frames a mean goes back at most, about.
FRAMES = 12.0
# What motion can be followed in at all.
_LEAST = 16
# Difference in L along the motion at which a place's past counts for little.
_MISMATCH = 5.0


class Stabilizer:
    """Takes the frames of a clip in order, of any size, each with its chroma.

    ``strength``: 0 changes nothing, 1 all of the mean. ``flow``: OpenCV's DIS where None. Raises ValueError
    for a strength out of 0..1, ModuleNotFoundError without OpenCV.
    """

    def __init__(self, strength: float = 1.0, flow: GuidedFlow | None = None) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength of the stabilisation must be 0..1, got {strength}")
        self.strength = strength
        self._flow = flow or make_guided_flow()
        self._last: Still | None = None
        # a, b, how colourful, and how many frames are in it: [1,4,h,w].
        self._mean: Tensor | None = None
        #: Whether the last frame began a shot.
        self.cut = False

    def add(self, rgb: Tensor, ab: Tensor) -> Tensor:
        """Return the chroma [2,h,w] of the next frame, made of what is proposed for it.

        ``rgb``: [3,H,W] 0..1, of which lightness is seen; ``ab``: [2,h,w] CIE units, any size.
        """
        if self.strength == 0:
            return ab
        still = self._still(rgb)
        height, width = still.L.shape[2:]
        small = F.interpolate(ab[None].float().cpu(), (height, width), mode="bilinear", antialias=True)
        chroma = small.square().sum(1, keepdim=True).sqrt()
        fresh = torch.cat([small, chroma, torch.ones_like(chroma)], 1)
        self.cut = True
        if self._last is not None and self._mean is not None and self._last.L.shape == still.L.shape:
            motion = step(self._flow, self._last, still)
            self.cut = motion.cut
            if not motion.cut:
                past, _ = fetch(self._mean, motion.there)
                apart = mismatch(still.L, self._last.L, motion.there)
                trust = motion.seen[None].float() * torch.exp(-((apart / _MISMATCH) ** 2))
                count = (past[:, 3:] * trust).clamp(max=FRAMES)
                fresh[:, :3] = (fresh[:, :3] + count * past[:, :3]) / (1 + count)
                fresh[:, 3:] = count + 1
        self._last, self._mean = still, fresh
        change = (_colourful(fresh) - small) * self.strength
        return ab + resize_chroma(change.to(ab.device), *ab.shape[1:])[0].to(ab.dtype)

    def _still(self, rgb: Tensor) -> Still:
        L = rgb_to_lightness(rgb[None].float())
        sides = working_size(L.shape[2], L.shape[3], min(SIZE, *L.shape[2:]))
        height, width = (max(_LEAST, side) for side in sides)
        return Still.from_lightness(resize_lightness(L, height, width), height, width)

    def state(self) -> State | None:
        """Return what it takes to go on with the next frame, None for nothing."""
        if self._last is None or self._mean is None:
            return None
        return {"L": self._last.L, "mean": self._mean}

    def go_on(self, state: State) -> None:
        """Take up where another one's ``state`` was taken."""
        height, width = state["L"].shape[2:]
        self._last, self._mean = Still.from_lightness(state["L"], height, width), state["mean"]


def _colourful(mean: Tensor) -> Tensor:
    """Return chroma [1,2,h,w] of the mean hue, as colourful as frames were in the mean."""
    ab, chroma = mean[:, :2], mean[:, 2:3]
    length = ab.square().sum(1, keepdim=True).sqrt()
    # Where hues cancel each other there is none to be had.
    gain = (chroma / length.clamp(min=1e-3)).clamp(max=2.0)
    return ab * gain


@torch.inference_mode()
def stabilize_pictures(rgb: Tensor, ab: Tensor, stabilizer: Stabilizer) -> Tensor:
    """Return the chroma of a batch of frames, in order: rgb [B,3,H,W] 0..1, ab [B,2,h,w] → [B,2,h,w]."""
    return torch.stack([stabilizer.add(one, chroma) for one, chroma in zip(rgb, ab, strict=True)])
