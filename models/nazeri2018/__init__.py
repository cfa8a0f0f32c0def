"""Nazeri 2018: a conditional GAN's U-Net from TensorFlow, and the generators of its usual PyTorch port."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from ..contract import ModelSpec
from ..system import Pattern, State, System
from .colorizer import TensorFlowGan, TutorialGan
from .files import (
    WHOLE,
    bundle_patterns,
    remap_bundle,
    remap_resnet,
    remap_unet,
    resnet_patterns,
    unet_patterns,
)
from .network import CIFAR10, PLACES365, GanUNet
from .ports import ResNetUNet, TutorialUNet

_PAPER = "Nazeri et al., Image Colorization using Generative Adversarial Networks, AMDO 2018"


def _spec(system: str, title: str, code_licence: str, size: int, multiple: int) -> ModelSpec:
    return ModelSpec(system, title, _PAPER, code_licence, "not stated", size=size, multiple=multiple)


def _tensorflow(
    spec: ModelSpec, levels: tuple[tuple[int, ...], tuple[int, ...]], places: tuple[str, ...]
) -> System:
    def make(network: nn.Module, metadata: Mapping[str, str]) -> TensorFlowGan:
        assert isinstance(network, GanUNet)
        return TensorFlowGan(network, spec)

    return System(
        spec=spec,
        signature=bundle_patterns(*levels),
        build=lambda shapes: GanUNet(*levels),
        make=make,
        remap=remap_bundle,
        channels_last=True,
        places=places,
    )


def _tutorial(
    spec: ModelSpec,
    network: type[TutorialUNet] | type[ResNetUNet],
    patterns: Callable[[str], Mapping[str, Pattern]],
    remap: Callable[[State, str], State],
    prefix: str,
) -> System:
    def make(made: nn.Module, metadata: Mapping[str, str]) -> TutorialGan:
        assert isinstance(made, (TutorialUNet, ResNetUNet))
        return TutorialGan(made, spec)

    return System(
        spec=spec,
        signature=patterns(prefix),
        build=lambda shapes: network(),
        make=make,
        remap=lambda state: remap(state, prefix),
    )


#: The U-Net for each training set; each generator of the port, in the whole model and by itself.
SYSTEMS: tuple[System, ...] = (
    _tensorflow(
        _spec("gan_places365", "Nazeri 2018, Places365", "Apache-2.0", 256, 128),
        PLACES365,
        ("CGAN_places365*.index",),
    ),
    _tensorflow(
        _spec("gan_cifar10", "Nazeri 2018, CIFAR-10", "Apache-2.0", 32, 16),
        CIFAR10,
        ("CGAN_cifar10*.index",),
    ),
    *(
        _tutorial(_spec(name, title, "MIT", 256, 256), TutorialUNet, unet_patterns, remap_unet, prefix)
        for name, title, prefix in (
            ("gan_unet", "pix2pix tutorial, own U-Net", WHOLE),
            ("gan_unet_generator", "pix2pix tutorial, own U-Net, generator only", ""),
        )
    ),
    *(
        _tutorial(_spec(name, title, "MIT", 256, 32), ResNetUNet, resnet_patterns, remap_resnet, prefix)
        for name, title, prefix in (
            ("gan_res18", "pix2pix tutorial, ResNet-18", WHOLE),
            ("gan_res18_generator", "pix2pix tutorial, ResNet-18, generator only", ""),
        )
    ),
)

__all__ = [
    "SYSTEMS",
    "GanUNet",
    "ResNetUNet",
    "TensorFlowGan",
    "TutorialGan",
    "TutorialUNet",
]
