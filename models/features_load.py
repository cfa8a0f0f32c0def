"""From a file to an extractor of features."""

from __future__ import annotations

from pathlib import Path

import torch

from .checkpoint import load_checkpoint
from .embedded import SYSTEM as EMBEDDED
from .embedded import EmbeddedColorizer
from .embedded.features import EmbeddedFeatures
from .embedded.network import EmbeddedNetwork
from .errors import CheckpointError, UnknownSystemError
from .features import FeatureExtractor
from .formats import Checkpoint
from .he2018.gray_vgg import PART as GRAY
from .he2018.gray_vgg import GrayVGG19, GrayVGGFeatures, is_gray_vgg, remap_gray_vgg
from .load import assemble, build_network, usable_device
from .locate import resolve_source
from .registry import detect_system
from .vgg19 import PARTS, VGG19, VGG19Features, preprocessing, remap_vgg19


def load_features(
    source: str | Path = "embedded",
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> FeatureExtractor:
    """Load what pictures are matched by.

    ``source``: "embedded", the path or published name of a VGG19 (vgg19_conv.pth, torchvision's, Caffe's), of
    He 2018's gray one (.caffemodel), or of a checkpoint of the embedded network. ``dtype``: what the network
    computes in; features are float32.
    An embedded colorizer that is loaded already gives its own: ``EmbeddedFeatures(colorizer.network)``.
    Raises CheckpointError (UnknownSystemError for a file that gives no features), ValueError for a device or
    type that cannot be used here.
    """
    target = usable_device(device)
    path = resolve_source(source)
    # As in load_colorizer: what is loaded outlives a caller's inference_mode.
    with torch.inference_mode(False), torch.no_grad():
        try:
            extractor = _extractor(load_checkpoint(path), dtype)
        except CheckpointError as error:
            error.at(path)
            raise
        return extractor if target.type == "cpu" else extractor.to(target)


def _extractor(checkpoint: Checkpoint, dtype: torch.dtype) -> FeatureExtractor:
    shapes = checkpoint.shapes
    if any(part.detect(shapes) for part in PARTS):
        prepare = preprocessing(shapes, checkpoint.path)
        network, _ = build_network(
            Checkpoint(checkpoint.tensors, path=checkpoint.path),  # its values are looked at on loading
            lambda shapes: VGG19(),
            remap_vgg19,
            title="VGG19",
            dtype=dtype,
        )
        return VGG19Features(network, prepare)
    if is_gray_vgg(shapes):
        gray, _ = build_network(
            checkpoint, lambda shapes: GrayVGG19(), remap_gray_vgg, title=GRAY.title, dtype=dtype
        )
        return GrayVGGFeatures(gray)
    system = detect_system(shapes, path=checkpoint.path)
    if system is not EMBEDDED:
        raise UnknownSystemError(
            f"is {system.spec.title}, which gives no features to match by: choose embedded, a checkpoint of "
            "the embedded network, or a VGG19 (vgg19_conv.pth, vgg19-dcbb9e9d.pth, vgg19-d01eb7cb.pth)",
            checkpoint.path,
            closest=system.name,
        )
    colorizer = assemble(checkpoint, dtype=dtype, systems=(EMBEDDED,))
    assert isinstance(colorizer, EmbeddedColorizer)
    assert isinstance(colorizer.network, EmbeddedNetwork)
    colorizer.check_once()
    return EmbeddedFeatures(colorizer.network)
