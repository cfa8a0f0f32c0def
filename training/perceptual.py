"""Distances of what pictures show: by a VGG19 that the user brings, or by the pretrained encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import load_checkpoint, load_features
from ..models.embedded.encoder import Encoder
from ..models.errors import UnknownSystemError
from ..models.vgg19.features import VGG19Features
from ..models.vgg19.files import PARTS
from .pretrained import load_pretrained_encoder

#: Distance of pictures [B,3,H,W] 0..1 as a scalar.
Distance = Callable[[Tensor, Tensor], Tensor]


class PerceptualDistance:
    """The mean absolute difference of the activations behind one convolution of VGG19, or its square.

    ``path``: vgg19_conv.pth, torchvision's or Caffe's (``chrominance models fetch vgg19-torchvision``).
    Raises UnknownSystemError for another file. Source: Johnson et al., ECCV 2016; Color2Embed takes relu5_2,
    He 2018 the squares of relu5_1.
    """

    def __init__(
        self,
        path: Path,
        last: str = "conv5_2",
        device: torch.device | str = "cpu",
        *,
        square: bool = False,
    ) -> None:
        if not any(part.detect(load_checkpoint(path).shapes) for part in PARTS):
            raise UnknownSystemError("is no VGG19: fetch vgg19-torchvision, or leave --perceptual out", path)
        extractor = load_features(path, device=device)
        assert isinstance(extractor, VGG19Features)
        self.network, self.prepare, self.last = extractor.network, extractor.prepare, last
        self.compare = F.mse_loss if square else F.l1_loss

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of pictures [B,3,H,W] sRGB 0..1 as a scalar; gradients reach the first."""
        (one,) = self.network(self.prepare(first), (self.last,))
        with torch.no_grad():
            (other,) = self.network(self.prepare(second), (self.last,))
        return self.compare(one, other)


class EncoderDistance:
    """The squared difference of features of EfficientNet-Lite0, trained on ImageNet in colour.

    Each of its four levels is measured by its own mean square, so that they weigh alike: photos and their
    grey copies are a quarter apart, two photos nearly 2. It takes the place of VGG19 where there is none.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.network = Encoder().to(device)
        self.network.load_state_dict(load_pretrained_encoder())
        self.network.requires_grad_(False)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of pictures [B,3,H,W] sRGB 0..1 as a scalar; gradients reach the first."""
        with torch.no_grad():
            others = self.network.levels(second)
        found = self.network.levels(first)
        apart = [F.mse_loss(x, y) / y.square().mean() for x, y in zip(found, others, strict=True)]
        return torch.stack(apart).mean()
