import pytest
import torch

from chrominance.models.contract import Conditions
from chrominance.models.embedded import SPEC, EmbeddedColorizer, EmbeddedNetwork
from chrominance.models.embedded.decoder import ModulatedConv
from chrominance.models.embedded.encoder import Encoder, SameConv


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EmbeddedNetwork().eval().requires_grad_(False)


def test_it_fits_the_promised_file(network):
    assert 2 * sum(p.numel() for p in network.parameters()) <= 24e6


def test_features_have_the_strides_of_the_pyramid():
    taps = Encoder().eval()(torch.rand(2, 1, 64, 96) * 100)
    shapes = [tuple(t.shape) for t in taps]
    assert shapes == [(2, 24, 16, 24), (2, 40, 8, 12), (2, 112, 4, 6), (2, 320, 2, 3)]


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("kernel", [3, 5])
def test_same_padding_puts_the_odd_pixel_after(side, kernel):
    # TensorFlow's rule: out = ceil(side / 2); the pad is shared, the remainder goes to the end.
    conv = SameConv(1, 1, kernel, 2, bias=False)
    with torch.no_grad():
        conv.weight.zero_()[..., kernel // 2, kernel // 2] = 1
    x = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side)
    total = (-(-side // 2) - 1) * 2 + kernel - side
    first = kernel // 2 - total // 2
    assert torch.equal(conv(x), x[..., first::2, first::2])


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolutions_stay_exact_under_autocast(stride):
    torch.manual_seed(0)
    conv, x = SameConv(8, 8, 5, stride, groups=8), torch.randn(1, 8, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        made = conv(x)
        mixed = SameConv(8, 8, 5, stride)(x)
    assert made.dtype == torch.float32 and torch.equal(made, conv(x))
    assert mixed.dtype == torch.bfloat16


def test_modulation_equals_scaled_demodulated_weights_per_sample():
    torch.manual_seed(0)
    conv = ModulatedConv(6, 4, 3).double()
    x, style = torch.randn(2, 6, 5, 5).double(), torch.rand(2, 6).double() + 0.5
    for i in range(2):
        weight = conv.weight * style[i, None, :, None, None]
        weight = weight * conv.gain / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        expected = torch.nn.functional.conv2d(x[i : i + 1], weight, padding=1)
        torch.testing.assert_close(conv(x, style)[i : i + 1], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(conv(x, torch.ones(2, 6)), conv(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", [(1, 1), (17, 33), (300, 40), (1, 900), (64, 64)])
def test_any_size_gives_chroma_of_its_aspect(network, side):
    colorizer = EmbeddedColorizer(network, SPEC)
    chroma = colorizer.colorize(torch.full((2, 1, *side), 50.0), size=64)
    h, w = chroma.ab.shape[-2:]
    assert chroma.ab.shape == (2, 2, h, w) and chroma.confidence.shape == (2, 1, h, w)
    if max(side) <= 4 * min(side):
        assert h / w == pytest.approx(side[0] / side[1], rel=0.1)
    assert chroma.confidence.min() >= 0 and chroma.confidence.max() <= 1


def test_a_picture_is_coloured_alike_alone_and_in_a_batch(network):
    colorizer = EmbeddedColorizer(network, SPEC)
    L = torch.rand(3, 1, 40, 56, generator=torch.Generator().manual_seed(0)) * 100
    together = colorizer.colorize(L, size=64).ab
    alone = colorizer.colorize(L[1:2], size=64).ab
    torch.testing.assert_close(together[1:2], alone, atol=1e-2, rtol=0)


def test_temperature_changes_the_saturation(network):
    colorizer = EmbeddedColorizer(network, SPEC)
    L = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 100
    cold = colorizer.colorize(L, size=64, temperature=0.01).ab.norm(dim=1).mean()
    warm = colorizer.colorize(L, size=64, temperature=1.0).ab.norm(dim=1).mean()
    assert cold > 1.05 * warm


@pytest.mark.parametrize(
    ("L", "kwargs", "words"),
    [
        (torch.zeros(1, 3, 8, 8), {}, "L must be"),
        (torch.zeros(1, 1, 0, 8), {}, "empty"),
        (torch.full((1, 1, 8, 8), float("nan")), {}, "NaN"),
        (torch.zeros(1, 1, 8, 8), {"size": 3}, "working size"),
        (torch.zeros(1, 1, 8, 8), {"temperature": 0.0}, "temperature"),
        (torch.zeros(1, 1, 8, 8), {"conditions": Conditions(color=torch.zeros(1, 9))}, "512 numbers"),
    ],
)
def test_bad_input_is_named(network, L, kwargs, words):
    with pytest.raises(ValueError, match=words):
        EmbeddedColorizer(network, SPEC).colorize(L, **kwargs)


def test_demodulated_weights_follow_the_weights():
    conv, x = ModulatedConv(4, 4, 3).requires_grad_(False), torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        first = conv(x)
        assert torch.equal(conv(x), first)
        conv.weight.mul_(torch.rand_like(conv.weight))
        torch.testing.assert_close(conv(x), conv(x, torch.ones(1, 4)), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(conv(x), first)
        half = conv.to(torch.bfloat16)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    trained = ModulatedConv(4, 4, 3)
    trained(x).sum().backward()
    assert trained.weight.grad is not None


def test_modulated_convs_let_their_kept_weights_go():
    conv = ModulatedConv(4, 4, 3).requires_grad_(False)
    with torch.no_grad():
        conv(torch.randn(1, 4, 5, 5))
        assert conv._demodulated is not None
        conv.to(torch.float64)
    assert conv._demodulated is None
