"""Zhang 2019: an exemplar colours a clip, each frame told of the one before; three files, put together."""

from __future__ import annotations

from torch import nn

from ..contract import ModelSpec
from ..system import Part, State, System
from ..vgg19.network import convolution_patterns
from .colorizer import ExemplarVideoColorizer, VideoExemplar
from .network import TAPS, ExemplarVideo

SPEC = ModelSpec(
    system="exemplar_video",
    title="Zhang 2019",
    paper="B. Zhang et al., Deep Exemplar-based Video Colorization, CVPR 2019",
    code_licence="MIT",
    weights_licence="MIT",
    size=216,
    multiple=8,
    conditions=frozenset({"exemplar", "previous"}),
    required=frozenset({"exemplar"}),
)

_VGG = Part(
    "vgg",
    "VGG19 (of Zhang 2019 too)",
    convolution_patterns(),
    places=("vgg19_conv.pth", "../../data/vgg19_conv.pth", "data/vgg19_conv.pth"),
)
_WARP = Part(
    "warp",
    "warping network of Zhang 2019",
    {
        "layer2_1.1.weight": (128, 128, 3, 3),
        "layer2_1.3.weight": (1,),
        "layer4_1.5.weight": (64, 256, 3, 3),
        "layer5_1.6.weight": (64, 256, 3, 3),
        "layer.2.conv2.weight": (256, 256, 3, 3),
        "layer.2.prelu.weight": (1,),
        "theta.weight": (256, 256, 1, 1),
        "phi.weight": (256, 256, 1, 1),
    },
    places=("nonlocal_net_iter_*.pth",),
)


def remap(state: State) -> State:
    """Put the parts' tensors together; VGG19's last convolutions are left out, nothing reads them."""
    parts = (f"{_VGG.name}.", f"{_WARP.name}.")
    kept = {f"{_VGG.name}.{key}" for key in convolution_patterns(TAPS[-1])}
    beyond = {f"{_VGG.name}.{key}" for key in convolution_patterns()} - kept
    return {
        key if key.startswith(parts) else f"colornet.{key}": tensor
        for key, tensor in state.items()
        if key not in beyond
    }


def _make(network: nn.Module) -> ExemplarVideoColorizer:
    assert isinstance(network, ExemplarVideo)
    return ExemplarVideoColorizer(network, SPEC)


SYSTEM = System(
    spec=SPEC,
    signature={
        "conv1_1.0.weight": (32, 7, 3, 3),
        "conv1_2norm_ss.weight": (64, 1, 1, 1),
        "conv3_3norm_ss.weight": (256, 1, 1, 1),
        "conv7_3.weight": (512, 512, 3, 3),
        "conv8_1.1.weight": (256, 512, 3, 3),
        "conv3_3_short.weight": (256, 256, 3, 3),
        "conv9_1.1.weight": (128, 256, 3, 3),
        "conv10_1.1.weight": (128, 128, 3, 3),
        "conv10_ab.weight": (2, 128, 1, 1),
    },
    build=lambda shapes: ExemplarVideo(),
    make=lambda network, metadata: _make(network),
    remap=remap,
    companions=(_VGG, _WARP),
    places=("colornet_iter_*.pth", "checkpoints/video_moredata_l1/colornet_iter_*.pth"),
)

__all__ = ["SPEC", "SYSTEM", "ExemplarVideo", "ExemplarVideoColorizer", "VideoExemplar"]
