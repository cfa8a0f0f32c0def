import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from skimage import data

from chrominance.color import rgb_to_lab
from chrominance.color.ab_bins import ab_bins, nearest_ab_bin, soft_encode
from chrominance.models import load_colorizer, shipped_weights
from chrominance.training.__main__ import main
from chrominance.training.rebalance import (
    SoftTargets,
    favour_rare_bins,
    rebalanced_cross_entropy,
    rebalancing_weights,
    smooth_prior,
)

with safe_open(shipped_weights("embedded"), "pt") as _file:
    #: What the shipped weights were rebalanced by, after their training.
    SHIPPED = float(_file.metadata().get("rebalanced", 0))


@pytest.fixture(scope="module")
def targets():
    return SoftTargets()


def test_table_agrees_with_the_search(targets):
    ab = torch.from_numpy(np.random.default_rng(0).integers(-120, 120, (500, 2)).astype(np.float32))
    index, weight, nearest = targets.encode(ab)
    code = torch.zeros(500, 313).scatter(1, index, weight)
    expected = torch.zeros(500, 313).scatter(1, *soft_encode(ab))
    # Ties between equally near bins may be broken either way.
    assert ((code - expected).abs().amax(1) < 1e-5).float().mean() > 0.9
    bins = ab_bins()
    distance = torch.cdist(ab, bins)
    torch.testing.assert_close(distance.gather(1, nearest[:, None])[:, 0], distance.amin(1))


def test_weights_average_one_over_the_prior_and_favour_the_rare():
    prior = smooth_prior(torch.arange(313.0).square() + 1)
    assert prior.sum().item() == pytest.approx(1)
    for power in (0.5, 1.0):
        weights = rebalancing_weights(prior, power=power)
        assert (weights * prior).sum().item() == pytest.approx(1, abs=1e-5)
        assert weights[prior.argmin()] > weights[prior.argmax()]
    assert torch.allclose(rebalancing_weights(prior, power=0), torch.ones(313), atol=1e-5)
    full = 1 / (0.5 * prior + 0.5 / 313)
    torch.testing.assert_close(rebalancing_weights(prior), full / (full * prior).sum())


def test_loss_agrees_with_the_equation(targets):
    g = torch.Generator().manual_seed(0)
    ab = torch.randint(-60, 60, (2, 2, 3, 4), generator=g).float() + 0.0
    logits = torch.randn(2, 313, 3, 4, generator=g)
    weights = torch.rand(313, generator=g)
    total = 0.0
    for b in range(2):
        for y in range(3):
            for x in range(4):
                index, share, _ = targets.encode(ab[b, :, y, x][None])
                z = torch.zeros(313).scatter(0, index[0], share[0])
                log_p = torch.log_softmax(logits[b, :, y, x], 0)
                v = weights[nearest_ab_bin(ab[b, :, y, x], dim=0)]
                total += float(-v * (z * log_p).sum())
    got = rebalanced_cross_entropy(logits, ab, targets, weights)
    assert got.item() == pytest.approx(total / 24, rel=0.02)


def test_rare_bins_are_favoured_after_training_as_by_the_loss():
    torch.manual_seed(0)
    prior = smooth_prior(torch.rand(313) ** 8)
    bias, features = torch.randn(313), torch.randn(20, 313)
    tensors = {"head.bias": bias.clone()}
    favour_rare_bins(tensors, prior, 0.3)
    weighted = (features + bias).softmax(1) * rebalancing_weights(prior, power=0.3)
    torch.testing.assert_close(
        (features + tensors["head.bias"]).softmax(1), weighted / weighted.sum(1, keepdim=True)
    )
    favour_rare_bins(tensors, prior, -0.3)
    torch.testing.assert_close(
        (features + tensors["head.bias"]).softmax(1), (features + bias).softmax(1), atol=1e-6, rtol=1e-4
    )


def test_the_command_makes_a_network_more_colourful(tmp_path):
    picture = data.coffee()[::4, ::4]
    # Where nearly all is grey, every colour is rare.
    pale = 0.9 * picture.mean(2, keepdims=True) + 0.1 * picture
    Image.fromarray(pale.astype(np.uint8)).save(tmp_path / "pale.png")
    command = ["rebalance", "--data", str(tmp_path), "--strength"]
    for strength, name in (("0.5", "vivid"), ("-0.5", "calm")):
        assert main([*command, strength, "-o", str(tmp_path / f"{name}.safetensors")]) == 0
    L = rgb_to_lab(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255)[:, :1]
    calm, vivid = (
        load_colorizer(str(tmp_path / f"{name}.safetensors")).colorize(L).ab.norm(dim=1).mean()
        for name in ("calm", "vivid")
    )
    assert vivid > 1.1 * calm
    with safe_open(tmp_path / "vivid.safetensors", "pt") as file:
        assert float(file.metadata()["rebalanced"]) == pytest.approx(0.5 + SHIPPED)


def test_only_an_embedded_network_is_rebalanced(tmp_path, capsys):
    Image.fromarray(data.coffee()[::8, ::8]).save(tmp_path / "coffee.png")
    other = shipped_weights("illumination")
    command = ["rebalance", "--data", str(tmp_path), "--strength", "1", "--from", str(other)]
    assert main([*command, "-o", str(tmp_path / "out.safetensors")]) == 1
    assert "no embedded network" in capsys.readouterr().err and not (tmp_path / "out.safetensors").exists()


def test_how_far_it_was_rebalanced_goes_with_the_last_bias(tmp_path):
    """What trains conditions alone keeps it, over a resume too; where the bias learns on, it is gone."""
    Image.fromarray(data.coffee()[::4, ::4]).save(tmp_path / "coffee.png")
    command = ["embedded", "--data", str(tmp_path), "--batch", "2", "--size", "32", "--dtype", "float32"]
    conditions = [*command, "--parts", "conditions", "--state", str(tmp_path / "conditions")]
    assert main([*conditions, "--from", "shipped", "--samples", "2"]) == 0
    assert main([*conditions, "--resume", "--samples", "4"]) == 0
    everything = ["--state", str(tmp_path / "all"), "--from", "shipped", "--samples", "2"]
    assert main([*command, *everything]) == 0
    for name, kept in (("conditions", True), ("all", False)):
        with safe_open(tmp_path / name / "embedded.safetensors", "pt") as file:
            told = file.metadata()
        assert told.get("rebalanced") == (f"{SHIPPED:g}" if kept else None)
