"""From luminance of any size to DDColor's chroma."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import lab_to_rgb
from ..contract import Chroma, Colorizer, Conditions, ModelSpec, Published
from ..resize import resize_lightness, working_size
from .network import MULTIPLE, DDColor
from .opencv_lab import opencv_lab_to_rgb, rgb_to_opencv_lab


class DDColorColorizer(Colorizer):
    """DDColor under the Colorizer contract."""

    def __init__(self, network: DDColor, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=self.spec.multiple)
        small = resize_lightness(L.to(self.device), height, width)
        nothing = torch.zeros_like(small)
        grey = lab_to_rgb(torch.cat([small, nothing, nothing], 1), clip=True)
        ab = self.network(grey.to(self.dtype)).float()
        return Chroma(ab, torch.ones_like(ab[:, :1]))

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Stretched to a square by sampling, Lab by OpenCV; chroma back by the nearest pixel; 8 bits."""
        side = size or self.spec.size
        if side % MULTIPLE:
            raise ValueError(f"the side of the published square must divide by {MULTIPLE}, got {side}")
        picture = rgb.float() / 255
        square = F.interpolate(picture[None], (side, side), mode="bilinear", align_corners=False)[0]
        L = rgb_to_opencv_lab(square)[:1]
        grey = opencv_lab_to_rgb(torch.cat([L, torch.zeros_like(L), torch.zeros_like(L)]))
        ab = self.network(grey[None].to(self.device, self.dtype)).float()
        back = F.interpolate(ab, rgb.shape[1:], mode="nearest")[0].cpu()
        lab = torch.cat([rgb_to_opencv_lab(picture)[:1], back])
        eight_bits = (opencv_lab_to_rgb(lab) * 255).round() / 255
        return Published(eight_bits.to(self.device), ab)
