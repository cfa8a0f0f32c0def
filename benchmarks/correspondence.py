"""Dense correspondence beside the usual ways: time, and memory above the inputs.

``python -m chrominance.benchmarks correspondence`` prints the table; all ways must fetch the same values.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..pipelines.correspondence import cycle_distance, match
from .video import peak_memory_mb

#: Positions of a picture of 576 px at stride 4, and the channels of Zhang 2019's features.
POSITIONS, CHANNELS = 20736, 256
#: The most memory above the inputs, in MB.
BAR_MB = 150.0
#: The most time, as a share of scaled_dot_product_attention's.
BAR_RATIO = 0.8
#: The largest difference between two ways, in units of ab.
BAR_DIFFERENCE = 0.01

# As in Zhang 2019.
_TEMPERATURE = 0.01


def _naive(query: Tensor, reference: Tensor, values: Tensor) -> Tensor:
    return torch.softmax(query @ reference.T / _TEMPERATURE, 1) @ values


def _attention(query: Tensor, reference: Tensor, values: Tensor) -> Tensor:
    query, reference, values = (x[None, None] for x in (query, reference, values))
    attention = torch.nn.functional.scaled_dot_product_attention
    return attention(query, reference, values, scale=1 / _TEMPERATURE)[0, 0]


def _chunks(query: Tensor, reference: Tensor, values: Tensor) -> Tensor:
    return torch.cat([_naive(part, reference, values) for part in query.split(512)])


def _one_way(query: Tensor, reference: Tensor, values: Tensor) -> Tensor:
    return match(query, reference, values, temperature=_TEMPERATURE, both_ways=False).values


def _both_ways(query: Tensor, reference: Tensor, values: Tensor) -> Tensor:
    found = match(query, reference, values, temperature=_TEMPERATURE)
    assert found.back_index is not None
    height = next(h for h in range(math.isqrt(len(query)), 0, -1) if len(query) % h == 0)
    cycle_distance(found.index, found.back_index, (height, len(query) // height))
    return found.values


_PEER = "scaled_dot_product_attention"
_OURS = ("match, one way", "match, both ways and the cycle")
#: From query [N,C], reference [M,C] and values [M,2] to what is fetched [N,2].
WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "naive": _naive,
    _PEER: _attention,
    "chunks of 512 queries": _chunks,
    _OURS[0]: _one_way,
    _OURS[1]: _both_ways,
}
#: What the bars are about.
COMPARED = (_PEER, *_OURS)


@dataclass(frozen=True)
class Cost:
    """What one way takes.

    ``seconds``: median, by number of threads. ``ratios``: to scaled_dot_product_attention's, medians of
    interleaved pairs. ``megabytes``: peak above the inputs. ``difference``: the largest from the values that
    scaled_dot_product_attention fetches.
    """

    seconds: dict[int, float]
    ratios: dict[int, float]
    megabytes: float
    difference: float


@dataclass(frozen=True)
class Promised:
    """A figure with its bar, which it must not exceed."""

    name: str
    value: float
    bar: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the figure is within the bar."""
        return self.value <= self.bar


def measure(
    positions: int = POSITIONS,
    channels: int = CHANNELS,
    runs: int = 3,
    *,
    threads: Sequence[int] = (1, 2),
    ways: Sequence[str] = tuple(WAYS),
) -> dict[str, Cost]:
    """Measure ``ways`` (scaled_dot_product_attention must be among them) at ``positions`` on either side."""
    memory = {way: measure_memory(way, positions, channels, max(threads)) for way in ways}
    inputs = _inputs(positions, channels)
    rounds: dict[int, list[dict[str, float]]] = {count: [] for count in threads}
    fetched: dict[str, Tensor] = {}
    before = torch.get_num_threads()
    try:
        for count in threads:
            torch.set_num_threads(count)
            for way in ways:
                WAYS[way](*(x[:256] for x in inputs))
            for _ in range(runs):
                seconds = {}
                for way in ways:
                    begin = time.perf_counter()
                    fetched[way] = WAYS[way](*inputs)
                    seconds[way] = time.perf_counter() - begin
                rounds[count].append(seconds)
    finally:
        torch.set_num_threads(before)
    return {
        way: Cost(
            {count: statistics.median(run[way] for run in taken) for count, taken in rounds.items()},
            {
                count: statistics.median(run[way] / run[_PEER] for run in taken)
                for count, taken in rounds.items()
            },
            memory[way],
            (fetched[way] - fetched[_PEER]).abs().max().item(),
        )
        for way in ways
    }


def measure_memory(way: str, positions: int, channels: int, threads: int = 1) -> float:
    """Return the MB that ``way`` takes at its peak above its inputs, in a process of its own."""
    numbers = [str(number) for number in (positions, channels, threads)]
    command = [sys.executable, "-m", f"{__package__}.correspondence", "--once", way, *numbers]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])["megabytes"]


def _memory_here(way: str, positions: int, channels: int, threads: int) -> float:
    """Return what ``measure_memory`` does, for this process."""
    torch.set_num_threads(threads)
    inputs = _inputs(positions, channels)
    # The libraries' own memory is no part of it; making the inputs took no more than they hold.
    WAYS[way](*(x[:256] for x in inputs))
    before = _peak_mb()
    WAYS[way](*inputs)
    return _peak_mb() - before


def _peak_mb() -> float:
    """Return the most memory that this program has held, in MB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return peak_memory_mb()
    # What Linux gives for a process begins with the memory of the process that started it.
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / 1e6


def _inputs(positions: int, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return random query and reference features [positions,channels] of unit length, and ab."""
    generator = torch.Generator().manual_seed(0)
    query, reference = (torch.randn(positions, channels, generator=generator) for _ in range(2))
    for features in (query, reference):
        features.div_(torch.linalg.vector_norm(features, dim=1, keepdim=True))
    return query, reference, torch.rand(positions, 2, generator=generator) * 200 - 100


def promised(costs: dict[str, Cost]) -> Iterator[Promised]:
    """Yield the figures that have a bar: time, memory and difference of what ``match`` does."""
    for way in _OURS:
        cost = costs[way]
        for count, ratio in cost.ratios.items():
            name = f"time of {way}, of {_PEER}'s, {count} thread{'s' if count > 1 else ''}"
            yield Promised(name, ratio, BAR_RATIO, "×")
        yield Promised(f"memory of {way}, above the inputs", cost.megabytes, BAR_MB, " MB")
        yield Promised(f"difference of {way}, of ab", cost.difference, BAR_DIFFERENCE, "")


def table(costs: dict[str, Cost]) -> str:
    """Return the costs as a Markdown table."""
    counts = list(next(iter(costs.values())).seconds)
    headings = [f"s, {n} thread{'s' if n > 1 else ''} | of attention's" for n in counts]
    lines = [
        f"| way | {' | '.join(headings)} | MB above the inputs | largest difference of ab |",
        "| --- |" + " ---: |" * (2 * len(counts) + 2),
    ]
    for way, cost in costs.items():
        times = " | ".join(f"{cost.seconds[n]:.2f} | {cost.ratios[n]:.2f}×" for n in counts)
        lines.append(f"| {way} | {times} | {cost.megabytes:.0f} | {cost.difference:.1e} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Print the table and the bars; return the exit code, 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks correspondence", description=__doc__
    )
    parser.add_argument(
        "--positions", type=int, default=POSITIONS, help=f"of either side (default {POSITIONS})"
    )
    parser.add_argument("--channels", type=int, default=CHANNELS, help=f"default {CHANNELS}")
    parser.add_argument("--runs", type=int, default=3, help="how many interleaved rounds (default 3)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--once", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.once:
        way, *numbers = options.once
        sys.stdout.write(json.dumps({"megabytes": _memory_here(way, *map(int, numbers))}) + "\n")
        return 0
    for name in ("positions", "channels", "runs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    if min(options.threads) < 1:
        parser.error(f"--threads must be at least 1, got {min(options.threads)}")
    costs = measure(options.positions, options.channels, options.runs, threads=options.threads)
    figures = list(promised(costs))
    sys.stdout.write(f"{options.positions} positions, {options.channels} channels\n\n{table(costs)}\n\n")
    sys.stdout.write("| figure | measured | bar | met |\n| --- | ---: | --- | --- |\n")
    for figure in figures:
        value, bar = f"{figure.value:.3g}{figure.unit}", f"≤ {figure.bar:g}{figure.unit}"
        sys.stdout.write(f"| {figure.name} | {value} | {bar} | {'yes' if figure.met else '**no**'} |\n")
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    raise SystemExit(main())
