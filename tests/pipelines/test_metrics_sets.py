from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import color, data

from chrominance.pipelines.metrics_sets import AreaUnderCurve, FrequentColors


def _pair():
    """Noisy and true ab of a photo, [80,120,2] each."""
    truth = data.coffee()[:80, :120].astype(np.float64) / 255
    noise = np.random.default_rng(0).normal(0, 0.05, truth.shape)
    return tuple(color.rgb2lab(x)[..., 1:] for x in (np.clip(truth + noise, 0, 1), truth))


def _tensor(ab):
    return torch.from_numpy(ab).permute(2, 0, 1)[None]


def _curve(ab, truth, weights):
    error = np.linalg.norm(ab - truth, axis=-1).ravel()
    return 100 * np.mean([(weights * (error <= t)).sum() / weights.sum() for t in range(151)])


def test_auc_agrees_with_the_curve_itself():
    noisy, truth = _pair()
    curve = AreaUnderCurve()
    curve.add(_tensor(noisy), _tensor(truth))
    assert curve.plain() == pytest.approx(_curve(noisy, truth, np.ones(truth[..., 0].size)), abs=1e-6)

    cells = np.rint(truth / 10).astype(int).reshape(-1, 2)
    _, inverse, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    weights = 1 / counts[inverse.ravel()]
    assert curve.rebalanced() == pytest.approx(_curve(noisy, truth, weights), abs=1e-6)


def test_auc_of_a_set_counts_bins_over_all_of_it():
    g = torch.Generator().manual_seed(0)
    truth = torch.randn(4, 2, 16, 16, generator=g) * 40
    ab = truth + torch.randn(4, 2, 16, 16, generator=g) * 10
    whole, parts = AreaUnderCurve(), AreaUnderCurve()
    whole.add(ab, truth)
    for i in range(4):
        parts.add(ab[i : i + 1], truth[i : i + 1])
    assert parts.rebalanced() == pytest.approx(whole.rebalanced())


def test_frequent_colours_agree_with_numpy():
    _, truth = _pair()
    points = truth.reshape(-1, 2)
    points = points[np.linalg.norm(points, axis=1) >= 10]
    _, counts = np.unique(np.rint(points / 10), axis=0, return_counts=True)
    colors = FrequentColors()
    colors.add(_tensor(truth))
    for bins in (1, 3, 10):
        expected = 100 * np.sort(counts)[::-1][:bins].sum() / len(points)
        assert colors.share(bins) == pytest.approx(expected)


def test_frequent_colours_by_hand():
    ab = torch.zeros(1, 2, 2, 5)  # four neutral pixels, and of six coloured ones three alike
    ab[0, :, 0, :3] = torch.tensor([40.0, 20.0])[:, None]
    ab[0, 0, 1, :3] = torch.tensor([-30.0, 60.0, 90.0])
    colors = FrequentColors()
    colors.add(ab)
    assert colors.share(1) == 50
    assert colors.share(2) == pytest.approx(200 / 3)
    assert colors.share() == 100
    one = FrequentColors()
    one.add(torch.full((1, 2, 3, 3), 25.0))  # everything in one colour
    assert one.share(1) == 100


def test_no_colour_has_no_share():
    colors = FrequentColors()
    assert np.isnan(colors.share())
    colors.add(torch.zeros(1, 2, 3, 3))
    assert np.isnan(colors.share())
    with pytest.raises(ValueError, match="got 0"):
        colors.share(0)


def test_what_does_not_fit_is_named():
    good = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match="differ in shape"):
        AreaUnderCurve().add(good, torch.zeros(1, 2, 4, 5))
    for add in (FrequentColors().add, lambda ab: AreaUnderCurve().add(ab, ab)):
        with pytest.raises(ValueError, match=r"must be \[B,2,H,W\]"):
            add(torch.zeros(1, 3, 4, 4))
        with pytest.raises(ValueError, match="no empty side"):
            add(torch.zeros(0, 2, 4, 4))
        with pytest.raises(ValueError, match="NaN"):
            add(good * float("nan"))
