"""From luminance of any size to the embedded network's input, and from its logits to chroma."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...color.ab_bins import annealed_mean, entropy_confidence
from ..contract import Chroma, Colorizer, Conditions, ModelSpec
from ..resize import pad_to_multiple, resize_lightness, working_size

#: The network's output has a position for every 4x4 pixels of its input.
_STRIDE = 4


class EmbeddedColorizer(Colorizer):
    """The embedded network under the Colorizer contract."""

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        assert temperature is not None  # the spec has one, and colorize() fills it in
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=_STRIDE)
        small = resize_lightness(L.to(self.device), height, width)
        logits = self.network(pad_to_multiple(small, self.spec.multiple))
        logits = logits[..., : height // _STRIDE, : width // _STRIDE].float()
        if not bool(torch.isfinite(logits).all()):
            raise FloatingPointError(
                f"the network overflowed in {self.dtype}: load the model in float32 or bfloat16"
            )
        return Chroma(annealed_mean(logits, temperature), entropy_confidence(logits))
