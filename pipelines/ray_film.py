"""Segments of clips made on a Ray cluster, where each worker keeps its own network.

What a worker had that is lost is made again by another. Needs Ray (`pip install chrominance[ray]`), and on
each machine this package in the same version, and the clip and the checkpoint under the paths that they have
here.
"""

from __future__ import annotations

import functools
import importlib
import os
import platform
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import __version__
from ..models.contract import Colorizer
from .clip_jobs import ClipColoring, Film
from .colorize import ColorizeSettings, told_palette
from .jobs import Job
from .palette import Palette

if TYPE_CHECKING:
    from .clip_segments import ClipTask, Part, Segment

# How often a segment is made again whose worker was lost, and how many chunks may wait to be fetched.
_RETRIES, _WAITING = 5, 2
_POLL_SECONDS = 0.5


class ClusterError(RuntimeError):
    """A cluster that cannot be used; the message is one line for the user."""


@dataclass(frozen=True)
class Recipe:
    """All that it takes to colour a clip as here: see ``ClipColoring``. ``palette``: as JSON.

    ``model``: a checkpoint's path or a name; ``dtype``: a name; ``threads``: of the processor.
    """

    model: str
    device: str
    dtype: str
    threads: int
    settings: ColorizeSettings
    film: Film
    batch: int
    palette: str | None = None
    version: str = field(default=__version__)


def make_coloring(recipe: Recipe, colorizer: Colorizer) -> ClipColoring:
    """Return how clips are coloured by this recipe and its network."""
    conditions = None
    if recipe.palette is not None:
        conditions = told_palette(Palette.from_json(recipe.palette), colorizer)
    return ClipColoring(colorizer, recipe.settings, recipe.film, recipe.batch, conditions=conditions)


class RayCluster:
    """Has the segments of clips made by ``recipe`` on a cluster: a ``Spread``.

    ``address``: "local" for one on this machine, "auto", or HOST:PORT. ``workers``: at once at most, None for
    as many as there are processors for (or graphics cards, for a recipe that needs one). Raises ClusterError
    without Ray, and where there is no cluster. A context manager.
    """

    def __init__(self, address: str, recipe: Recipe, workers: int | None = None) -> None:
        # Ray would tell its makers that it was used.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray: Any = importlib.import_module("ray")
        except ModuleNotFoundError as error:
            raise ClusterError("Ray is missing: pip install 'chrominance[ray]'") from error
        self._ray, self.recipe = ray, recipe
        kind, each = ("GPU", 1) if recipe.device.startswith("cuda") else ("CPU", recipe.threads)
        own = {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, (workers or 1) * each)}
        told = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            ray.init(address=address, **told, **(own if address == "local" else {}))
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ClusterError(f"there is no Ray cluster at {address} ({reason})") from error
        there = int(ray.cluster_resources().get(kind, 0) // each)
        if there < 1:
            ray.shutdown()
            raise ClusterError(f"the cluster at {address} has no {each} {kind} for a worker")
        self.workers = min(there, workers or there)
        needs = {"num_gpus": 1} if kind == "GPU" else {"num_cpus": each}
        self._work: Any = ray.remote(max_retries=0, **needs)(work_on).options(
            num_returns="streaming", _generator_backpressure_num_objects=_WAITING
        )

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self._ray.shutdown()

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, segments: Iterator[Segment], task: ClipTask) -> Iterator[tuple[Segment, Part]]:
        """Give the parts of all segments as they come. Raises what a worker raised, and ClusterError."""
        task = replace(task, source=task.source.resolve())
        lost: deque[tuple[Segment, int]] = deque()
        running: dict[Any, tuple[Segment, int]] = {}
        try:
            while True:
                while len(running) < self.workers:
                    segment, tries = lost.popleft() if lost else (next(segments, None), 0)
                    if segment is None:
                        break
                    running[self._work.remote(self.recipe, task, segment)] = segment, tries
                if not running:
                    return
                ready, _ = self._ray.wait(list(running), num_returns=1, timeout=_POLL_SECONDS)
                for parts in ready:
                    segment, tries = running[parts]
                    try:
                        part = self._ray.get(next(parts))
                    except StopIteration:
                        del running[parts]
                        continue
                    except self._ray.exceptions.RayTaskError as error:
                        raise error.cause if isinstance(error.cause, Exception) else error from None
                    except self._ray.exceptions.RayError as error:
                        del running[parts]
                        if tries == _RETRIES:
                            raise ClusterError(
                                f"frames {segment.first} to {segment.end - 1} of {task.source}: workers were "
                                f"lost {tries + 1} times ({type(error).__name__})"
                            ) from error
                        lost.append((segment, tries + 1))
                        continue
                    yield segment, part
        finally:
            for parts in running:
                self._ray.cancel(parts, force=True)


def work_on(recipe: Recipe, task: ClipTask, segment: Segment) -> Iterator[Part]:
    """Make a segment, where a worker does. Raises ClusterError where its machine is not like this one."""
    from .clip_segments import color_segment

    if recipe.version != __version__:
        raise ClusterError(f"a worker has version {__version__} of this package, expected {recipe.version}")
    if not Path(task.source).exists():
        raise ClusterError(
            f"{task.source} is not there on {platform.node()}: put it where all machines of the cluster "
            "see it under one path"
        )
    torch.set_num_threads(recipe.threads)
    stage = make_coloring(recipe, _network(recipe.model, recipe.device, recipe.dtype)).stage(
        Job(task.source, task.target, "clip")
    )
    yield from color_segment(task, stage, segment)


@functools.lru_cache(maxsize=1)
def _network(model: str, device: str, dtype: str) -> Colorizer:
    """Load a network once for all the segments that a worker makes."""
    from ..models import load_colorizer

    return load_colorizer(model, device=device, dtype=getattr(torch, dtype))
