"""Colour a clip frame after frame, with colours that stay the same within a shot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ..models.contract import Chroma, Colorizer
from .clip import ClipStage
from .clip_work import State
from .colorize import ColorizeSettings, colorize
from .stabilize import Stabilizer
from .video_types import Frame, VideoInfo


class SteadyFrames(ClipStage):
    """Each frame is coloured by itself, and what is proposed for it is averaged along the motion.

    ``strength``: see ``Stabilizer``. A frame that begins a shot is marked as a ``cut``. Raises ValueError and
    ModuleNotFoundError as ``Stabilizer``; ValueError for ``settings`` as published.
    """

    def __init__(
        self, colorizer: Colorizer, settings: ColorizeSettings | None = None, *, strength: float = 1.0
    ) -> None:
        self.colorizer, self.settings = colorizer, settings or ColorizeSettings()
        self.settings.check_own_way("stabilisation")
        self.stabilizer = Stabilizer(strength)
        self._before: State | None = None

    def run(self, frames: Iterator[Frame], info: VideoInfo, state: State | None) -> Iterator[Frame]:
        """Colour frames one by one; index, time and alpha pass through."""
        if state is not None:
            self.stabilizer.go_on(state)
        for frame in frames:
            self._before = self.stabilizer.state()
            done = colorize(frame.rgb[None], self.colorizer, self.settings, finish=self._steady)
            yield replace(frame, rgb=done.rgb[0], cut=self.stabilizer.cut)

    @torch.inference_mode()
    def _steady(self, part: slice, rgb: Tensor, chroma: Chroma) -> Tensor:
        return self.stabilizer.add(rgb[0], chroma.ab[0])[None]

    def resume_at(self, frame: Frame) -> tuple[int, State | None]:
        """Begin with the frame itself: with the colours that its shot has had, or none where one begins."""
        return frame.index, None if frame.cut else self._before
