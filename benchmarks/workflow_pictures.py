"""The workflows' pictures: ``python -m chrominance.benchmarks workflow_pictures -o workflows``.

For ComfyUI's template browser, of the workflows whose colours come from the shipped network. Each is made by
the engine that the workflow's nodes call, from the bundled clip and from pictures that Python packages carry
under a free licence (see ``contact_sheet``). To be run when the weights change.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pipelines.colorize import ColorizeSettings, colorize
from ..pipelines.exemplar import Guide
from ..pipelines.film import SteadyFrames
from ..pipelines.keyframes import ClipColorizer
from ..pipelines.references import References
from ..pipelines.variants import VariantSettings, draw_variants
from ..pipelines.video import colorize_frames, open_reader
from ..pipelines.video_types import Frame, VideoInfo
from .node_pictures import Pictures, mark
from .picture_rows import GAP, column, fitted, framed, row, split_picture, write_pictures
from .quality import grey

_CLIP = Path(__file__).parent.parent / "samples" / "clip.mp4"
_SIDE = 512
# Frames of the clip that are shown: two of its first shot, one of its second.
_SHOWN = (2, 26, 45)
# The keyframe and the picture of the other shot that the workflow's references are.
_KEYFRAME, _OTHER = 0, 50


class Workflows(Pictures):
    """What the workflows' pictures are made of."""

    @cached_property
    def film(self) -> tuple[VideoInfo, list[Frame]]:
        """The bundled clip, in grey."""
        with open_reader(_CLIP, sound=False) as reader:
            frames = [Frame(f.index, f.time, grey(f.rgb[None])[0].clone()) for f in reader]
            return reader.info, frames

    @property
    def frames(self) -> list[Frame]:
        """Its frames."""
        return self.film[1]

    def steady(self, frames: list[Frame]) -> Iterator[Frame]:
        """Colour frames of it, with colours that stay."""
        return SteadyFrames(self.colorizer).run(iter(frames), self.film[0], None)

    def shown(self, made: Iterator[Frame], places: tuple[int, ...] = _SHOWN) -> Tensor:
        """Return some frames of a clip beside what they were, in rows as wide as high together."""
        coloured = {frame.index: frame.rgb[None] for frame in made if frame.index in places}
        height = (_SIDE - GAP * (len(places) - 1)) // len(places)
        return column(*(_halves(self.frames[n].rgb[None], coloured[n], height) for n in places))


def _halves(before: Tensor, after: Tensor, height: int) -> Tensor:
    """Return two pictures [1,3,H,W] side by side, the middle of each, together 512 wide."""
    return row(*(_middle(one, height, (_SIDE - GAP) // 2) for one in (before, after)))


def _middle(rgb: Tensor, height: int = _SIDE, width: int = _SIDE) -> Tensor:
    """Return what of the middle of a picture [1,3,H,W] fills [3,height,width]."""
    scale = max(height / rgb.shape[2], width / rgb.shape[3])
    large = fitted(rgb, math.ceil(rgb.shape[2] * scale))
    top, left = (large.shape[1] - height) // 2, (large.shape[2] - width) // 2
    return large[:, top : top + height, left : left + width]


def _inset(picture: Tensor, small: Tensor) -> Tensor:
    """Return a picture [3,h,w] with a small one [1,3,H,W] in its lower left corner."""
    small = framed(fitted(small, 168), (1.0, 1.0, 1.0))
    made = picture.clone()
    made[:, -16 - small.shape[1] : -16, 16 : 16 + small.shape[2]] = small
    return made


def _photo(p: Workflows) -> Tensor:
    return split_picture(_middle(grey(p.astronaut)), _middle(p.automatic(p.astronaut)))


def _variants(p: Workflows) -> Tensor:
    made = draw_variants(grey(p.astronaut), p.colorizer, None, VariantSettings(count=4, seed=1))
    side = (_SIDE - GAP) // 2
    tiles = [_middle(one.rgb, side, side) for one in made]
    return column(row(*tiles[:2]), row(*tiles[2:]))


def _clip(p: Workflows) -> Tensor:
    frame = p.frames[_SHOWN[2]].rgb[None]
    return split_picture(_middle(frame), _middle(p.automatic(frame)))


def _keyframes(p: Workflows) -> Tensor:
    """One keyframe, coloured; the other shot after a coloured picture of it."""
    pictures = [p.automatic(p.frames[n].rgb[None])[0] for n in (_KEYFRAME, _OTHER)]
    guide = Guide(p.colorizer, References(pictures, p.features))
    stage = ClipColorizer(guide, [_KEYFRAME, None])
    return p.shown(map(stage.color, p.frames))


def _film(p: Workflows) -> Tensor:
    return p.shown(p.steady(p.frames), _SHOWN[1:])


def _reference(p: Workflows) -> Tensor:
    return _inset(split_picture(_middle(grey(p.coffee)), _middle(p.after_part)), p.part)


def _hints(p: Workflows) -> Tensor:
    colors = [(0.5, 0.07, "#7a5b3a"), (0.28, 0.08, "#8fa8d0"), (0.64, 0.3, "#8fa8d0"), (0.95, 0.3, "#8fa8d0")]
    colors += [(x, y, "#d8702c") for x, y in ((0.2, 0.62), (0.16, 0.86), (0.4, 0.82), (0.6, 0.57))]
    colors += [
        (0.05, 0.15, "#2a3a7a"),
        (0.1, 0.34, "#a03038"),
        (0.05, 0.52, "#a03038"),
        (0.83, 0.12, "#8a5a2c"),
    ]
    picture = split_picture(_middle(grey(p.astronaut)), _middle(p.hinted(colors)))
    for one in colors:
        mark(picture, *one)
    return picture


def _compare(p: Workflows) -> Tensor:
    """The network's own temperature, 0.2, and the true colours, a third of each."""
    cold = colorize(grey(p.astronaut), p.colorizer, ColorizeSettings(temperature=0.2)).rgb
    parts = [_middle(one) for one in (p.automatic(p.astronaut), cold, p.astronaut)]
    third = _SIDE // 3
    made = [one[:, :, n * third : (n + 1) * third] for n, one in enumerate(parts)]
    for one in made[:-1]:
        one[:, :, -2:] = 1.0
    return torch.cat(made, 2)


def _steady(p: Workflows) -> Tensor:
    """A line of the first shot over time, from above to below: frame by frame, and steady."""
    shot = p.frames[:28]
    lines = []
    for clip in (colorize_frames(iter(shot), p.colorizer), p.steady(shot)):
        line = torch.stack([one.rgb[:, one.rgb.shape[1] // 2] for one in clip], 1)[None]
        lines.append(F.interpolate(line, ((_SIDE - GAP) // 2, _SIDE), mode="nearest")[0])
    return column(*lines)


MAKERS: dict[str, Callable[[Workflows], Tensor]] = {
    "color_variants": _variants,
    "colorize_a_clip": _clip,
    "colorize_a_clip_from_keyframes": _keyframes,
    "colorize_a_film_by_shots": _film,
    "colorize_a_photo": _photo,
    "colorize_from_a_reference": _reference,
    "colorize_with_hints": _hints,
    "compare_colorizers": _compare,
    "steady_someone_elses_colors": _steady,
}


def main(argv: list[str] | None = None) -> int:
    """Write a picture for each workflow."""
    parser = argparse.ArgumentParser(prog="workflow_pictures", description=__doc__)
    return write_pictures(argv, parser, MAKERS, Workflows)
