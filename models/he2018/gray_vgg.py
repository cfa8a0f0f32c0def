"""The gray VGG19 with batch norms by which He 2018 tell how alike two places are.

Paper: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018, section 4.1.
Reference source: github.com/msracver/Deep-Exemplar-based-Colorization (its Caffe part); the lines here are
written from its facts.
Code licence: Apache-2.0 (the source's: MIT). Weights licence: with the code (MIT), not shipped.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from ...color import rgb_to_lightness
from ..caffe_model import layers_of
from ..errors import KeyMismatchError
from ..features import FeatureExtractor
from ..system import Part, Shapes, State
from ..vgg19.network import VGG19, convolution_patterns

#: The first activation of each block, by which places are compared; the finest first.
TAPS = tuple(f"conv{block}_1" for block in range(1, 6))
#: Those that pictures are matched by: finer ones would make the match sixteen times as large.
LEVELS = TAPS[2:]

_TITLE = "He 2018's gray VGG19"
_EPS = 1e-5

#: How its file is known: Caffe's layers, of which only the convolutions' names are certain.
PART = Part(
    "gray_vgg19",
    _TITLE,
    {
        f"{name.removesuffix('.weight')}.0": shape
        for name, shape in convolution_patterns().items()
        if name in ("conv1_1.weight", "conv1_2.weight", "conv3_1.weight", "conv5_1.weight")
    },
)


class GrayVGG19(VGG19):
    """VGG19's convolutions with their norms folded in; it sees lightness in three equal channels.

    The picture's own norm stays apart: behind it the first convolution pads with zeros.
    """

    def __init__(self) -> None:
        super().__init__()
        self.data_scale = nn.Parameter(torch.ones(3, 1, 1))
        self.data_shift = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, x: Tensor, taps: Collection[str] = TAPS) -> list[Tensor]:
        """Lightness 0..255 [B,1,H,W] → the activations ``taps``."""
        return super().forward(torch.addcmul(self.data_shift, x, self.data_scale), taps)


class GrayVGGFeatures(FeatureExtractor):
    """The network under the FeatureExtractor contract."""

    name = "gray_vgg19"
    strides = (4, 8, 16)
    multiple = 16

    def __init__(self, network: GrayVGG19) -> None:
        self.network = network

    @torch.inference_mode()
    def features(self, L: Tensor) -> list[Tensor]:
        """Luminance [B,1,H,W] 0..100 → float32 [B,256,H/4,W/4], [B,512,H/8,W/8], [B,512,H/16,W/16]."""
        x = (self.checked(L) * 2.55).to(self.dtype)
        return [level.float() for level in self.network(x, LEVELS)]

    @torch.inference_mode()
    def compare(self, rgb: Tensor) -> list[Tensor]:
        """Return five levels of a picture uint8 [3,H,W], as the authors compare them, finest first."""
        L = (rgb_to_lightness(rgb[None].float() / 255) * 2.55).round()
        return [tap.float() for tap in self.network(L.to(self.device, self.dtype), TAPS)]


def is_gray_vgg(shapes: Shapes) -> bool:
    """Return whether a file's tensors are this network's."""
    return PART.detect(shapes)


def remap_gray_vgg(state: State) -> State:
    """Name a .caffemodel's blobs as ``GrayVGG19`` does, with the norms folded into the convolutions.

    The norm that follows a convolution in the file is its own; a norm or a scale of three values before the
    first is the picture's.
    """
    layers = list(layers_of(state).items())
    wanted = {name.partition(".")[0] for name in convolution_patterns()}
    scale, shift = torch.ones(3), torch.zeros(3)
    out: State = {}
    for place, (name, blobs) in enumerate(layers):
        if name in wanted:
            following = layers[place + 1][1] if place + 1 < len(layers) else []
            out |= _convolution(name, blobs, following)
        elif not out and blobs[0].numel() == 3:
            if len(blobs) == 3:
                mean, deviation = _norm(blobs)
                scale, shift = scale / deviation, (shift - mean) / deviation
            elif len(blobs) == 2:
                factor, offset = (blob.float().flatten() for blob in blobs)
                scale, shift = scale * factor, shift * factor + offset
    missing = sorted(set(convolution_patterns()) - set(out))
    if missing:
        raise KeyMismatchError(_TITLE, missing)
    return out | {"data_scale": scale.view(3, 1, 1), "data_shift": shift.view(3, 1, 1)}


def _convolution(name: str, blobs: list[Tensor], following: list[Tensor]) -> State:
    weight = blobs[0].float()
    bias = blobs[1].float().flatten() if len(blobs) > 1 else weight.new_zeros(len(weight))
    if len(following) == 3 and following[0].numel() == len(weight):
        mean, deviation = _norm(following)
        weight, bias = weight / deviation.view(-1, 1, 1, 1), (bias - mean) / deviation
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _norm(blobs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of Caffe's BatchNorm: sums, and by what they are to be divided."""
    mean, variance, count = (blob.float().flatten() for blob in blobs)
    scale = 1 / count if float(count) else torch.zeros(1)
    return mean * scale, torch.sqrt(variance * scale + _EPS)
