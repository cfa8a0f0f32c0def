"""He 2018: colour from chroma that was warped from an exemplar, weighed by how alike the matches are."""

from __future__ import annotations

from torch import nn

from ..contract import ModelSpec
from ..system import System
from .colorizer import He2018Colorizer
from .network import ColorNet, build_he2018

SPEC = ModelSpec(
    system="he2018",
    title="He 2018",
    paper="He et al., Deep Exemplar-based Colorization, SIGGRAPH 2018",
    code_licence="MIT",
    weights_licence="distributed with the code, under its licence",
    size=256,
    multiple=8,
    conditions=frozenset({"local", "similarity"}),
)


def _make(network: nn.Module) -> He2018Colorizer:
    assert isinstance(network, ColorNet)
    return He2018Colorizer(network, SPEC)


SYSTEM = System(
    spec=SPEC,
    signature={
        "conv1_1.0.weight": (32, 13, 3, 3),
        "conv1_2norm.running_mean": (64,),
        "conv1_2norm_ss.weight": (64, 1, 1, 1),
        "conv3_3norm_ss.weight": (256, 1, 1, 1),
        "conv5_3norm.running_var": (512,),
        "conv8_1.weight": (512, 256, 4, 4),
        "conv3_3_short.weight": (256, 256, 3, 3),
        "conv10_1.weight": (128, 128, 4, 4),
        "conv10_ab.weight": (2, 128, 1, 1),
    },
    build=lambda shapes: build_he2018(),
    make=lambda network, metadata: _make(network),
)

__all__ = ["SPEC", "SYSTEM", "ColorNet", "He2018Colorizer"]
