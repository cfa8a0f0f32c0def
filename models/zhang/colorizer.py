"""From luminance of any size, and hints, to the chroma of Zhang's networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color.ab_bins import ab_bins, annealed_mean, entropy_confidence
from ..contract import Chroma, Colorizer, Conditions, ModelSpec, Published
from ..embedded.local import AB_SCALE, local_to_grid
from ..resize import pillow_resize, resize_lightness, working_size
from ..scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb
from .network import MULTIPLE, Eccv16, Siggraph17, enlarge_as_published

#: The temperature of the paper's annealed mean, which the published logits are divided by already.
FOLDED = 0.38
# How far the published table of colours, in units of 110, may be from the bins.
_SAME = 1e-3


class Eccv16Colorizer(Colorizer):
    """eccv16 under the Colorizer contract.

    The published PyTorch file holds the bins themselves in its last layer, and logits that were divided by
    the temperature 0.38 beforehand. Where that layer is the bins, the temperature can be set, and 0.38 is
    what was published; where it is something else, the network is taken as it is, and has none.
    """

    def __init__(self, network: Eccv16, spec: ModelSpec) -> None:
        self.network = network
        table = network.model_out.weight[:, :, 0, 0].float().T
        bins = ab_bins(device=table.device) / 110
        self.folded = bool((table - bins).abs().max() < _SAME)
        self.spec = replace(spec, temperature=FOLDED) if self.folded else spec

    @property
    def _eccv16(self) -> Eccv16:
        assert isinstance(self.network, Eccv16)
        return self.network

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        logits = self._logits(L, size)
        if self.folded and temperature is not None and temperature != FOLDED:
            ab = annealed_mean(logits * FOLDED, temperature)
        else:
            ab = self._eccv16.mean_ab(logits.to(self.dtype)).float()
        return Chroma(ab, entropy_confidence(logits * FOLDED if self.folded else logits))

    @torch.inference_mode()
    def distribution(
        self, L: Tensor, conditions: Conditions | None = None, *, size: int | None = None
    ) -> Tensor:
        """Return the logits over the 313 ab bins, float32 [B,313,h,w]; arguments as in ``colorize``."""
        self._checked(L, conditions, size)
        if not self.folded:
            return super().distribution(L, conditions, size=size)
        return self._logits(L, size or self.spec.size) * FOLDED

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        def ab(L: Tensor) -> Tensor:
            logits = self._eccv16(L.to(self.device, self.dtype))
            return enlarge_as_published(self._eccv16.mean_ab(logits))

        return _color_a_square(rgb, size or self.spec.size, ab)

    def _logits(self, L: Tensor, size: int) -> Tensor:
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=self.spec.multiple)
        small = resize_lightness(L.to(self.device), height, width).to(self.dtype)
        logits = self._eccv16(small).float()
        if not bool(torch.isfinite(logits).all()):
            raise FloatingPointError(
                f"the network overflowed in {self.dtype}: load the model in float32 or bfloat16"
            )
        return logits


class Siggraph17Colorizer(Colorizer):
    """siggraph17 under the Colorizer contract: the local condition is its hints."""

    def __init__(self, network: Siggraph17, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=self.spec.multiple)
        small = resize_lightness(L.to(self.device), height, width)
        ab, mask = self._hints(conditions, height, width)
        parts = [part.expand(len(L), -1, -1, -1).to(self.dtype) for part in (ab, mask)]
        out = self.network(small.to(self.dtype), *parts).float()
        return Chroma(out, torch.ones_like(out[:, :1]))

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        def ab(L: Tensor) -> Tensor:
            L = L.to(self.device, self.dtype)
            nothing = torch.zeros_like(L)
            return self.network(L, nothing.expand(-1, 2, -1, -1), nothing)

        return _color_a_square(rgb, size or self.spec.size, ab)

    def _hints(self, conditions: Conditions, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return hints [1 or B,2,h,w] in CIE units, and 1 where one is: the network knows no in-between."""
        if conditions.local_ab is None or conditions.local_confidence is None:
            nothing = torch.zeros(1, 3, height, width, device=self.device)
            return nothing[:, :2], nothing[:, 2:]
        ab, confidence = conditions.local_ab.to(self.device), conditions.local_confidence.to(self.device)
        local = local_to_grid(ab, confidence, height, width)
        mask = (local[:, 2:] >= 0.5).float()
        return local[:, :2] * AB_SCALE / local[:, 2:].clamp(min=1e-8) * mask, mask


def _color_a_square(rgb: Tensor, side: int, ab_of: Callable[[Tensor], Tensor]) -> Published:
    """Colour uint8 [3,H,W] as both networks' authors do.

    The picture is stretched to a square by Pillow, bicubic; the chroma comes back bilinear, in float32, and
    is joined with the lightness of the picture itself; what no screen has is cut off, channel by channel.
    """
    if side % MULTIPLE:
        raise ValueError(f"the side of the published square must be a multiple of {MULTIPLE}, got {side}")
    square = pillow_resize(rgb, side, side, "bicubic")
    original, small = (rgb_to_scikit_lab(x.double() / 255)[None, :1].float() for x in (rgb, square))
    ab = ab_of(small).float()
    back = F.interpolate(ab, rgb.shape[1:], mode="bilinear", align_corners=False)
    # Not every device has float64.
    coloured = scikit_lab_to_rgb(torch.cat([original, back.cpu()], 1))[0]
    return Published(coloured.float().to(ab.device), ab)
