import hashlib

import numpy as np
import pytest
import torch

from chrominance.color.ab_bins import (
    BIN_COUNT,
    ab_bins,
    annealed_mean,
    entropy_confidence,
    nearest_ab_bin,
    open_mean,
    soft_encode,
)


def test_bins_are_the_published_table():
    # The digest is of the authors' pts_in_hull.npy: a version 1.0 header padded to 16 bytes, then int64.
    bins = ab_bins(dtype=torch.float64).numpy().astype("<i8")
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (313, 2), }"
    header += b" " * (-(len(header) + 11) % 16) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bins.tobytes()
    assert len(data) == 5088
    expected = "b5dec01315c34f43f1c8c089e84c45ae35d1838d8e77ed0e7ca930f79ffa450e"
    assert hashlib.sha256(data).hexdigest() == expected


def test_nearest_agrees_with_brute_force():
    ab = torch.from_numpy(np.random.default_rng(0).uniform(-130, 130, (2, 2, 7, 9)).astype(np.float32))
    bins = ab_bins().numpy()
    distance = ((ab.permute(0, 2, 3, 1).numpy()[..., None, :] - bins) ** 2).sum(-1)
    assert np.array_equal(nearest_ab_bin(ab).numpy(), distance.argmin(-1))


def test_soft_code_is_the_gaussian_of_the_five_nearest():
    ab = torch.tensor([[3.1, 4.3], [-61.7, 12.4], [500.0, 500.0]])
    index, weight = soft_encode(ab)
    distance = torch.cdist(ab.double(), ab_bins().double())
    assert torch.equal(index.sort(1).values, distance.argsort(1)[:, :5].sort(1).values)
    gauss = torch.exp(-(distance.gather(1, index) ** 2) / 50)[:2]
    torch.testing.assert_close(weight[:2].double(), gauss / gauss.sum(1, keepdim=True), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(weight.sum(1), torch.ones(3))


def test_soft_code_of_a_bin_centre_favours_it():
    index, weight = soft_encode(ab_bins())
    assert torch.equal(index[:, 0], torch.arange(BIN_COUNT))
    assert bool((weight[:, 0] > weight[:, 1]).all())


def test_annealed_mean_runs_from_mean_to_mode():
    logits = torch.full((1, BIN_COUNT, 1, 1), -30.0)
    logits[0, 10], logits[0, 200] = 1.0, 0.0
    bins = ab_bins()
    p = torch.softmax(torch.tensor([1.0, 0.0]), 0)
    plain = p[0] * bins[10] + p[1] * bins[200]
    torch.testing.assert_close(annealed_mean(logits, 1.0).flatten(), plain, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(annealed_mean(logits, 0.02).flatten(), bins[10], rtol=1e-4, atol=1e-3)


def test_confidence_is_zero_for_all_alike_and_one_for_certainty():
    logits = torch.zeros(2, BIN_COUNT, 1, 1)
    logits[1, 5] = 100
    assert entropy_confidence(logits).flatten().tolist() == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature"):
        annealed_mean(torch.zeros(1, BIN_COUNT, 1, 1), temperature)


def logits_of(*bins, size=(2, 3)):
    """Logits [1,313,h,w] of a distribution with the given bins and their shares."""
    p = torch.full((313,), 1e-6)
    for ab, share in bins:
        p[nearest_ab_bin(torch.tensor([ab], dtype=torch.float32), dim=-1)] = share
    return (p / p.sum()).log().view(1, 313, 1, 1).expand(1, 313, *size).clone()


def test_open_mean_sharpens_where_grey_is_likely_only():
    grey, open_ = logits_of(((0, 0), 0.9), ((0, 60), 0.1)), logits_of(((60, 40), 0.5), ((-60, 40), 0.4))
    assert open_mean(grey, 0.38)[0, 1].max() < 1.5  # the plain mean has 6
    assert torch.allclose(open_mean(open_, 0.38), annealed_mean(open_, 1.0), atol=0.2)
    sharpened = annealed_mean(open_, 0.38)[0, 0]
    assert (open_mean(open_, 0.38)[0, 0] < sharpened - 5).all()


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_open_mean_above_one_is_the_annealed_mean(temperature):
    logits = torch.randn(2, 313, 3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(open_mean(logits, temperature), annealed_mean(logits, temperature))


def test_open_mean_refuses_a_temperature_of_zero():
    with pytest.raises(ValueError, match="above 0"):
        open_mean(torch.zeros(1, 313, 1, 1), 0.0)
