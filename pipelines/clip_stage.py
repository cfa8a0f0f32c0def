"""What is done to the frames of a clip: a stage that can begin in the middle, as far as that is possible."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .clip_work import State
from .video_types import Frame, VideoInfo

# Chunks that are made in one place: a place has to decode frames before the first.
_CHUNKS = 2


class ClipStage(ABC):
    """Frames of a clip in, as many frames out, in order; it can begin in the middle."""

    @abstractmethod
    def run(self, frames: Iterator[Frame], info: VideoInfo, state: State | None) -> Iterator[Frame]:
        """Give what becomes of ``frames``; ``state``: from ``resume_at`` of an earlier run, for the first."""

    def resume_at(self, frame: Frame) -> tuple[int, State | None]:
        """Tell what it takes to begin at ``frame``, which ``run`` has given last.

        The number of the first frame that ``run`` has to be given, which must be one at which a chunk began,
        and the state that goes with it.
        """
        return frame.index, None

    def reach(self) -> tuple[int | None, int | None]:
        """Tell how many frames before and after one its result depends on; None: on all."""
        return 0, 0

    def splits(self, frames: Iterator[Frame], chunk: int) -> Iterator[Frame]:
        """Give those of ``frames`` with which ``run`` may begin without a state, to the same results.

        ``frames``: from one on with which a chunk, of ``chunk`` frames at most, begins. All are looked at.
        """
        for _ in frames:
            pass
        return iter(())


@dataclass(frozen=True)
class FromTheStart(ClipStage):
    """A stage that cannot begin in the middle: it sees all frames again; only the rest is written."""

    work: Callable[[Iterator[Frame], VideoInfo], Iterator[Frame]]

    def run(self, frames: Iterator[Frame], info: VideoInfo, state: State | None) -> Iterator[Frame]:
        """Give what ``work`` does."""
        return self.work(frames, info)

    def resume_at(self, frame: Frame) -> tuple[int, State | None]:
        """Begin with the first frame."""
        return 0, None

    def reach(self) -> tuple[int | None, int | None]:
        """Tell that a result depends on all frames."""
        return None, None


@dataclass(frozen=True)
class EachFrame(ClipStage):
    """A stage that sees each frame by itself, or groups of frames of which a chunk is a multiple."""

    work: Callable[[Iterator[Frame], VideoInfo], Iterator[Frame]]

    def run(self, frames: Iterator[Frame], info: VideoInfo, state: State | None) -> Iterator[Frame]:
        """Give what ``work`` does."""
        return self.work(frames, info)

    def splits(self, frames: Iterator[Frame], chunk: int) -> Iterator[Frame]:
        """Give every so many frames one, with which a chunk begins."""
        for number, frame in enumerate(frames):
            if number % (_CHUNKS * chunk) == 0:
                yield frame
