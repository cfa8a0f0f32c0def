"""VGG19's convolutions: the trunk that features, colour vectors and Zhang 2019's warp are taken from.

Paper: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015.
Reference source: none; the names of the tensors are those of vgg19_conv.pth (Deep-Exemplar-based-Video-
Colorization), which other files are renamed to.
Code licence: Apache-2.0. Weights licence: none ship; torchvision's are BSD-3-Clause (unverified), the
authors', as converted from Caffe, CC BY 4.0 (unverified).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from ..system import Pattern, State

#: Convolutions in each block, and how wide they are.
BLOCKS = (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)

#: What the two kinds of weights were trained on.
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (0.40760392, 0.45795686, 0.48501961)  # blue, green, red


class VGG19(nn.Module):
    """The convolutions up to ``last``, without the classifier."""

    def __init__(self, last: str = "conv5_4") -> None:
        super().__init__()
        for name, c_in, c_out in _convolutions():
            self.add_module(name, nn.Conv2d(c_in, c_out, 3, padding=1))
            if name == last:
                break

    def forward(self, x: Tensor, taps: Collection[str]) -> list[Tensor]:
        """A prepared picture [B,3,H,W] → the activations behind the convolutions ``taps``, in their order.

        Those of block b are [B,C,H/2**(b-1),W/2**(b-1)], rounded down.
        """
        found = []
        block = "1"
        for name, conv in self.named_children():
            if name[4] != block:
                x, block = F.max_pool2d(x, 2), name[4]
            x = F.relu(conv(x), inplace=True)
            if name in taps:
                found.append(x)
                if len(found) == len(taps):
                    break
        return found


def imagenet_input(rgb: Tensor) -> Tensor:
    """sRGB [B,3,H,W] 0..1 → what torchvision's weights were trained on."""
    return (rgb - rgb.new_tensor(_IMAGENET_MEAN).view(3, 1, 1)) / rgb.new_tensor(_IMAGENET_STD).view(3, 1, 1)


def caffe_input(rgb: Tensor) -> Tensor:
    """sRGB [B,3,H,W] 0..1 → what Caffe's weights were trained on: blue first, 0..255, the mean taken off."""
    return (rgb.flip(1) - rgb.new_tensor(_CAFFE_MEAN).view(3, 1, 1)) * 255


def convolution_patterns(last: str = "conv5_4") -> dict[str, Pattern]:
    """Return the names and shapes of the tensors up to convolution ``last``, as in vgg19_conv.pth."""
    patterns: dict[str, Pattern] = {}
    for name, c_in, c_out in _convolutions():
        patterns |= {f"{name}.weight": (c_out, c_in, 3, 3), f"{name}.bias": (c_out,)}
        if name == last:
            break
    return patterns


def sequential_names(last: str = "conv5_4") -> dict[str, str]:
    """Return the convolutions by their number in torchvision's list of layers: {"0": "conv1_1", …}."""
    names: dict[str, str] = {}
    index, block = 0, "1"
    for name, _, _ in _convolutions():
        if name[4] != block:
            index, block = index + 1, name[4]  # the pooling
        names[str(index)] = name
        index += 2  # the ReLU
        if name == last:
            break
    return names


def rename_sequential(state: State, prefix: str, last: str = "conv5_4") -> State:
    """Return VGG19's tensors, up to ``last``, of a file that numbers its layers behind ``prefix``.

    Whatever else is there (the classifier) is left out. Raises KeyError for a tensor that is not there.
    """
    return {
        f"{ours}.{leaf}": state[f"{prefix}{number}.{leaf}"]
        for number, ours in sequential_names(last).items()
        for leaf in ("weight", "bias")
    }


def _convolutions() -> Iterator[tuple[str, int, int]]:
    """Give each convolution's name, and its channels in and out."""
    c_in = 3
    for block, (repeats, c_out) in enumerate(zip(BLOCKS, WIDTHS, strict=True), 1):
        for number in range(1, repeats + 1):
            yield f"conv{block}_{number}", c_in, c_out
            c_in = c_out
