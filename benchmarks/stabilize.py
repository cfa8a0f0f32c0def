"""How steady colours are: ``python -m chrominance.benchmarks stabilize --clips FOLDER``.

Each clip is made grey and coloured frame by frame, then with the stabiliser behind. Flow-warp error is
measured along another flow (Farnebäck's) than the stabiliser's (DIS), in the original, and divided by the
mean chroma.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ..color import rgb_to_lightness
from ..models import Colorizer, load_colorizer
from ..pipelines.colorize import ColorizeSettings, propose
from ..pipelines.merge import merge
from ..pipelines.metrics_video import ClipScores
from ..pipelines.stabilize import Stabilizer, Steady
from ..pipelines.video import VideoReader
from .shots import grey

_WAYS = ("true", "frames", "steady")


@dataclass(frozen=True)
class Clip:
    """The figures of one clip: of the original, coloured frame by frame, and steady; milliseconds a frame."""

    name: str
    figures: dict[str, dict[str, float]]
    milliseconds: float

    @property
    def ratio(self) -> float:
        """Return the steady flow-warp error by the other."""
        return self.figures["steady"]["warp_error"] / self.figures["frames"]["warp_error"]

    @property
    def color(self) -> float:
        """Return the steady colourfulness by the other."""
        return self.figures["steady"]["colorfulness"] / self.figures["frames"]["colorfulness"]


def farneback(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return Farnebäck's flow, by OpenCV."""
    import cv2

    found: Any = np.zeros((*first.shape, 2), np.float32)
    found = cv2.calcOpticalFlowFarneback(first, second, found, 0.5, 4, 21, 4, 7, 1.5, 0)
    return np.asarray(found, np.float32)


def measure(path: Path, colorizer: Colorizer, *, size: int | None = None, most: int | None = None) -> Clip:
    """Measure one clip; ``most``: frames looked at."""
    stabilizer = Stabilizer()
    scores = {way: ClipScores(farneback) for way in _WAYS}
    waiting: deque[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = deque()
    seconds, count = 0.0, 0

    def score(done: list[Steady]) -> None:
        for steady in done:
            original, picture, ab = waiting.popleft()
            coloured = (merge(picture[None], chroma[None])[0] for chroma in (ab, steady.ab))
            guide = _small(original)
            for way, rgb in zip(_WAYS, (original, *coloured), strict=True):
                scores[way].add(_small(rgb), guide)

    with VideoReader(path, copy=False) as reader, torch.inference_mode():
        for frame in reader:
            if most is not None and frame.index >= most:
                break
            picture = grey(frame.rgb).expand(3, -1, -1).contiguous()
            L = rgb_to_lightness(picture)
            ab = propose(L[None], colorizer, ColorizeSettings(size=size)).ab[0]
            waiting.append((frame.rgb, picture, ab))
            begin = time.perf_counter()
            done = stabilizer.add(picture, ab)
            seconds, count = seconds + time.perf_counter() - begin, count + 1
            score(done)
        begin = time.perf_counter()
        done = stabilizer.finish()
        seconds += time.perf_counter() - begin
        score(done)
    figures = {way: score.figures() for way, score in scores.items()}
    return Clip(path.stem, figures, 1e3 * seconds / count)


def _small(rgb: torch.Tensor) -> torch.Tensor:
    """Return half the size: half the time of the flow that measures."""
    return F.avg_pool2d(rgb, 2).clamp(0, 1)


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks stabilize", description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of .mp4 files")
    parser.add_argument("--size", type=int, help="working size of the network")
    parser.add_argument("--frames", type=int, help="of each clip at most")
    options = parser.parse_args(argv)
    colorizer = load_colorizer()
    write = sys.stdout.write
    write("| clip | flow-warp error: true | frame by frame | steady | ratio | CDC: true | frame by frame ")
    write("| steady | colour | ms |\n| --- |" + " ---: |" * 9 + "\n")
    for path in sorted(options.clips.glob("*.mp4")):
        clip = measure(path, colorizer, size=options.size, most=options.frames)
        errors = " | ".join(f"{clip.figures[way]['warp_error']:.3f}" for way in _WAYS)
        cdc = " | ".join(f"{clip.figures[way]['cdc']:.4f}" for way in _WAYS)
        rest = f"{clip.ratio:.2f} | {cdc} | {clip.color:.2f} | {clip.milliseconds:.0f}"
        write(f"| {clip.name} | {errors} | {rest} |\n")
        sys.stdout.flush()
    return 0
