"""What DDColor's files hold, name by name, and how that becomes the network's tensors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..system import Pattern, State

_EPS = 1e-5
_NORM = ("weight", "bias", "running_mean", "running_var")
_ARCH, _COLORS = "encoder.arch", "decoder.color_decoder"


def signature(widths: tuple[int, ...]) -> dict[str, Pattern]:
    """Return telling tensors of a file whose encoder has these channels."""
    found: dict[str, Pattern] = {
        f"{_ARCH}.downsample_layers.0.0.weight": (widths[0], 3, 4, 4),
        f"{_COLORS}.query_feat.weight": (None, 256),
        f"{_COLORS}.level_embed.weight": (3, 256),
        "decoder.last_shuf.conv.0.weight_orig": (4096, 256, 1, 1),
        "refine_net.0.0.weight_orig": (2, None, 1, 1),
    }
    for stage, (a, b) in enumerate(pairwise(widths), 1):
        found[f"{_ARCH}.downsample_layers.{stage}.1.weight"] = (b, a, 2, 2)
    for level, (skip, c_out) in enumerate(zip(widths[2::-1], (512, 512, 256), strict=True)):
        found[f"decoder.layers.{level}.conv.0.weight_orig"] = (c_out, c_out + skip, 3, 3)
        found[f"decoder.layers.{level}.bn.weight"] = (skip,)
    for stage, width in enumerate(widths):
        found[f"{_ARCH}.stages.{stage}.0.pwconv1.weight"] = (4 * width, width)
    return found


def remap(state: State) -> State:
    """Name a file's tensors as ``DDColor`` does, with spectral norms, batch norms and factors folded in."""
    return _Reader(state).read()


class _Reader:
    """Takes tensors out of a file's; what is left is handed on, so that the loader names it."""

    def __init__(self, state: State) -> None:
        # The encoder's own last norm is stored and unused; counters say nothing.
        self.left = {
            key: value
            for key, value in state.items()
            if not key.startswith(f"{_ARCH}.norm.") and not key.endswith("num_batches_tracked")
        }
        self.out: State = {}

    def read(self) -> State:
        for name in ("mean", "std"):
            self.out[name] = self.take(name)
        self._encoder()
        norms = [self._up(level) for level in range(3)]
        self._last(norms[2])
        self._colors(norms)
        self.out["refine.weight"] = self.spectral("refine_net.0.0").flatten(1)
        self.out["refine.bias"] = self.take("refine_net.0.0.bias")
        return self.out | self.left

    def take(self, key: str) -> Tensor:
        """Return a tensor that is wanted; raises KeyError where it is not there."""
        return self.left.pop(key)

    def spectral(self, name: str) -> Tensor:
        """Return a weight divided by its largest singular value, as the stored vectors estimate it."""
        weight = self.take(f"{name}.weight_orig").float()
        u, v = (self.take(f"{name}.weight_{x}").float() for x in "uv")
        return weight / torch.dot(u, weight.flatten(1) @ v)

    def norm(self, name: str) -> tuple[Tensor, Tensor]:
        """Return factor and offset of a batch norm."""
        weight, bias, mean, variance = (self.take(f"{name}.{leaf}").float() for leaf in _NORM)
        scale = weight / torch.sqrt(variance + _EPS)
        return scale, bias - mean * scale

    def _move(self, theirs: str, ours: str, change: Callable[[Tensor], Tensor] | None = None) -> None:
        for leaf in ("weight", "bias"):
            tensor = self.take(f"{theirs}.{leaf}")
            self.out[f"{ours}.{leaf}"] = change(tensor) if change and leaf == "weight" else tensor

    def _encoder(self) -> None:
        self._move(f"{_ARCH}.downsample_layers.0.0", "encoder.stem")
        self._move(f"{_ARCH}.downsample_layers.0.1", "encoder.stem_norm")
        for i in range(3):
            self._move(f"{_ARCH}.downsample_layers.{i + 1}.0", f"encoder.shrink.{i}.norm")
            self._move(f"{_ARCH}.downsample_layers.{i + 1}.1", f"encoder.shrink.{i}.conv")
        for stage in range(4):
            self._move(f"{_ARCH}.norm{stage}", f"encoder.norms.{stage}")
            block = 0
            while f"{_ARCH}.stages.{stage}.{block}.gamma" in self.left:
                self._block(f"{_ARCH}.stages.{stage}.{block}", f"encoder.stages.{stage}.{block}")
                block += 1

    def _block(self, theirs: str, ours: str) -> None:
        self._move(f"{theirs}.dwconv", f"{ours}.depthwise")
        scale, shift = (self.take(f"{theirs}.norm.{leaf}").float() for leaf in ("weight", "bias"))
        weight, bias = (self.take(f"{theirs}.pwconv1.{leaf}").float() for leaf in ("weight", "bias"))
        self.out[f"{ours}.expand.weight"] = weight * scale
        self.out[f"{ours}.expand.bias"] = bias + weight @ shift
        factor = self.take(f"{theirs}.gamma").float()
        weight, bias = (self.take(f"{theirs}.pwconv2.{leaf}").float() for leaf in ("weight", "bias"))
        self.out[f"{ours}.reduce.weight"] = weight * factor[:, None]
        self.out[f"{ours}.reduce.bias"] = bias * factor

    def _up(self, level: int) -> tuple[Tensor, Tensor]:
        """Read a level of the pixel decoder; return the norm at its end, which what follows takes in."""
        theirs, ours = f"decoder.layers.{level}", f"up.{level}"
        weight = self.spectral(f"{theirs}.shuf.conv.0").flatten(1)
        scale, shift = self.norm(f"{theirs}.shuf.conv.1")
        weight, bias = weight * scale[:, None], shift
        if level:
            weight, bias = _after(self._ends, weight, bias)
        self.out |= {f"{ours}.shuffle.weight": weight, f"{ours}.shuffle.bias": bias}
        self.out[f"{ours}.scale"], self.out[f"{ours}.shift"] = self.norm(f"{theirs}.bn")
        weight = self.spectral(f"{theirs}.conv.0")
        self.out[f"{ours}.conv.weight"] = weight
        self.out[f"{ours}.conv.bias"] = weight.new_zeros(len(weight))
        self._ends = self.norm(f"{theirs}.conv.2")
        return self._ends

    def _last(self, norm: tuple[Tensor, Tensor]) -> None:
        weight = self.spectral("decoder.last_shuf.conv.0").flatten(1)
        weight, bias = _after(norm, weight, self.take("decoder.last_shuf.conv.0.bias").float())
        self.out |= {"last.weight": weight, "last.bias": bias}

    def _colors(self, norms: list[tuple[Tensor, Tensor]]) -> None:
        self.out["colors.content"] = self.take(f"{_COLORS}.query_feat.weight")
        self.out["colors.position"] = self.take(f"{_COLORS}.query_embed.weight")
        levels = self.take(f"{_COLORS}.level_embed.weight").float()
        for i, norm in enumerate(norms):
            weight = self.take(f"{_COLORS}.input_proj.{i}.weight").float().flatten(1)
            bias = self.take(f"{_COLORS}.input_proj.{i}.bias").float() + levels[i]
            weight, bias = _after(norm, weight, bias)
            self.out |= {f"colors.project.{i}.weight": weight, f"colors.project.{i}.bias": bias}
        number = 0
        while f"{_COLORS}.transformer_ffn_layers.{number}.linear1.weight" in self.left:
            self._round(number)
            number += 1
        self._move(f"{_COLORS}.decoder_norm", "colors.norm")
        for i in range(3):
            self._move(f"{_COLORS}.color_embed.layers.{i}", f"colors.embed.{2 * i}")

    def _round(self, number: int) -> None:
        ours = f"colors.rounds.{number}"
        for place, (kind, part, name) in enumerate(
            (("cross", "multihead_attn", "look"), ("self", "self_attn", "talk"))
        ):
            theirs = f"{_COLORS}.transformer_{kind}_attention_layers.{number}"
            for leaf in ("weight", "bias"):
                thirds = self.take(f"{theirs}.{part}.in_proj_{leaf}").chunk(3)
                self.out |= {f"{ours}.{name}.{x}.{leaf}": t for x, t in zip("qkv", thirds, strict=True)}
            self._move(f"{theirs}.{part}.out_proj", f"{ours}.{name}.out")
            self._move(f"{theirs}.norm", f"{ours}.norms.{place}")
        theirs = f"{_COLORS}.transformer_ffn_layers.{number}"
        self._move(f"{theirs}.linear1", f"{ours}.think.0")
        self._move(f"{theirs}.linear2", f"{ours}.think.2")
        self._move(f"{theirs}.norm", f"{ours}.norms.2")


def _after(norm: tuple[Tensor, Tensor], weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a product 1x1 that takes in the norm before it."""
    scale, shift = norm
    return weight * scale, bias + weight @ shift
