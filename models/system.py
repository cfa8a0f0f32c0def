"""What the registry knows about one system: how to recognise its files and how to build its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from .contract import Colorizer, ModelSpec

#: Names and shapes of a checkpoint's tensors.
Shapes = Mapping[str, tuple[int, ...]]
#: A shape in which None stands for any size.
Pattern = tuple[int | None, ...]
#: Names and tensors, of a file or of a network.
State = dict[str, Tensor]


def _accept(shapes: Shapes) -> bool:
    return True


@dataclass(frozen=True)
class Part:
    """A file that is no colorizer by itself: one of a system's several, or one that gives features.

    ``name``: the tensors come to a system as NAME.TENSOR. ``title``: what people call it. ``signature``: as
    a System's. ``places``: where a companion may be, the published name in the same folder first: patterns
    relative to the folder of the system's own file, for any extension. Where several files fit one, the
    number in the own file's name decides.
    """

    name: str
    title: str
    signature: Mapping[str, Pattern]
    places: tuple[str, ...] = ()

    def detect(self, shapes: Shapes) -> bool:
        """Return whether a file with these tensors is this part."""
        return _has_all(shapes, self.signature)


@dataclass(frozen=True)
class System:
    """One kind of colorizer, as the registry lists it: facts and functions, no weights.

    ``signature``: tensors that every file of the system has, under the names of the *file* (after
    unwrapping), each with its shape; None in a shape is a size that differs from variant to variant. A
    handful of telling tensors is enough to recognise a file; the whole list gives the best errors.
    ``build``: the network for a file of these shapes. The loader calls it under
    ``torch.device("meta")``: no values are made, none may be needed. It reads its hyperparameters from
    the shapes and raises WrongShapeError (see ``shapes.dimension``) for one that it does not know.
    ``make``: the colorizer around the loaded network; the mapping is the file's own metadata.
    ``remap``: the file's tensors to the network's: renames, drops what is unused, folds, adds constants
    that the network keeps as buffers (non-persistent ones too) and that the file lacks. Every parameter
    and buffer of the network must come out of it; it may not change the tensors that it is given.
    ``accepts``: a further condition where the signature alone cannot tell two systems apart.
    ``channels_last``: put 4-d weights into that memory format (costs a copy of them).
    ``companions``: the further files of a system of several; ``build`` and ``remap`` get their tensors as
    well, under NAME.TENSOR. ``places``: where its own file lies in a folder that is named instead of it.
    """

    spec: ModelSpec
    signature: Mapping[str, Pattern]
    build: Callable[[Shapes], nn.Module]
    make: Callable[[nn.Module, Mapping[str, str]], Colorizer]
    remap: Callable[[State], State] = dict
    accepts: Callable[[Shapes], bool] = _accept
    channels_last: bool = False
    companions: tuple[Part, ...] = ()
    places: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.signature:
            raise ValueError(f"system {self.name} has an empty signature: it would claim every file")
        object.__setattr__(self, "signature", MappingProxyType(dict(self.signature)))

    @property
    def name(self) -> str:
        """The short name, as in ModelSpec.system."""
        return self.spec.system

    def detect(self, shapes: Shapes) -> bool:
        """Return whether a file with these tensors belongs to this system."""
        return _has_all(shapes, self.signature) and self.accepts(shapes)


def _has_all(shapes: Shapes, signature: Mapping[str, Pattern]) -> bool:
    return all(key in shapes and fits(shapes[key], pattern) for key, pattern in signature.items())


def fits(shape: tuple[int, ...], pattern: Pattern) -> bool:
    """Return whether ``shape`` has the sizes of ``pattern``, None being any."""
    return len(shape) == len(pattern) and all(
        p is None or s == p for s, p in zip(shape, pattern, strict=True)
    )
