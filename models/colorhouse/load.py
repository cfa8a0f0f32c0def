"""Loading ColorHouse's small networks: those that ship, or files of the same shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ..checkpoint import load_checkpoint
from ..errors import UnknownSystemError
from ..locate import shipped_weights
from .illumination import IlluminationPredictor
from .palette_extractor import PaletteExtractor

Network = TypeVar("Network", bound=nn.Module)


def load_illumination_predictor(
    path: str | Path | None = None, device: torch.device | str = "cpu"
) -> IlluminationPredictor:
    """Return the predictor of a picture's light, float32; ``path``: None for the weights that ship.

    Raises CheckpointError for a file that holds something else.
    """
    return _load(IlluminationPredictor(), "illumination", path).to(device)


def load_palette_extractor(
    path: str | Path | None = None, device: torch.device | str = "cpu"
) -> PaletteExtractor:
    """Return the extractor of five colours, float32; the rest as in ``load_illumination_predictor``."""
    return _load(PaletteExtractor(), "palette_extractor", path).to(device)


def _load(network: Network, name: str, path: str | Path | None) -> Network:
    return load_network(network, name, shipped_weights(name) if path is None else Path(path))


def load_network(network: Network, name: str, path: Path) -> Network:
    """Fill a network from a file whose tensors have its names and shapes, in float32, and return it.

    In eval mode, without gradients. Raises CheckpointError for anything else, NaN and infinity.
    """
    tensors = load_checkpoint(path).tensors
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    got = {key: tuple(value.shape) for key, value in tensors.items()}
    if wanted != got:
        key = next(key for key in sorted(wanted.keys() | got.keys()) if wanted.get(key) != got.get(key))
        raise UnknownSystemError(
            f"is no {name}: {key} should be {wanted.get(key, 'absent')}, got {got.get(key, 'none')}. Train "
            "one with python -m chrominance.training, or leave the path out",
            path,
        )
    network.load_state_dict({key: value.float() for key, value in tensors.items()})
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise UnknownSystemError("holds NaN or infinite weights: fetch or train it again", path)
    return network.eval().requires_grad_(False)
