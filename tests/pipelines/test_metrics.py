import numpy as np
import pytest
import torch
from skimage import color, data, metrics

from chrominance.pipelines.metrics import AreaUnderCurve, PhotoScores, colorfulness, psnr


def _pair():
    truth = data.coffee()[:80, :120].astype(np.float64) / 255
    noise = np.random.default_rng(0).normal(0, 0.05, truth.shape)
    return np.clip(truth + noise, 0, 1), truth


def _tensor(x):
    return torch.from_numpy(x).permute(2, 0, 1)[None].float()


def test_psnr_agrees_with_scikit_image():
    noisy, truth = _pair()
    expected = metrics.peak_signal_noise_ratio(truth, noisy, data_range=1)
    assert psnr(_tensor(noisy), _tensor(truth)).item() == pytest.approx(expected, abs=1e-3)


def test_colorfulness_agrees_with_the_formula_in_numpy():
    _, truth = _pair()
    r, g, b = np.moveaxis(truth * 255, -1, 0)
    rg, yb = r - g, 0.5 * (r + g) - b
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colorfulness(_tensor(truth)).item() == pytest.approx(expected, rel=1e-4)
    assert colorfulness(torch.full((1, 3, 8, 8), 0.4)).item() == pytest.approx(0, abs=1e-4)


def _curve(ab, truth, weights):
    error = np.linalg.norm(ab - truth, axis=-1).ravel()
    return 100 * np.mean([(weights * (error <= t)).sum() / weights.sum() for t in range(151)])


def test_auc_agrees_with_the_curve_itself():
    noisy, truth = (color.rgb2lab(x)[..., 1:] for x in _pair())
    curve = AreaUnderCurve()
    curve.add(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (noisy, truth)))
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


def test_the_true_picture_scores_full():
    _, truth = _pair()
    scores = PhotoScores()
    scores.add(_tensor(truth), _tensor(truth))
    figures = scores.figures()
    assert figures["auc"] == figures["auc_rebalanced"] == 100
    assert figures["colorfulness"] == figures["true_colorfulness"] > 10


def test_no_pictures_and_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="no pictures"):
        PhotoScores().figures()
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
