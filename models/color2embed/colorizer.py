"""From luminance and a reference's colour vector to Color2Embed's chroma."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract import Chroma, Colorizer, Conditions, ModelSpec, Published, check_reference
from ..resize import resize_lightness, working_size
from ..scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb
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

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Both pictures are sampled to a square, not averaged; chroma comes back bilinear; 8 bits cut off."""
        assert reference is not None  # the spec requires one
        side = size or self.spec.size
        if side % self.spec.multiple:
            raise ValueError(f"the published square's side must divide by {self.spec.multiple}, got {side}")
        centred = rgb_to_scikit_lab(rgb.double() / 255)[None, :1].float() - 50
        like = _sample(reference[None].float() / 255, side, side).to(self.device)
        L = _sample(centred / 50, side, side).to(self.device, self.dtype)
        ab = self._both.unet(L, self._both.encoder(like)).float() * _AB_SCALE
        back = _sample(ab, *rgb.shape[1:]).cpu()  # not every device has float64
        coloured = scikit_lab_to_rgb(torch.cat([centred + 50, back], 1))[0]
        return Published(((coloured * 255).floor() / 255).float().to(self.device), ab)


def _sample(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)
