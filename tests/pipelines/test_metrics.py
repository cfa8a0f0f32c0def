from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import color, data, metrics

from chrominance.pipelines.metrics import (
    ColorScores,
    PhotoScores,
    colorfulness,
    delta_e,
    epsilon_accuracy,
    psnr,
)

MEASURES = [psnr, delta_e, epsilon_accuracy]


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


def test_delta_e_agrees_with_scikit_image():
    noisy, truth = _pair()
    expected = color.deltaE_ciede2000(color.rgb2lab(noisy), color.rgb2lab(truth)).mean()
    assert delta_e(_tensor(noisy), _tensor(truth)).item() == pytest.approx(expected, abs=1e-3)


def test_epsilon_accuracy_by_hand():
    truth = torch.full((1, 3, 2, 2), 100 / 255)
    rgb = truth.clone()
    rgb[0, 0, 0, 1] = 105 / 255  # one channel, 5 levels off: within 2 %
    rgb[0, 2, 1, 0] = 94 / 255  # 6 levels: within 5 %
    rgb[0, :, 1, 1] = torch.tensor([100, 100, 113]) / 255  # 13 levels: outside, whatever the others are
    assert epsilon_accuracy(rgb, truth, 0).item() == 0.25
    assert epsilon_accuracy(rgb, truth, 0.02).item() == 0.5
    assert epsilon_accuracy(rgb, truth, 0.05).item() == 0.75
    assert epsilon_accuracy(rgb, truth, 0.06).item() == 1
    with pytest.raises(ValueError, match=r"0\.\.1, got 5"):
        epsilon_accuracy(rgb, truth, 5)


def test_colorfulness_agrees_with_the_formula_in_numpy():
    _, truth = _pair()
    r, g, b = np.moveaxis(truth * 255, -1, 0)
    rg, yb = r - g, 0.5 * (r + g) - b
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colorfulness(_tensor(truth)).item() == pytest.approx(expected, rel=1e-4)
    assert colorfulness(torch.full((1, 3, 8, 8), 0.4)).item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("measure", [*MEASURES, colorfulness])
def test_a_batch_gives_what_its_pictures_give_one_by_one(measure):
    both = torch.rand(2, 2, 3, 9, 7, generator=torch.Generator().manual_seed(3))
    both[1] = both[0] + (both[1] - 0.5) / 10
    pair = both.clamp(0, 1)
    arguments = pair[:1] if measure is colorfulness else pair
    whole = measure(*arguments)
    assert whole.shape == (2,)
    for i in range(2):
        assert torch.allclose(measure(*arguments[:, i : i + 1]), whole[i : i + 1])


def test_the_true_picture_scores_full():
    _, truth = _pair()
    scores = PhotoScores()
    scores.add(_tensor(truth), _tensor(truth))
    figures = scores.figures()
    assert figures["auc"] == figures["auc_rebalanced"] == 100
    assert figures["accuracy_2"] == figures["accuracy_5"] == 100
    assert figures["psnr"] == 100
    assert figures["delta_e"] == figures["colorfulness_difference"] == 0
    assert figures["colorfulness"] == figures["true_colorfulness"] > 10
    assert figures["frequent"] == figures["true_frequent"] > 0


def test_the_difference_of_colourfulness_is_that_of_the_means():
    g = torch.Generator().manual_seed(1)
    truth = torch.rand(2, 3, 8, 8, generator=g)
    rgb = torch.stack([truth[0] * 0.5 + 0.25, truth[1]])
    rgb[1, 0] = rgb[1, 0].round()  # more colourful than its original, where the other is less
    scores = PhotoScores()
    scores.add(rgb, truth)
    expected = abs(colorfulness(rgb).mean() - colorfulness(truth).mean()).item()
    assert scores.figures()["colorfulness_difference"] == pytest.approx(expected, abs=0.2)


def test_grey_has_no_frequent_colour():
    scores = PhotoScores()
    scores.add(torch.full((1, 3, 4, 4), 0.5), torch.rand(1, 3, 4, 4))
    assert np.isnan(scores.figures()["frequent"])


@pytest.mark.parametrize("measure", [*MEASURES, PhotoScores().add])
def test_what_does_not_fit_is_named(measure):
    with pytest.raises(ValueError, match="differ in shape"):
        measure(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match="differ in shape"):
        measure(torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"must be \[B,3,H,W\]"):
        measure(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="no empty side"):
        measure(torch.zeros(0, 3, 4, 4), torch.zeros(0, 3, 4, 4))
    with pytest.raises(ValueError, match="the original holds NaN"):
        measure(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), float("nan")))
    with pytest.raises(ValueError, match="the picture holds NaN or infinite"):
        measure(torch.full((1, 3, 4, 4), float("inf")), torch.zeros(1, 3, 4, 4))


def test_no_pictures_have_no_figures():
    for scores in (PhotoScores(), ColorScores()):
        with pytest.raises(ValueError, match="no pictures"):
            scores.figures()
    with pytest.raises(ValueError, match="NaN"):
        ColorScores().add(torch.full((1, 3, 4, 4), float("nan")))


def test_colours_alone_are_those_of_the_pair():
    noisy, truth = map(_tensor, _pair())
    scores, colors = PhotoScores(), ColorScores()
    scores.add(noisy, truth)
    colors.add(noisy)
    figures = scores.figures()
    assert colors.figures() == {name: figures[name] for name in ("colorfulness", "frequent")}
