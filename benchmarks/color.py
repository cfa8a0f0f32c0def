"""sRGB ↔ Lab beside kornia and scikit-image: nanoseconds per pixel, and the error against exact float64.

``python -m chrominance.benchmarks color`` prints the table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..color import lab_to_rgb, lab_to_rgb_in_gamut, rgb_to_lab, rgb_to_lightness

#: How many times faster than kornia a 4K frame must be converted, each way.
BAR_SPEEDUP = 3.0
#: The largest error against exact float64, in Lab units and in rgb.
BAR_ERROR = 1e-4

_DIRECTIONS = ("rgb to lab", "lab to rgb")


def measure(
    megapixels: float = 3840 * 2160 / 1e6, repeats: int = 5, threads: tuple[int, ...] = (1, 2)
) -> dict[str, float]:
    """Measure speed on one frame of random colours and the error over the whole cube and beyond.

    Returns figures by name: ``speedup …`` over kornia, medians of interleaved pairs, with a new result as
    kornia gives one and with ``out=``; ``ns …`` per pixel; ``error …`` against float64.
    Raises ModuleNotFoundError without the peers.
    """
    figures = errors()
    for count in threads:
        figures.update(_with_threads(count, partial(_speed, megapixels, repeats)))
    return figures


def errors() -> dict[str, float]:
    """Return the largest errors of float32: over a grid of the cube, dark colours, greys, and beyond 0..1."""
    axis = torch.linspace(0, 1, 101, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(3, 1, 1_000_000, generator=generator, dtype=torch.float64)
    within = {
        "cube": torch.cartesian_prod(axis, axis, axis).T[:, None],
        "dark": noise * 0.06,
        "greys": torch.linspace(0, 1, 65536, dtype=torch.float64).expand(3, 1, -1),
        "-0.2..1.2": noise * 1.4 - 0.2,
    }
    worst: dict[str, float] = {}
    for rgb in within.values():
        rgb = rgb.float()
        lab = rgb_to_lab(rgb.double())
        given = lab.float()
        differences = {
            "rgb to lab": rgb_to_lab(rgb) - lab,
            "rgb to lightness": rgb_to_lightness(rgb) - lab[:1],
            "lab to rgb": lab_to_rgb(given) - lab_to_rgb(given.double()),
        }
        for name, difference in differences.items():
            worst[name] = max(worst.get(name, 0.0), difference.abs().max().item())
    size = torch.tensor([100.0, 200.0, 200.0], dtype=torch.float64).view(3, 1, 1)
    far = (noise * size - torch.tensor([0.0, 100.0, 100.0], dtype=torch.float64).view(3, 1, 1)).float()
    difference = lab_to_rgb(far) - lab_to_rgb(far.double())
    worst["lab to rgb, ab in ±100"] = difference.abs().max().item()
    lab = rgb_to_lab(lab_to_rgb_in_gamut(far).double())
    figures = {f"error {name}": value for name, value in worst.items()}
    figures["lightness lost by lab to rgb in gamut"] = (lab[0] - far[0]).abs().max().item()
    return figures


def _speed(megapixels: float, repeats: int) -> dict[str, float]:
    """Time every conversion in turn, ``repeats`` times over, with the number of threads that is set."""
    kornia_color, skimage_color = _peers()
    width = max(1, round((megapixels * 1e6 * 16 / 9) ** 0.5))
    height = max(1, round(megapixels * 1e6 / width))
    rgb = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    lab = rgb_to_lab(rgb)
    # Two thirds of the chroma: all but a few pixels are inside the gamut, as a colorizer's mostly are.
    mild = lab * torch.tensor([1.0, 0.67, 0.67]).view(3, 1, 1)
    out, lightness = torch.empty_like(rgb), torch.empty_like(rgb[:, :1])
    works: dict[str, Callable[[], object]] = {
        "kornia rgb to lab": lambda: kornia_color.rgb_to_lab(rgb),
        "rgb to lab": lambda: rgb_to_lab(rgb),
        "rgb to lab, out=": lambda: rgb_to_lab(rgb, out=out),
        "kornia lab to rgb": lambda: kornia_color.lab_to_rgb(lab, clip=False),
        "lab to rgb": lambda: lab_to_rgb(lab),
        "lab to rgb, out=": lambda: lab_to_rgb(lab, out=out),
        "lab to rgb in gamut, out=": lambda: lab_to_rgb_in_gamut(mild, out=out),
        "rgb to lightness, out=": lambda: rgb_to_lightness(rgb, out=lightness),
    }
    threads = torch.get_num_threads()
    if threads == 1:
        works["scikit-image rgb to lab"] = partial(skimage_color.rgb2lab, _as_array(rgb))
        works["scikit-image lab to rgb"] = partial(skimage_color.lab2rgb, _as_array(lab))
    with warnings.catch_warnings():
        # scikit-image remarks on each rounding outside the gamut.
        warnings.simplefilter("ignore")
        runs = [{name: _seconds(work) for name, work in works.items()} for _ in range(repeats + 1)][1:]
    suffix = f", {threads} thread{'s' if threads > 1 else ''}"
    pixels = rgb[0, 0].numel()
    figures = {
        f"ns {name}{suffix}": statistics.median(run[name] for run in runs) / pixels * 1e9 for name in works
    }
    for direction in _DIRECTIONS:
        for name in (direction, f"{direction}, out="):
            pairs = [run[f"kornia {direction}"] / run[name] for run in runs]
            figures[f"speedup {name}{suffix}"] = statistics.median(pairs)
    return figures


def _peers() -> tuple[ModuleType, ModuleType]:
    """Return kornia's and scikit-image's colour modules."""
    try:
        import kornia.color  # pyright: ignore[reportMissingImports]
        import skimage.color
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this benchmark needs {error.name}: pip install 'chrominance[bench]'", name=error.name
        ) from error
    return kornia.color, skimage.color


def _as_array(planes: Tensor) -> np.ndarray:
    """Return [1,3,H,W] as scikit-image wants it, [H,W,3]."""
    return np.ascontiguousarray(planes[0].permute(1, 2, 0).numpy())


def _with_threads(count: int, work: Callable[[], dict[str, float]]) -> dict[str, float]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit code, 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks color", description=__doc__)
    parser.add_argument("--megapixels", type=float, default=3840 * 2160 / 1e6, help="default: one 4K frame")
    parser.add_argument("--repeats", type=int, default=5, help="how many interleaved rounds (default 5)")
    options = parser.parse_args(argv)
    try:
        figures = measure(options.megapixels, options.repeats)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name, value in figures.items():
        number = f"{value:12.1e}" if "error" in name or "lost" in name else f"{value:12.1f}"
        bar = ""
        if name.startswith("speedup"):
            bar = f" ×   (bar {BAR_SPEEDUP:g})"
        elif name.startswith("error"):
            bar = f"     (bar {BAR_ERROR:g})"
        sys.stdout.write(f"{name:48}{number}{bar}\n")
    met = all(
        (value >= BAR_SPEEDUP if name.startswith("speedup") else value <= BAR_ERROR)
        for name, value in figures.items()
        if name.startswith(("speedup", "error"))
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
