"""The networks against plain forms of themselves, written layer by layer with nothing folded or left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chrominance.models import get_system, load_colorizer
from chrominance.models.nazeri2018.colorizer import gan_lab_to_rgb
from chrominance.models.nazeri2018.network import CIFAR10, PLACES365, LiveBatchNorm

from .conftest import shapes_of


def build(name, random_weights, dtype=torch.float64):
    """The network of a system and the file's tensors that it has, both in ``dtype``."""
    system = get_system(name)
    state = random_weights(shapes_of(name), seed=3)
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in state.items()}
    network = system.build({k: tuple(t.shape) for k, t in state.items()})
    network.to(dtype).load_state_dict(system.remap(state))
    return network.eval().requires_grad_(False), state


def random_input(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize(("name", "levels", "size"), [
    ("gan_cifar10", CIFAR10, (32, 48)), ("gan_places365", PLACES365, (256, 128)),
])  # fmt: skip
@pytest.mark.parametrize("batch", [1, 2])
def test_the_tensorflow_net_layer_by_layer(name, levels, size, batch, random_weights):
    network, state = build(name, random_weights)
    grey = random_input(batch, 1, *size) * 255

    def norm(x, layer):
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = (x - mean).square().mean((0, 2, 3), keepdim=True)
        gamma, beta = (state[f"gen/bn_{layer}/{leaf}"].view(1, -1, 1, 1) for leaf in ("gamma", "beta"))
        return (x - mean) / (variance + 1e-3).sqrt() * gamma + beta

    def convolve(x, layer, stride):
        """TensorFlow's "same": windows gathered by hand, times the kernel as it is stored."""
        kernel, bias = state[f"gen/{layer}/kernel"], state[f"gen/{layer}/bias"]
        side = [(-(-n // stride) - 1) * stride + 4 - n for n in x.shape[2:]]
        before = [n // 2 for n in side]
        x = F.pad(x, (before[1], side[1] - before[1], before[0], side[0] - before[0]))
        windows = x.unfold(2, 4, stride).unfold(3, 4, stride)
        return torch.einsum("bihwyx,yxio->bohw", windows, kernel) + bias.view(1, -1, 1, 1)

    def spread(x, layer):
        """The transposed convolution as what it is: the gradient of the convolution of stride 2."""
        kernel, bias = state[f"gen/{layer}/kernel"], state[f"gen/{layer}/bias"]
        shape = (len(x), kernel.shape[2], 2 * x.shape[2], 2 * x.shape[3])
        forward = kernel.permute(3, 2, 0, 1)
        return torch.nn.grad.conv2d_input(shape, forward, x, 2, 1) + bias.view(1, -1, 1, 1)

    x, skips = grey, []
    for i in range(len(levels[0])):
        x = F.leaky_relu(norm(convolve(x, f"conv{i}", 2 if i else 1), f"conv{i}"), 0.2)
        skips.append(x)
    for i in range(len(levels[1])):
        x = torch.cat([skips[-2 - i], F.relu(norm(spread(x, f"deconv{i}"), f"deconv{i}"))], 1)
    kernel, bias = state["gen/conv_last/kernel"], state["gen/conv_last/bias"]
    wanted = torch.tanh(torch.einsum("bihw,io->bohw", x, kernel[0, 0]) + bias.view(1, -1, 1, 1))
    torch.testing.assert_close(network(grey), wanted, atol=1e-7, rtol=0)


def test_the_norm_is_the_statistics_of_what_it_gets():
    norm = LiveBatchNorm(3).eval().requires_grad_(False)
    norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
    norm.bias.copy_(torch.tensor([0.0, 5.0, 1.0]))
    x = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(0)) * 30 + 100
    wanted = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=1e-3)
    torch.testing.assert_close(norm(x), wanted, atol=1e-4, rtol=1e-4)
    half = LiveBatchNorm(3).half().requires_grad_(False)
    half.load_state_dict(norm.state_dict())
    assert half(x.half()).dtype == torch.float16
    torch.testing.assert_close(half(x.half()).float(), wanted, atol=0.02, rtol=0.01)
    # PyTorch's raises here; TensorFlow's gives beta.
    assert torch.equal(norm(x[:1, :, :1, :1]), norm.bias.view(1, 3, 1, 1))


def test_the_least_size_of_places365_is_all_beta(random_weights):
    network, _ = build("gan_places365", random_weights)
    assert bool(torch.isfinite(network(random_input(1, 1, 128, 128) * 255)).all())


class Level(nn.Module):
    """A level of the own U-Net as its tutorial nests it, its rectifier in place."""

    def __init__(self, c_out, c_inner, inside=None, outer=False, c_in=None):
        super().__init__()
        down = nn.Conv2d(c_in or c_out, c_inner, 4, 2, 1, bias=False)
        self.outer = outer
        if outer:
            up = nn.ConvTranspose2d(2 * c_inner, c_out, 4, 2, 1)
            layers = [down, inside, nn.ReLU(True), up, nn.Tanh()]
        else:
            width = c_inner if inside is None else 2 * c_inner
            up = [nn.ReLU(True), nn.ConvTranspose2d(width, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out)]
            middle = [] if inside is None else [nn.BatchNorm2d(c_inner), inside]
            layers = [nn.LeakyReLU(0.2, True), down, *middle, *up]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outer else torch.cat([x, self.model(x)], 1)


def test_the_own_unet_as_it_is_nested(random_weights):
    network, state = build("gan_unet_generator", random_weights)
    level = Level(512, 512)
    for _ in range(3):
        level = Level(512, 512, level)
    for c_out, c_inner in ((256, 512), (128, 256), (64, 128)):
        level = Level(c_out, c_inner, level)
    nested = nn.Module()
    nested.model = Level(2, 64, level, outer=True, c_in=1)
    nested.double().eval().load_state_dict(state)
    L = random_input(1, 1, 256, 512) * 2 - 1
    with torch.no_grad():
        wanted = nested.model(L.clone())
    torch.testing.assert_close(network(L), wanted, atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", [(64, 96), (65, 43), (33, 32), (1, 1)])
def test_the_resnet_unet_layer_by_layer(size, random_weights):
    network, state = build("gan_res18", random_weights)

    def conv(x, name, stride=1):
        weight, bias = state[f"net_G.{name}.weight"], state.get(f"net_G.{name}.bias")
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2)

    def norm(x, name):
        leaves = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (state[f"net_G.{name}.{leaf}"].view(1, -1, 1, 1) for leaf in leaves)
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def up(x, name, like):
        x = F.pixel_shuffle(F.relu(conv(x, name)), 2)
        return F.interpolate(x, like.shape[2:], mode="nearest")

    L = random_input(2, 1, *size) * 2 - 1
    x = F.relu(norm(conv(L, "layers.0.0", 2), "layers.0.1"))
    features = [x]
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in range(4, 8):
        for block in range(2):
            name = f"layers.0.{stage}.{block}"
            stride = 2 if stage > 4 and block == 0 else 1
            y = norm(
                conv(F.relu(norm(conv(x, f"{name}.conv1", stride), f"{name}.bn1")), f"{name}.conv2"),
                f"{name}.bn2",
            )
            short = x if stride == 1 else norm(conv(x, f"{name}.downsample.0", 2), f"{name}.downsample.1")
            x = F.relu(y + short)
        features.append(x)
    x = F.relu(norm(features.pop(), "layers.1"))
    x = F.relu(conv(F.relu(conv(x, "layers.3.0.0")), "layers.3.1.0"))
    for i in range(4, 8):
        skip = features.pop()
        x = F.relu(torch.cat([up(x, f"layers.{i}.shuf.0.0", skip), norm(skip, f"layers.{i}.bn")], 1))
        x = F.relu(conv(F.relu(conv(x, f"layers.{i}.conv1.0")), f"layers.{i}.conv2.0"))
    x = torch.cat([up(x, "layers.8.0.0", L), L], 1)
    y = conv(F.relu(conv(x, "layers.11.convpath.0.0")), "layers.11.convpath.1.0")
    wanted = conv(F.relu(x + y), "layers.12.0")
    torch.testing.assert_close(network(L), wanted, atol=1e-8, rtol=1e-8)


# ---------------------------------------------------------------- the authors' numbers


@pytest.fixture
def stand_in(reference, monkeypatch):
    """The recipe, made to take the vectors of the folder that CHROMINANCE_VECTORS names, if it does."""
    folder = os.environ.get("CHROMINANCE_VECTORS")
    if folder:

        def vectors(name):
            path = Path(folder) / f"{name}.pt"
            if not path.is_file():
                pytest.skip(f"CHROMINANCE_VECTORS has no {path.name}")
            return torch.load(path, weights_only=True)

        monkeypatch.setattr(reference, "vectors", vectors)
    return reference


@pytest.mark.parametrize(
    ("name", "variant"), [("gan_tf_places365", None), ("gan_tf_cifar10", None), ("gan_tf_cifar10", "adam")]
)
def test_the_authors_numbers_from_a_bundle(name, variant, stand_in, tmp_path):
    stored = stand_in.vectors(name)
    stand_in.save_checkpoint(name, tmp_path / "CGAN", variant)
    colorizer = load_colorizer(tmp_path / "CGAN.index")
    assert colorizer.spec.system == name.replace("_tf", "")
    for size, given in stored["inputs"].items():
        wanted = stored["outputs"][size]
        with torch.inference_mode():
            lab = colorizer.network(given["gray"])
        within = {"atol": stored["meta"]["tolerance"], "rtol": 0}
        torch.testing.assert_close(lab, wanted["lab"], **within)
        torch.testing.assert_close(gan_lab_to_rgb(lab), wanted["rgb"], **within)


@pytest.mark.parametrize(
    ("name", "variant"),
    [("gan_moein_mainmodel_unet", None), ("gan_moein_res18", None), ("gan_moein_res18", "unet")],
)
def test_the_authors_numbers_of_the_ports(name, variant, stand_in, tmp_path):
    stored = stand_in.vectors(name)
    stand_in.save_checkpoint(name, tmp_path / "model.pt", variant)
    network = load_colorizer(tmp_path / "model.pt").network
    for size, given in stored["inputs"].items():
        with torch.inference_mode():
            ab = network(given["L"])
        torch.testing.assert_close(
            ab, stored["outputs"][size]["ab"], atol=stored["meta"]["tolerance"], rtol=0
        )
