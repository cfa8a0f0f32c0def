"""Changing the colours of many pictures and clips: by palettes, by a reference, by a LUT."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from .. import __version__
from .batch import FAILURES, ClipProgress, Outcome, color_clip, explain, saved
from .choices import PAIRINGS
from .clip_sample import SAMPLED_FRAMES, sample_frames
from .color_map import Change, change_stage
from .color_match import ColorMatch, ColorSampler
from .jobs import Job
from .lut import Cube
from .palette import MOST_COLORS, Palette, PaletteError
from .palette_extract import Sampler
from .palette_transport import paired
from .pictures import check_writable, load_picture, save_picture
from .recolor import PaletteEdit, PaletteModel
from .recolor_neural import NeuralRecoloring, shipped_colorhouse
from .recolor_soft import Lightness
from .samples import PictureError

# Colours that are taken of a picture where the palette to come has fewer: else what differs is one to it.
_LEAST_COLORS = 6


class Plan(Protocol):
    """What is to be done to every picture and clip."""

    def fit(self, job: Job, rate: float | Fraction | None = None) -> Change:
        """Return the change for one picture or clip; ``rate``: of folders of frames."""
        ...


@dataclass(frozen=True)
class RecolorPlan:
    """Exchange palettes. ``source``: None takes each picture's or clip's own, paired by optimal transport.

    ``pairing``: how the colours of a ``source`` find theirs, of PAIRINGS. ``method``, ``lightness``: see
    ``PaletteModel``. ``seed``: of the extraction.
    """

    target: Palette
    source: Palette | None = None
    method: str = "soft"
    lightness: Lightness = "keep"
    seed: int = 0
    device: str | torch.device = "cpu"
    pairing: str = "order"

    def fit(self, job: Job, rate: float | Fraction | None = None) -> PaletteEdit:
        """Return the change of one picture or clip; raises PaletteError for palettes that do not fit."""
        if self.source is not None:
            return self.fit_to(())
        frames = 1 if job.kind == "picture" else SAMPLED_FRAMES
        return self.fit_to(((rgb, None) for rgb in look_at(job, rate)), frames)

    def fit_to(self, pictures: Iterable[tuple[Tensor, Tensor | None]], frames: int = 1) -> PaletteEdit:
        """Return the change of all ``pictures``, rgb [3,H,W] with a mask [H,W] or None, about ``frames``.

        They are looked at only where there is no source. Raises PaletteError for palettes that do not fit.
        """
        if self.pairing not in PAIRINGS:
            raise PaletteError(f"the pairing must be one of {', '.join(PAIRINGS)}, got {self.pairing!r}")
        source, target = self.source, self.target
        if source is None:
            sampler = Sampler(self.seed, frames)
            for rgb, mask in pictures:
                sampler.add(rgb, mask)
            count = min(max(len(target), _LEAST_COLORS), MOST_COLORS)
            source = sampler.palette(count).merged()
            target = paired(source, target)
        elif self.pairing == "transport":
            target = paired(source, target)
        return PaletteModel(source, self.method, device=self.device).edit(target, self.lightness)


@dataclass(frozen=True, eq=False)
class MatchPlan:
    """Match colours to those of ``reference`` [3,K] Lab; the rest as in ``ColorMatch``."""

    reference: Tensor
    method: str = "monge_kantorovich"
    lightness: Lightness = "keep"
    seed: int = 0
    device: str | torch.device = "cpu"

    def fit(self, job: Job, rate: float | Fraction | None = None) -> ColorMatch:
        """Return the match of one picture or clip."""
        frames = 1 if job.kind == "picture" else SAMPLED_FRAMES
        return self.fit_to(((rgb, None) for rgb in look_at(job, rate)), frames)

    def fit_to(self, pictures: Iterable[tuple[Tensor, Tensor | None]], frames: int = 1) -> ColorMatch:
        """Return the match of all ``pictures``, rgb [3,H,W] with a mask [H,W] or None, about ``frames``."""
        sampler = ColorSampler(self.seed, frames)
        for rgb, mask in pictures:
            sampler.add(rgb, None if mask is None else mask[None])
        return ColorMatch(
            sampler.lab,
            self.reference,
            self.method,
            lightness=self.lightness == "transfer",
            seed=self.seed,
            device=self.device,
        )


@dataclass(frozen=True, eq=False)
class NeuralPlan:
    """Recolour by ColorHouse's generator towards a palette, or to the colours of a picture [1,3,H,W]."""

    target: Palette | Tensor
    lightness: Lightness = "keep"
    device: str | torch.device = "cpu"

    def fit(self, job: Job, rate: float | Fraction | None = None) -> NeuralRecoloring:
        """Return the change, the same for every picture and clip."""
        return NeuralRecoloring(shipped_colorhouse(self.device), self.target, lightness=self.lightness)


@dataclass(frozen=True)
class LutPlan:
    """Apply one look-up table."""

    cube: Cube

    def fit(self, job: Job, rate: float | Fraction | None = None) -> Cube:
        """Return the table."""
        return self.cube


def look_at(job: Job, rate: float | Fraction | None = None) -> Iterator[Tensor]:
    """Give a picture, or frames from all over a clip: rgb [3,H,W]."""
    if job.kind == "picture":
        yield load_picture(job.source).rgb
        return
    yield from sample_frames(job.source, rate=rate if job.source.is_dir() else None)


def load_mask(path: Path) -> Tensor:
    """Read a mask, white where to change: [1,1,H,W] 0..1; alpha counts as black where it is clear."""
    picture = load_picture(path)
    mask = picture.rgb.mean(0, keepdim=True)
    return (mask if picture.alpha is None else mask * picture.alpha)[None]


def run_changes(
    jobs: Sequence[Job],
    plan: Plan,
    *,
    mask: Tensor | None = None,
    strength: float = 1.0,
    codec: str | None = None,
    rate: float | Fraction | None = None,
    device: str = "cpu",
    clip_progress: ClipProgress | None = None,
) -> Generator[Outcome]:
    """Do each job; give what became of it, in order.

    ``mask``: [1,1,H,W] 0..1, of the size of every picture. The rest as in ``run_jobs``.
    """
    saving: tuple[Job, Future[None]] | None = None
    with ThreadPoolExecutor(1, "save") as pool:
        for job in jobs:
            failure, picture = None, None
            try:
                job.target.parent.mkdir(parents=True, exist_ok=True)
                change = plan.fit(job, rate)
                if job.kind == "picture":
                    picture = load_picture(job.source)
                    check_writable(job.target, picture)
                    check_mask(job.source, picture.rgb, mask)
                    rgb = picture.rgb[None].to(device)
                    changed = change.apply(rgb, mask=mask, strength=strength)
                    picture = picture.with_rgb(changed[0].cpu())
                else:
                    from .clip_stage import EachFrame  # PyAV is loaded for clips alone

                    stage = EachFrame(change_stage(change, mask=mask, strength=strength))
                    color_clip(job, stage, codec, rate, clip_progress, change_key(change, mask, strength))
            except FAILURES as error:
                picture, failure = None, Outcome(job, "failed", explain(job, error))
            if saving is not None:
                yield saved(*saving)
                saving = None
            if picture is not None:
                saving = (job, pool.submit(save_picture, job.target, picture))
            else:
                yield failure or Outcome(job, "done")
        if saving is not None:
            yield saved(*saving)


def change_key(change: Change, mask: Tensor | None, strength: float) -> dict[str, Any]:
    """Return what tells a change from others: what becomes of colours all over the cube."""
    steps = torch.linspace(0, 1, 16)
    # Square: a network sees pictures at a size of its own.
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).view(1, 3, 64, 64)
    seen = [change.apply(cube), *([mask] if mask is not None else [])]
    marks = [zlib.crc32(tensor.contiguous().cpu().numpy().tobytes()) for tensor in seen]
    return {"version": __version__, "change": marks, "strength": strength}


def check_mask(source: Path, rgb: Tensor, mask: Tensor | None) -> None:
    """Raise PictureError where a mask [1,1,H,W] has not the size of a picture [3,H,W]."""
    if mask is not None and mask.shape[2:] != rgb.shape[1:]:
        (h, w), (height, width) = mask.shape[2:], rgb.shape[1:]
        raise PictureError(f"{source}: it is {width}×{height}, the mask {w}×{h}: they must be of one size")


def with_inputs(jobs: Sequence[Job], files: Sequence[Path]) -> list[Job]:
    """Return the jobs with the files that they depend on: a changed palette makes results old."""
    return [replace(job, references=tuple(files)) for job in jobs]
