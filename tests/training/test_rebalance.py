import numpy as np
import pytest
import torch

from chrominance.color.ab_bins import ab_bins, nearest_ab_bin, soft_encode
from chrominance.training.rebalance import (
    SoftTargets,
    rebalanced_cross_entropy,
    rebalancing_weights,
    smooth_prior,
)


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
