"""He 2018's recipe on the embedded network: chroma through matches there and back, and plausible elsewhere.

Source: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018, section 4.2: one half of a batch, the
chrominance branch, gets the true chroma mapped to the reference and back, a "fake" reference whose errors are
those of the matches, and has to give the true chroma; the other half, the perceptual branch, gets the chroma
of the reference itself, and has to look like the true picture to a network trained on ImageNet, times 0.005.
Paper's scale: 256 px, batches of 256, Adam, 1e-4, a tenth of it every 3 of 10 epochs. The network here is
ours, and so are its matcher and what it is told of it (``pipelines/exemplar.py``); the chrominance branch
keeps the classification loss beside the distance of chroma.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import lab_to_rgb, rgb_to_lab
from ..color.ab_bins import annealed_mean
from ..models import load_features
from ..models.embedded.local import local_to_grid
from ..models.embedded.network import STRIDE
from ..models.features import FeatureExtractor
from ..pipelines.exemplar import find, warped_by
from ..pipelines.guided_enlarge import enlarge_guided
from ..pipelines.photo_set import PhotoSet
from ..pipelines.references import STRIDE as POSITION
from ..pipelines.references import BadReferenceError, References
from .embedded import TEMPERATURE, EmbeddedTrainer, Places, Predicted, Recipe
from .perceptual import Distance, EncoderDistance, PerceptualDistance
from .photos import Batch, degrade_lightness

#: The paper's weight of the perceptual branch, with VGG19.
ALPHA = 0.005


class ExemplarTrainer(EmbeddedTrainer):
    """A run in which pictures are told what a matcher finds in a reference.

    ``perceptual``: the distance of the second branch, ``alpha`` its weight. Size must divide by 32.
    """

    def __init__(
        self, photos: PhotoSet, recipe: Recipe, places: Places, perceptual: Distance, alpha: float = ALPHA
    ) -> None:
        super().__init__(photos, recipe, places)
        self.perceptual, self.alpha = perceptual, alpha
        # The matcher stays as it ships: what it finds must not move while the network learns to use it.
        self.extractor = load_features("embedded", device=recipe.device)

    def loss(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        """Return the loss of one batch: the first half's chrominance, the second's look."""
        rgb, references = batch.pictures()
        if references is None:
            # Without a reference, the network has to remain what it is.
            return super().loss(batch, dtype)
        lab = rgb_to_lab(rgb)
        seen = degrade_lightness(lab[:, :1], batch.rng)
        half = len(rgb) // 2
        local = torch.zeros(len(rgb), 3, *(side // STRIDE for side in lab.shape[2:]))
        for row in range(len(rgb)):
            here = slice(row, row + 1)
            own = lab[here, 1:] if row < half else None
            local[here] = matched_chroma(seen[here], references[row], self.extractor, own)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            logits = self.network(seen.to(self.device), local.to(self.device)).float()
        ab = F.avg_pool2d(lab[:, 1:], STRIDE).to(self.device)
        given = local[:, 2].amax((1, 2)) > 0
        first = Predicted(logits[:half], ab[:half], seen[:half], given[:half])
        made = annealed_mean(logits[half:], TEMPERATURE)
        made = F.interpolate(made, lab.shape[2:], mode="bilinear", align_corners=False)
        shown = lab_to_rgb(torch.cat([lab[half:, :1].to(made), made], 1)).clamp(0, 1)
        return self._loss_of(first) + self.alpha * self.perceptual(shown, rgb[half:].to(self.device))


def matched_chroma(
    L: Tensor, reference: Tensor, extractor: FeatureExtractor, own: Tensor | None = None
) -> Tensor:
    """Return what is known of a picture by a reference, as the network takes it: [1,3,S/4,S/4].

    ``L``: [1,1,S,S] 0..100; ``reference``: [3,R,R] 0..1. With ``own``, the picture's true chroma [1,2,S,S],
    that is what comes back through the matches there and back, instead of the reference's. Nothing is known
    from a reference without colour.
    """
    grid = (L.shape[2] // STRIDE, L.shape[3] // STRIDE)
    try:
        references = References([reference], extractor)
    except BadReferenceError:
        return torch.zeros(1, 3, *grid)
    with torch.inference_mode():
        places = references.at(min(L.shape[2:]))
        found, rows = find(L.to(references.extractor.device), places, references)
        warped = warped_by(found, rows, L.to(rows.device), places)
        ab = warped.ab
        if own is not None:
            assert found.back_index is not None
            pooled = F.avg_pool2d(own.to(rows.device), POSITION)
            through = pooled.flatten(2)[..., found.back_index[found.index]].view_as(pooled)
            ab = enlarge_guided(through, L.to(rows.device))
        known = local_to_grid(ab, (2 * warped.confidence() - 1).clamp(min=0), *grid)
    return known.cpu().clone()


def perceptual_distance(vgg19: Path | None, device: torch.device | str = "cpu") -> Distance:
    """Return the paper's distance, of relu5_1 of a VGG19 file; without one, of the pretrained encoder."""
    if vgg19 is None:
        return EncoderDistance(device)
    return PerceptualDistance(vgg19, "conv5_1", device, square=True)
