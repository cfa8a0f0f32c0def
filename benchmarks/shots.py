"""How well shots are found: ``python -m chrominance.benchmarks shots --clips FOLDER``.

Montages of random shots of the folder's clips, with cuts, fades through black and white, and dissolves, of
random lengths; every other one with noise, flicker, flashes and dirt, as old film has them. By lightness.
A cut counts as found within a frame, a fade or dissolve within its frames.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..pipelines.shots import ShotDetector
from ..pipelines.video import VideoReader

_SIZE = (90, 160)
_KINDS = ("cut", "cut", "cut", "black", "white", "dissolve")


@dataclass(frozen=True)
class Truth:
    """Where one shot becomes another: frames ``low`` to ``high``, both counted."""

    kind: str
    low: int
    high: int


def load_clips(folder: Path, without: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Return the lightness of each clip of a folder, small: [T,1,90,160]."""
    clips = {}
    for path in sorted(folder.glob("*.mp4")):
        if any(name in path.name for name in without):
            continue
        with VideoReader(path, copy=False) as reader:
            frames = [grey(frame.rgb) for frame in reader]
        clips[path.stem] = torch.cat([F.interpolate(f[None], _SIZE, mode="area") for f in frames])
    return clips


def grey(rgb: Tensor) -> Tensor:
    """Return [1,H,W] of [3,H,W]."""
    return (rgb * torch.tensor([0.2126, 0.7152, 0.0722]).view(3, 1, 1)).sum(0, keepdim=True)


def montage(clips: dict[str, Tensor], seed: int) -> tuple[list[Tensor], list[Truth]]:
    """Return frames [1,H,W] and what is true of them."""
    rng = np.random.default_rng(seed)
    names = sorted(clips)
    frames: list[Tensor] = []
    truth: list[Truth] = []
    last = None
    for number in range(int(rng.integers(3, 8))):
        name = names[rng.integers(len(names))]
        while name == last:
            name = names[rng.integers(len(names))]
        last = name
        clip = clips[name]
        length = int(rng.integers(20, min(60, len(clip))))
        start = int(rng.integers(0, len(clip) - length + 1))
        shot = list(clip[start : start + length])
        if number == 0:
            frames += shot
            continue
        kind = str(rng.choice(_KINDS))
        at = len(frames)
        if kind == "cut":
            truth.append(Truth(kind, at, at))
            frames += shot
        elif kind == "dissolve":
            n = min(int(rng.integers(6, 25)), len(shot) - 4, len(frames) - 4)
            for i in range(n):
                share = (i + 1) / (n + 1)
                frames[at - n + i] = frames[at - n + i] * (1 - share) + shot[i] * share
            truth.append(Truth(kind, at - n, at))
            frames += shot[n:]
        else:
            n, m = (min(int(rng.integers(5, 15)), len(shot) // 2) for _ in range(2))
            tone = 0.0 if kind == "black" else 1.0
            for i in range(n):
                share = (i + 1) / n
                frames[at - n + i] = frames[at - n + i] * (1 - share) + tone * share
            hold = int(rng.integers(0, 8))
            frames += [torch.full_like(shot[0], tone)] * hold
            for i in range(m):
                share = (i + 1) / (m + 1)
                shot[i] = shot[i] * share + tone * (1 - share)
            truth.append(Truth(kind, at - n, at + hold + m))
            frames += shot
    return age(frames, rng) if seed % 2 else frames, truth


def age(frames: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Return frames as old film has them: noise, flicker, now and then a flash or a blot."""
    noise, flicker = rng.uniform(0, 0.06), rng.uniform(0, 0.08)
    old = []
    for frame in frames:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        one = frame * (1 + flicker * rng.standard_normal())
        one = one + noise * torch.randn(frame.shape, generator=generator)
        if rng.random() < 0.01:
            one = one + 0.5
        if rng.random() < 0.03:
            y, x = (int(rng.integers(0, side - 20)) for side in _SIZE)
            one[:, y : y + 20, x : x + 20] = float(rng.random() < 0.5)
        old.append((one.clamp(0, 1) * 255).round() / 255)
    return old


def judge(frames: list[Tensor], truth: list[Truth]) -> tuple[int, int, int, dict[str, list[int]]]:
    """Return how many boundaries were found, missed, invented; and found and there, by kind."""
    detector = ShotDetector()
    for frame in frames:
        detector.add(frame)
    starts = [shot.start for shot in detector.finish()][1:]
    kinds: dict[str, list[int]] = {}
    hits = 0
    for one in truth:
        slack = 1 if one.kind == "cut" else 2
        match = next((s for s in starts if one.low - slack <= s <= one.high + slack), None)
        entry = kinds.setdefault(one.kind, [0, 0])
        entry[1] += 1
        if match is not None:
            starts.remove(match)
            hits += 1
            entry[0] += 1
    return hits, len(truth) - hits, len(starts), kinds


def run(clips: dict[str, Tensor], seeds: Iterator[int] | range) -> tuple[float, float, dict[str, list[int]]]:
    """Return precision, recall and what was found by kind over many montages."""
    hits = missed = invented = 0
    kinds: dict[str, list[int]] = {}
    for seed in seeds:
        a, b, c, by = judge(*montage(clips, seed))
        hits, missed, invented = hits + a, missed + b, invented + c
        for kind, (found, there) in by.items():
            entry = kinds.setdefault(kind, [0, 0])
            entry[0] += found
            entry[1] += there
    return hits / max(1, hits + invented), hits / max(1, hits + missed), kinds


def main(argv: list[str] | None = None) -> int:
    """Print precision, recall and F1."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks shots", description=__doc__)
    parser.add_argument(
        "--clips", type=Path, required=True, help="a folder of .mp4 files without cuts in them"
    )
    parser.add_argument("--without", nargs="*", default=["montage", "bikes"], help="names to leave out")
    parser.add_argument("--count", type=int, default=100, help="montages")
    parser.add_argument("--seed", type=int, default=1000, help="of the first")
    options = parser.parse_args(argv)
    clips = load_clips(options.clips, tuple(options.without))
    begin = time.perf_counter()
    precision, recall, kinds = run(clips, range(options.seed, options.seed + options.count))
    seconds = time.perf_counter() - begin
    score = 2 * precision * recall / max(1e-9, precision + recall)
    sys.stdout.write(f"precision {precision:.3f}, recall {recall:.3f}, F1 {score:.3f} ({seconds:.0f} s)\n")
    for kind, (found, there) in sorted(kinds.items()):
        sys.stdout.write(f"{kind}: {found} of {there}\n")
    return 0
