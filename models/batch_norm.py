"""Batch norms into the convolutions before them: the same numbers with less to compute."""

from __future__ import annotations

import torch
from torch import Tensor


def fold_batch_norm(
    state: dict[str, Tensor], conv: str, norm: str, eps: float, *, transposed: bool = False
) -> tuple[Tensor, Tensor]:
    """Return weight and bias of convolution ``conv`` (without one of its own) with ``norm`` behind it.

    ``transposed``: the convolution is, and its output channels are the second axis. Raises KeyError for a
    tensor that is not there.
    """
    gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + eps)
    weight = state[f"{conv}.weight"] * (gain.view(-1, 1, 1) if transposed else gain.view(-1, 1, 1, 1))
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
