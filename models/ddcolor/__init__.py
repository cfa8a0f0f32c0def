"""DDColor, tiny and large: facts, signatures, how to build."""

from __future__ import annotations

from torch import nn

from ..contract import ModelSpec
from ..shapes import count, dimension
from ..system import Shapes, System
from .colorizer import DDColorColorizer
from .files import remap, signature
from .network import MULTIPLE, DDColor

_QUERIES = "decoder.color_decoder.query_feat.weight"
_ROUNDS = "decoder.color_decoder.transformer_ffn_layers.{}.linear1.weight"
_BLOCKS = "encoder.arch.stages.%d.{}.gamma"


def make_system(name: str, title: str, widths: tuple[int, ...]) -> System:
    """Return the system whose files hold an encoder of these channels."""
    spec = ModelSpec(
        system=name,
        title=title,
        paper="Kang et al., DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders, ICCV 2023",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        size=512,
        multiple=MULTIPLE,
    )

    def build(shapes: Shapes) -> DDColor:
        depths = [count(shapes, _BLOCKS % stage) for stage in range(4)]
        return DDColor(depths, widths, dimension(shapes, _QUERIES, 0), count(shapes, _ROUNDS))

    def make(network: nn.Module) -> DDColorColorizer:
        assert isinstance(network, DDColor)
        return DDColorColorizer(network, spec)

    return System(
        spec=spec,
        signature=signature(widths),
        build=build,
        make=lambda network, metadata: make(network),
        remap=remap,
        channels_last=True,
    )


#: By the encoder: ConvNeXt tiny and large.
SYSTEMS: tuple[System, ...] = (
    make_system("ddcolor_tiny", "DDColor tiny", (96, 192, 384, 768)),
    make_system("ddcolor_large", "DDColor large", (192, 384, 768, 1536)),
)

__all__ = ["SYSTEMS", "DDColor", "DDColorColorizer"]
