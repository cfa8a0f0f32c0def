"""Color2Embed: colour from a reference picture by one vector; facts, signature, the published names."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from ..contract import ModelSpec
from ..system import State, System
from ..vgg19.network import rename_sequential
from .colorizer import Color2EmbedColorizer
from .network import VGG_LAST, Color2Embed

SPEC = ModelSpec(
    system="color2embed",
    title="Color2Embed",
    paper="Zhao et al., Color2Embed: Fast Exemplar-Based Image Colorization using Color Embeddings, 2021",
    code_licence="MIT",
    weights_licence="distributed with the code, under its licence",
    size=256,
    multiple=16,
    conditions=frozenset({"global"}),
    required=frozenset({"global"}),
)

# What the modules of the published file are called here.
_INC = {f"inc.double_conv.{i}": f"inc.{i}" for i in (0, 1, 3, 4)}
_DOWN = {
    f"down{i + 1}.main.{theirs}": f"down.{i}.{ours}"
    for i in range(4)
    for theirs, ours in (
        ("0", "shrink"),
        ("2.bottle_conv", "widen"),
        ("2.double_conv.0", "conv1"),
        ("2.double_conv.1", "norm"),
        ("2.double_conv.3", "conv2"),
    )
}
_UP = {
    f"up{i + 1}.{theirs}": f"up.{i}.{ours}"
    for i in range(4)
    for theirs, ours in (
        ("conv_s", "narrow"),
        ("conv_cat.0", "join1"),
        ("conv_cat.2", "join2"),
        ("SDFT", "modulated"),
        ("SDFT.modulation", "modulated.style"),
    )
}
_UNET = {**_INC, **_DOWN, **_UP, "outc.0": "outc.0", "outc.2": "outc.2"}
_ENCODER = {f"feature2vector.{i}": f"shrink.{i}" for i in (0, 2, 4, 6)} | {
    f"feature2vector.{i + 9}": f"mix.{i}" for i in (0, 2, 4)
}
_VGG = "colorEncoder.vgg.vgg_model.features."
# The second name of the VGG, its layers beyond the encoder's and its classifier.
_UNUSED = "colorEncoder.vgg."


def remap(state: State) -> State:
    """Name the published file's tensors as the network does; what no colour depends on is left out."""
    out: State = {f"encoder.vgg.{k}": t for k, t in rename_sequential(state, _VGG, VGG_LAST).items()}
    for key, tensor in state.items():
        part, _, name = key.partition(".")
        module, _, leaf = name.rpartition(".")
        if key.startswith(_UNUSED):
            continue
        if part == "colorEncoder" and module in _ENCODER:
            linear = _ENCODER[module].startswith("mix") and leaf == "weight"
            out[f"encoder.{_ENCODER[module]}.{leaf}"] = tensor.flatten(1) if linear else tensor
        elif part == "colorUNet" and module in _UNET:
            # Modulated weights have an axis for the sample; styles are 1x1 convolutions of a vector.
            if module.endswith("SDFT"):
                tensor = tensor[0]
            elif module.endswith("modulation") and leaf == "weight":
                tensor = tensor.flatten(1)
            out[f"unet.{_UNET[module]}.{leaf}"] = tensor
        else:
            out[key] = tensor  # unknown: the loader names it
    return out


def _make(network: nn.Module, spec: ModelSpec) -> Color2EmbedColorizer:
    assert isinstance(network, Color2Embed)
    return Color2EmbedColorizer(network, spec)


SYSTEM = System(
    spec=SPEC,
    signature={
        "colorEncoder.vgg.vgg_model.features.0.weight": (64, 3, 3, 3),
        "colorEncoder.vgg.vgg_model.features.30.weight": (512, 512, 3, 3),
        "colorEncoder.feature2vector.0.weight": (512, 512, 4, 4),
        "colorEncoder.feature2vector.13.weight": (512, 256, 1, 1),
        "colorUNet.inc.double_conv.0.weight": (64, 1, 3, 3),
        "colorUNet.down4.main.2.double_conv.3.weight": (512, 512, 3, 3),
        "colorUNet.up1.SDFT.weight": (1, 256, 256, 3, 3),
        "colorUNet.up4.SDFT.modulation.weight": (64, 512, 1, 1),
        "colorUNet.outc.2.weight": (2, 64, 3, 3),
    },
    build=lambda shapes: Color2Embed(),
    make=lambda network, metadata: _make(network, SPEC),
    remap=remap,
)

#: What ``training color2embed`` writes: the same network, under the names that it has here.
OWN_SPEC = replace(
    SPEC,
    system="color2embed_own",
    title="Color2Embed, trained by its user",
    code_licence="Apache-2.0",
    weights_licence="whoever trained them decides",
)
OWN = System(
    spec=OWN_SPEC,
    signature={
        "encoder.vgg.conv1_1.weight": (64, 3, 3, 3),
        "encoder.shrink.0.weight": (512, 512, 4, 4),
        "encoder.mix.4.weight": (512, 256),
        "unet.inc.0.weight": (64, 1, 3, 3),
        "unet.up.0.modulated.weight": (256, 256, 3, 3),
        "unet.outc.2.weight": (2, 64, 3, 3),
    },
    build=lambda shapes: Color2Embed(),
    make=lambda network, metadata: _make(network, OWN_SPEC),
)

__all__ = ["OWN", "SPEC", "SYSTEM", "Color2Embed", "Color2EmbedColorizer"]
