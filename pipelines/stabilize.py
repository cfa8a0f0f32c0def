"""Steady colours in a clip: chroma averaged along the motion, where that can be trusted; lightness untouched.

What a place has had for colours is carried to where the motion takes it, and the new frame's colour joins
the mean, which goes back about ten frames. It is forgotten where a place was hidden, where lightness along
the motion differs, and at cuts. With frames looked at ahead, the same is done from the future backward, and
the two means are joined: a place that comes into view begins with what it will be. How colourful a place is
is averaged apart from its hue, so that hues that disagree do not turn grey. Paper: the mean along
trajectories is that of Lang et al., "Practical Temporal Consistency for Image-Based Graphics Applications",
SIGGRAPH 2012, made recursive as in Bonneel et al., "Blind Video Temporal Consistency", SIGGRAPH Asia 2015;
occlusions: ``optical_flow``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lightness
from ..models.resize import resize_lightness, working_size
from .carry import Step, Still, step
from .clip_work import State
from .merge import resize_chroma
from .optical_flow import GuidedFlow, fetch, make_guided_flow, mismatch, visible

#: Shorter side, in pixels, at which motion is followed and chroma averaged.
SIZE = 192
#: How many frames a mean goes back at most, about.
FRAMES = 12.0
#: How many frames are looked at ahead, at least.
LOOK_AHEAD = 6
# What motion can be followed in at all.
_LEAST = 16
# Difference in L along the motion at which a place's past counts for little.
_MISMATCH = 5.0


@dataclass(frozen=True)
class Steady:
    """The chroma [2,h,w] that a frame ends up with.

    ``cut``: whether it begins a shot. ``state``: what it takes to begin with this frame, None for nothing.
    """

    ab: Tensor
    cut: bool
    state: State | None


class Stabilizer:
    """Takes the frames of a clip in order, of any size, each with its chroma.

    ``strength``: 0 changes nothing, 1 all of the mean. ``look_ahead``: frames, at least; results are up to
    twice as many late. 0: none is looked at, each result is ready at once. ``flow``: OpenCV's DIS where None.
    Raises ValueError for a strength out of 0..1 or a negative look_ahead, ModuleNotFoundError without OpenCV.
    """

    def __init__(
        self, strength: float = 1.0, *, look_ahead: int = LOOK_AHEAD, flow: GuidedFlow | None = None
    ) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength of the stabilisation must be 0..1, got {strength}")
        if look_ahead < 0:
            raise ValueError(f"look_ahead must be 0 or more frames, got {look_ahead}")
        self.strength, self.look_ahead = strength, look_ahead
        self._flow = flow or make_guided_flow()
        self._last: Still | None = None
        # a, b, chroma squared, and how many frames are in it: [1,4,h,w].
        self._mean: Tensor | None = None
        self._held: list[_Held] = []
        # How many of what is held are given next: less than look_ahead after a start in the middle.
        self._block = look_ahead

    def begin_shot(self) -> None:
        """Let the next frame begin a shot, whatever it looks like."""
        self._last = self._mean = None

    def add(self, rgb: Tensor, ab: Tensor) -> list[Steady]:
        """Take the next frame with what is proposed for it; return the frames that are done, in order.

        ``rgb``: [3,H,W] 0..1, of which lightness is seen, or that: [1,H,W] 0..100; ``ab``: [2,h,w] CIE units,
        any size.
        """
        still = self._still(rgb)
        motion = self._follow(still)
        before = None if motion is None else self._told()
        done = self._flush() if motion is None else []
        height, width = still.L.shape[2:]
        small = F.interpolate(ab[None].float().cpu(), (height, width), mode="bilinear", antialias=True)
        fresh = torch.cat([small, small.square().sum(1, keepdim=True), torch.ones_like(small[:, :1])], 1)
        mean = fresh
        if motion is not None:
            assert self._mean is not None
            mean = _join(fresh, *motion.carry(self._mean))
        self._held.append(_Held(ab, fresh, mean, before, None if motion is None else motion.way_back))
        self._last, self._mean = still, mean
        if len(self._held) >= self._block + self.look_ahead:
            done += self._give(max(1, self._block))
            self._block = self.look_ahead
        return done

    def finish(self) -> list[Steady]:
        """Return the rest: there are no more frames."""
        return self._flush()

    def sees_cut(self, rgb: Tensor, following: Tensor) -> bool:
        """Tell whether ``add`` would see a cut between two frames [3,H,W] of one size."""
        return step(self._flow, self._still(rgb), self._still(following)).cut

    def _follow(self, still: Still) -> _Motion | None:
        """See how the next frame goes on from the last; None where it does not."""
        if self._last is None or self._last.L.shape != still.L.shape:
            return None
        found = step(self._flow, self._last, still)
        return None if found.cut else _Motion(found, self._last, still)

    def _flush(self) -> list[Steady]:
        """Give all that is held: nothing of what follows tells anything of it."""
        done = self._give(len(self._held))
        self._block = self.look_ahead
        return done

    def _give(self, count: int) -> list[Steady]:
        """Give the first of what is held, with what the frames after say."""
        held = self._held
        future: Tensor | None = None
        found: list[Tensor] = []
        for number in range(len(held) - 1, -1, -1):
            one = held[number]
            behind = one.fresh
            if future is not None:
                way = held[number + 1].back
                assert way is not None
                behind = _join(one.fresh, *way.carry(future))
            future = behind
            if number < count:
                found.append(_both(one.mean, behind, one.fresh) if self.look_ahead else one.mean)
        done = []
        for number, (one, mean) in enumerate(zip(held[:count], reversed(found), strict=True)):
            change = (_colourful(mean) - one.fresh[:, :2]) * self.strength
            ab = one.ab + resize_chroma(change.to(one.ab.device), *one.ab.shape[1:])[0].to(one.ab.dtype)
            state = one.before
            if state is not None:
                state = {**state, "left": torch.tensor(max(0, min(count, self._block) - number))}
            done.append(Steady(ab, one.back is None, state))
        del held[:count]
        return done

    def _still(self, rgb: Tensor) -> Still:
        L = (rgb if len(rgb) == 1 else rgb_to_lightness(rgb.float()))[None]
        sides = working_size(L.shape[2], L.shape[3], min(SIZE, *L.shape[2:]))
        height, width = (max(_LEAST, side) for side in sides)
        return Still.from_lightness(resize_lightness(L, height, width), height, width)

    def _told(self) -> State:
        assert self._last is not None and self._mean is not None
        return {"L": self._last.L, "mean": self._mean}

    def go_on(self, state: State) -> None:
        """Begin with the frame that a ``Steady.state`` belongs to."""
        height, width = state["L"].shape[2:]
        self._last, self._mean = Still.from_lightness(state["L"], height, width), state["mean"]
        self._block = int(state["left"])


@dataclass(frozen=True)
class _Way:
    """From a frame to one beside it, [1,2,h,w], and how far what is fetched there is trusted, [1,1,h,w]."""

    motion: Tensor
    trust: Tensor

    def carry(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Fetch a mean along the way; return it, and the trust."""
        return fetch(mean, self.motion)[0], self.trust


class _Motion:
    """How a frame goes on from the one before it, and the way back from that one."""

    def __init__(self, found: Step, earlier: Still, later: Still) -> None:
        self._found = found
        self._there = _Way(found.there, _trust(found.seen, mismatch(later.L, earlier.L, found.there)))
        back = visible(found.back, found.there)
        self.way_back = _Way(found.back, _trust(back, mismatch(earlier.L, later.L, found.back)))

    def carry(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Fetch the mean of the earlier frame for the later."""
        return self._there.carry(mean)


@dataclass(frozen=True)
class _Held:
    """A frame that waits for those after it; ``before``: the state to begin with it; ``back``: see _Way."""

    ab: Tensor
    fresh: Tensor
    mean: Tensor
    before: State | None
    back: _Way | None


def _trust(seen: Tensor, apart: Tensor) -> Tensor:
    return seen[None].float() * torch.exp(-((apart / _MISMATCH) ** 2))


def _join(fresh: Tensor, mean: Tensor, trust: Tensor) -> Tensor:
    """Let a frame's own colours join a mean, as far as that is trusted."""
    count = (mean[:, 3:] * trust).clamp(max=FRAMES)
    return torch.cat([(fresh[:, :3] + count * mean[:, :3]) / (1 + count), count + 1], 1)


def _both(past: Tensor, future: Tensor, fresh: Tensor) -> Tensor:
    """Join the means of what came and of what comes; the frame itself is in both, and counts once."""
    count, other = past[:, 3:], future[:, 3:]
    total = count + other - 1
    joined = (count * past[:, :3] + other * future[:, :3] - fresh[:, :3]) / total
    return torch.cat([joined, total], 1)


def _colourful(mean: Tensor) -> Tensor:
    """Return chroma [1,2,h,w] of the mean hue, as colourful as frames were in the mean."""
    ab, chroma = mean[:, :2], mean[:, 2:3].clamp(min=0).sqrt()
    length = ab.square().sum(1, keepdim=True).sqrt()
    # Where hues cancel each other there is none to be had.
    gain = (chroma / length.clamp(min=1e-3)).clamp(max=2.0)
    return ab * gain


@torch.inference_mode()
def stabilize_pictures(rgb: Tensor, ab: Tensor, stabilizer: Stabilizer) -> Tensor:
    """Return the chroma of a whole clip: rgb [B,3,H,W] 0..1, ab [B,2,h,w] → [B,2,h,w]."""
    done: list[Steady] = []
    for one, chroma in zip(rgb, ab, strict=True):
        done += stabilizer.add(one, chroma)
    return stack_steady([*done, *stabilizer.finish()])


def stack_steady(done: Iterable[Steady]) -> Tensor:
    """Return the chroma of frames of one size: [B,2,h,w]."""
    return torch.stack([one.ab for one in done])
