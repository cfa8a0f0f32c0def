"""What ColorMNet's file holds, name by name, and how that becomes the network's tensors."""

from __future__ import annotations

import torch

from ..batch_norm import fold_batch_norm
from ..system import Pattern, State
from .vision_transformer import WIDTH

_EPS = 1e-5
_KEY, _VALUE = "key_encoder", "value_encoder"
_DINO = f"{_KEY}.network2.backbone"

SIGNATURE: dict[str, Pattern] = {
    f"{_KEY}.conv1.weight": (64, 3, 7, 7),
    f"{_KEY}.layer3.0.conv3.weight": (1024, 256, 1, 1),
    f"{_KEY}.network2.conv3.weight": (1536, 1536, 1, 1),
    f"{_DINO}.pos_embed": (1, 1370, WIDTH),
    f"{_DINO}.patch_embed.proj.weight": (WIDTH, 3, 14, 14),
    f"{_KEY}.fuse1.encode_enc.weight": (1024, 1536, 3, 3),
    f"{_VALUE}.conv1.weight": (64, 5, 7, 7),
    "key_proj.key_proj.weight": (64, 1024, 3, 3),
    "short_term_attn.relative_emb_k.weight": (225, 64, 1, 1),
    "decoder.pred.weight": (1, 256, 3, 3),
}

# What only changes its name: theirs to ours, weight and bias.
_RENAMED = {
    "key_proj.key_proj": "eyes.key",
    "key_proj.d_proj": "eyes.shrinkage",
    "key_proj.e_proj": "eyes.selection",
    "short_term_attn.relative_emb_k": "short_term.position",
    "short_term_attn.projection": "short_term.project",
    f"{_VALUE}.hidden_reinforce.transform": "value.remember",
    "decoder.hidden_update.transform": "decoder.remember",
    "decoder.hidden_update.g16_conv": "decoder.tell.0",
    "decoder.hidden_update.g8_conv": "decoder.tell.1",
    "decoder.hidden_update.g4_conv": "decoder.tell.2",
    "decoder.pred": "decoder.pred",
    f"{_DINO}.patch_embed.proj": "eyes.dino.patch_embed",
    f"{_DINO}.norm": "eyes.dino.norm",
}


def remap(state: State) -> State:
    """Name a file's tensors as ``ColorMNet`` does; norms and the transformer's factors are folded in."""
    return _Reader(state).read()


class _Reader:
    """Takes tensors out of a file's; what is left is handed on, so that the loader names it."""

    def __init__(self, state: State) -> None:
        unused = ("num_batches_tracked", "mask_token")
        self.left = {key: value for key, value in state.items() if not key.endswith(unused)}
        self.out: State = {}

    def read(self) -> State:
        for theirs, ours in _RENAMED.items():
            self.move(theirs, ours)
        self.out["short_term.depthwise.weight"] = self.left.pop("short_term_attn.dw_conv.conv.weight")
        self._transformer()
        self.folded(f"{_KEY}.network2.conv3", f"{_KEY}.network2.bn3", "eyes.dino_conv")
        self.folded(f"{_KEY}.conv1", f"{_KEY}.bn1", "eyes.stem")
        for n, name in enumerate(("res2", "layer2", "layer3")):
            self._stage(f"{_KEY}.{name}", f"eyes.stages.{n}")
        for n in range(3):
            self._fuse(f"{_KEY}.fuse{n + 1}", f"eyes.fuse.{n}")
        self.folded(f"{_VALUE}.conv1", f"{_VALUE}.bn1", "value.stem")
        for n in range(3):
            self._stage(f"{_VALUE}.layer{n + 1}", f"value.stages.{n}")
        self._fusion(f"{_VALUE}.fuser", "value.fuser")
        self._fusion("decoder.fuser", "decoder.fuser")
        for n, name in enumerate(("up_16_8", "up_8_4")):
            self.move(f"decoder.{name}.skip_conv", f"decoder.skips.{n}")
            self._pre_activated(f"decoder.{name}.out_conv", f"decoder.ups.{n}")
        return self.out | self.left

    def move(self, theirs: str, ours: str) -> None:
        """Rename a layer; raises KeyError where it is not there."""
        for leaf in ("weight", "bias"):
            self.out[f"{ours}.{leaf}"] = self.left.pop(f"{theirs}.{leaf}")

    def folded(self, conv: str, norm: str, ours: str) -> None:
        """Put a convolution and the norm behind it together."""
        leaves = ("weight", "bias", "running_mean", "running_var")
        names = (f"{conv}.weight", *(f"{norm}.{leaf}" for leaf in leaves))
        state = {name: self.left.pop(name).float() for name in names}
        self.out[f"{ours}.weight"], self.out[f"{ours}.bias"] = fold_batch_norm(state, conv, norm, _EPS)

    def _stage(self, theirs: str, ours: str) -> None:
        block = 0
        while f"{theirs}.{block}.conv1.weight" in self.left:
            number = 1
            while f"{theirs}.{block}.conv{number}.weight" in self.left:
                name = f"{ours}.{block}.convs.{number - 1}"
                self.folded(f"{theirs}.{block}.conv{number}", f"{theirs}.{block}.bn{number}", name)
                number += 1
            if f"{theirs}.{block}.downsample.0.weight" in self.left:
                short = f"{theirs}.{block}.downsample"
                self.folded(f"{short}.0", f"{short}.1", f"{ours}.{block}.short")
            block += 1

    def _fuse(self, theirs: str, ours: str) -> None:
        self.move(f"{theirs}.encode_enc", f"{ours}.encode")
        for n in range(3):
            self.move(f"{theirs}.norm{n + 1}", f"{ours}.norms.{n}")
        for n, part in enumerate("qkv"):
            self.move(f"{theirs}.crossattn.to_{part}", f"{ours}.spread.{n}")
            self.move(f"{theirs}.crossattn.to_{part}_dw", f"{ours}.depthwise.{n}")
        self.move(f"{theirs}.crossattn.to_out.0", f"{ours}.out")
        self.out[f"{ours}.temperature"] = self.left.pop(f"{theirs}.crossattn.temperature")

    def _fusion(self, theirs: str, ours: str) -> None:
        for block in ("block1", "block2"):
            self._pre_activated(f"{theirs}.{block}", f"{ours}.{block}")
        self.move(f"{theirs}.attention.ChannelGate.mlp.1", f"{ours}.channels.0")
        self.move(f"{theirs}.attention.ChannelGate.mlp.3", f"{ours}.channels.2")
        self.move(f"{theirs}.attention.SpatialGate.spatial.conv", f"{ours}.places")

    def _pre_activated(self, theirs: str, ours: str) -> None:
        for conv in ("conv1", "conv2"):
            self.move(f"{theirs}.{conv}", f"{ours}.{conv}")
        if f"{theirs}.downsample.weight" in self.left:
            self.move(f"{theirs}.downsample", f"{ours}.short")

    def _transformer(self) -> None:
        for name in ("cls_token", "pos_embed"):
            self.out[f"eyes.dino.{name}"] = self.left.pop(f"{_DINO}.{name}")
        block = 0
        while f"{_DINO}.blocks.{block}.norm1.weight" in self.left:
            theirs, ours = f"{_DINO}.blocks.{block}", f"eyes.dino.blocks.{block}"
            for part, name in (
                ("norm1", "norm1"),
                ("norm2", "norm2"),
                ("attn.qkv", "qkv"),
                ("attn.proj", "proj"),
                ("mlp.fc1", "fc1"),
                ("mlp.fc2", "fc2"),
            ):
                self.move(f"{theirs}.{part}", f"{ours}.{name}")
            for factor, name in (("ls1", "proj"), ("ls2", "fc2")):
                gamma = self.left.pop(f"{theirs}.{factor}.gamma").float()
                weight, bias = (self.out[f"{ours}.{name}.{leaf}"].float() for leaf in ("weight", "bias"))
                self.out[f"{ours}.{name}.weight"] = weight * gamma[:, None]
                self.out[f"{ours}.{name}.bias"] = torch.mul(bias, gamma)
            block += 1
