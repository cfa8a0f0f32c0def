"""DeOldify: the artistic network, and the one that "stable" and "video" share; facts, signatures."""

from __future__ import annotations

from functools import partial

from torch import nn

from ..contract import ModelSpec
from ..system import System
from .colorizer import DeOldifyColorizer
from .files import patterns, remap
from .network import ARTISTIC, STABLE, Architecture, DeOldify


def make_system(name: str, title: str, kind: Architecture) -> System:
    """Return the system whose files hold a network of these sizes."""
    spec = ModelSpec(
        system=name,
        title=title,
        paper="Antic, DeOldify, 2018 (no paper: github.com/jantic/DeOldify)",
        code_licence="MIT",
        weights_licence="MIT",
        # The authors' 35 steps of 16.
        size=560,
        multiple=32,
    )

    def make(network: nn.Module) -> DeOldifyColorizer:
        assert isinstance(network, DeOldify)
        return DeOldifyColorizer(network, spec)

    return System(
        spec=spec,
        signature=patterns(kind),
        build=lambda shapes: DeOldify(kind),
        make=lambda network, metadata: make(network),
        remap=partial(remap, kind=kind),
        channels_last=True,
    )


#: "Stable" and "video" are one architecture: a file does not tell which it is.
SYSTEMS: tuple[System, ...] = (
    make_system("deoldify_artistic", "DeOldify Artistic", ARTISTIC),
    make_system("deoldify_stable", "DeOldify Stable or Video", STABLE),
)

__all__ = ["ARTISTIC", "STABLE", "SYSTEMS", "DeOldify", "DeOldifyColorizer"]
