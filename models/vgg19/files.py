"""The files that VGG19 comes in, and what their weights were trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ..errors import CheckpointError
from ..system import Part, Shapes, State
from .network import caffe_input, convolution_patterns, imagenet_input, rename_sequential, sequential_names

#: vgg19_conv.pth, which names its convolutions; its weights are Caffe's.
NAMED = Part("vgg19", "VGG19 (vgg19_conv)", convolution_patterns())

#: torchvision's file and the one converted from Caffe number the layers alike.
NUMBERED = Part(
    "vgg19",
    "VGG19",
    {
        f"features.{number}.{leaf}": convolution_patterns()[f"{ours}.{leaf}"]
        for number, ours in sequential_names().items()
        for leaf in ("weight", "bias")
    },
)

PARTS = (NAMED, NUMBERED)

#: How the SHA-256 of each published file begins, which is in its name too.
_DIGESTS = {"dcbb9e9d": imagenet_input, "d01eb7cb": caffe_input}


def remap_vgg19(state: State) -> State:
    """Name the tensors of any of the files as the network does; the classifier's are left out."""
    return dict(state) if "conv1_1.weight" in state else rename_sequential(state, "features.")


def preprocessing(shapes: Shapes, path: Path | None) -> Callable[[Tensor], Tensor]:
    """Return what prepares sRGB for the weights in a file with these tensors.

    Names and shapes of torchvision's weights and of Caffe's are the same, and no statistic of theirs tells
    them apart for certain: the digest does, in the file's name or else of its bytes. Raises
    CheckpointError where neither is known.
    """
    if NAMED.detect(shapes):
        return caffe_input
    if path is not None:
        for digest, prepare in _DIGESTS.items():
            if digest in path.name:
                return prepare
        prepare = _DIGESTS.get(_sha256(path)[:8])
        if prepare is not None:
            return prepare
    raise CheckpointError(
        "is VGG19, but whether torchvision's or Caffe's weights, which want other input, cannot be told: "
        "keep the published name, vgg19-dcbb9e9d.pth or vgg19-d01eb7cb.pth",
        path,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
