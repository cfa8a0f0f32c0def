"""Colour the clips among many files: what is asked of them, and the stage that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..models.contract import Colorizer, Conditions
from .colorize import ColorizeSettings
from .exemplar import Guide
from .jobs import Job
from .published import Way, color_frames_as_published

if TYPE_CHECKING:
    from .clip_segments import Spread
    from .clip_stage import ClipStage
    from .video import Frame, VideoInfo

#: Asked at the start of a clip, with how many frames to expect; what it returns gets the frames done since.
ClipProgress = Callable[[Job, int | None], Callable[[int], object]]


@dataclass(frozen=True)
class Film:
    """What is asked of a clip beside how its frames are coloured.

    ``stabilize``: strength of ``SteadyFrames``, 0 for none; ``cuts``: frames that begin a shot beside those
    that it sees. ``redo``: the first of the frames to make anew in a finished clip, and the one after them.
    """

    stabilize: float = 0.0
    cuts: tuple[int, ...] = ()
    redo: tuple[int, int] | None = None


@dataclass(frozen=True)
class ClipColoring:
    """How clips are coloured: see ``run_jobs``."""

    colorizer: Colorizer
    settings: ColorizeSettings
    film: Film = field(default_factory=Film)
    batch: int = 4
    rate: float | Fraction | None = None
    guide: Guide | None = None
    frames: Sequence[int | None] | None = None
    published: Way | None = None
    conditions: Conditions | None = None

    def stage(self, job: Job) -> ClipStage:
        """Return what colours the frames of a clip: by references if there are any."""
        # PyAV is loaded for clips alone, and OpenCV for what follows motion.
        from .clip_stage import EachFrame, FromTheStart
        from .video import colorize_frames, open_reader

        published, guide, settings = self.published, self.guide, self.settings
        if published is not None:
            return FromTheStart(lambda clip, info: color_frames_as_published(clip, published))
        if guide is not None:
            from .keyframes import ClipColorizer

            def open_again() -> Iterator[Frame]:
                rate = self.rate if job.source.is_dir() else None
                with open_reader(job.source, rate=rate, sound=False) as reader:
                    yield from reader

            return FromTheStart(ClipColorizer(guide, self.frames, settings, open_again=open_again))
        if self.film.stabilize:
            from .film import SteadyFrames

            return SteadyFrames(
                self.colorizer,
                settings,
                strength=self.film.stabilize,
                conditions=self.conditions,
                cuts=self.film.cuts,
            )
        return EachFrame(
            lambda clip, info: colorize_frames(
                clip, self.colorizer, settings, batch=self.batch, conditions=self.conditions
            )
        )

    def key(self, more: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what the result depends on, by which unfinished work is known again."""
        told = {
            "version": __version__,
            "settings": asdict(self.settings),
            "film": asdict(self.film),
            "batch": self.batch,
            "frames": list(self.frames or ()),
        }
        return {**told, **(more or {})}


def color_clip(
    job: Job,
    stage: ClipStage,
    codec: str | None,
    rate: float | Fraction | None,
    progress: ClipProgress | None,
    key: Mapping[str, Any],
    batch: int = 1,
    redo: tuple[int, int] | None = None,
    spread: Spread | None = None,
) -> None:
    """Colour one clip, a video file or a folder of frames, or what is left of it to do.

    ``key``, ``spread``: see ``process_clip``; ``batch``: frames that the stage sees at once; ``redo``: see
    ``Film``.
    """
    from .clip import process_clip
    from .clip_chunks import CHUNK
    from .clip_redo import redo_frames
    from .video import Encoding

    advance: Callable[[int], object] | None = None

    def begin(info: VideoInfo, done: int) -> None:
        nonlocal advance
        if progress is not None:
            advance = progress(job, info.frames)
            if done:
                advance(done)

    def step(count: int) -> None:
        if advance is not None:
            advance(count)

    rate = rate if job.source.is_dir() else None
    told = {"encoding": Encoding(codec), "rate": rate, "on_info": begin, "progress": step}
    if redo is not None:
        redo_frames(job.source, job.target, stage, *redo, **told)
        return
    process_clip(
        job.source, job.target, stage, key=key, chunk=-(-CHUNK // batch) * batch, spread=spread, **told
    )
