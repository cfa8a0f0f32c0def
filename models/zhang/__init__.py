"""Zhang 2016 (eccv16) and Zhang 2017 (siggraph17): facts, signatures, the published names."""

from __future__ import annotations

from torch import nn

from ..contract import ModelSpec
from ..system import State, System
from .colorizer import Eccv16Colorizer, Siggraph17Colorizer
from .network import BIN_COUNT, MULTIPLE, Eccv16, Siggraph17

_BSD = "BSD-2-Clause"

ECCV16_SPEC = ModelSpec(
    system="eccv16",
    title="Zhang 2016",
    paper="Zhang et al., Colorful Image Colorization, ECCV 2016",
    code_licence=_BSD,
    weights_licence=f"{_BSD} (with the code)",
    size=256,
    multiple=MULTIPLE,
)

SIGGRAPH17_SPEC = ModelSpec(
    system="siggraph17",
    title="Zhang 2017",
    paper="Zhang et al., Real-Time User-Guided Image Colorization with Learned Deep Priors, SIGGRAPH 2017",
    code_licence=_BSD,
    weights_licence=f"{_BSD} (with the code)",
    size=256,
    multiple=MULTIPLE,
    conditions=frozenset({"local"}),
)


def _make_eccv16(network: nn.Module) -> Eccv16Colorizer:
    assert isinstance(network, Eccv16)
    return Eccv16Colorizer(network, ECCV16_SPEC)


def _make_siggraph17(network: nn.Module) -> Siggraph17Colorizer:
    assert isinstance(network, Siggraph17)
    return Siggraph17Colorizer(network, SIGGRAPH17_SPEC)


def _without_classes(state: State) -> State:
    """Leave out the classes of the first stage of training, which no colour depends on."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("model_class.")}


ECCV16 = System(
    spec=ECCV16_SPEC,
    signature={
        "model1.0.weight": (64, 1, 3, 3),
        "model1.4.running_mean": (64,),
        "model5.0.weight": (512, 512, 3, 3),
        "model8.0.weight": (512, 256, 4, 4),
        "model8.6.weight": (BIN_COUNT, 256, 1, 1),
        "model_out.weight": (2, BIN_COUNT, 1, 1),
    },
    build=lambda shapes: Eccv16(),
    make=lambda network, metadata: _make_eccv16(network),
)

SIGGRAPH17 = System(
    spec=SIGGRAPH17_SPEC,
    signature={
        "model1.0.weight": (64, 4, 3, 3),
        "model1.4.running_mean": (64,),
        "model8up.0.weight": (512, 256, 4, 4),
        "model3short8.0.weight": (256, 256, 3, 3),
        "model1short10.0.weight": (128, 64, 3, 3),
        "model_out.0.weight": (2, 128, 1, 1),
    },
    build=lambda shapes: Siggraph17(),
    make=lambda network, metadata: _make_siggraph17(network),
    remap=_without_classes,
)

__all__ = ["ECCV16", "SIGGRAPH17", "Eccv16", "Eccv16Colorizer", "Siggraph17", "Siggraph17Colorizer"]
