"""The network against a plain form of itself, written layer by layer with nothing folded, in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from chrominance.models.deoldify import layers
from chrominance.models.deoldify.files import remap
from chrominance.models.deoldify.layers import Conv, SelfAttention, shuffle_blurred
from chrominance.models.deoldify.network import DeOldify


def build(kind, state, dtype=torch.float64):
    network = DeOldify(kind).to(dtype)
    state = {k: t.double() if t.is_floating_point() else t for k, t in state.items()}
    network.load_state_dict(remap(state, kind))
    return network.eval().requires_grad_(False)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Plain:
    """fastai's modules as functions of the file's tensors."""

    def __init__(self, kind, state):
        self.kind = kind
        self.state = {k: t.double() if t.is_floating_point() else t for k, t in state.items()}

    def weight(self, name):
        state = self.state
        if f"{name}.weight_orig" in state:
            weight = state[f"{name}.weight_orig"]
            return weight / torch.einsum(
                "i,ij,j", state[f"{name}.weight_u"], weight.flatten(1), state[f"{name}.weight_v"]
            )
        if f"{name}.weight_g" in state:
            v = state[f"{name}.weight_v"]
            return v / v.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * state[f"{name}.weight_g"]
        return state[f"{name}.weight"]

    def conv(self, x, name, stride=1):
        weight = self.weight(name)
        return F.conv2d(x, weight, self.state.get(f"{name}.bias"), stride, weight.shape[-1] // 2)

    def norm(self, x, name):
        leaves = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(self.state[f"{name}.{leaf}"] for leaf in leaves))

    def layer(self, x, name):
        """Spectral convolution, rectifier, norm: in this order."""
        return self.norm(F.relu(self.conv(x, f"{name}.0")), f"{name}.2")

    def attention(self, x, name):
        query, key, value = (
            F.conv1d(x.flatten(2), self.weight(f"{name}.{part}")) for part in ("query", "key", "value")
        )
        weights = torch.bmm(query.transpose(1, 2), key).softmax(dim=1)
        found = torch.bmm(value, weights) * self.state[f"{name}.gamma"]
        return x + found.view_as(x)

    def shuffle(self, x):
        return F.avg_pool2d(F.pad(F.pixel_shuffle(F.relu(x), 2), (1, 0, 1, 0), mode="replicate"), 2, 1)

    def block(self, x, name, stride):
        y = x
        last = 3 if self.kind.bottleneck else 2
        for i in range(1, last + 1):
            down = stride if i == (2 if self.kind.bottleneck else 1) else 1
            y = self.norm(self.conv(y, f"{name}.conv{i}", down), f"{name}.bn{i}")
            y = F.relu(y) if i < last else y
        if f"{name}.downsample.0.weight" in self.state:
            x = self.norm(self.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
        return F.relu(x + y)

    def __call__(self, picture):
        x = F.relu(self.norm(self.conv(picture, "layers.0.0", 2), "layers.0.1"))
        skips = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        for stage, blocks in enumerate(self.kind.blocks):
            for block in range(blocks):
                x = self.block(x, f"layers.0.{stage + 4}.{block}", 2 if stage and not block else 1)
            skips.append(x)
        x = F.relu(self.norm(skips.pop(), "layers.1"))
        x = self.layer(self.layer(x, "layers.3.0"), "layers.3.1")
        names = ("conv1", "conv2") if self.kind.convs == 2 else ("conv",)
        for i in range(4, 8):
            name, skip = f"layers.{i}", skips.pop()
            up = self.shuffle(self.norm(self.conv(x, f"{name}.shuf.conv.0"), f"{name}.shuf.conv.1"))
            up = F.interpolate(up, skip.shape[2:], mode="nearest")
            x = F.relu(torch.cat([up, self.norm(skip, f"{name}.bn")], 1))
            for conv in names:
                x = self.layer(x, f"{name}.{conv}")
            if i == 5:
                x = self.attention(x, f"{name}.{names[-1]}.3")
        x = torch.cat([self.shuffle(self.conv(x, "layers.8.conv.0")), picture], 1)
        y = F.relu(self.conv(x, "layers.10.layers.0.0"))
        y = F.relu(self.conv(y, "layers.10.layers.1.0"))
        return torch.sigmoid(self.conv(x + y, "layers.11.0")) * 6 - 3


@pytest.mark.parametrize("size", [(64, 96), (48, 80), (50, 34), (2, 130), (2, 2)])
@pytest.mark.parametrize("batch", [1, 2])
def test_layer_by_layer(kind, state, size, batch):
    x = noise(batch, 3, *size)
    wanted = Plain(kind, state)(x)
    # What comes out of it depends on the picture, or nothing is shown.
    assert size == (2, 2) or wanted.std() > 0.01
    torch.testing.assert_close(build(kind, state)(x), wanted, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float32, 1e-4), (torch.bfloat16, 0.15), (torch.float16, 0.02)]
)
def test_other_types_say_the_same(kind, state, dtype, atol):
    x = noise(1, 3, 64, 96)
    wanted = build(kind, state)(x)
    found = build(kind, state, dtype)(x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), wanted, atol=atol, rtol=0)


def test_the_input_is_not_changed_and_the_output_is_the_same_again(kind, state):
    network, x = build(kind, state, torch.float32), noise(1, 3, 32, 64, dtype=torch.float32)
    x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    first = network(x)
    assert torch.equal(x, before)
    assert torch.equal(network(x), first)
    assert first.abs().max() <= 3


@pytest.mark.parametrize("size", [(33, 32), (32, 1), (0, 32)])
def test_odd_sides_are_refused(kind, state, size):
    with pytest.raises(ValueError, match=f"needs even sides, got {size[0]}x{size[1]}"):
        build(kind, state, torch.float32)(torch.zeros(1, 3, *size))


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (3, 1), (1, 1)])
def test_shuffle_and_blur(size):
    """In the order of PyTorch's pixel shuffle, whose channels go by C, row, column."""
    x = noise(2, 12, *size)
    wanted = F.pad(F.pixel_shuffle(x, 2), (1, 0, 1, 0), mode="replicate")
    wanted = F.avg_pool2d(wanted, 2, 1)
    ours = x.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2) / 4
    out = torch.full((2, 2 * size[0], 2 * size[1], 5), 9.0, dtype=x.dtype).permute(0, 3, 1, 2)
    shuffle_blurred(ours.contiguous(memory_format=torch.channels_last), out[:, 1:4])
    torch.testing.assert_close(out[:, 1:4], wanted)
    assert bool((out[:, ::4] == 9).all())


def test_attention_by_pieces(monkeypatch):
    attention = SelfAttention(16).double().requires_grad_(False)
    x = noise(2, 16, 5, 6).contiguous(memory_format=torch.channels_last)
    whole = attention(x)
    monkeypatch.setattr(layers, "_SIMILARITIES", 7 * 30)
    torch.testing.assert_close(attention(x), whole)
    # A place's key is held against the query of every other.
    key, query, value = (part(x).flatten(2) for part in (attention.key, attention.query, attention.value))
    wanted = torch.einsum("bci,bij->bcj", value, torch.einsum("bci,bcj->bij", query, key).softmax(1))
    torch.testing.assert_close(whole, x + wanted.view_as(x))


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "size"),
    [
        ((128, 144), 3, 1, (64, 66)),
        ((128, 144), 3, 2, (64, 66)),
        ((128, 144), 3, 1, (8, 6)),
        ((8, 6), 1, 1, (8, 6)),
        ((8, 6), 1, 1, (5, 5)),
        ((8, 6), 1, 2, (9, 8)),
        ((3, 8), 7, 2, (9, 8)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_convolutions_of_every_kind(channels, kernel, stride, size, dtype):
    conv = Conv(*channels, kernel, stride, rectify=True).requires_grad_(False).to(dtype)
    conv.weight.copy_(noise(*conv.weight.shape, seed=1) / conv.weight[0].numel() ** 0.5)
    x = noise(2, channels[0], *size).to(dtype)
    assert conv.bias is not None
    wanted = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), stride, kernel // 2).relu()
    found = conv(x)
    assert found.dtype == dtype and found.shape == wanted.shape
    torch.testing.assert_close(found.double(), wanted, atol=3e-5, rtol=4 * torch.finfo(dtype).eps)
