"""Where the shots of a clip begin: at cuts, in the middle of fades and dissolves; by lightness alone.

Of each frame a small picture is kept, and of those the last ones: memory does not grow with length. A cut:
frames before and after differ more than neighbours do, and stay different (a flash does not). A fade: the
picture goes to one tone and another comes out of it. A dissolve: the frames between are mixtures of the two
ends. Sources: the adaptive threshold is that of PySceneDetect's AdaptiveDetector; the mixture test follows
Lienhart, "Reliable Dissolve Detection", SPIE 2001.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .replacing import replacing

_Small = NDArray[np.float32]

# The small picture's height and width, and how far it is shifted to follow a camera.
_HEIGHT, _WIDTH, _SHIFT = 24, 40, 3
# Of a tone: lightness varies less than this, of 1; what is added to the spread of faint pictures.
_BLANK, _FAINT = 0.022, 0.02
# Two pictures that have nothing in common differ by about 1. A cut: at least so much, and so many times the
# largest of its neighbours; frames looked at on each side, for neighbours and for flashes.
_CUT, _TIMES, _NEAR, _FLASH = 0.5, 1.9, 3, 4
# Half lengths of dissolves; what their ends differ by at least; what of that a mixture may leave.
_DISSOLVES, _ENDS, _REST = (3, 5, 8, 12, 16), 0.62, 0.42
_KEPT = 2 * max(_DISSOLVES) + 2
# Boundaries nearer than this, beside what they last, are one; frames in which a fade gets to its tone.
_LEAST, _FADE = 5, 8
# What a dissolve's strength must be at least.
_SURE = 0.16

FORMAT_ERROR = 'expected {"shots": [{"start": 0, "end": 30}, ...]}, each beginning where the last ends'


@dataclass(frozen=True)
class Shot:
    """Frames ``start`` to ``end``, which is not part of it."""

    start: int
    end: int


class ShotsError(ValueError):
    """A list of shots that cannot be read."""


class ShotDetector:
    """Takes the frames of a clip one by one; ``finish`` gives the shots."""

    def __init__(self) -> None:
        self.count = 0
        self._window: deque[_Frame] = deque(maxlen=_KEPT)
        self._found: list[_Boundary] = []
        self._blank: int | None = None
        self._before_blank: _Frame | None = None

    def add(self, frame: Tensor) -> None:
        """Look at the next frame: sRGB [3,H,W] or lightness [1,H,W], 0..1."""
        small = shrink(frame)
        spread = float(small.std())
        new = _Frame(self.count, small, (small - small.mean()) / (spread + _FAINT), spread < _BLANK)
        self.count += 1
        if self._window:
            new.step = distance(self._window[-1].shape, new.shape)
        self._fade(new)
        self._window.append(new)
        self._cut()
        self._dissolve()

    def _fade(self, new: _Frame) -> None:
        """Note where one tone lies between two pictures."""
        if new.blank:
            if self._blank is None:
                self._blank = new.index
                self._before_blank = self._window[-1] if self._window else None
            return
        if self._blank is None:
            return
        before, begin = self._before_blank, self._blank
        self._blank = self._before_blank = None
        if before is not None:
            half = (new.index - begin) // 2
            self._found.append(_Boundary(begin + half, 2.0, half + _FADE))

    def _cut(self) -> None:
        """Judge the frame that has enough neighbours by now."""
        if len(self._window) < _FLASH + 2:
            return
        place = len(self._window) - 1 - _FLASH
        here, before = self._window[place], self._window[place - 1]
        if here.step < _CUT or here.blank or before.blank:
            return
        frames = list(self._window)
        near = frames[max(1, place - _NEAR) : place + _NEAR + 1]
        around = sorted(f.step for f in near if f is not here and not f.blank)
        if here.step < _TIMES * max(around[-2:-1] or [0.0]):
            return
        # A flash, a scratched frame: what came before comes back, there or here.
        later = (f for f in frames[place + 1 : place + _FLASH + 1] if not f.blank)
        earlier = (f for f in frames[max(0, place - _FLASH) : place - 1] if not f.blank)
        if any(distance(before.shape, f.shape) < _CUT * 0.8 for f in later):
            return
        if any(distance(f.shape, here.shape) < _CUT * 0.8 for f in earlier):
            return
        self._found.append(_Boundary(here.index, 1 + here.step))

    def _dissolve(self) -> None:
        """Judge the frames in the middle of what is kept, for each length."""
        frames = list(self._window)
        for half in _DISSOLVES:
            if len(frames) < 2 * half + 1:
                return
            part = frames[-2 * half - 1 :]
            strength = mixture(part)
            if strength > 0:
                self._found.append(_Boundary(part[half].index, strength, half))

    def finish(self) -> list[Shot]:
        """Return the shots of all frames that were given."""
        # What is still waiting for neighbours has seen all there are.
        for _ in range(_FLASH):
            if len(self._window) > 2:
                self._flush()
        chosen: list[int] = []
        taken: list[tuple[int, int]] = []
        for one in sorted(self._found, key=lambda b: -b.strength):
            if all(abs(one.index - at) >= one.half + half + _LEAST for at, half in taken):
                taken.append((one.index, one.half))
                chosen.append(one.index)
        starts = [0, *sorted(index for index in chosen if 0 < index < self.count)]
        ends = [*starts[1:], self.count]
        return [Shot(a, b) for a, b in zip(starts, ends, strict=True)] if self.count else []

    def _flush(self) -> None:
        """Judge the last frames with the neighbours that they have."""
        last = self._window[-1]
        repeated = _Frame(last.index + 1, last.small, last.shape, last.blank)
        self._window.append(repeated)
        self._cut()


@dataclass
class _Frame:
    """A frame: its small picture, that without brightness and contrast, how far it is from the last."""

    index: int
    small: _Small
    shape: _Small
    blank: bool
    step: float = 0.0

    @property
    def even(self) -> _Small:
        """The small picture without flicker: of one brightness."""
        return self.small / (self.small.mean() + _FAINT)


@dataclass(frozen=True)
class _Boundary:
    """Where a shot may begin; of several too near each other the strongest counts."""

    index: int
    strength: float
    half: int = field(default=0)


def shrink(frame: Tensor) -> _Small:
    """Return a frame's lightness, about as the eye has it, in 24 x 40 means."""
    if frame.shape[0] == 3:
        step = max(1, min(frame.shape[1] // (4 * _HEIGHT), frame.shape[2] // (4 * _WIDTH)))
        weights = torch.tensor([0.2126, 0.7152, 0.0722], device=frame.device)
        frame = torch.einsum("c,chw->hw", weights, frame[:, ::step, ::step].float())[None]
    small = F.adaptive_avg_pool2d(frame[None].float(), (_HEIGHT, _WIDTH))
    return small[0, 0].cpu().numpy()


def distance(first: _Small, second: _Small) -> float:
    """Return how far two normalised pictures differ, the second shifted to where it fits best."""
    margin = _SHIFT
    inner = first[margin:-margin, margin:-margin]
    height, width = inner.shape
    best = np.inf
    for down in range(0, 2 * margin + 1):
        for right in range(0, 2 * margin + 1):
            moved = second[down : down + height, right : right + width]
            best = min(best, float(np.abs(inner - moved).mean()))
    return best


def mixture(frames: list[_Frame]) -> float:
    """Return how surely frames are mixtures of their ends, less and less of the first: 0 for not at all."""
    if any(frame.blank for frame in frames):
        return 0.0
    first, last = frames[0], frames[-1]
    apart = last.even - first.even
    size = float((apart * apart).sum())
    ends = distance(first.shape, last.shape)
    if ends < _ENDS or size <= 0:
        return 0.0
    # No frame of a dissolve is far from the one before.
    if max(frame.step for frame in frames[1:]) > 0.75 * ends:
        return 0.0
    shares, rest = [], []
    for frame in frames[1:-1]:
        moved = frame.even - first.even
        share = float((moved * apart).sum()) / size
        left = moved - share * apart
        shares.append(share)
        rest.append(float(np.sqrt((left * left).sum() / size)))
    falling = np.diff([0.0, *shares, 1.0])
    middle = shares[len(shares) // 2]
    if (falling < -0.08).any() or not 0.3 < middle < 0.7 or max(falling) > 0.55:
        return 0.0
    left = float(np.mean(rest))
    strength = ends * (1 - left / _REST) * 0.9
    return strength if left < _REST and strength >= _SURE else 0.0


def find_shots(frames: Iterable[Tensor]) -> list[Shot]:
    """Return the shots of a clip: frames sRGB [3,H,W] 0..1, or lightness [1,H,W]."""
    detector = ShotDetector()
    for frame in frames:
        detector.add(frame)
    return detector.finish()


def write_shots(path: Path, shots: Iterable[Shot]) -> None:
    """Write shots as JSON, whole or not at all."""
    text = json.dumps({"shots": [{"start": s.start, "end": s.end} for s in shots]})
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_shots(path: Path) -> list[Shot]:
    """Read shots as ``write_shots`` writes them. Raises ShotsError, naming the file, for anything else."""
    try:
        return parse_shots(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ShotsError(f"{path}: cannot be read ({reason})") from error


def parse_shots(text: str, name: str) -> list[Shot]:
    """Read shots from JSON. Raises ShotsError, naming ``name``, for anything else."""
    try:
        entries = json.loads(text)["shots"]
        shots = [Shot(int(entry["start"]), int(entry["end"])) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise ShotsError(f"{name}: {FORMAT_ERROR}") from error
    begins = [0, *(shot.end for shot in shots)]
    if not shots or any(s.start != b or s.end <= s.start for s, b in zip(shots, begins, strict=False)):
        raise ShotsError(f"{name}: {FORMAT_ERROR}")
    return shots


def starts_of(shots: Iterable[Shot]) -> Iterator[int]:
    """Give the first frame of each shot."""
    return (shot.start for shot in shots)
