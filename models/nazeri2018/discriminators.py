"""What judges pictures while the generators learn: patch by patch, real or made.

Paper and licences: as ``network`` (from TensorFlow) and ``ports`` (the PyTorch tutorial). They colour
nothing; the published files hold them, and training goes on from them.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import KeyMismatchError
from ..system import State
from .network import LiveBatchNorm

# Channels of the convolutions, the first three of which halve the size.
_WIDTHS = (64, 128, 256, 512)
_SLOPE = 0.2


class GanDiscriminator(nn.Module):
    """Nazeri 2018: sees grey and Lab, norms by the batch itself at all times."""

    def __init__(self) -> None:
        super().__init__()
        widths = (4, *_WIDTHS)
        self.conv = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1) if i < 3 else nn.Conv2d(a, b, 4)
            for i, (a, b) in enumerate(pairwise(widths))
        )
        self.norm = nn.ModuleList(LiveBatchNorm(c) for c in _WIDTHS[1:])
        self.last = nn.Conv2d(_WIDTHS[-1], 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Grey and Lab as the generator has them [B,4,H,W], sides multiples of 8 → logits [B,1,H/8,W/8]."""
        for i, conv in enumerate(self.conv):
            x = conv(x if i < 3 else _same(x))
            x = F.leaky_relu(self.norm[i - 1](x) if i else x, _SLOPE)
        return self.last(_same(x))


class PatchDiscriminator(nn.Module):
    """The tutorial's: sees L and ab; the modules are named as in its file."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *_WIDTHS)
        self.model = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(a, b, 4, 2 if i < 3 else 1, 1, bias=not i),
                    *([nn.BatchNorm2d(b)] if i else []),
                    nn.LeakyReLU(_SLOPE, inplace=True),
                )
                for i, (a, b) in enumerate(pairwise(widths))
            ),
            nn.Sequential(nn.Conv2d(_WIDTHS[-1], 1, 4, 1, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """L/50 - 1 and ab/110 [B,3,H,W], sides of 32 at least → logits [B,1,H/8 - 2,W/8 - 2]."""
        return self.model(x)


def read_discriminator(state: State) -> GanDiscriminator | PatchDiscriminator:
    """Build the discriminator that a published file of a whole model holds, in eval mode.

    ``state``: the file's tensors, by ``checkpoint.load_checkpoint``. Raises KeyMismatchError where there is
    none.
    """
    port = {key.removeprefix("net_D."): value for key, value in state.items() if key.startswith("net_D.")}
    if port:
        network: GanDiscriminator | PatchDiscriminator = PatchDiscriminator()
        network.load_state_dict(port)
        return network.eval()
    network = GanDiscriminator()
    names = {f"conv.{i}": f"dis/conv{i}" for i in range(len(_WIDTHS))} | {"last": "dis/conv_last"}
    wanted = {f"{ours}.bias": f"{theirs}/bias" for ours, theirs in names.items()}
    wanted |= {f"{ours}.weight": f"{theirs}/kernel" for ours, theirs in names.items()}
    for i in range(len(_WIDTHS) - 1):
        theirs = f"dis/bn_conv{i + 1}"
        wanted |= {f"norm.{i}.weight": f"{theirs}/gamma", f"norm.{i}.bias": f"{theirs}/beta"}
    missing = [key for key in wanted.values() if key not in state]
    if missing:
        raise KeyMismatchError("a GAN's discriminator", missing)
    found = {ours: state[theirs] for ours, theirs in wanted.items()}
    # Kernels are HWIO.
    network.load_state_dict({k: v.permute(3, 2, 0, 1) if v.ndim == 4 else v for k, v in found.items()})
    return network.eval()


def _same(x: Tensor) -> Tensor:
    """Pad as TensorFlow's "same" does for an even kernel at full size: one before, two behind."""
    return F.pad(x, (1, 2, 1, 2))
