"""How long a checkpoint of 130 MB takes to load, side by side with the usual way.

``python -m chrominance.benchmarks loading`` prints the figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from ..models import Chroma, Colorizer, Conditions, ModelCache, ModelSpec, System, load_colorizer

#: What a warm load of a 130 MB safetensors file may take.
BAR_MS = 15.0


@dataclass(frozen=True)
class LoadingTimes:
    """Medians of interleaved runs, in milliseconds, the file being in the system's page cache.

    ``warm_ms``: ``load_colorizer`` of a safetensors file, with all its checks. ``bare_ms``: the least that
    PyTorch and safetensors need for the same file without any check. ``usual_ms``: construct,
    ``torch.load``, ``load_state_dict``. ``second_ms``: the cache's answer to a second asker. ``loads``: how
    many loads two askers caused.
    """

    megabytes: float
    warm_ms: float
    bare_ms: float
    usual_ms: float
    second_ms: float
    loads: int


class _Stack(nn.Module):
    """As many tensors and bytes as Zhang 2016's network: 3x3 convolutions with batch norms between."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        widths = [1, 64, 64, 128, 128, 256, 256, 256] + [width] * 13
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(a, b, 3, padding=1))
            if i % 2 == 1:
                layers.append(nn.BatchNorm2d(b))
        self.layers = nn.Sequential(*layers)


class _StackColorizer(Colorizer):
    def __init__(self, network: nn.Module) -> None:
        self.spec = _SPEC
        self.network = network

    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        raise NotImplementedError("made to be loaded, not to be run")


def _make(network: nn.Module, metadata: Mapping[str, str]) -> Colorizer:
    return _StackColorizer(network)


_SPEC = ModelSpec("benchmark_stack", "Benchmark stack", "none", "Apache-2.0", "Apache-2.0")
_SYSTEM = System(
    spec=_SPEC,
    signature={"layers.0.weight": (64, 1, 3, 3)},
    build=lambda shapes: _Stack(),
    make=_make,
)


def measure(repeats: int = 21, folder: Path | None = None) -> LoadingTimes:
    """Write a checkpoint of 130 MB both ways into ``folder`` (default: a temporary one) and load it."""
    if folder is None:
        # On Windows a mapped file cannot be deleted; the models that map it are gone when this returns.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            return measure(repeats, Path(temporary))
    state = {k: v.contiguous() for k, v in _Stack().state_dict().items()}
    mapped, pickled = folder / "stack.safetensors", folder / "stack.pth"
    safetensors.torch.save_file(state, mapped)
    torch.save(state, pickled)
    del state

    def warm() -> None:
        load_colorizer(mapped, systems=(_SYSTEM,))

    def bare() -> None:
        with torch.device("meta"):
            network = _Stack()
        network.load_state_dict(safetensors.torch.load_file(mapped), assign=True)

    def usual() -> None:
        network = _Stack()
        network.load_state_dict(torch.load(pickled, weights_only=True))

    runs = [(_seconds(warm), _seconds(bare), _seconds(usual)) for _ in range(repeats + 1)][1:]
    cache = ModelCache(2, lambda path, dtype: load_colorizer(path, dtype=dtype, systems=(_SYSTEM,)))
    cache.get(mapped)
    second = [_seconds(lambda: cache.get(mapped)) for _ in range(repeats)]
    return LoadingTimes(
        megabytes=mapped.stat().st_size / 1e6,
        warm_ms=1e3 * statistics.median(run[0] for run in runs),
        bare_ms=1e3 * statistics.median(run[1] for run in runs),
        usual_ms=1e3 * statistics.median(run[2] for run in runs),
        second_ms=1e3 * statistics.median(second),
        loads=cache.loads,
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(argv: list[str] | None = None) -> int:
    """Print the figures; return the exit code, 1 if the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks loading", description=__doc__)
    parser.add_argument("--repeats", type=int, default=21, help="how many interleaved pairs (default 21)")
    times = measure(parser.parse_args(argv).repeats)
    sys.stdout.write(
        f"{times.megabytes:.0f} MB safetensors, warm:         {times.warm_ms:6.1f} ms (bar {BAR_MS:.0f})\n"
        f"the same without any check:           {times.bare_ms:8.1f} ms\n"
        f"construct, torch.load, load_state_dict: {times.usual_ms:6.1f} ms\n"
        f"a second asker, from the cache:       {times.second_ms:8.3f} ms, {times.loads} load in all\n"
    )
    return 0 if times.warm_ms < BAR_MS and times.loads == 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
