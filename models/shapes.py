"""Reading a network's hyperparameters from the shapes of a checkpoint's tensors."""

from __future__ import annotations

from collections.abc import Collection

from .errors import KeyMismatchError, WrongShapeError
from .system import Shapes


def dimension(shapes: Shapes, key: str, axis: int, allowed: Collection[int] | None = None) -> int:
    """Return the size of tensor ``key`` along ``axis``.

    ``allowed``: the sizes that the architecture exists in. Raises KeyMismatchError if there is no such
    tensor, WrongShapeError if it has too few axes or a size that is not allowed.
    """
    if key not in shapes:
        raise KeyMismatchError("a known system", missing=[key])
    shape = shapes[key]
    if not -len(shape) <= axis < len(shape):
        raise WrongShapeError(key, f"at least {axis + 1 if axis >= 0 else -axis}-dimensional", shape)
    if allowed is not None and shape[axis] not in allowed:
        sizes = " or ".join(str(a) for a in sorted(allowed))
        raise WrongShapeError(key, f"{sizes} along axis {axis}", shape)
    return shape[axis]


def count(shapes: Shapes, template: str, start: int = 0) -> int:
    """Return how many tensors ``template.format(i)`` there are for i = start, start + 1, … without a gap."""
    i = start
    while template.format(i) in shapes:
        i += 1
    return i - start
