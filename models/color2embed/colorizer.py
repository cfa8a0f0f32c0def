"""From luminance and a reference's colour vector to Color2Embed's chroma."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract import Chroma, Colorizer, Conditions, ModelSpec, check_reference
from ..resize import resize_lightness, working_size
from .network import VECTOR_SIZE, Color2Embed

# ab in CIE units that the network's 1 stands for.
_AB_SCALE = 110.0


class Color2EmbedColorizer(Colorizer):
    """Color2Embed under the Colorizer contract: it needs the vector of a reference."""

    def __init__(self, network: Color2Embed, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @property
    def _both(self) -> Color2Embed:
        assert isinstance(self.network, Color2Embed)
        return self.network

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        assert conditions.color is not None  # the spec requires it, and colorize() has looked
        if conditions.color.shape[1] != VECTOR_SIZE:
            raise ValueError(
                f"a colour vector of {self.spec.title} has {VECTOR_SIZE} numbers, "
                f"got {conditions.color.shape[1]}: make it with this model's encode_reference"
            )
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=self.spec.multiple)
        small = resize_lightness(L.to(self.device), height, width)
        color = conditions.color.to(self.device, self.dtype).expand(len(L), -1)
        ab = self._both.unet(((small - 50) / 50).to(self.dtype), color).float() * _AB_SCALE
        return Chroma(ab, torch.ones_like(ab[:, :1]))

    @torch.inference_mode()
    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the colour vectors [B,512] float32 of reference pictures, rgb [B,3,H,W] 0..1."""
        check_reference(rgb)
        self.check_once()
        rgb = rgb.to(self.device, torch.float32)
        size = working_size(rgb.shape[-2], rgb.shape[-1], self.spec.size, multiple=self.spec.multiple)
        if rgb.shape[-2:] != size:
            rgb = F.interpolate(rgb, size, mode="bilinear", align_corners=False, antialias=True)
        return self._both.encoder(rgb.clamp(0, 1)).float()
