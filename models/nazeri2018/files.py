"""What the published files hold, name by name, and how that becomes the networks' tensors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch

from ..batch_norm import fold_batch_norm
from ..system import Pattern, State
from .ports import RESNET_STEPS, RESNET_WIDTHS, UNET_WIDTHS

#: Before every name of the generator where the file holds the whole model.
WHOLE = "net_G."

_EPS = 1e-5
_NORM_LEAVES = ("weight", "bias", "running_mean", "running_var")
# Of the whole model: what judges pictures in training.
_UNUSED = ("net_D.", "GANcriterion.")
_COUNTER = "num_batches_tracked"

# ---------------------------------------------------------------- TensorFlow


def bundle_patterns(encoder: Sequence[int], decoder: Sequence[int]) -> dict[str, Pattern]:
    """Return the generator's variables of a bundle with their shapes, kernels as TensorFlow orders them."""
    patterns: dict[str, Pattern] = {}
    for i, (c_in, c_out) in enumerate(pairwise((1, *encoder))):
        patterns |= _variables(f"conv{i}", (4, 4, c_in, c_out), c_out)
    c_in = encoder[-1]
    for i, (c_out, skip) in enumerate(zip(decoder, reversed(encoder[:-1]), strict=True)):
        patterns |= _variables(f"deconv{i}", (4, 4, c_out, c_in), c_out)
        c_in = c_out + skip
    return patterns | {"gen/conv_last/kernel": (1, 1, c_in, 3), "gen/conv_last/bias": (3,)}


def _variables(name: str, kernel: Pattern, channels: int) -> dict[str, Pattern]:
    norm = {f"gen/bn_{name}/{leaf}": (channels,) for leaf in ("gamma", "beta")}
    return {f"gen/{name}/kernel": kernel, f"gen/{name}/bias": (channels,), **norm}


_LAYER = re.compile(r"gen/(bn_)?(de)?conv(\d+)/(\w+)")
# Moving averages that training never made, biases that the norm behind them takes away again.
_WITHOUT_EFFECT = ("/moving_mean", "/moving_variance", "/bias")


def remap_bundle(state: State) -> State:
    """Name a bundle's tensors as ``GanUNet`` does; what has no effect on colours stays out."""
    out: State = {}
    for key, tensor in state.items():
        match = _LAYER.fullmatch(key)
        if match is None:
            last = {"gen/conv_last/kernel": "last.weight", "gen/conv_last/bias": "last.bias"}
            if key in last:
                out[last[key]] = _kernel(tensor) if key.endswith("kernel") else tensor
            elif key.startswith("gen/"):
                out[key] = tensor  # unknown: the loader names it
            continue
        norm, transposed, number, leaf = match.groups()
        name = f"{'up' if transposed else 'down'}{'_norm' if norm else ''}.{number}"
        if norm and leaf in ("gamma", "beta"):
            out[f"{name}.{'weight' if leaf == 'gamma' else 'bias'}"] = tensor
        elif not norm and leaf == "kernel":
            out[f"{name}.weight"] = _kernel(tensor)
        elif not key.endswith(_WITHOUT_EFFECT):
            out[key] = tensor
    return out


def _kernel(tensor: torch.Tensor) -> torch.Tensor:
    """HWIO → OIHW, and for a transposed convolution HWOI → IOHW."""
    return tensor.permute(3, 2, 0, 1)


# ---------------------------------------------------------------- the PyTorch ports


def unet_patterns(prefix: str) -> dict[str, Pattern]:
    """Return the tensors of the own U-Net with their shapes; counters are left out, old files lack them."""
    patterns: dict[str, Pattern] = {}
    for i, (c_in, c_out) in enumerate(pairwise((1, *UNET_WIDTHS))):
        down, up = _unet_names(prefix, i)
        patterns[f"{down[0]}.weight"] = (c_out, c_in, 4, 4)
        skip = 1 if i == len(UNET_WIDTHS) - 1 else 2
        patterns[f"{up[0]}.weight"] = (skip * c_out, c_in if i else 2, 4, 4)
        if down[1]:
            patterns |= _norm(down[1], c_out)
        patterns |= _norm(up[1], c_in) if up[1] else {f"{up[0]}.bias": (2,)}
    return patterns


def _unet_names(prefix: str, level: int) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
    """Return the names of a level's (convolution, norm) down and up; None where there is no norm.

    The levels are nested: each is an entry of the one above it.
    """
    if level == 0:
        return (f"{prefix}model.model.0", None), (f"{prefix}model.model.3", None)
    inside = f"{prefix}model.model.1.model" + ".3.model" * (level - 1)
    if level == len(UNET_WIDTHS) - 1:
        return (f"{inside}.1", None), (f"{inside}.3", f"{inside}.4")
    return (f"{inside}.1", f"{inside}.2"), (f"{inside}.5", f"{inside}.6")


def remap_unet(state: State, prefix: str) -> State:
    """Name the own U-Net's tensors as ``TutorialUNet`` does, with the norms folded in."""
    state = _of_generator(state)
    out: State = {}
    used: set[str] = set()
    for level, width in enumerate(UNET_WIDTHS):
        (down, down_norm), (up, up_norm) = _unet_names(prefix, level)
        place = f"up.{len(UNET_WIDTHS) - 1 - level}"
        if down_norm:
            out |= _folded(state, down, down_norm, f"down.{level}")
        else:  # a missing bias is no bias
            weight = state[f"{down}.weight"]
            out |= {f"down.{level}.weight": weight, f"down.{level}.bias": weight.new_zeros(width)}
        if up_norm:
            out |= _folded(state, up, up_norm, place, transposed=True)
        else:
            out |= {f"{place}.{leaf}": state[f"{up}.{leaf}"] for leaf in ("weight", "bias")}
        used |= {f"{up}.bias"} if level == 0 else set()
        used |= {f"{name}.weight" for name in (down, up)}
        used |= {f"{n}.{leaf}" for n in (down_norm, up_norm) if n for leaf in (*_NORM_LEAVES, _COUNTER)}
    return out | {key: tensor for key, tensor in state.items() if key not in used}


def resnet_patterns(prefix: str) -> dict[str, Pattern]:
    """Return the tensors of the ResNet-18 U-Net with their shapes.

    Counters are left out, and the convolutions before the pixel shuffles, which have two forms.
    """
    p, widths, c = prefix, RESNET_WIDTHS, RESNET_WIDTHS[-1]
    patterns: dict[str, Pattern] = {f"{p}layers.0.0.weight": (widths[0], 1, 7, 7)}
    patterns |= _norm(f"{p}layers.0.1", widths[0])
    for stage, (c_in, c_out) in enumerate(pairwise((widths[0], *widths)), 4):
        for block, first in enumerate((c_in, c_out)):
            name = f"{p}layers.0.{stage}.{block}"
            patterns |= {f"{name}.conv1.weight": (c_out, first, 3, 3), **_norm(f"{name}.bn1", c_out)}
            patterns |= {f"{name}.conv2.weight": (c_out, c_out, 3, 3), **_norm(f"{name}.bn2", c_out)}
            if first != c_out:
                patterns |= {f"{name}.downsample.0.weight": (c_out, first, 1, 1)}
                patterns |= _norm(f"{name}.downsample.1", c_out)
    patterns |= _norm(f"{p}layers.1", c)
    patterns |= _conv(f"{p}layers.3.0.0", 2 * c, c, 3) | _conv(f"{p}layers.3.1.0", c, 2 * c, 3)
    for i, (c_in, skip, c_out) in enumerate(RESNET_STEPS, 4):
        patterns |= _norm(f"{p}layers.{i}.bn", skip)
        patterns |= _conv(f"{p}layers.{i}.conv1.0", c_out, c_in // 2 + skip, 3)
        patterns |= _conv(f"{p}layers.{i}.conv2.0", c_out, c_out, 3)
    c = RESNET_STEPS[-1][-1] + 1
    for i in range(2):
        patterns |= _conv(f"{p}layers.11.convpath.{i}.0", c, c, 3)
    return patterns | _conv(f"{p}layers.12.0", 2, c, 1)


def remap_resnet(state: State, prefix: str) -> State:
    """Name the ResNet-18 U-Net's tensors as ``ResNetUNet`` does, with the encoder's norms folded in."""
    p = prefix
    state = _without_weight_norm(_of_generator(state))
    folded = {"stem": (f"{p}layers.0.0", f"{p}layers.0.1")}
    for stage in range(4):
        for block in range(2):
            theirs, ours = f"{p}layers.0.{stage + 4}.{block}", f"stages.{stage}.{block}"
            folded |= {f"{ours}.conv{i}": (f"{theirs}.conv{i}", f"{theirs}.bn{i}") for i in (1, 2)}
            if stage and not block:
                folded[f"{ours}.short"] = (f"{theirs}.downsample.0", f"{theirs}.downsample.1")
    renamed = {f"{p}layers.1": "norm", f"{p}layers.8.0.0": "last", f"{p}layers.12.0": "out"}
    renamed |= {f"{p}layers.3.{i}.0": f"middle.{i}" for i in range(2)}
    renamed |= {f"{p}layers.11.convpath.{i}.0": f"residual.{i}" for i in range(2)}
    for i in range(len(RESNET_STEPS)):
        theirs = f"{p}layers.{i + 4}"
        renamed |= {f"{theirs}.shuf.0.0": f"up.{i}.shuffle", f"{theirs}.bn": f"up.{i}.norm"}
        renamed |= {f"{theirs}.conv{j}.0": f"up.{i}.conv{j}" for j in (1, 2)}
    out: State = {}
    used: set[str] = set()
    for ours, (conv, norm) in folded.items():
        out |= _folded(state, conv, norm, ours)
        used |= {f"{conv}.weight", *(f"{norm}.{leaf}" for leaf in (*_NORM_LEAVES, _COUNTER))}
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        if key not in used:
            out[f"{renamed[module]}.{leaf}" if module in renamed else key] = tensor
    return out


def _of_generator(state: State) -> State:
    return {key: tensor for key, tensor in state.items() if not key.startswith(_UNUSED)}


def _without_weight_norm(state: State) -> State:
    """Return ``state`` with each weight that is kept as direction and length put together.

    ``weight_v`` and ``weight_g`` are what PyTorch's old hook writes, ``parametrizations.weight.original1``
    and ``original0`` its new one.
    """
    out = dict(state)
    for length, direction in (
        ("weight_g", "weight_v"),
        ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    ):
        for key in [key for key in state if key.endswith(f".{direction}")]:
            module = key.removesuffix(direction)
            v, g = out.pop(key), out.pop(f"{module}{length}")
            norm = torch.linalg.vector_norm(v, dim=tuple(range(1, v.ndim)), keepdim=True)
            out[f"{module}weight"] = v * (g / norm)
    return out


def _folded(state: State, conv: str, norm: str, name: str, *, transposed: bool = False) -> State:
    names = (f"{conv}.weight", *(f"{norm}.{leaf}" for leaf in _NORM_LEAVES))
    # A file in half precision is not rounded again by folding.
    wide = {key: state[key].to(torch.promote_types(state[key].dtype, torch.float32)) for key in names}
    weight, bias = fold_batch_norm(wide, conv, norm, _EPS, transposed=transposed)
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _conv(name: str, c_out: int, c_in: int, kernel: int) -> dict[str, Pattern]:
    return {f"{name}.weight": (c_out, c_in, kernel, kernel), f"{name}.bias": (c_out,)}


def _norm(name: str, channels: int) -> dict[str, Pattern]:
    return {f"{name}.{leaf}": (channels,) for leaf in _NORM_LEAVES}
