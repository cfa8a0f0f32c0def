"""From luminance of any size to the chroma of DeOldify's networks."""

from __future__ import annotations

import torch
from torch import Tensor

from ...color import lab_to_rgb, rgb_to_lab
from ..contract import Chroma, Colorizer, Conditions, ModelSpec, Published
from ..resize import pillow_resize, resize_lightness, working_size
from .network import DeOldify
from .opencv_yuv import bgr_to_yuv, yuv_to_bgr

# ImageNet's mean and deviation of red, green and blue.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Red, green and blue to Pillow's grey, of 2^16.
_GREY = (19595, 38470, 7471)


class DeOldifyColorizer(Colorizer):
    """DeOldify under the Colorizer contract: of the red, green and blue that it gives, chroma is taken."""

    def __init__(self, network: DeOldify, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=self.spec.multiple)
        small = resize_lightness(L.to(self.device), height, width)
        nothing = torch.zeros_like(small)
        grey = lab_to_rgb(torch.cat([small, nothing, nothing], 1), clip=True)
        ab = rgb_to_lab(self._coloured(grey))[:, 1:]
        return Chroma(ab, torch.ones_like(ab[:, :1]))

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Stretched to a square, coloured, 8 bits cut off, stretched back; Y of the picture, U and V of that.

        Red and blue change places in the authors' YUV, which takes them for one another.
        """
        side = size or self.spec.size
        if side % 2:
            raise ValueError(f"the side of the published square must be even, got {side}")
        square = pillow_grey(pillow_resize(rgb, side, side, "bilinear"))
        coloured = self._coloured((square.float() / 255).expand(3, -1, -1)[None].to(self.device))
        height, width = rgb.shape[1:]
        large = pillow_resize((coloured[0] * 255).to(torch.uint8), height, width, "bilinear")
        yuv = torch.cat([bgr_to_yuv(rgb)[:1], bgr_to_yuv(large)[1:]])
        result = (yuv_to_bgr(yuv).float() / 255).to(self.device)
        return Published(result, rgb_to_lab(coloured)[:, 1:])

    def _coloured(self, grey: Tensor) -> Tensor:
        """Grey as RGB [B,3,h,w] 0..1 → the network's RGB, cut to 0..1, float32."""
        mean, deviation = (torch.tensor(x, device=grey.device).view(3, 1, 1) for x in (_MEAN, _DEVIATION))
        found = self.network(((grey - mean) / deviation).to(self.dtype)).float()
        if not bool(torch.isfinite(found).all()):
            raise FloatingPointError(
                f"the network overflowed in {self.dtype}: load the model in float32 or bfloat16"
            )
        return (found * deviation + mean).clamp(0, 1)


def pillow_grey(rgb: Tensor) -> Tensor:
    """Return the grey [1,H,W] of a picture uint8 [3,H,W] as Pillow's modes L and LA have it."""
    red, green, blue = (channel.int() * weight for channel, weight in zip(rgb, _GREY, strict=True))
    return ((red + green + blue + 2**15) >> 16).to(torch.uint8)[None]
