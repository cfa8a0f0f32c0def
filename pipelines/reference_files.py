"""References as a user names them: files, some of them bound to frames of a clip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..models.contract import Colorizer
from ..models.embedded.features import EmbeddedFeatures
from ..models.embedded.network import EmbeddedNetwork
from ..models.features import FeatureExtractor
from ..models.features_load import load_features
from .exemplar import Guide
from .jobs import Job, UsageError, expand
from .pictures import READABLE, load_picture
from .references import References

_BOUND = re.compile(r"(\d+):(.+)", re.DOTALL)


@dataclass(frozen=True)
class ReferenceFile:
    """A reference picture's file; ``frame``: the number, from 0, of the frame that it is, coloured."""

    path: Path
    frame: int | None = None


def parse_references(texts: Sequence[str]) -> tuple[ReferenceFile, ...]:
    """Read FILE, a pattern, or N:FILE; raises UsageError for what is no picture."""
    found: list[ReferenceFile] = []
    for text in texts:
        bound = _BOUND.fullmatch(text)
        paths, problems = expand([bound[2] if bound else text])
        if problems:
            raise UsageError(problems[0])
        if bound and len(paths) > 1:
            raise UsageError(f"{text}: one frame can be bound to one picture, not to {len(paths)}")
        for path in paths:
            if path.is_dir():
                raise UsageError(
                    f"{path} is a folder: name pictures in it, such as {path / '*.png'}, or let `references "
                    "find` choose"
                )
            if path.suffix.lower() not in READABLE:
                raise UsageError(f"{path}: a reference must be a picture: {', '.join(READABLE)}")
            found.append(ReferenceFile(path, int(bound[1]) if bound else None))
    return tuple(found)


def give_references(
    jobs: Sequence[Job], references: Sequence[ReferenceFile], *, warp: bool = False
) -> list[Job]:
    """Return the jobs with their references' files.

    Raises UsageError for frames bound without a clip, and for clips where the ``warp`` alone is wanted.
    """
    bound = next((one for one in references if one.frame is not None), None)
    clips = [job for job in jobs if job.kind == "clip"]
    if warp and clips:
        raise UsageError(f"--warp is for pictures, and {clips[0].name} is a clip: leave one of them out")
    if bound is not None and len(clips) != len(jobs):
        raise UsageError(
            f"{bound.path} is bound to frame {bound.frame}, and a picture has no frames: leave the number out"
        )
    if bound is not None and len(clips) > 1:
        raise UsageError(
            f"{bound.path} is bound to frame {bound.frame}, but there are {len(clips)} clips: give one clip"
        )
    return [replace(job, references=tuple(one.path for one in references)) for job in jobs]


def load_references(
    references: Sequence[ReferenceFile],
    colorizer: Colorizer,
    *,
    features: str | Path = "embedded",
    trust: float = 0.5,
    size: int | None = None,
) -> Guide:
    """Load references for a colorizer; raises ValueError, naming the file, for one that cannot be used.

    ``features``: as in ``load_features``; "embedded" takes the colorizer's own where it is the embedded
    network. ``trust``, ``size``: as in ``Guide``. Raises CheckpointError for a file that gives no features.
    """
    pictures = [load_picture(one.path).rgb.float() for one in references]
    extractor = extractor_of(colorizer, features)
    return Guide(
        colorizer,
        References(pictures, extractor, [str(one.path) for one in references]),
        trust=trust,
        size=size,
    )


def extractor_of(colorizer: Colorizer, features: str | Path = "embedded") -> FeatureExtractor:
    """Return what pictures are compared by, on the colorizer's device, without loading a network twice."""
    if features == "embedded" and isinstance(colorizer.network, EmbeddedNetwork):
        return EmbeddedFeatures(colorizer.network)
    return load_features(features, device=colorizer.device, dtype=colorizer.dtype)
