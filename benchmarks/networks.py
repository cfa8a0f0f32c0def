"""Published networks beside their authors' way: ``python -m chrominance.benchmarks networks``.

Both sides take the same weights and the same input, in one process and in turns; the authors' way is eager
PyTorch, float32, NCHW (``networks_plain``). Without files the weights are random: that changes no time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models import load_checkpoint, load_colorizer
from ..models.cpu_convolution import has_bfloat16
from .networks_plain import DDColorTiny, DeOldifyArtistic, Eccv16, Siggraph17

_MEAN, _STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Subject:
    """A system: its plain form, its input of a grey picture 0..1 [1,1,S,S], and how ours is run on that."""

    plain: Callable[[], nn.Module]
    prepare: Callable[[Tensor], Tensor]
    ours: Callable[[Any, Tensor], Tensor]


def _lightness(grey: Tensor) -> Tensor:
    return grey * 100


def _rgb(grey: Tensor) -> Tensor:
    return grey.expand(-1, 3, -1, -1).contiguous()


def _imagenet(grey: Tensor) -> Tensor:
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (_MEAN, _STD))
    return (_rgb(grey) - mean) / std


def _eccv16(network: Any, L: Tensor) -> Tensor:
    return nn.functional.interpolate(network.mean_ab(network(L)), scale_factor=4, mode="bilinear")


def _siggraph17(network: Any, L: Tensor) -> Tensor:
    nothing = torch.zeros_like(L)
    return network(L, nothing.expand(-1, 2, -1, -1), nothing)


def _plainly(network: Any, x: Tensor) -> Tensor:
    return network(x)


#: By the names of our systems.
SUBJECTS = {
    "eccv16": Subject(Eccv16, _lightness, _eccv16),
    "siggraph17": Subject(Siggraph17, _lightness, _siggraph17),
    "ddcolor_tiny": Subject(DDColorTiny, _rgb, _plainly),
    "deoldify_artistic": Subject(DeOldifyArtistic, _imagenet, _plainly),
}


@dataclass(frozen=True)
class Row:
    """One comparison: medians in milliseconds, the median of the pairs' ratios, and how far results differ.

    ``error``: the largest difference from float32, as a share of the output's range.
    """

    system: str
    kind: str
    plain_ms: float
    ours_ms: float
    ratio: float
    error: float


def compare(system: str, size: int, *, file: Path | None = None, rounds: int = 5) -> list[Row]:
    """Measure one system at ``size`` pixels, in each type that this processor computes in."""
    subject = SUBJECTS[system]
    plain = subject.plain()
    with tempfile.TemporaryDirectory() as folder:
        path = file or _random_file(plain, Path(folder))
        _take(plain, path)
        kinds = [torch.float32, *([torch.bfloat16] if has_bfloat16() else [])]
        networks = {kind: load_colorizer(path, dtype=kind).network for kind in kinds}
        grey = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))
        x = subject.prepare(grey)
        with torch.inference_mode():
            wanted = plain(x)
            rows = [_measure(system, subject, plain, networks[kind], x, wanted, rounds) for kind in kinds]
    return rows


def _measure(
    system: str,
    subject: Subject,
    plain: nn.Module,
    network: nn.Module,
    x: Tensor,
    wanted: Tensor,
    rounds: int,
) -> Row:
    kind = next(network.parameters()).dtype
    own = x.to(kind)
    found = subject.ours(network, own).float()
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        plain(x)
        middle = time.perf_counter()
        subject.ours(network, own)
        times.append((1e3 * (middle - begin), 1e3 * (time.perf_counter() - middle)))
    error = (found - wanted).abs().max() / (wanted.max() - wanted.min())
    return Row(
        system,
        str(kind).removeprefix("torch."),
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
        statistics.median(a / b for a, b in times),
        float(error),
    )


def _random_file(plain: nn.Module, folder: Path) -> Path:
    """Write a plain network's own weights, its spectral norms as a few steps of training leave them."""
    torch.manual_seed(0)
    plain.train()
    with torch.no_grad():
        for _ in range(3):
            for module in plain.modules():
                for hook in module._forward_pre_hooks.values():
                    hook(module, ())
    path = folder / "network.pth"
    torch.save(plain.state_dict(), path)
    return path


def _take(plain: nn.Module, path: Path) -> None:
    state = {key: tensor.clone() for key, tensor in load_checkpoint(path).tensors.items()}
    plain.load_state_dict(state)
    plain.eval().requires_grad_(False)


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks networks", description=__doc__)
    parser.add_argument("systems", nargs="*", help=f"of {', '.join(SUBJECTS)}; all of them by default")
    parser.add_argument(
        "--models", type=Path, help="a folder of checkpoints named SYSTEM.pth, to take weights from"
    )
    parser.add_argument("--size", type=int, default=256, help="pixels of a side, a multiple of 32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    unknown = sorted(set(options.systems) - set(SUBJECTS))
    if unknown:
        parser.error(f"no system {unknown[0]}: there are {', '.join(SUBJECTS)}")
    if options.size < 32 or options.size % 32:
        parser.error(f"--size must be a multiple of 32, got {options.size}")
    torch.set_num_threads(options.threads)
    if not has_bfloat16():
        sys.stdout.write("This processor has no bfloat16 instructions: float32 alone is measured.\n\n")
    work = f"{options.size} px, {options.threads} thread(s)"
    sys.stdout.write(f"| {work} | type | authors' way, ms | ours, ms | times | error |\n")
    sys.stdout.write("| --- | --- | ---: | ---: | ---: | ---: |\n")
    for system in options.systems or SUBJECTS:
        file = options.models / f"{system}.pth" if options.models else None
        for row in compare(system, options.size, file=file, rounds=options.rounds):
            sys.stdout.write(
                f"| {row.system} | {row.kind} | {row.plain_ms:.0f} | {row.ours_ms:.0f} | {row.ratio:.2f} "
                f"| {100 * row.error:.4f} % |\n"
            )
            sys.stdout.flush()
    return 0
