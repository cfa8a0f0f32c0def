"""ColorMNet: facts, signature, how to build. Its weights forbid commercial use."""

from __future__ import annotations

from torch import nn

from ..contract import ModelSpec
from ..system import System
from .colorizer import ColorMNetColorizer
from .encoders import MULTIPLE
from .files import SIGNATURE, remap
from .memory import MemorySettings
from .network import ColorMNet

SPEC = ModelSpec(
    system="colormnet",
    title="ColorMNet",
    paper="Yang et al., ColorMNet: A Memory-based Deep Spatial-Temporal Feature Propagation Network for "
    "Video Colorization, ECCV 2024",
    code_licence="Apache-2.0 here; the authors': CC BY-NC-SA 4.0",
    weights_licence="CC BY-NC-SA 4.0, non-commercial",
    size=448,
    multiple=MULTIPLE,
    conditions=frozenset({"exemplar", "previous"}),
    required=frozenset({"exemplar"}),
)


def _make(network: nn.Module) -> ColorMNetColorizer:
    assert isinstance(network, ColorMNet)
    return ColorMNetColorizer(network, SPEC)


SYSTEM = System(
    spec=SPEC,
    signature=SIGNATURE,
    build=lambda shapes: ColorMNet(),
    make=lambda network, metadata: _make(network),
    remap=remap,
)

__all__ = ["SPEC", "SYSTEM", "ColorMNet", "ColorMNetColorizer", "MemorySettings"]
