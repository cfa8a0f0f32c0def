"""Train the embedded network: rebalanced classification of chroma, after Zhang 2016."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..color import rgb_to_lab
from ..color.ab_bins import BIN_COUNT, nearest_ab_bin
from ..models.embedded.network import EmbeddedNetwork
from ..pipelines.photo_set import PhotoSet
from .averaging import AveragedWeights
from .photos import batches, degrade_lightness, random_crop
from .precision import pick_dtype
from .pretrained import load_pretrained_encoder
from .rebalance import SoftTargets, rebalanced_cross_entropy, rebalancing_weights, smooth_prior

logger = logging.getLogger(__name__)

#: Photos from which the prior over the bins is measured.
_PRIOR_PHOTOS = 3000
#: Stages of the encoder that stay as pretrained: edges and textures need no retraining.
_FROZEN_STAGES = 2


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, but where files lie."""

    samples: int = 400_000
    batch: int = 32
    size: int = 128
    rate: float = 6e-4
    encoder_rate: float = 1.5e-4
    final_rate: float = 0.03
    warmup: int = 16_000
    weight_decay: float = 0.01
    rebalance: float = 0.5
    uniform: float = 0.5
    average: float = 0.999
    seed: int = 0
    dtype: str = "auto"
    device: str = "cpu"

    def rate_at(self, sample: int) -> float:
        """Return the factor on the learning rates: linear warm-up, then cosine to ``final_rate``."""
        if sample < self.warmup:
            return (sample + self.batch) / (self.warmup + self.batch)
        done = min(1.0, (sample - self.warmup) / max(1, self.samples - self.warmup))
        return self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass
class Places:
    """Where a run keeps its state and its log, and how often it writes them."""

    state: Path
    minutes: float = 10.0
    #: Called with the averaged network after each checkpoint (validation, sample sheets).
    review: Callable[[nn.Module, int], dict[str, float]] | None = None
    extra: dict[str, str] = field(default_factory=dict)


class EmbeddedTrainer:
    """A training run: its network, its average, its optimiser and how many samples it has seen."""

    def __init__(self, photos: PhotoSet, recipe: Recipe, places: Places) -> None:
        self.photos, self.recipe, self.places = photos, recipe, places
        torch.manual_seed(recipe.seed)
        self.device = torch.device(recipe.device)
        self.network = EmbeddedNetwork()
        self.samples = 0
        self.targets = SoftTargets()
        self.prior = torch.zeros(BIN_COUNT)

    def start_fresh(self) -> None:
        """Begin with the pretrained encoder and a head that predicts the prior."""
        self.network.encoder.load_state_dict(load_pretrained_encoder())
        self.prior = measure_prior(self.photos, self.recipe.seed)
        nn.init.normal_(self.network.head.weight, std=0.01)
        with torch.no_grad():
            assert self.network.head.bias is not None
            self.network.head.bias.copy_(self.prior.clamp(min=1e-6).log())
        self._prepare()

    def start_from(self, tensors: dict[str, Tensor]) -> None:
        """Begin with given weights (those that ship, or a run's export)."""
        self.network.load_state_dict({k: v.float() for k, v in tensors.items()})
        self.prior = measure_prior(self.photos, self.recipe.seed)
        self._prepare()

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint that ``save`` wrote; the recipe may ask for more samples than before."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.prior, self.samples = saved["prior"], int(saved["samples"])
        self._prepare()
        self.averaged.network.load_state_dict(saved["averaged"])
        self.averaged.updates = int(saved["updates"])
        self.optimizer.load_state_dict(saved["optimizer"])

    def _prepare(self) -> None:
        encoder = self.network.encoder
        for part in (encoder.stem, *encoder.stages[:_FROZEN_STAGES]):
            part.requires_grad_(False)
        self.network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.averaged = AveragedWeights(self.network, self.recipe.average)
        tuned = [p for p in encoder.parameters() if p.requires_grad]
        ours = set(map(id, encoder.parameters()))
        fresh = [p for p in self.network.parameters() if id(p) not in ours]
        groups = [
            {"params": [p for p in fresh if p.ndim > 1], "rate": self.recipe.rate},
            {"params": [p for p in fresh if p.ndim <= 1], "rate": self.recipe.rate, "weight_decay": 0.0},
            {"params": tuned, "rate": self.recipe.encoder_rate},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=self.recipe.rate, betas=(0.9, 0.99), weight_decay=self.recipe.weight_decay
        )
        self.weights = rebalancing_weights(
            self.prior, uniform=self.recipe.uniform, power=self.recipe.rebalance
        )

    def loss(self, pixels: np.ndarray, rng: np.random.Generator, dtype: torch.dtype) -> Tensor:
        """Return the loss of one batch: uint8 [B,S,S,3]."""
        rgb = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        lab = rgb_to_lab(rgb)
        ab = F.avg_pool2d(lab[:, 1:], 4)
        L = degrade_lightness(lab[:, :1], rng).to(self.device)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            logits = self.network(L)
        if self.device.type != "cpu":
            logits = logits.cpu() if ab.device != logits.device else logits
        return rebalanced_cross_entropy(logits, ab, self.targets, self.weights)

    def run(self, stop_after: float | None = None) -> None:
        """Train until the recipe's samples are seen, or for ``stop_after`` seconds; save at the end."""
        recipe, begin = self.recipe, time.monotonic()
        dtype = pick_dtype(recipe.dtype, self.network, recipe.size)
        number = self.samples // recipe.batch
        source = batches(self.photos, size=recipe.size, batch=recipe.batch, seed=recipe.seed, start=number)
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        saved, smooth, logged, seen = begin, None, begin, self.samples
        for pixels, rng in source:
            now = time.monotonic()
            if self.samples >= recipe.samples or (stop_after is not None and now - begin > stop_after):
                break
            factor = recipe.rate_at(self.samples)
            for group in self.optimizer.param_groups:
                group["lr"] = group["rate"] * factor
            loss = self.loss(pixels, rng, dtype)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss.item()} after {self.samples} samples: "
                    "lower --rate, or use --dtype float32"
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trainable, 1.0)
            self.optimizer.step()
            self.averaged.update(self.network)
            self.samples += len(pixels)
            value = loss.item()
            smooth = value if smooth is None else 0.98 * smooth + 0.02 * value
            if now - logged > 30:
                self._log(
                    loss=value, smooth=smooth, rate=factor, speed=(self.samples - seen) / (now - logged)
                )
                logged, seen = now, self.samples
            if now - saved > 60 * self.places.minutes:
                self.save()
                saved = now
        self.save()

    def _log(self, **figures: float) -> None:
        line = {"samples": self.samples, "time": round(time.time(), 1)}
        line |= {name: round(value, 5) for name, value in figures.items()}
        logger.info("%s", " ".join(f"{k}={v}" for k, v in line.items()))
        self.places.state.mkdir(parents=True, exist_ok=True)
        with (self.places.state / "log.jsonl").open("a", encoding="utf-8") as f:
            f.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint and the averaged weights (fp16 safetensors), then review them."""
        folder = self.places.state
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.network.state_dict(),
            "updates": self.averaged.updates,
            "optimizer": self.optimizer.state_dict(),
            "prior": self.prior,
            "samples": self.samples,
            "recipe": asdict(self.recipe),
        }
        torch.save(state, folder / "state.pt.part")
        os.replace(folder / "state.pt.part", folder / "state.pt")
        export(
            self.averaged.network, folder / "embedded.safetensors", samples=self.samples, **self.places.extra
        )
        if self.places.review is not None:
            self._log(**self.places.review(self.averaged.network, self.samples))


def export(network: nn.Module, path: Path, **metadata: object) -> None:
    """Write a network's weights as fp16 safetensors, under a temporary name first.

    Raises OverflowError if a weight does not fit fp16.
    """
    tensors = {k: v.detach().cpu().half().contiguous() for k, v in network.state_dict().items()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise OverflowError(f"{name} does not fit fp16: train on with a lower rate before exporting")
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, {"system": "embedded", **{k: str(v) for k, v in metadata.items()}})
    os.replace(part, path)


def measure_prior(photos: PhotoSet, seed: int) -> Tensor:
    """Return the smoothed distribution of chroma over the 313 bins, [313], from up to 3,000 photos."""
    rng = np.random.default_rng([seed, 0])
    counts = torch.zeros(BIN_COUNT)
    for index in rng.permutation(len(photos))[:_PRIOR_PHOTOS]:
        pixels = torch.from_numpy(random_crop(photos.load(int(index)), 32, rng).copy())
        ab = rgb_to_lab(pixels.permute(2, 0, 1).float() / 255)[1:]
        counts += torch.bincount(nearest_ab_bin(ab).flatten(), minlength=BIN_COUNT)
    return smooth_prior(counts)
