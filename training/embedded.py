"""Train the embedded network: rebalanced classification after Zhang 2016, with and without conditions."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..color import rgb_to_lab
from ..color.ab_bins import BIN_COUNT, annealed_mean
from ..models.embedded.conditions import VECTOR_SIZE
from ..models.embedded.network import STRIDE, EmbeddedNetwork
from ..models.errors import some_text
from ..pipelines.photo_set import PhotoSet
from .averaging import AveragedWeights
from .conditions import Mix, Simulated, simulate
from .photo_statistics import measure_kinship, measure_prior
from .photos import Batch, ReferenceMix, batches, degrade_lightness
from .precision import pick_dtype
from .pretrained import load_pretrained_encoder
from .rebalance import SoftTargets, rebalanced_cross_entropy, rebalancing_weights

logger = logging.getLogger(__name__)

#: What weights from before the conditions may lack; they begin without effect.
_CONDITION_KEYS = (
    *("color_encoder", "palette_encoder", "no_color", "kinship", "color_head"),
    *("local", "conditions"),
)
#: Stages of the encoder that stay as pretrained: edges and textures need no retraining.
_FROZEN_STAGES = 2
#: Temperature of the annealed mean that is trained, and that is used with a colour vector.
TEMPERATURE = 0.38


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
    #: all: the whole network; conditions: only what they meet, so that automatic colour stays as it is.
    parts: str = "all"
    #: Where a condition is given: weight of the distance, in units of 110, from annealed mean to truth.
    distance: float = 4.0
    #: Share of batches without any condition (in "all"): they cost half as much.
    automatic: float = 0.2
    #: Share of colour vectors that come from references, not palettes; of references, the photo itself.
    references: float = 0.5
    itself: float = 0.45
    seed: int = 0
    dtype: str = "auto"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.parts not in ("all", "conditions"):
            raise ValueError(f"parts must be all or conditions, got {self.parts}")
        if not 0 <= self.automatic < 1:
            raise ValueError(f"automatic must be from 0 to below 1, got {self.automatic}")
        for name in ("references", "itself"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}")

    def mix(self) -> Mix:
        """Return how often which condition is given, where one is."""
        return Mix(given=(0.4, 0.42, 0.18, 0.0), color=(self.references, 1 - self.references))

    def alone(self) -> float:
        """Return the share of batches without conditions: they teach nothing to conditions alone."""
        return self.automatic if self.parts == "all" else 0.0

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
    review: Callable[[EmbeddedNetwork, int], dict[str, float]] | None = None
    #: More for the metadata of what is written.
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Predicted:
    """What the network made of a batch, and the truth.

    ``logits``: [B,313,h,w]; ``ab``: [B,2,h,w] the true chroma; ``L``: [B,1,h,w] the lightness that it saw;
    ``given``: [B], which samples had a condition.
    """

    logits: Tensor
    ab: Tensor
    L: Tensor
    given: Tensor


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
        measure_kinship(self.network, self.photos, self.recipe.seed)
        self._prepare()

    def start_from(self, tensors: dict[str, Tensor]) -> None:
        """Begin with given weights (those that ship, or a run's export)."""
        unfit = self.network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
        missing = [k for k in unfit.missing_keys if not (k.startswith(_CONDITION_KEYS) or ".style" in k)]
        if unfit.unexpected_keys or missing:
            raise ValueError(
                "these are not weights of the embedded network: they lack "
                f"{some_text(missing) if missing else 'nothing'} and have "
                f"{some_text(unfit.unexpected_keys) if unfit.unexpected_keys else 'nothing'} besides"
            )
        if unfit.missing_keys:
            logger.info("%d tensors of conditions begin untrained", len(unfit.missing_keys))
        if "kinship.mean" in unfit.missing_keys:
            measure_kinship(self.network, self.photos, self.recipe.seed)
        self.prior = measure_prior(self.photos, self.recipe.seed)
        self._prepare()

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint that ``save`` wrote; the recipe may ask for more samples than before."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.prior, self.samples = saved["prior"], int(saved["samples"])
        self.places.extra |= saved.get("extra", {})
        self._prepare()
        self.averaged.network.load_state_dict(saved["averaged"])
        self.averaged.updates = int(saved["updates"])
        self.optimizer.load_state_dict(saved["optimizer"])

    def _prepare(self) -> None:
        network, encoder = self.network, self.network.encoder
        if self.recipe.parts == "conditions":
            for parameter in network.automatic_parameters():
                parameter.requires_grad_(False)
        for part in (encoder.stem, *encoder.stages[:_FROZEN_STAGES]):
            part.requires_grad_(False)
        network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.averaged = AveragedWeights(network, self.recipe.average)
        tuned = [p for p in encoder.parameters() if p.requires_grad]
        ours = set(map(id, encoder.parameters()))
        fresh = [p for p in network.parameters() if id(p) not in ours and p.requires_grad]
        groups = [
            {"params": [p for p in fresh if p.ndim > 1], "rate": self.recipe.rate},
            {"params": [p for p in fresh if p.ndim <= 1], "rate": self.recipe.rate, "weight_decay": 0.0},
            {"params": tuned, "rate": self.recipe.encoder_rate},
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=self.recipe.rate,
            betas=(0.9, 0.99),
            weight_decay=self.recipe.weight_decay,
        )
        self.weights = rebalancing_weights(
            self.prior, uniform=self.recipe.uniform, power=self.recipe.rebalance
        )

    def loss(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        """Return the loss of one batch."""
        return self._loss_of(self.predict(batch, dtype))

    def predict(self, batch: Batch, dtype: torch.dtype) -> Predicted:
        """Run the network on one batch, with whatever a user might know of it."""
        rgb, references = batch.pictures()
        lab = rgb_to_lab(rgb)
        ab = F.avg_pool2d(lab[:, 1:], STRIDE).to(self.device)
        seen = torch.cat([degrade_lightness(lab[:, :1], batch.rng), lab[:, 1:]], 1)
        L = seen[:, :1].to(self.device)
        known, given = None, torch.zeros(len(rgb), dtype=torch.bool)
        if references is not None:
            # Palettes are of the picture as it is or as it is seen: a user's knows nothing of its faults.
            shown = lab if batch.rng.random() < 0.5 else seen
            known = simulate(rgb, shown, references, batch.rng, self.recipe.mix())
            given = (known.kind > 0) | (known.local[:, 2].amax((1, 2)) > 0)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            logits = self.network(L, *(() if known is None else self.encode(known)))
        return Predicted(logits, ab, F.avg_pool2d(L, STRIDE), given)

    def _loss_of(self, made: Predicted) -> Tensor:
        loss = rebalanced_cross_entropy(made.logits, made.ab, self.targets, self.weights)
        if self.recipe.distance and bool(made.given.any()):
            rows = made.given.nonzero()[:, 0].to(self.device)
            mean = annealed_mean(made.logits[rows], TEMPERATURE)
            distance = (mean - made.ab[rows]).square().sum(1).add(1).sqrt().mean() / 110
            loss = loss + self.recipe.distance * distance * len(rows) / len(made.logits)
        return loss

    def encode(self, known: Simulated) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network takes: local condition, colour vectors, which of the vectors count."""
        network, device = self.network, self.device
        kind = known.kind.to(device)
        color = torch.zeros(len(kind), VECTOR_SIZE, device=device)
        for number in (1, 2):
            rows = (known.kind == number).nonzero()[:, 0]
            if len(rows) == 0:
                continue
            if number == 1:
                vectors = network.encode_reference(known.reference[rows].to(device))
            else:
                parts = (known.palette, known.share, known.light, known.lit)
                vectors = network.encode_palette(*(part[rows].to(device) for part in parts))
            color = color.index_copy(0, rows.to(device), vectors.to(color.dtype))
        return known.local.to(device), color, kind > 0

    def run(self, stop_after: float | None = None) -> None:
        """Train until the recipe's samples are seen, or for ``stop_after`` seconds; save at the end."""
        recipe, begin = self.recipe, time.monotonic()
        dtype = pick_dtype(recipe.dtype, self.network, recipe.size)
        number = self.samples // recipe.batch
        source = batches(
            self.photos,
            size=recipe.size,
            batch=recipe.batch,
            seed=recipe.seed,
            start=number,
            mix=ReferenceMix.with_itself(recipe.itself),
            alone=recipe.alone(),
        )
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        saved, smooth, logged, seen = begin, None, begin, self.samples
        for batch in source:
            now = time.monotonic()
            if self.samples >= recipe.samples or (stop_after is not None and now - begin > stop_after):
                break
            factor = recipe.rate_at(self.samples)
            for group in self.optimizer.param_groups:
                group["lr"] = group["rate"] * factor
            loss = self.loss(batch, dtype)
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
            self.samples += len(batch.pixels)
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
            "extra": self.places.extra,
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
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    # Counters of normalisations are whole numbers.
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise OverflowError(f"{name} does not fit fp16: train on with a lower rate before exporting")
    save_tensors(tensors, path, {"system": "embedded", **{k: str(v) for k, v in metadata.items()}})


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write tensors as safetensors, under a temporary name first."""
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata)
    os.replace(part, path)
