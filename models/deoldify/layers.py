"""What DeOldify's networks are made of, prepared for pictures only: norms folded, no gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..convolution import Conv

# Similarities that self-attention holds at once.
_SIMILARITIES = 2**22


class Affine(nn.Module):
    """A batch norm that no convolution could take in: a factor and an offset for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(channels, 1, 1))
        self.shift = nn.Parameter(torch.empty(channels, 1, 1))

    def forward(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """[B,C,H,W] → the same, written into ``out`` where that is given, which may be ``x``."""
        return torch.addcmul(self.shift, x, self.scale, out=out)


class Residual(nn.Module):
    """ResNet's block: convolutions 3x3 of two, or narrower ones of three; the short way around them."""

    def __init__(self, c_in: int, c_out: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        if bottleneck:
            narrow = c_out // 4
            convs = [
                Conv(c_in, narrow, 1, rectify=True),
                Conv(narrow, narrow, 3, stride, rectify=True),
                Conv(narrow, c_out, 1),
            ]
        else:
            convs = [Conv(c_in, c_out, 3, stride, rectify=True), Conv(c_out, c_out, 3)]
        self.convs = nn.Sequential(*convs)
        self.short = nn.Identity() if c_in == c_out else Conv(c_in, c_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → [B,C',h,w], or half the size rounded up."""
        return self.convs(x).add_(self.short(x)).relu_()


class SelfAttention(nn.Module):
    """What other places hold, weighed by how alike they are, on top of what is there.

    As fastai has it: a place's ``key`` is held against the ``query`` of all places. The factor of the sum
    is folded into ``value``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = Conv(channels, channels // 8, 1), Conv(channels, channels // 8, 1)
        self.value = Conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → the same."""
        key, query, value = (_in_a_row(part(x)) for part in (self.key, self.query, self.value))
        some = key.split(max(1, _SIMILARITIES // key.shape[1]), 1)
        found = [F.scaled_dot_product_attention(part, query, value, scale=1.0) for part in some]
        found = (torch.cat(found, 1) if len(found) > 1 else found[0]).add_(_in_a_row(x))
        return found.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


def _in_a_row(x: Tensor) -> Tensor:
    """[B,C,h,w] → [B,h*w,C]."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def shuffle_blurred(x: Tensor, out: Tensor) -> Tensor:
    """Write ``x`` at twice its size into ``out`` [B,C,2h,2w], blurred; return ``out``.

    ``x``: [B,4C,h,w] in channels_last, changed in place; a quarter of the values, of which each place has
    four: channels are ordered by row, column, C. Each result is the sum of a value, the one above it, the one
    left of it and the one left above; the first row and column are repeated.
    """
    batch, channels, height, width = x.shape
    values = x.permute(0, 2, 3, 1).view(batch, height, width, 2, 2, channels // 4)
    place = out.permute(0, 2, 3, 1).view(batch, height, 2, width, 2, channels // 4)
    upper, lower = values.unbind(3)
    first = torch.empty_like(upper)
    torch.add(upper[:, 1:], lower[:, :-1], out=first[:, 1:])
    torch.mul(upper[:, :1], 2, out=first[:, :1])
    lower.add_(upper)
    for row, sums in enumerate((first, lower)):
        left, right = sums.unbind(3)
        torch.add(left, right, out=place[:, :, row, :, 1])
        torch.add(left[:, :, 1:], right[:, :, :-1], out=place[:, :, row, 1:, 0])
        torch.mul(left[:, :, :1], 2, out=place[:, :, row, :1, 0])
    return out
