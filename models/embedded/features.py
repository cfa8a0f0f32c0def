"""The embedded network's encoder as a source of features, under the FeatureExtractor contract."""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import FeatureExtractor
from .network import EmbeddedNetwork


class EmbeddedFeatures(FeatureExtractor):
    """What the embedded network's decoder reads; the network may be a colorizer's, and is shared then."""

    name = "embedded"
    strides = (4, 8, 16, 32)
    multiple = 32

    def __init__(self, network: EmbeddedNetwork) -> None:
        self.network = network

    @torch.inference_mode()
    def features(self, L: Tensor) -> list[Tensor]:
        """Luminance [B,1,H,W] 0..100 → float32 levels of 24, 40, 112 and 320 channels at strides 4 to 32.

        H and W must divide by 32, else ValueError.
        """
        assert isinstance(self.network, EmbeddedNetwork)
        return [level.float() for level in self.network.encoder(self.checked(L))]
