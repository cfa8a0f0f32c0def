"""What the decoder is made of: modulated convolutions, residual blocks, attention.

Paper: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (StyleGAN2), CVPR 2020,
equations 1 and 3 (modulation and demodulation, here without a convolution per sample).
Code licence: Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Length of the vector that modulates the decoder.
COLOR_SIZE = 448


class ModulatedConv(nn.Module):
    """A convolution with demodulated weights, the place where the colour vector enters.

    Without a style every output channel has unit gain (times sqrt(2) for the activation that follows).
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, gain: float = 2**0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.gain = gain
        self._demodulated: tuple[object, Tensor] | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ModulatedConv:
        self._demodulated = None  # it must not stay behind on a device that the weights leave
        return super()._apply(fn, recurse)

    def _without_style(self, dtype: torch.dtype) -> Tensor:
        """Return the demodulated weights; where nothing is trained they are made once."""
        weight = self.weight
        kept = not torch.is_grad_enabled() and not weight.is_inference()
        key = (weight.data_ptr(), weight._version, weight.device, dtype) if kept else None
        if key is not None and self._demodulated is not None and self._demodulated[0] == key:
            return self._demodulated[1]
        exact = weight.float()
        scale = self.gain * torch.rsqrt(exact.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        ready = (exact * scale).to(dtype)
        self._demodulated = None if key is None else (key, ready)
        return ready

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """[B,C,h,w] and a style [B,C] (1 leaves a channel as it is) → [B,C',h,w]."""
        pad = self.weight.shape[-1] // 2
        if style is None:
            return F.conv2d(x, self._without_style(x.dtype), self.bias.to(x.dtype), padding=pad)
        weight = self.weight.float()
        # Scaling input and output equals scaling each sample's weights, without a convolution per sample.
        power = weight.square().sum((2, 3))
        scale = self.gain * torch.rsqrt(style.float().square() @ power.T + 1e-8)
        y = F.conv2d(x * style.to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=pad)
        return y * scale.to(x.dtype)[:, :, None, None] + self.bias.to(x.dtype)[:, None, None]


class DecoderBlock(nn.Module):
    """A residual block of two convolutions that a colour vector modulates."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ModulatedConv(channels, channels, 3)
        self.conv2 = ModulatedConv(channels, channels, 3)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.3))
        self.style1 = zero_linear(COLOR_SIZE, channels)
        self.style2 = zero_linear(COLOR_SIZE, channels)

    def forward(self, x: Tensor, color: Tensor | None = None) -> Tensor:
        """[B,C,h,w] and the colour vector [B,COLOR_SIZE], a row of zeros being none → the same shape."""
        style1 = style2 = None
        if color is not None:
            style1, style2 = 1 + self.style1(color), 1 + self.style2(color)
        y = self.conv1(F.leaky_relu(x, 0.2), style1)
        y = self.conv2(F.leaky_relu(y, 0.2, inplace=True), style2)
        return torch.addcmul(x, y, self.scale.to(x.dtype))


def zero_linear(c_in: int, c_out: int) -> nn.Linear:
    """Return a linear layer without bias that gives zeros until it is trained."""
    layer = nn.Linear(c_in, c_out, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


class ContextBlock(nn.Module):
    """Self-attention and a feed-forward layer over the coarsest positions: sky knows of grass."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, 2 * channels)
        self.down = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → the same shape."""
        b, c, h, w = x.shape
        t = x.flatten(2).transpose(1, 2)  # [B,h*w,C]
        qkv = self.qkv(self.norm1(t)).view(b, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B,heads,h*w,C/heads]
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        t = t + self.out(y)
        t = t + self.down(F.gelu(self.up(self.norm2(t))))
        return t.transpose(1, 2).view(b, c, h, w).contiguous(memory_format=torch.channels_last)
