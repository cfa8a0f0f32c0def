from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from chrominance.pipelines.metrics_features import RecognitionScores, frechet_distance, gaussian_of


def _random(rows, columns, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=g) @ torch.randn(columns, columns, generator=g)


def test_gaussian_agrees_with_numpy():
    features = _random(30, 5, 0)
    mean, cov = gaussian_of(features)
    assert np.allclose(mean, features.double().numpy().mean(0))
    assert np.allclose(cov, np.cov(features.double().numpy(), rowvar=False))


def test_distance_agrees_with_scipys_root_of_a_matrix():
    (m1, c1), (m2, c2) = gaussian_of(_random(60, 8, 1)), gaussian_of(_random(50, 8, 2) + 3)
    root = sqrtm(c1.numpy() @ c2.numpy()).real
    expected = float(((m1 - m2) ** 2).sum() + c1.trace() + c2.trace() - 2 * root.trace())
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(m2, c2, m1, c1) == pytest.approx(expected, rel=1e-9)


def test_distance_of_axis_parallel_gaussians_is_that_of_their_deviations():
    m1, m2 = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, 3.5])
    s1, s2 = torch.tensor([1.0, 4.0, 0.0]), torch.tensor([2.0, 1.0, 3.0])
    expected = float(((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum())
    assert frechet_distance(m1, torch.diag(s1**2), m2, torch.diag(s2**2)) == pytest.approx(expected)


def test_one_dimension_in_closed_form():
    one = torch.ones(1)
    assert frechet_distance(2 * one, 9 * one[None], -one, 4 * one[None]) == pytest.approx(9 + 1)


@pytest.mark.parametrize("rows", [4, 200])
def test_distance_to_itself_is_nothing_even_of_fewer_pictures_than_features(rows):
    gaussian = gaussian_of(_random(rows, 64, 3))
    assert frechet_distance(*gaussian, *gaussian) == pytest.approx(0, abs=1e-7 * float(gaussian[1].trace()))


def test_singular_covariances_agree_with_the_nuclear_norm_of_the_samples():
    x, y = _random(5, 40, 4).double(), _random(7, 40, 5).double()
    centred = [(z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (x, y)]
    cross = np.linalg.norm(centred[0].numpy() @ centred[1].numpy().T, "nuc")
    expected = (x.mean(0) - y.mean(0)).square().sum() + sum((z**2).sum() for z in centred) - 2 * cross
    assert frechet_distance(*gaussian_of(x), *gaussian_of(y)) == pytest.approx(float(expected), rel=1e-7)


def by_means(rgb):
    """Features: the channels' means; the class: the strongest channel."""
    means = rgb.mean((2, 3))
    return means, means


def test_scores_of_a_set():
    g = torch.Generator().manual_seed(6)
    truth = torch.rand(6, 3, 8, 8, generator=g)
    truth[:3, 0] = 1
    truth[3:, 1] = 1
    swapped = truth.clone()
    swapped[3:4] = truth[3:4, [1, 0, 2]]
    scores = RecognitionScores(by_means)
    for rgb, true in zip(swapped.split(2), truth.split(2), strict=True):
        scores.add(rgb, true)
    figures = scores.figures()
    assert figures["top1"] == pytest.approx(100 * 5 / 6)
    eight_bits = [(x * 255).round() / 255 for x in (swapped, truth)]
    expected = frechet_distance(*[p for x in eight_bits for p in gaussian_of(by_means(x)[0])])
    assert figures["frechet"] == pytest.approx(expected, rel=1e-4)


def test_the_originals_themselves_are_at_no_distance():
    truth = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    scores = RecognitionScores(by_means)
    scores.add(truth, truth)
    assert scores.figures() == {"frechet": pytest.approx(0, abs=1e-9), "top1": 100}


def test_too_few_pictures_and_broken_ones_are_named():
    scores = RecognitionScores(by_means)
    with pytest.raises(ValueError, match="no pictures were added"):
        scores.figures()
    scores.add(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"at least two pictures on either side, got \[1, 3\]"):
        scores.figures()
    with pytest.raises(ValueError, match="differ in shape"):
        scores.add(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
    with pytest.raises(ValueError, match="NaN"):
        scores.add(torch.full((1, 3, 4, 4), float("nan")), torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="features hold NaN"):
        gaussian_of(torch.full((3, 2), float("nan")))
    with pytest.raises(ValueError, match=r"cov2 must be \[2, 2\]"):
        frechet_distance(torch.zeros(2), torch.eye(2), torch.zeros(2), torch.eye(3))
