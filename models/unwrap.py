"""From what a pickle holds to names and tensors: wrappers off, prefixes off, optimisers left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from .errors import NotACheckpointError, WrongTypeError
from .system import State

T = TypeVar("T")

# Under these a training script keeps the weights. The averaged ones come first: they are the ones to use.
_WRAPPERS = ("params_ema", "params", "state_dict", "model")

# What DataParallel and torch.compile put before every name.
_PREFIXES = ("module.", "_orig_mod.")


def unwrap(content: Any, path: Path | None = None) -> State:
    """Return the named tensors in ``content``, the object that a checkpoint file holds.

    An entry ``params_ema``, ``params``, ``state_dict`` or ``model`` that holds tensors stands for the
    whole; ``module.`` before every name is dropped. Several networks side by side (Color2Embed's
    ``colorEncoder``, ``colorUNet``) come out as ``colorEncoder.NAME``, ``colorUNet.NAME``. Whatever else
    a training script stored is left out. Raises NotACheckpointError if there are no named tensors.
    """
    while isinstance(content, Mapping):
        inner = next((content[w] for w in _WRAPPERS if _holds_tensors(content.get(w))), None)
        if inner is None:
            break
        content = inner
    state: State = {}
    if isinstance(content, Mapping):
        state = _named_tensors(content)
        for part, inner in content.items():
            if isinstance(part, str) and isinstance(inner, Mapping) and _is_state_dict(inner):
                state.update({f"{part}.{k}": t for k, t in _named_tensors(inner).items()})
    if not state:
        kind = type(content).__name__
        raise NotACheckpointError(f"holds no named tensors, only a {kind}: expected a state dict", path)
    for key, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise WrongTypeError(
                f"tensor {key} is sparse, quantised or without values: get the plain weights", path
            )
    return state


def drop_prefixes(state: dict[str, T]) -> dict[str, T]:
    """Return ``state`` (tensors or shapes by name) without what a training wrapper put before every name."""
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key[len(prefix) :]: tensor for key, tensor in state.items()}
    return state


def _named_tensors(content: Mapping[Any, Any]) -> State:
    # Parameters become plain tensors: the loader decides what is trainable.
    return drop_prefixes(
        {k: t.detach() for k, t in content.items() if isinstance(k, str) and isinstance(t, Tensor)}
    )


def _is_state_dict(content: Mapping[Any, Any]) -> bool:
    return bool(content) and all(isinstance(k, str) and isinstance(t, Tensor) for k, t in content.items())


def _holds_tensors(content: Any) -> bool:
    """Return whether ``content`` is a mapping with tensors, one or two levels down."""
    if not isinstance(content, Mapping):
        return False
    return any(isinstance(v, Tensor) for v in content.values()) or any(
        isinstance(v, Mapping) and _is_state_dict(v) for v in content.values()
    )
