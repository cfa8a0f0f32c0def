"""From luminance, warped chroma and how alike the matches are to the chroma of He 2018."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract import SIMILARITY_CHANNELS, Chroma, Colorizer, Conditions, ModelSpec
from ..embedded.local import AB_SCALE, local_to_grid
from ..resize import resize_lightness, working_size
from .network import ColorNet


class He2018Colorizer(Colorizer):
    """ExampleColorNet under the Colorizer contract.

    Where nothing is known (no local condition, or its confidence is 0) the network is told that nothing
    matches. Without similarity maps the local confidence stands for all ten.
    """

    def __init__(self, network: ColorNet, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=self.spec.multiple)
        small = resize_lightness(L.to(self.device), height, width)
        ab, similarity = self._known(conditions, height, width)
        parts = [part.expand(len(L), -1, -1, -1) for part in (ab, error_maps(similarity))]
        out = self.network(torch.cat([small - 50, *parts], 1).to(self.dtype)).float()
        return Chroma(out, torch.ones_like(out[:, :1]))

    def _known(self, conditions: Conditions, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return warped ab [1 or B,2,h,w] and similarity [1 or B,10,h,w]."""
        if conditions.local_ab is None or conditions.local_confidence is None:
            nothing = torch.zeros(1, 2 + SIMILARITY_CHANNELS, height, width, device=self.device)
            return nothing[:, :2], nothing[:, 2:]
        ab, confidence = conditions.local_ab.to(self.device), conditions.local_confidence.to(self.device)
        local = local_to_grid(ab, confidence, height, width)
        confidence = local[:, 2:]
        ab = local[:, :2] * AB_SCALE / confidence.clamp(min=1e-8)
        if conditions.similarity is None:
            return ab, confidence.expand(-1, SIMILARITY_CHANNELS, -1, -1)
        similarity = conditions.similarity.to(self.device, torch.float32)
        similarity = F.interpolate(
            similarity, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
        return ab, similarity.clamp(0, 1) * (confidence > 0)


def error_maps(similarity: Tensor) -> Tensor:
    """Return similarity 0..1 as the network was given it: an error of 0..255, centred and halved."""
    return ((1 - similarity) * 255 - 127) / 2
