"""PSNR against the number of hints: the true colour given at random points of a photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab
from ..models import Colorizer
from ..models.contract import Conditions
from ..pipelines.colorize import ColorizeSettings, colorize
from ..pipelines.hints import colorize_with_hints

#: Numbers of hints that are tabled. Source: Zhang et al., "Real-Time User-Guided Image Colorization with
#: Learned Deep Priors", SIGGRAPH 2017, which plots PSNR against the number of revealed points.
HINT_COUNTS = (0, 1, 5, 10, 50, 100)
#: A hint covers its point and so many pixels around it.
HINT_RADIUS = 1


def true_hints(truth: Tensor, count: int, generator: torch.Generator) -> Conditions:
    """Return the true colours at ``count`` random points as local conditions.

    ``truth``: rgb [1,3,H,W] 0..1. Each hint is a patch of 3x3 pixels, cut off at the picture's edge, of the
    mean ab of the photo there; of patches that overlap the later one wins. The points of a smaller count come
    first in a larger one. Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"the number of hints must be 0 or more, got {count}")
    height, width = truth.shape[2:]
    # ab of each point's patch; at the edge the mean is of what is inside.
    side = 2 * HINT_RADIUS + 1
    means = F.avg_pool2d(rgb_to_lab(truth)[:, 1:], side, 1, HINT_RADIUS, count_include_pad=False)
    ab, confidence = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
    for _ in range(count):
        y, x = (int(torch.randint(side, (), generator=generator)) for side in (height, width))
        rows, columns = (slice(max(p - HINT_RADIUS, 0), p + HINT_RADIUS + 1) for p in (y, x))
        ab[:, :, rows, columns] = means[:, :, y : y + 1, x : x + 1]
        confidence[:, :, rows, columns] = 1
    return Conditions(local_ab=ab, local_confidence=confidence)


def colour_by_hints(
    colorizer: Colorizer, settings: ColorizeSettings | None, count: int, seed: int = 0
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Return the colouring by a colorizer that is given ``count`` true hints.

    Photo ``index`` gets the same points whatever the model. Without hints no condition is given at all.
    Raises ValueError, when it colours, for a colorizer that takes no hints.
    """

    def colour(given: Tensor, truth: Tensor, index: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
        if count == 0:
            return colorize(given, colorizer, settings).rgb
        hints = true_hints(truth, count, generator)
        return colorize_with_hints(given, colorizer, settings, conditions=hints).rgb

    return colour


def hint_table(counts: Sequence[int], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Write PSNR by model and number of hints as a Markdown table."""
    lines = ["| hints | " + " | ".join(map(str, counts)) + " |", "| --- |" + " ---: |" * len(counts)]
    lines += [f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |" for name, values in rows]
    return "\n".join(lines)
