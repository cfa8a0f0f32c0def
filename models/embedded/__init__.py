"""The system that ships with the package: its facts and how its file is recognised."""

from __future__ import annotations

from torch import nn

from ..contract import ModelSpec
from ..system import System
from .colorizer import EmbeddedColorizer
from .network import EmbeddedNetwork

SPEC = ModelSpec(
    system="embedded",
    title="Chrominance embedded",
    paper="Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016 (output and loss); conditions after "
    "Zhang 2017, He 2018, Color2Embed 2021 and ColorHouse 2022",
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    size=256,
    multiple=32,
    temperature=0.38,
    conditions=frozenset({"local", "global"}),
)


def _make(network: nn.Module) -> EmbeddedColorizer:
    assert isinstance(network, EmbeddedNetwork)
    return EmbeddedColorizer(network, SPEC)


SYSTEM = System(
    spec=SPEC,
    signature={
        "encoder.stem.weight": (32, 3, 3, 3),
        "encoder.stages.6.0.project.weight": (320, 1152, 1, 1),
        "context.0.qkv.weight": (768, 256),
        "blocks.3.conv2.weight": (80, 80, 3, 3),
        "head.weight": (313, 80, 1, 1),
        "no_color": (448,),
        "palette_encoder.out.weight": (448, 448),
        "color_head.favour.weight": (1252, 448),
        "kinship.project.weight": (64, 320),
    },
    build=lambda shapes: EmbeddedNetwork(),
    make=lambda network, metadata: _make(network),
    channels_last=True,
)

__all__ = ["SPEC", "SYSTEM", "EmbeddedColorizer", "EmbeddedNetwork"]
