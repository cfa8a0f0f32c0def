"""Published networks in the usual PyTorch form, as their authors run them: the other side of ``networks``.

Norms stay apart, spectral and weight norms are worked out at every run by PyTorch's hooks, memory is NCHW.
Names are those of the published files, so that both sides take the same weights. Written from the reference
notes on each system; nothing here is used for colouring.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The old hooks, which the published files are made with, are deprecated.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.nn\.utils")
spectral_norm, weight_norm = nn.utils.spectral_norm, nn.utils.weight_norm


def _block(widths: Sequence[int], stride: int = 1, dilation: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (a, b) in enumerate(pairwise(widths)):
        step = stride if number == len(widths) - 2 else 1
        layers += [nn.Conv2d(a, b, 3, step, dilation, dilation), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]))


def _middle() -> tuple[nn.Sequential, ...]:
    wide = (512, 512, 512, 512)
    return _block((256, *wide[1:])), _block(wide, dilation=2), _block(wide, dilation=2), _block(wide)


class Eccv16(nn.Module):
    """Zhang 2016."""

    def __init__(self) -> None:
        super().__init__()
        self.model1, self.model2 = _block((1, 64, 64), 2), _block((64, 128, 128), 2)
        self.model3 = _block((128, 256, 256, 256), 2)
        self.model4, self.model5, self.model6, self.model7 = _middle()
        up = nn.ConvTranspose2d(512, 256, 4, 2, 1)
        self.model8 = nn.Sequential(
            *(up, nn.ReLU(True), nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(True)),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(True), nn.Conv2d(256, 313, 1)),
        )
        self.model_out = nn.Conv2d(313, 2, 1, bias=False)

    def forward(self, L: Tensor) -> Tensor:
        """L 0..100 [B,1,H,W] → ab [B,2,H,W]."""
        x = (L - 50) / 100
        for i in range(1, 9):
            x = getattr(self, f"model{i}")(x)
        return F.interpolate(self.model_out(x.softmax(1)), scale_factor=4, mode="bilinear") * 110


class Siggraph17(nn.Module):
    """Zhang 2017; the last levels run twice, as in the published code."""

    def __init__(self) -> None:
        super().__init__()
        self.model1, self.model2 = _block((4, 64, 64)), _block((64, 128, 128))
        self.model3 = _block((128, 256, 256, 256))
        self.model4, self.model5, self.model6, self.model7 = _middle()
        self.model8up = nn.Sequential(nn.ConvTranspose2d(512, 256, 4, 2, 1))
        self.model9up = nn.Sequential(nn.ConvTranspose2d(256, 128, 4, 2, 1))
        self.model10up = nn.Sequential(nn.ConvTranspose2d(128, 128, 4, 2, 1))
        self.model3short8 = nn.Sequential(nn.Conv2d(256, 256, 3, 1, 1))
        self.model2short9 = nn.Sequential(nn.Conv2d(128, 128, 3, 1, 1))
        self.model1short10 = nn.Sequential(nn.Conv2d(64, 128, 3, 1, 1))
        self.model8 = nn.Sequential(nn.ReLU(), *_block((256, 256, 256)))
        self.model9 = nn.Sequential(nn.ReLU(), *_block((128, 128)))
        self.model10 = nn.Sequential(nn.ReLU(), nn.Conv2d(128, 128, 3, 1, 1), nn.LeakyReLU(0.2))
        self.model_class = nn.Sequential(nn.Conv2d(256, 529, 1))
        self.model_out = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, L: Tensor) -> Tensor:
        """L 0..100 [B,1,H,W], no hints → ab [B,2,H,W]."""
        x = torch.cat([(L - 50) / 100, torch.zeros_like(L).expand(-1, 3, -1, -1)], 1)
        one = self.model1(x)
        two = self.model2(one[:, :, ::2, ::2])
        three = self.model3(two[:, :, ::2, ::2])
        x = self.model7(self.model6(self.model5(self.model4(three[:, :, ::2, ::2]))))
        eight = self.model8(self.model8up(x) + self.model3short8(three))
        for _ in range(2):
            x = self.model9(self.model9up(eight) + self.model2short9(two))
            x = self.model10(self.model10up(x) + self.model1short10(one))
            x = self.model_out(x)
        return x * 110


def _conv(a: int, b: int, kernel: int = 3, *, relu: bool = True, norm: bool = True) -> nn.Sequential:
    """A spectral convolution as fastai wraps it: then ReLU, then the norm."""
    conv = spectral_norm(nn.Conv2d(a, b, kernel, 1, kernel // 2, bias=not norm))
    return nn.Sequential(conv, *([nn.ReLU(True)] if relu else []), *([nn.BatchNorm2d(b)] if norm else []))


class _Shuffle(nn.Module):
    def __init__(self, conv: nn.Module, scale: int = 2) -> None:
        super().__init__()
        self.conv = conv
        self.shuf, self.pad = nn.PixelShuffle(scale), nn.ReplicationPad2d((1, 0, 1, 0))
        self.blur, self.relu = nn.AvgPool2d(2, stride=1), nn.ReLU(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.blur(self.pad(self.shuf(self.relu(self.conv(x)))))


class _ResNetBlock(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out)
        self.relu, self.downsample = nn.ReLU(True), None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class _Attention(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (
            spectral_norm(nn.Conv1d(c, out, 1, bias=False)) for out in (c // 8, c // 8, c)
        )
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        weights = torch.bmm(self.query(flat).mT, self.key(flat)).softmax(1)
        return (self.gamma * torch.bmm(self.value(flat), weights) + flat).view(x.shape)


class _Up(nn.Module):
    def __init__(self, below: int, enlarged: int, skip: int, out: int, *, attention: bool) -> None:
        super().__init__()
        self.shuf = _Shuffle(_conv(below, 4 * enlarged, 1, relu=False))
        self.bn, self.relu = nn.BatchNorm2d(skip), nn.ReLU()
        self.conv1, self.conv2 = _conv(enlarged + skip, out), _conv(out, out)
        if attention:
            self.conv2.append(_Attention(out))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.relu(torch.cat([self.shuf(x), self.bn(skip)], 1))))


class _Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_conv(c, c, norm=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers[1](self.layers[0](x))


class DeOldifyArtistic(nn.Module):
    """DeOldify's artistic network."""

    def __init__(self) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True)]
        body.append(nn.MaxPool2d(3, 2, 1))
        for n, (count, (a, b)) in enumerate(
            zip((3, 4, 6, 3), pairwise((64, 64, 128, 256, 512)), strict=True)
        ):
            blocks = (_ResNetBlock(b if i else a, b, 2 if n and not i else 1) for i in range(count))
            body.append(nn.Sequential(*blocks))
        steps = ((512, 256, 256, 768), (768, 384, 128, 768), (768, 384, 64, 672), (672, 336, 64, 300))
        ups = [_Up(*step, attention=n == 1) for n, step in enumerate(steps)]
        last = nn.Sequential(weight_norm(nn.Conv2d(300, 1200, 1)))
        self.layers = nn.ModuleList(
            [
                *(nn.Sequential(*body), nn.BatchNorm2d(512), nn.ReLU()),
                nn.Sequential(_conv(512, 1024), _conv(1024, 512)),
                *ups,
                *(_Shuffle(last), nn.Identity(), _Residual(303), _conv(303, 3, 1, relu=False, norm=False)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet-normalised grey [B,3,H,W] → the same of colour."""
        y, skips = x, []
        body = self.layers[0]
        assert isinstance(body, nn.Sequential)
        for number, part in enumerate(body):
            y = part(y)
            if number in (2, 4, 5, 6):
                skips.append(y)
        for part in list(self.layers)[1:4]:
            y = part(y)
        for part in list(self.layers)[4:8]:
            y = part(y, skips.pop())
        y = torch.cat([self.layers[8](y), x], 1)
        return torch.sigmoid(self.layers[11](self.layers[10](y))) * 6 - 3


class _ChannelNorm(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt((x - mean).pow(2).mean(1, keepdim=True) + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class _ConvNeXtBlock(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.dwconv, self.norm = nn.Conv2d(c, c, 7, 1, 3, groups=c), nn.LayerNorm(c, 1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)
        self.gamma = nn.Parameter(torch.full((c,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class _ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths, depths = (96, 192, 384, 768), (3, 3, 9, 3)
        stem = nn.Sequential(nn.Conv2d(3, 96, 4, 4), _ChannelNorm(96))
        self.downsample_layers = nn.ModuleList([stem])
        self.downsample_layers.extend(
            nn.Sequential(_ChannelNorm(a), nn.Conv2d(a, b, 2, 2)) for a, b in pairwise(widths)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(_ConvNeXtBlock(c) for _ in range(d))) for c, d in zip(widths, depths, strict=True)
        )
        for i, c in enumerate(widths):
            self.add_module(f"norm{i}", _ChannelNorm(c))
        self.norm = nn.LayerNorm(768, 1e-6)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for i in range(4):
            x = self.stages[i](self.downsample_layers[i](x))
            found.append(getattr(self, f"norm{i}")(x))
        return found


class _WideUp(nn.Module):
    def __init__(self, below: int, skip: int, out: int) -> None:
        super().__init__()
        self.shuf = _Shuffle(_conv(below, 4 * out, 1, relu=False))
        self.bn, self.conv, self.relu = nn.BatchNorm2d(skip), _conv(out + skip, out), nn.ReLU()

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(self.relu(torch.cat([self.shuf(x), self.bn(skip)], 1)))


class _AttentionLayer(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.add_module(name, nn.MultiheadAttention(256, 8))
        self.attention, self.norm = name, nn.LayerNorm(256)

    def forward(self, x: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return self.norm(x + getattr(self, self.attention)(queries, keys, values)[0])


class _FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(256, 2048), nn.Linear(2048, 256)
        self.norm = nn.LayerNorm(256)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.linear2(F.relu(self.linear1(x))))


class _Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(256, 256) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


class _ColorDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query_feat, self.query_embed = nn.Embedding(100, 256), nn.Embedding(100, 256)
        self.level_embed = nn.Embedding(3, 256)
        self.input_proj = nn.ModuleList(nn.Conv2d(c, 256, 1) for c in (512, 512, 256))
        self.transformer_self_attention_layers = nn.ModuleList(_AttentionLayer("self_attn") for _ in range(9))
        self.transformer_cross_attention_layers = nn.ModuleList(
            _AttentionLayer("multihead_attn") for _ in range(9)
        )
        self.transformer_ffn_layers = nn.ModuleList(_FeedForward() for _ in range(9))
        self.decoder_norm, self.color_embed = nn.LayerNorm(256), _Perceptron()

    def forward(self, levels: list[Tensor], features: Tensor) -> Tensor:
        memory, places = [], []
        for i, level in enumerate(levels):
            places.append(_positions(level).flatten(2).permute(2, 0, 1))
            projected = self.input_proj[i](level).flatten(2) + self.level_embed.weight[i][None, :, None]
            memory.append(projected.permute(2, 0, 1))
        count = levels[0].shape[0]
        where = self.query_embed.weight[:, None].repeat(1, count, 1)
        x = self.query_feat.weight[:, None].repeat(1, count, 1)
        for i in range(9):
            seen = memory[i % 3]
            x = self.transformer_cross_attention_layers[i](x, x + where, seen + places[i % 3], seen)
            x = self.transformer_self_attention_layers[i](x, x + where, x + where, x)
            x = self.transformer_ffn_layers[i](x)
        colors = self.color_embed(self.decoder_norm(x).transpose(0, 1))
        return torch.einsum("bqc,bchw->bqhw", colors, features)


def _positions(x: Tensor) -> Tensor:
    ones = torch.ones(len(x), *x.shape[2:])
    rows, columns = ones.cumsum(1), ones.cumsum(2)
    rows = rows / (rows[:, -1:] + 1e-6) * 2 * math.pi
    columns = columns / (columns[:, :, -1:] + 1e-6) * 2 * math.pi
    step = 10000 ** (2 * (torch.arange(128) // 2) / 128)
    waves = []
    for along in (rows, columns):
        angle = along[..., None] / step
        waves.append(torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], 4).flatten(3))
    return torch.cat(waves, 3).permute(0, 3, 1, 2)


class DDColorTiny(nn.Module):
    """DDColor with ConvNeXt tiny."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.encoder = nn.ModuleDict({"arch": _ConvNeXt()})
        last = nn.Sequential(spectral_norm(nn.Conv2d(256, 4096, 1)))
        self.decoder = nn.ModuleDict(
            {
                "layers": nn.ModuleList(
                    [_WideUp(768, 384, 512), _WideUp(512, 192, 512), _WideUp(512, 96, 256)]
                ),
                "last_shuf": _Shuffle(last, 4),
                "color_decoder": _ColorDecoder(),
            }
        )
        self.refine_net = nn.Sequential(nn.Sequential(spectral_norm(nn.Conv2d(103, 2, 1))))

    def forward(self, rgb: Tensor) -> Tensor:
        """Grey RGB 0..1 [B,3,H,W] → ab [B,2,H,W]."""
        x = (rgb - self.mean) / self.std
        features = self.encoder["arch"](x)
        y, levels = features.pop(), []
        for up in self.decoder["layers"].children():
            y = up(y, features.pop())
            levels.append(y)
        maps = self.decoder["color_decoder"](levels, self.decoder["last_shuf"](y))
        return self.refine_net(torch.cat([maps, x], 1))
