"""Distances of what pictures show, by a VGG19 that the user brings."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import load_checkpoint, load_features
from ..models.errors import UnknownSystemError
from ..models.vgg19.features import VGG19Features
from ..models.vgg19.files import PARTS


class PerceptualDistance:
    """The mean absolute difference of the activations behind one convolution of VGG19.

    ``path``: vgg19_conv.pth, torchvision's or Caffe's (``chrominance models fetch vgg19-torchvision``).
    Raises UnknownSystemError for another file. Source: Johnson et al., ECCV 2016; Color2Embed takes relu5_2.
    """

    def __init__(self, path: Path, last: str = "conv5_2", device: torch.device | str = "cpu") -> None:
        if not any(part.detect(load_checkpoint(path).shapes) for part in PARTS):
            raise UnknownSystemError("is no VGG19: fetch vgg19-torchvision, or leave --perceptual out", path)
        extractor = load_features(path, device=device)
        assert isinstance(extractor, VGG19Features)
        self.network, self.prepare, self.last = extractor.network, extractor.prepare, last

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of pictures [B,3,H,W] sRGB 0..1 as a scalar; gradients reach the first."""
        (one,) = self.network(self.prepare(first), (self.last,))
        with torch.no_grad():
            (other,) = self.network(self.prepare(second), (self.last,))
        return F.l1_loss(one, other)
