"""Colour a clip from references: keyframes carried along its motion, others found by what they show.

Each pixel has several candidates: the chroma of what is like it in any reference, of the keyframes before and
after it along the motion, and of the same place in the frame before. Each comes with an expected squared
error; they are averaged by its inverse square, and the network colours what is left uncertain. The errors are
formulas that hold for each of eight clips with true colours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from ..models.contract import Previous
from ..models.resize import working_size
from .carry import Carried, Carrier, Lookahead, Step, Still, step
from .colorize import ColorizeSettings, propose
from .exemplar import (
    Guide,
    Warped,
    blend,
    sureness,
    warp_small,
    working_lightness,
)
from .merge import merge
from .optical_flow import GuidedFlow, fetch, make_guided_flow, mismatch, to_grey
from .references import STRIDE, Grid, size_for
from .video_types import Frame, VideoError, VideoInfo

#: Frames before a keyframe that it is carried back to.
REACH = 96
#: Shapes of a keyframe and of the clip may differ by this factor.
SAME_SHAPE = 1.05

# Below this, expected squared errors are not told apart.
_FLOOR = 0.3


@dataclass(frozen=True)
class Candidate:
    """Chroma [1,2,h,w] for a frame, and its expected squared distance from the true one, [1,1,h,w]."""

    ab: Tensor
    error: Tensor


@dataclass(frozen=True)
class _Last:
    """The frame before: its picture, what the references say about it, and what the network proposed."""

    still: Still
    known: Candidate
    previous: Previous


class ClipColorizer:
    """A stage for ``process_video``: frames in, frames coloured from references out.

    ``frames``: for each reference of the guide, the number of the frame that it is a coloured version of,
    from 0, or None. ``open_again``: gives the clip's frames anew, to carry keyframes back; None leaves that
    out. ``flow``: by default OpenCV's DIS. ``reach``: how many frames a keyframe is carried back.
    Raises ValueError for numbers that do not fit, ModuleNotFoundError without OpenCV.
    """

    def __init__(
        self,
        guide: Guide,
        frames: Sequence[int | None] | None = None,
        settings: ColorizeSettings | None = None,
        *,
        open_again: Callable[[], Iterator[Frame]] | None = None,
        flow: GuidedFlow | None = None,
        reach: int = REACH,
    ) -> None:
        self.guide, self.references = guide, guide.references
        self.frames = tuple(frames or (None,) * len(self.references))
        self.settings = settings or ColorizeSettings()
        self._check_frames()
        if reach < 0:
            raise ValueError(f"reach must be 0 or more frames, got {reach}")
        self._open, self._flow, self._reach = open_again, flow or make_guided_flow(), reach
        self._size = 0
        self._keys: dict[int, tuple[int, Still]] = {}
        self._chroma: dict[int, Tensor] = {}
        self._last: _Last | None = None
        self._carrier: tuple[int, int, Carrier] | None = None
        self._lookahead: Lookahead | None = None
        #: Frames at which another scene was seen to begin.
        self.cuts: list[int] = []
        #: The reference that the frames since the last cut agree with most.
        self.best = 0
        self._agreed: Tensor | None = None

    def __call__(self, clip: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
        """Colour the frames of a clip; index, time and alpha pass through."""
        self._check_length(info.frames)
        seen = -1
        try:
            for frame in clip:
                seen = frame.index
                yield self.color(frame)
        finally:
            if self._lookahead is not None:
                self._lookahead.close()
        for number, name in zip(self.frames, self.references.names, strict=True):
            if number is not None and number > seen:
                warnings.warn(
                    f"{name} is bound to frame {number}, but the last frame is {seen}: it was used as a "
                    "reference without a number",
                    stacklevel=2,
                )

    @torch.inference_mode()
    def color(self, frame: Frame) -> Frame:
        """Colour the next frame of the clip."""
        picture = frame.rgb[None].to(self.guide.colorizer.device, torch.float32)
        L = rgb_to_lightness(picture)
        if self._last is None:
            self._begin(L)
        grid = self.references.at(self._size)
        small = working_lightness(L, self._size, self.references)
        still = Still(small.cpu(), to_grey(small))
        if self._last is not None and still.L.shape != self._last.still.L.shape:
            raise VideoError(f"frame {frame.index} has another size than those before: all must be alike")
        between = None if self._last is None else step(self._flow, self._last.still, still)
        if between is not None and between.cut:
            self.cuts.append(frame.index)
            self._carrier, between, self._agreed = None, None, None
        warped, rows = warp_small(small, grid, self.references)
        self._agreed = warped.agreed if self._agreed is None else self._agreed + warped.agreed
        self.best = int(self._agreed.argmax())
        candidates = [Candidate(warped.ab.cpu(), warped.error.cpu())]
        for carried in self._carried(frame.index, still, between):
            gap = advantage(carried, warped, rows, grid).cpu()
            candidates.append(self._from_keyframe(carried, gap))
        if between is not None and self._last is not None:
            candidates.append(from_frame_before(self._last, between, still))
        known = average(candidates)
        ab, proposed = self._fill(picture, known, warped, continues=between is not None)
        self._last = _Last(still, known, Previous(still.L, proposed.cpu()))
        rgb = merge(
            picture,
            ab,
            strength=self.settings.strength,
            saturation=self.settings.saturation,
            gamut=self.settings.gamut,
        )
        return replace(frame, rgb=rgb[0].to(frame.rgb))

    def _begin(self, L: Tensor) -> None:
        height, width = L.shape[2:]
        self._size = size_for(height, width)
        size = working_size(height, width, self._size, multiple=STRIDE)
        for place, number in enumerate(self.frames):
            if number is None:
                continue
            self._check_shape(place, height, width)
            lab = rgb_to_lab(self.references.pictures[place].cpu())
            self._keys[number] = place, Still.from_lightness(lab[:, :1], *size)
            self._chroma[place] = F.interpolate(
                lab[:, 1:], size, mode="bilinear", align_corners=False, antialias=True
            )
        if self._open is not None and self._keys and self._reach:
            self._lookahead = Lookahead(self._open, self._keys, self._flow, self._reach)

    def _carried(self, number: int, still: Still, between: Step | None) -> Iterator[Carried]:
        """Give the keyframes that reach this frame along the motion: the last one, and the next."""
        if number in self._keys:
            place, key = self._keys[number]
            carrier = Carrier(key, self._flow)
            carrier.begin(still)
            self._carrier = number, place, carrier
        elif self._carrier is not None and between is not None:
            self._carrier[2].move(still, between.there)
        if self._carrier is not None:
            start, place, carrier = self._carrier
            yield carrier.carried(place, number - start)
        if self._lookahead is not None and (later := self._lookahead.at(number)) is not None:
            yield later

    def _from_keyframe(self, carried: Carried, gap: Tensor) -> Candidate:
        """Fetch a keyframe's chroma; ``gap``: [1,1,h,w], how much better than that the best match is."""
        ab, inside = fetch(self._chroma[carried.key], carried.motion)
        apart = carried.mismatch
        error = (
            1
            + 2 * apart.square()
            + 200 * gap
            + 65 * gap * apart
            + 0.05 * carried.distance
            + 300 * (~inside[None])
        )
        return Candidate(ab, error)

    def _fill(
        self, rgb: Tensor, known: Candidate, warped: Warped, *, continues: bool
    ) -> tuple[Tensor, Tensor]:
        """Let the network colour what is uncertain; return the final chroma, and the network's own."""
        guide, colorizer = self.guide, self.guide.colorizer
        ab = known.ab.to(rgb.device)
        sure = sureness(ab, known.error.to(rgb.device), guide.trust)
        L = rgb_to_lightness(rgb.float())
        if guide.imposes:
            proposed = guide.propose(L, self.settings, ab, sure)
        else:
            conditions = guide.conditions(warped)
            if "local" in colorizer.spec.conditions:
                conditions = replace(conditions, local_ab=ab, local_confidence=sure)
            if "previous" in colorizer.spec.conditions and continues and self._last is not None:
                conditions = replace(conditions, previous=self._last.previous)
            proposed = propose(L, colorizer, self.settings, conditions).ab
        return blend(ab, sure, proposed), proposed

    def _check_frames(self) -> None:
        if len(self.frames) != len(self.references):
            raise ValueError(
                f"{len(self.frames)} frame numbers were given for {len(self.references)} references: give "
                "one for each, or None"
            )
        taken: dict[int, str] = {}
        for number, name in zip(self.frames, self.references.names, strict=True):
            if number is None:
                continue
            if number < 0:
                raise ValueError(f"{name}: frames are counted from 0, got {number}")
            if number in taken:
                raise ValueError(
                    f"{name} and {taken[number]} are both bound to frame {number}: leave one out"
                )
            taken[number] = name

    def _check_length(self, expected: int | None) -> None:
        """Raise ValueError for a keyframe that is certainly after the end; the length is an estimate."""
        for number, name in zip(self.frames, self.references.names, strict=True):
            if number is not None and expected and number > expected * 1.1 + 1:
                raise ValueError(
                    f"{name} is bound to frame {number}, but the clip has only about {expected} frames: "
                    "count from 0"
                )

    def _check_shape(self, place: int, height: int, width: int) -> None:
        key_height, key_width = self.references.sizes[place]
        ratio = (key_width / key_height) / (width / height)
        if not 1 / SAME_SHAPE <= ratio <= SAME_SHAPE:
            raise ValueError(
                f"{self.references.names[place]} is {key_width}×{key_height}, and frame {self.frames[place]} "
                f"{width}×{height}: a keyframe is that frame, coloured. Give one of its shape, or leave the "
                "number out"
            )


def from_frame_before(last: _Last, between: Step, still: Still) -> Candidate:
    """Fetch what the frame before has at the same place."""
    fetched, inside = fetch(torch.cat([last.known.ab, last.known.error], 1), between.there)
    apart = mismatch(still.L, last.still.L, between.there)
    missed = (between.there + fetch(between.back, between.there)[0]).square().sum(1, keepdim=True)
    error = fetched[:, 2:] + 0.1 + 0.33 * apart.square() + 10 * missed.clamp(max=25) + 300 * (~inside[None])
    return Candidate(fetched[:, :2], error)


def advantage(carried: Carried, warped: Warped, rows: Tensor, grid: Grid) -> Tensor:
    """Return by how much a frame's best match is more like it than where a motion leads: [1,1,h,w] 0..2."""
    reference, _ = grid.part(carried.key)
    height, width = warped.cosine.shape[2:]
    motion = F.avg_pool2d(carried.motion.to(rows), STRIDE)
    y, x = torch.meshgrid(
        torch.arange(height, device=rows.device), torch.arange(width, device=rows.device), indexing="ij"
    )
    place = torch.stack(
        [(x + 0.5 + motion[0, 0] / STRIDE) / width, (y + 0.5 + motion[0, 1] / STRIDE) / height], -1
    )
    there = F.grid_sample(
        reference, place[None] * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )
    cosine = (there * rows.T.view(1, -1, height, width)).sum(1, keepdim=True)
    gap = (warped.cosine - cosine).clamp(min=0)
    return F.interpolate(gap, carried.motion.shape[2:], mode="bilinear", align_corners=False)


def average(candidates: Sequence[Candidate]) -> Candidate:
    """Average chroma by the inverse square of its expected error.

    The error of the average is that of the candidates, not less: they are often wrong together.
    """
    weights = torch.cat([(one.error + _FLOOR).square().reciprocal() for one in candidates])
    weights = weights / weights.sum(0, keepdim=True)
    pairs = zip(candidates, weights.split(1), strict=True)
    ab, error = torch.zeros_like(candidates[0].ab), torch.zeros_like(candidates[0].error)
    for one, weight in pairs:
        ab += weight * one.ab
        error += weight * one.error
    return Candidate(ab, error)
