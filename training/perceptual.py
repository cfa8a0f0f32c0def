"""Distances of what pictures show, by a VGG19 that the user brings."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import load_checkpoint
from ..models.errors import UnknownSystemError
from ..models.vgg19.files import PARTS, preprocessing, remap_vgg19
from ..models.vgg19.network import VGG19


class PerceptualDistance:
    """The mean absolute difference of the activations behind one convolution of VGG19.

    ``path``: vgg19_conv.pth, torchvision's or Caffe's (``chrominance models fetch vgg19-torchvision``).
    Raises UnknownSystemError for another file. Source: Johnson et al., ECCV 2016; Color2Embed takes relu5_2.
    """

    def __init__(self, path: Path, last: str = "conv5_2", device: torch.device | str = "cpu") -> None:
        checkpoint = load_checkpoint(path)
        if not any(part.detect(checkpoint.shapes) for part in PARTS):
            raise UnknownSystemError("is no VGG19: fetch vgg19-torchvision, or leave --perceptual out", path)
        self.prepare = preprocessing(checkpoint.shapes, path)
        self.last = last
        self.network = VGG19(last)
        tensors = remap_vgg19(checkpoint.tensors)
        own = {name: tensors[name].float() for name in self.network.state_dict()}
        self.network.load_state_dict(own)
        self.network.to(device).eval().requires_grad_(False)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of pictures [B,3,H,W] sRGB 0..1 as a scalar; gradients reach the first."""
        (one,) = self.network(self.prepare(first), (self.last,))
        with torch.no_grad():
            (other,) = self.network(self.prepare(second), (self.last,))
        return F.l1_loss(one, other)
