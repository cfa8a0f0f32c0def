"""Adversarial fine-tuning of the embedded network: colours that a discriminator takes for true ones.

Source: Nazeri, Ng and Ebrahimi, "Image Colorization Using Generative Adversarial Networks", 2018: the
discriminator sees lightness and colour and has the shape of the contracting path, 4x4 convolutions of
stride 2, no normalisation in its first layer, slope 0.2; positive labels smoothed to 0.9 on one side; Adam
with beta1 0.5 and 2e-4. The generator here is ours, and its classification loss stays beside the adversarial
one, where the paper has a distance times 100.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..color.ab_bins import annealed_mean
from ..pipelines.photo_set import PhotoSet
from .embedded import TEMPERATURE, EmbeddedTrainer, Places, Predicted, Recipe
from .photos import Batch

#: What a true picture's label is: one-sided smoothing.
POSITIVE = 0.9
#: Channels of the discriminator, one convolution of stride 2 each.
_WIDTHS = (3, 64, 128, 256)


class Discriminator(nn.Module):
    """Lightness and chroma to how true they look, place by place: [B,3,h,w] to [B,1,h/8,w/8]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(_WIDTHS)):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=number == 0))
            if number:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers)
        self.out = nn.Conv2d(_WIDTHS[-1], 1, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, L: Tensor, ab: Tensor) -> Tensor:
        """L [B,1,h,w] 0..100 and ab [B,2,h,w] in CIE units to logits."""
        return self.out(self.layers(torch.cat([L / 50 - 1, ab / 110], 1)))


class AdversarialTrainer(EmbeddedTrainer):
    """A run with a discriminator beside it; ``weight``: of the adversarial loss beside the other."""

    def __init__(self, photos: PhotoSet, recipe: Recipe, places: Places, weight: float = 0.3) -> None:
        super().__init__(photos, recipe, places)
        self.weight = weight
        self.discriminator = Discriminator().to(self.device)
        self.judge = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def loss(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        """Teach the discriminator, then return the network's loss with its judgement in it."""
        made = self.predict(batch, dtype)
        ab = annealed_mean(made.logits, TEMPERATURE)
        self.teach(made, ab.detach())
        self.discriminator.requires_grad_(False)
        judged = self.discriminator(made.L, ab)
        self.discriminator.requires_grad_(True)
        fooled = F.binary_cross_entropy_with_logits(judged, torch.ones_like(judged))
        return self._loss_of(made) + self.weight * fooled

    def teach(self, made: Predicted, ab: Tensor) -> float:
        """Take one step of the discriminator, true colours against ``ab`` [B,2,h,w]; return its loss."""
        true, false = self.discriminator(made.L, made.ab), self.discriminator(made.L, ab)
        loss = F.binary_cross_entropy_with_logits(true, torch.full_like(true, POSITIVE))
        loss = (loss + F.binary_cross_entropy_with_logits(false, torch.zeros_like(false))) / 2
        self.judge.zero_grad(set_to_none=True)
        loss.backward()
        self.judge.step()
        return loss.item()

    def save(self) -> None:
        """Write the discriminator beside what ``EmbeddedTrainer.save`` writes, and before it."""
        self.places.state.mkdir(parents=True, exist_ok=True)
        state = {"discriminator": self.discriminator.state_dict(), "judge": self.judge.state_dict()}
        part = self.places.state / "discriminator.pt.part"
        torch.save(state, part)
        part.replace(self.places.state / "discriminator.pt")
        super().save()

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, with the discriminator that lies beside it."""
        super().resume(path)
        saved = torch.load(path.parent / "discriminator.pt", map_location="cpu", weights_only=True)
        self.discriminator.load_state_dict(saved["discriminator"])
        self.judge.load_state_dict(saved["judge"])
