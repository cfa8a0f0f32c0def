"""Averages of weights: the running one of a training, and that of several trainings."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class AveragedWeights(Generic[Network]):
    """An exponential moving average of parameters, with a short memory at the start."""

    def __init__(self, network: Network, decay: float = 0.999) -> None:
        self.network: Network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards ``network``."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        pairs = zip(self.network.parameters(), network.parameters(), strict=True)
        for average, value in pairs:
            average.lerp_(value.detach(), 1 - decay)


def mean_of(files: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of several weights of one network, in the type of the first.

    Of weights that were fine-tuned from one another the mean is often better than each. Source: Wortsman et
    al., "Model soups", 2022. Raises ValueError for weights of different networks.
    """
    first = files[0]
    for other in files[1:]:
        if {k: v.shape for k, v in other.items()} != {k: v.shape for k, v in first.items()}:
            raise ValueError("the files hold different networks: give weights of one")
    made = {}
    for name, value in first.items():
        if value.is_floating_point():
            value = torch.stack([one[name].float() for one in files]).mean(0).to(value.dtype)
        made[name] = value
    return made
