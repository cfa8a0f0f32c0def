"""Time of the embedded network alone: ``python -m chrominance.benchmarks network``."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

from ..models import load_colorizer
from ..models.embedded import EmbeddedNetwork
from ..models.embedded.conditions import VECTOR_SIZE
from ..models.embedded.network import STRIDE


def has_bfloat16() -> bool:
    """Tell whether this processor multiplies in bfloat16: without, PyTorch imitates it, many times slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags


def measure(size: int = 256, *, threads: int = 1, runs: int = 15) -> dict[str, float]:
    """Return the median milliseconds of one frame, without and with conditions, by type."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    L = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0)) * 100
    local = torch.zeros(1, 3, size // STRIDE, size // STRIDE)
    local[..., ::8, ::8] = 1
    figures = {}
    try:
        for dtype in (torch.float32, *((torch.bfloat16,) if has_bfloat16() else ())):
            network = load_colorizer(dtype=dtype).network
            assert isinstance(network, EmbeddedNetwork)
            vector = torch.randn(1, VECTOR_SIZE, generator=torch.Generator().manual_seed(0)).to(dtype)
            kind = str(dtype).removeprefix("torch.")
            for name, given in (("automatic", ()), ("with conditions", (local, vector))):
                times = []
                with torch.inference_mode():
                    for _ in range(runs + 3):
                        begin = time.perf_counter()
                        network(L, *given)
                        times.append(1e3 * (time.perf_counter() - begin))
                figures[f"{name}, {kind}"] = statistics.median(times[3:])
    finally:
        torch.set_num_threads(before)
    return figures


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks network", description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="pixels of a side, a multiple of 32")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    if options.size < 32 or options.size % 32:
        parser.error(f"--size must be a multiple of 32, got {options.size}")
    if not has_bfloat16():
        sys.stdout.write("This processor has no bfloat16 instructions: float32 alone is measured.\n\n")
    sys.stdout.write(f"| {options.size} px, {options.threads} thread(s) | ms |\n| --- | ---: |\n")
    for name, value in measure(options.size, threads=options.threads).items():
        sys.stdout.write(f"| {name} | {value:.1f} |\n")
    return 0
