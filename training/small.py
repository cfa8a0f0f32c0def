"""Training of networks that one loss teaches: one loop, whatever is learned."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .averaging import AveragedWeights
from .embedded import export

logger = logging.getLogger(__name__)

#: Draws pictures, sRGB [batch,3,size,size] 0..1, from a size, how many, and a generator.
Draw = Callable[[int, int, np.random.Generator], Tensor]
#: From a network, pictures [B,3,S,S] sRGB 0..1 and a generator to what is to become small.
Loss = Callable[[nn.Module, Tensor, np.random.Generator], Tensor]


@dataclass(frozen=True)
class SmallRecipe:
    """Everything that decides a run but the photos."""

    samples: int = 400_000
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 1e-3
    average: float = 0.999
    seed: int = 0

    def rate_at(self, sample: int) -> float:
        """Return the learning rate: a short warm-up, then a cosine to 1 %."""
        warm = min(1.0, (sample + self.batch) / 10_000)
        done = min(1.0, sample / max(1, self.samples))
        return self.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


class SmallTrainer:
    """One run. ``name``: of the exported file. ``size``: side of what the network sees."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        loss: Loss,
        size: int,
        recipe: SmallRecipe,
        state: Path,
        minutes: float = 5.0,
    ) -> None:
        self.name, self.network, self.loss, self.size = name, network, loss, size
        self.recipe, self.state, self.minutes = recipe, state, minutes
        self.averaged = AveragedWeights(network, recipe.average)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
        )
        self.samples = 0

    def start_from(self, tensors: dict[str, Tensor]) -> None:
        """Begin with weights, as exported."""
        self.network.load_state_dict({name: value.float() for name, value in tensors.items()})
        self.averaged = AveragedWeights(self.network, self.recipe.average)

    def resume(self) -> None:
        """Go on from the checkpoint in the state folder."""
        state = torch.load(self.state / "state.pt", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged.network.load_state_dict(state["averaged"])
        self.averaged.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.samples = state["samples"]

    def run(self, draw: Draw, stop_after: float | None = None) -> None:
        """Train on what ``draw`` gives, to the recipe's end or for ``stop_after`` seconds; then save."""
        recipe, begin = self.recipe, time.monotonic()
        saved = logged = begin
        seen, losses = self.samples, []
        while self.samples < recipe.samples:
            now = time.monotonic()
            if stop_after is not None and now - begin > stop_after:
                break
            # By sample, so that a resumed run goes on with what it would have seen.
            rng = np.random.default_rng([recipe.seed, self.samples])
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate_at(self.samples)
            loss = self.loss(self.network, draw(self.size, recipe.batch, rng), rng)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss.item()} after {self.samples} samples: lower --rate"
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.averaged.update(self.network)
            self.samples += recipe.batch
            losses.append(loss.item())
            if now - logged > 30:
                speed = (self.samples - seen) / (now - logged)
                self._log(loss=sum(losses) / len(losses), rate=recipe.rate_at(self.samples), speed=speed)
                logged, seen, losses = now, self.samples, []
            if now - saved > 60 * self.minutes:
                self.save()
                saved = now
        self.save()

    def _log(self, **figures: float) -> None:
        line = {"samples": self.samples} | {name: round(value, 6) for name, value in figures.items()}
        logger.info("%s", " ".join(f"{k}={v}" for k, v in line.items()))
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, as fp16 safetensors."""
        self.state.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.network.state_dict(),
            "updates": self.averaged.updates,
            "optimizer": self.optimizer.state_dict(),
            "samples": self.samples,
            "recipe": asdict(self.recipe),
        }
        torch.save(state, self.state / "state.pt.part")
        os.replace(self.state / "state.pt.part", self.state / "state.pt")
        path = self.state / f"{self.name}.safetensors"
        export(self.averaged.network, path, system=self.name, samples=self.samples)
