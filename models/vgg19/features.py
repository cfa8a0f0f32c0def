"""VGG19 as a source of features, under the FeatureExtractor contract."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..features import FeatureExtractor
from .network import VGG19

#: The levels, finest first: the second ReLU of blocks 3, 4, 5, by which Zhang 2019 warps too. Block 2 would
#: make the finest match four times as large, and tells little more than lightness.
LEVELS = ("conv3_2", "conv4_2", "conv5_2")


class VGG19Features(FeatureExtractor):
    """The activations of VGG19 on grey pictures.

    ``prepare``: makes of sRGB [B,3,H,W] 0..1 what the weights were trained on (``imagenet_input`` or
    ``caffe_input``).
    """

    name = "vgg19"
    strides = (4, 8, 16)
    multiple = 16

    def __init__(self, network: VGG19, prepare: Callable[[Tensor], Tensor]) -> None:
        self.network = network
        self.prepare = prepare

    @torch.inference_mode()
    def features(self, L: Tensor) -> list[Tensor]:
        """Luminance [B,1,H,W] 0..100 → float32 [B,256,H/4,W/4], [B,512,H/8,W/8], [B,512,H/16,W/16].

        H and W must divide by 16, else ValueError.
        """
        grey = (self.checked(L) / 100).expand(-1, 3, -1, -1)
        return [level.float() for level in self.network(self.prepare(grey).to(self.dtype), LEVELS)]
