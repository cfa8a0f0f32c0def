"""Colour a clip frame after frame, with colours that stay the same within a shot."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..color import rgb_to_lab, rgb_to_lightness
from ..models.contract import Colorizer, Conditions
from .clip_stage import ClipStage
from .clip_work import State
from .colorize import ColorizeSettings, propose
from .merge import merge
from .shots import shrink
from .stabilize import FRAMES, LOOK_AHEAD, Stabilizer, Steady
from .video_types import Frame, VideoInfo

# Neighbours that are less different, of 1, are not looked at twice for a cut between them.
_APART = 0.03


class SteadyFrames(ClipStage):
    """Each frame is coloured by itself, and what is proposed for it is averaged along the motion.

    ``colorizer``: None takes the frames' own colours. ``strength``, ``look_ahead``: see ``Stabilizer``.
    ``conditions``: for every frame. ``cuts``: frames that begin a shot beside those that are seen to. A frame
    that begins one is marked as a ``cut``. Raises ValueError and ModuleNotFoundError as ``Stabilizer``;
    ValueError for ``settings`` as published.
    """

    def __init__(
        self,
        colorizer: Colorizer | None,
        settings: ColorizeSettings | None = None,
        *,
        strength: float = 1.0,
        look_ahead: int = LOOK_AHEAD,
        conditions: Conditions | None = None,
        cuts: Collection[int] = (),
    ) -> None:
        self.colorizer, self.settings = colorizer, settings or ColorizeSettings()
        self.settings.check_own_way("stabilisation")
        self.conditions, self.cuts = conditions or Conditions(), frozenset(cuts)
        self.stabilizer = Stabilizer(strength, look_ahead=look_ahead)
        self._given: tuple[int, State | None] | None = None

    @torch.inference_mode()
    def run(self, frames: Iterator[Frame], info: VideoInfo, state: State | None) -> Iterator[Frame]:
        """Colour frames one by one; index, time and alpha pass through."""
        if state is not None:
            self.stabilizer.go_on(state)
        waiting: deque[tuple[Frame, Tensor]] = deque()
        for frame in frames:
            rgb = frame.rgb if self.colorizer is None else frame.rgb.to(self.colorizer.device)
            L = rgb_to_lightness(rgb.float())
            waiting.append((frame, L))
            if frame.index in self.cuts:
                self.stabilizer.begin_shot()
            yield from self._finish(waiting, self.stabilizer.add(L, self._propose(rgb, L)))
        yield from self._finish(waiting, self.stabilizer.finish())

    def _propose(self, rgb: Tensor, L: Tensor) -> Tensor:
        """Return the chroma [2,h,w] that a frame would have by itself."""
        if self.colorizer is None:
            return rgb_to_lab(rgb[None].float())[0, 1:]
        return propose(L[None], self.colorizer, self.settings, self.conditions).ab[0]

    def _finish(self, waiting: deque[tuple[Frame, Tensor]], done: list[Steady]) -> Iterator[Frame]:
        """Put steady chroma under the frames that it belongs to."""
        for steady in done:
            frame, L = waiting.popleft()
            rgb = merge(
                frame.rgb[None].to(steady.ab.device),
                steady.ab[None],
                strength=self.settings.strength,
                saturation=self.settings.saturation,
                gamut=self.settings.gamut,
                lightness=L[None],
            )
            self._given = frame.index, steady.state
            yield replace(frame, rgb=rgb[0].to(frame.rgb), cut=steady.cut)

    def resume_at(self, frame: Frame) -> tuple[int, State | None]:
        """Begin with the frame itself: with the colours that its shot has had, or none where one begins."""
        assert self._given is not None and self._given[0] == frame.index
        return self._given

    def reach(self) -> tuple[int | None, int | None]:
        """Tell how far a mean goes back, nearly all of it, and how far ahead is looked."""
        return round(4 * FRAMES), 2 * self.stabilizer.look_ahead

    def splits(self, frames: Iterator[Frame], chunk: int) -> Iterator[Frame]:
        """Give the frames that begin a shot for sure: those given as such, and others that look like it."""
        last: Frame | None = None
        looks = None
        for frame in frames:
            before, looks = looks, shrink(frame.rgb)
            cut = frame.index in self.cuts
            if last is None or before is None:
                cut = True
            elif not cut and np.abs(looks - before).mean() > _APART:
                cut = self.stabilizer.sees_cut(last.rgb, frame.rgb)
            if cut:
                yield frame
            last = frame
