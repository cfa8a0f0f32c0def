"""What DeOldify's files hold, name by name, and how that becomes the networks' tensors."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from ..system import Pattern, State
from .network import ATTENTIVE, STEM, Architecture

_EPS = 1e-5
_COUNTER = "num_batches_tracked"
# fastai wraps each convolution in a sequence, with what follows it.
_DEEP, _WIDE = ("conv1", "conv2"), ("conv",)


def patterns(kind: Architecture) -> dict[str, Pattern]:
    """Return a file's tensors with their shapes; counters are left out, old files lack them."""
    found: dict[str, Pattern] = _plain("layers.0.0", (STEM, 3, 7, 7)) | _norm("layers.0.1", STEM)
    widths = pairwise((STEM, *kind.stages))
    for stage, ((c_in, c_out), blocks) in enumerate(zip(widths, kind.blocks, strict=True), 4):
        narrow = c_out // 4
        for block in range(blocks):
            name, first = f"layers.0.{stage}.{block}", c_out if block else c_in
            shapes = (
                ((narrow, first, 1, 1), (narrow, narrow, 3, 3), (c_out, narrow, 1, 1))
                if kind.bottleneck
                else ((c_out, first, 3, 3), (c_out, c_out, 3, 3))
            )
            for i, shape in enumerate(shapes, 1):
                found |= _plain(f"{name}.conv{i}", shape) | _norm(f"{name}.bn{i}", shape[0])
            if first != c_out:
                found |= _plain(f"{name}.downsample.0", (c_out, first, 1, 1))
                found |= _norm(f"{name}.downsample.1", c_out)
    c = kind.stages[-1]
    found |= _norm("layers.1", c)
    found |= _spectral("layers.3.0.0", (2 * c, c, 3, 3)) | _norm("layers.3.0.2", 2 * c)
    found |= _spectral("layers.3.1.0", (c, 2 * c, 3, 3)) | _norm("layers.3.1.2", c)
    for n, step in enumerate(kind.steps):
        name = f"layers.{n + 4}"
        found |= _spectral(f"{name}.shuf.conv.0", (4 * step.enlarged, step.below, 1, 1))
        found |= _norm(f"{name}.shuf.conv.1", 4 * step.enlarged) | _norm(f"{name}.bn", step.skip)
        c_in = step.enlarged + step.skip
        for conv in convs_of(kind):
            found |= _spectral(f"{name}.{conv}.0", (step.out, c_in, 3, 3))
            found |= _norm(f"{name}.{conv}.2", step.out)
            c_in = step.out
        if n == ATTENTIVE:
            attention = f"{name}.{convs_of(kind)[-1]}.3"
            found[f"{attention}.gamma"] = (1,)
            for part, c_out in (("query", c_in // 8), ("key", c_in // 8), ("value", c_in)):
                found |= _spectral(f"{attention}.{part}", (c_out, c_in, 1))
    c = kind.last
    found |= {"layers.8.conv.0.weight_g": (4 * c, 1, 1, 1), "layers.8.conv.0.weight_v": (4 * c, c, 1, 1)}
    found |= {"layers.8.conv.0.bias": (4 * c,)}
    for name, c_out, kernel in (("10.layers.0", c + 3, 3), ("10.layers.1", c + 3, 3), ("11", 3, 1)):
        found |= _spectral(f"layers.{name}.0", (c_out, c + 3, kernel, kernel))
        found[f"layers.{name}.0.bias"] = (c_out,)
    return found


def convs_of(kind: Architecture) -> tuple[str, ...]:
    """Return what the convolutions of a step up are called."""
    return _DEEP if kind.convs == 2 else _WIDE


def remap(state: State, kind: Architecture) -> State:
    """Name a file's tensors as ``DeOldify`` does: spectral and weight norms gone, batch norms folded.

    Unknown tensors stay, for the loader to name. Raises KeyError for one that is not there.
    """
    change = _Change(state)
    _encoder(change, kind)
    _decoder(change, kind)
    return change.done | change.left


class _Change:
    """A file's tensors, each taken once, and the network's that were made of them."""

    def __init__(self, state: State) -> None:
        self.left, self.done = dict(state), State()

    def take(self, key: str) -> Tensor:
        tensor = self.left.pop(key)
        # A file in half precision is not rounded again by folding.
        return tensor.to(torch.promote_types(tensor.dtype, torch.float32))

    def norm(self, name: str) -> tuple[Tensor, Tensor]:
        """Take a batch norm; return the factors and the offsets that it comes to."""
        self.left.pop(f"{name}.{_COUNTER}", None)
        scale = self.take(f"{name}.weight") / torch.sqrt(self.take(f"{name}.running_var") + _EPS)
        return scale, self.take(f"{name}.bias") - self.take(f"{name}.running_mean") * scale

    def spectral(self, name: str) -> Tensor:
        """Take a weight that is divided by its spectral norm, which its two vectors give."""
        weight, u, v = (self.take(f"{name}.weight_{part}") for part in ("orig", "u", "v"))
        flat = weight.ndim < 4
        out = torch.empty_like(weight, memory_format=torch.preserve_format if flat else torch.channels_last)
        return torch.div(weight, torch.dot(u, weight.flatten(1) @ v), out=out)

    def directed(self, name: str) -> Tensor:
        """Take a weight that is kept as direction and length."""
        v, g = self.take(f"{name}.weight_v"), self.take(f"{name}.weight_g")
        return v * (g / torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True))

    def put(self, name: str, weight: Tensor, bias: Tensor | None = None) -> None:
        self.done[f"{name}.weight"] = weight
        self.done[f"{name}.bias"] = weight.new_zeros(len(weight)) if bias is None else bias

    def put_norm(self, name: str, norm: tuple[Tensor, Tensor]) -> None:
        for leaf, values in zip(("scale", "shift"), norm, strict=True):
            self.done[f"{name}.{leaf}"] = values.view(-1, 1, 1)


def _encoder(change: _Change, kind: Architecture) -> None:
    """ResNet, its norms folded into the convolutions before them."""
    folded = {"stem": ("layers.0.0", "layers.0.1")}
    for stage, blocks in enumerate(kind.blocks):
        for block in range(blocks):
            theirs, ours = f"layers.0.{stage + 4}.{block}", f"stages.{stage}.{block}"
            for i in range(3 if kind.bottleneck else 2):
                folded[f"{ours}.convs.{i}"] = (f"{theirs}.conv{i + 1}", f"{theirs}.bn{i + 1}")
            if f"{theirs}.downsample.0.weight" in change.left:
                folded[f"{ours}.short"] = (f"{theirs}.downsample.0", f"{theirs}.downsample.1")
    for ours, (conv, norm) in folded.items():
        scale, shift = change.norm(norm)
        change.put(ours, change.take(f"{conv}.weight") * scale.view(-1, 1, 1, 1), shift)


def _decoder(change: _Change, kind: Architecture) -> None:
    """Here norms follow the rectifier: those before a convolution 1x1 go into that, the others stay."""
    change.put_norm("norm", change.norm("layers.1"))
    change.put("middle.0", change.spectral("layers.3.0.0"))
    change.put_norm("middle.1", change.norm("layers.3.0.2"))
    change.put("middle.2", change.spectral("layers.3.1.0"))
    before: tuple[Tensor, Tensor] | None = change.norm("layers.3.1.2")
    for n in range(len(kind.steps)):
        theirs, ours = f"layers.{n + 4}", f"up.{n}"
        scale, shift = change.norm(f"{theirs}.shuf.conv.1")
        weight = change.spectral(f"{theirs}.shuf.conv.0") * scale.view(-1, 1, 1, 1)
        change.put(f"{ours}.shuffle", *_before_shuffle(*_after_norm(before, weight, shift)))
        change.put_norm(f"{ours}.norm", change.norm(f"{theirs}.bn"))
        *firsts, last = convs_of(kind)
        for i, conv in enumerate(firsts):
            change.put(f"{ours}.convs.{2 * i}", change.spectral(f"{theirs}.{conv}.0"))
            change.put_norm(f"{ours}.convs.{2 * i + 1}", change.norm(f"{theirs}.{conv}.2"))
        i = 2 * len(firsts)
        change.put(f"{ours}.convs.{i}", change.spectral(f"{theirs}.{last}.0"))
        before = change.norm(f"{theirs}.{last}.2")
        if n == ATTENTIVE:
            change.put_norm(f"{ours}.convs.{i + 1}", before)
            before = None
            factors = {"query": 1, "key": 1, "value": change.take(f"{theirs}.{last}.3.gamma")}
            for part, factor in factors.items():
                weight = change.spectral(f"{theirs}.{last}.3.{part}")[..., None] * factor
                change.put(f"{ours}.convs.{i + 2}.{part}", weight)
    weight, bias = change.directed("layers.8.conv.0"), change.take("layers.8.conv.0.bias")
    change.put("shuffle", *_before_shuffle(*_after_norm(before, weight, bias)))
    for ours, name in (("residual.0", "10.layers.0"), ("residual.1", "10.layers.1"), ("out", "11")):
        weight, bias = change.spectral(f"layers.{name}.0"), change.take(f"layers.{name}.0.bias")
        change.put(ours, *_padded(kind, weight, bias))


def _after_norm(norm: tuple[Tensor, Tensor] | None, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return a convolution 1x1 that does what ``norm`` before it does as well."""
    if norm is None:
        return weight, bias
    scale, shift = norm
    return weight * scale.view(1, -1, 1, 1), bias + weight.flatten(1) @ shift


def _before_shuffle(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return a convolution whose results are as ``shuffle_blurred`` wants them: by place first, quartered."""
    return tuple(x.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1) / 4 for x in (weight, bias))  # pyright: ignore


def _padded(kind: Architecture, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return a convolution for ``kind.padded`` channels, of which the last give and take nothing."""
    wide = kind.padded if len(weight) > 3 else 3
    larger = weight.new_zeros(wide, kind.padded, *weight.shape[2:])
    larger[: len(weight), : weight.shape[1]] = weight
    return larger, torch.cat([bias, bias.new_zeros(wide - len(bias))])


def _plain(name: str, shape: Pattern) -> dict[str, Pattern]:
    return {f"{name}.weight": shape}


def _norm(name: str, channels: int) -> dict[str, Pattern]:
    return {f"{name}.{leaf}": (channels,) for leaf in ("weight", "bias", "running_mean", "running_var")}


def _spectral(name: str, shape: tuple[int, ...]) -> dict[str, Pattern]:
    return {
        f"{name}.weight_orig": shape,
        f"{name}.weight_u": shape[:1],
        f"{name}.weight_v": (math.prod(shape[1:]),),
    }
