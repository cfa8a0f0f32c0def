"""Chroma of a keyframe carried along the motion of a clip, forward and backward, and how wrong it may be.

The motion from each frame straight to the keyframe begins with the one from the frame before, one step
longer, and is found anew around it; each pixel keeps whichever leads to the more similar lightness. So errors
do not add up as they do when chroma goes from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color import rgb_to_lightness
from ..models.resize import resize_lightness
from .optical_flow import (
    GuidedFlow,
    compose,
    is_cut,
    mismatch,
    to_flow,
    to_grey,
    to_motion,
    visible,
)
from .video_types import Frame


@dataclass(frozen=True)
class Still:
    """A frame at the working size: ``L`` [1,1,h,w] 0..100 on the CPU, ``grey`` its levels for a flow."""

    L: Tensor
    grey: NDArray[np.uint8]

    @classmethod
    def from_lightness(cls, L: Tensor, height: int, width: int) -> Still:
        """Make one from lightness [1,1,H,W] of any size."""
        small = resize_lightness(L.cpu(), height, width)
        return cls(small, to_grey(small))


@dataclass(frozen=True)
class Step:
    """How two frames that follow each other belong together.

    ``there``: motion from the later to the earlier, ``back``: the other way, [1,2,h,w] each. ``seen``: which
    pixels of the later one are in the earlier, [1,h,w]. ``cut``: whether it is another scene.
    """

    there: Tensor
    back: Tensor
    seen: Tensor
    cut: bool


def step(flow: GuidedFlow, earlier: Still, later: Still) -> Step:
    """Follow the motion between two frames, both ways."""
    there = to_motion(flow(later.grey, earlier.grey, None))
    back = to_motion(flow(earlier.grey, later.grey, None))
    seen = visible(there, back)
    return Step(there, back, seen, is_cut(seen))


@dataclass(frozen=True)
class Carried:
    """A motion [1,2,h,w] from a frame to keyframe ``key``, ``distance`` frames away, and its mismatch."""

    key: int
    motion: Tensor
    mismatch: Tensor
    distance: int


class Carrier:
    """The motion from the frame at hand straight to a keyframe; it follows the clip frame by frame."""

    def __init__(self, key: Still, flow: GuidedFlow) -> None:
        self.key, self._flow = key, flow
        self.motion: Tensor | None = None
        #: How much L differs along the motion, near each pixel: [1,1,h,w].
        self.mismatch: Tensor | None = None

    def begin(self, frame: Still) -> None:
        """Start at the keyframe's own frame, whose picture may be a little off from the keyframe's."""
        self._choose(frame, [to_motion(self._flow(frame.grey, self.key.grey, None))])

    def move(self, frame: Still, there: Tensor) -> None:
        """Go on to a frame beside the last, from which ``there`` leads to the last."""
        assert self.motion is not None
        longer = compose(there, self.motion)
        anew = to_motion(self._flow(frame.grey, self.key.grey, to_flow(longer)))
        self._choose(frame, [longer, anew])

    def carried(self, key: int, distance: int) -> Carried:
        """Return where the keyframe, reference ``key``, is seen from the frame at hand."""
        assert self.motion is not None and self.mismatch is not None
        return Carried(key, self.motion, self.mismatch, distance)

    def _choose(self, frame: Still, motions: list[Tensor]) -> None:
        apart = torch.cat([mismatch(frame.L, self.key.L, motion) for motion in motions])
        self.mismatch, which = apart.min(0, keepdim=True)
        chosen = motions[0]
        for number, motion in enumerate(motions[1:], 1):
            chosen = torch.where(which == number, motion, chosen)
        self.motion = chosen


class Lookahead:
    """Motions from frames to the next keyframe: a second look at the clip, ``reach`` frames ahead.

    Only small grey frames are held, and of their motions to the keyframe what the clip has not come to yet.
    ``open_again`` gives the clip's frames anew. ``keys``: frame number → (reference, its still).
    """

    def __init__(
        self,
        open_again: Callable[[], Iterator[Frame]],
        keys: dict[int, tuple[int, Still]],
        flow: GuidedFlow,
        reach: int,
    ) -> None:
        self._open, self._keys, self._flow, self._reach = open_again, keys, flow, reach
        self._numbers = sorted(keys)
        self._frames: Iterator[Frame] | None = None
        self._until = self._skipped = -1
        self._read: tuple[int, Still] | None = None
        self._ready: dict[int, tuple[Tensor, Tensor]] = {}

    def at(self, number: int) -> Carried | None:
        """Return the motion from frame ``number`` to the next keyframe of its scene, if near enough."""
        while self._numbers and self._numbers[0] <= number:
            self._numbers.pop(0)
        if not self._numbers:
            return None
        upcoming = self._numbers[0]
        if number < upcoming - self._reach:
            self._skip(number)
            return None
        if self._until < upcoming:
            self._look(number, upcoming)
        found = self._ready.pop(number, None)
        if found is None:
            return None
        motion, apart = found
        return Carried(self._keys[upcoming][0], motion.float(), apart.float(), upcoming - number)

    def close(self) -> None:
        """Close the second look at the clip."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()
        self._frames = None

    def _read_on(self) -> Iterator[Frame]:
        if self._frames is None:
            self._frames = self._open()
        return self._frames

    def _skip(self, number: int) -> None:
        """Read up to a frame: far into a film, a look would be a long wait otherwise."""
        while self._skipped < number:
            frame = next(self._read_on(), None)
            self._skipped = number if frame is None else frame.index

    def _look(self, number: int, upcoming: int) -> None:
        self._until, self._ready = upcoming, {}
        _, key = self._keys[upcoming]
        height, width = key.L.shape[2:]
        # The keyframe that the last look ended at is the first frame of this one's.
        stills = [] if self._read is None or self._read[0] < number else [self._read]
        for frame in self._read_on():
            if frame.index >= number:
                L = rgb_to_lightness(frame.rgb[None].float())
                stills.append((frame.index, Still.from_lightness(L, height, width)))
            if frame.index >= upcoming:
                break
        if not stills or stills[-1][0] != upcoming:
            return
        self._read, self._skipped = stills[-1], upcoming
        carrier = Carrier(key, self._flow)
        carrier.begin(stills[-1][1])
        for (index, still), (_, after) in reversed(list(pairwise(stills))):
            between = step(self._flow, still, after)
            if between.cut:
                return
            carrier.move(still, between.back)
            assert carrier.motion is not None and carrier.mismatch is not None
            # Half the memory, and exact to a quarter of a pixel.
            self._ready[index] = carrier.motion.half(), carrier.mismatch.half()
