"""Which floating type to train in: what the machine is quick at, measured, not guessed."""

from __future__ import annotations

import copy
import logging
import time

import torch
from torch import nn

logger = logging.getLogger(__name__)

_NAMES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_dtype(name: str, network: nn.Module, size: int) -> torch.dtype:
    """Return the type for autocast: a name's, or for "auto" the faster of float32 and bfloat16 here.

    ``network`` runs a few forward passes at ``size`` pixels on a copy, on the device it is on. Processors
    without bfloat16 instructions are many times slower in it. ValueError for an unknown name.
    """
    if name in _NAMES:
        return _NAMES[name]
    if name != "auto":
        raise ValueError(f"dtype must be auto, float32 or bfloat16, got {name}")
    device = next(network.parameters()).device
    trial = copy.deepcopy(network).eval()
    x = torch.full((4, 1, size, size), 50.0, device=device)
    seconds: dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                float(trial(x).float().mean())
                times.append(time.perf_counter() - begin)
        seconds[dtype] = min(times)
    best = min(seconds, key=lambda d: seconds[d])
    logger.info("training in %s (%s)", best, ", ".join(f"{d}: {s * 1e3:.0f} ms" for d, s in seconds.items()))
    return best
