from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance
from skimage import data

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.pipelines.color_map import change_exactly
from chrominance.pipelines.color_match import (
    METHODS,
    ColorMatch,
    ColorSampler,
    fit_monge_kantorovich,
    fit_reinhard,
    fit_sliced,
    match_colors,
    sample_colors,
)


def photo(name, step=3):
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None, :, ::step, ::step].float() / 255


def points(count, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(3, 3, generator=generator) * spread
    return mix @ torch.randn(3, count, generator=generator) + torch.tensor([[50.0], [10], [-5]])


def test_reinhard_gives_means_and_spreads():
    source, reference = points(500, 6, 0), points(700, 9, 1)
    out = source + fit_reinhard(source, reference).displacement(source)
    torch.testing.assert_close(out.mean(1), reference.mean(1), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.std(1, correction=0), reference.std(1, correction=0), atol=1e-2, rtol=1e-3)


def test_monge_kantorovich_is_scipys_square_roots():
    source, reference = points(4000, 8, 2), points(4000, 8, 3)
    found = fit_monge_kantorovich(source, reference)
    flat = 0.25 * np.eye(3)
    a, b = (np.cov(x.double().numpy(), bias=True) + flat for x in (source, reference))
    root = sqrtm(a)
    inverse = np.linalg.inv(root)
    wanted = inverse @ sqrtm(root @ b @ root) @ inverse
    np.testing.assert_allclose(found.matrix.numpy(), wanted.real, atol=1e-6)
    out = (source + found.displacement(source)).double()
    np.testing.assert_allclose(np.cov(out.numpy()), np.cov(reference.double().numpy()), atol=0.05 * b.max())


def test_sliced_transport_brings_whole_distributions_near():
    """Against SciPy's distance in one dimension, along each channel."""
    source = sample_colors(photo("coffee"))
    reference = sample_colors(photo("astronaut"))
    out = source + fit_sliced(source, reference).displacement(source)
    linear = source + fit_monge_kantorovich(source, reference).displacement(source)
    far, near, plain = (
        np.mean([wasserstein_distance(x[n].numpy(), reference[n].numpy()) for n in range(3)])
        for x in (source, out, linear)
    )
    assert near < 0.25 * far and near < plain
    assert torch.equal(
        fit_sliced(source, reference, 5).displacement(source),
        fit_sliced(source, reference, 5).displacement(source),
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_matched_to_itself_stays(method):
    rgb = photo("coffee")
    out = match_colors(rgb, rgb, method, lightness=True)
    assert (out - rgb).abs().max() < 1.5 / 255


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lightness", [False, True])
def test_colours_come_near_and_lightness_stays_where_it_shall(method, lightness):
    rgb, reference = photo("coffee"), photo("astronaut")
    out = match_colors(rgb, reference, method, lightness=lightness)
    before, after, goal = (rgb_to_lab(x).flatten(2)[0].mean(1) for x in (rgb, out, reference))
    assert (after - goal)[1:].abs().max() < 0.6 * (before - goal)[1:].abs().max()
    if lightness:
        assert abs(after[0] - goal[0]) < 3
    else:
        torch.testing.assert_close(rgb_to_lightness(out), rgb_to_lightness(rgb), atol=0.02, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_the_table_is_near_the_map(method):
    rgb, reference = photo("coffee"), photo("astronaut")
    match = ColorMatch(sample_colors(rgb), sample_colors(reference), method, lightness=True)
    assert (match.apply(rgb) - change_exactly(rgb, match)).abs().max() <= 2 / 255


@pytest.mark.parametrize("method", METHODS)
def test_mask_strength_flat_pictures_and_seeds(method):
    rgb, reference = photo("coffee", 9), photo("astronaut", 9)
    mask = torch.zeros(1, 1, *rgb.shape[2:])
    mask[..., 20:] = 1
    out = match_colors(rgb, reference, method, mask=mask)
    assert torch.equal(out[..., :20], rgb[..., :20]) and not torch.equal(out, rgb)
    assert torch.equal(out, match_colors(rgb, reference, method, mask=mask))
    assert torch.equal(match_colors(rgb, reference, method, strength=0), rgb)
    flat = match_colors(torch.full((1, 3, 5, 4), 0.5), reference, method, lightness=True)
    assert bool(torch.isfinite(flat).all()) and flat.flatten(2).std(2).max() < 1e-3


def test_the_sample_is_bounded_and_of_the_mask_alone():
    sampler = ColorSampler(seed=1, frames=50)
    for _ in range(50):
        sampler.add(photo("coffee")[0])
    assert sampler.lab.shape[1] <= 66_000
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., 0] = 1
    rgb = torch.rand(1, 3, 4, 6)
    torch.testing.assert_close(sample_colors(rgb, mask), rgb_to_lab(rgb[0, :, :, 0], dim=0))


def test_what_does_not_fit_is_refused():
    rgb = torch.rand(1, 3, 4, 5)
    with pytest.raises(ValueError, match="one of reinhard"):
        match_colors(rgb, rgb, "best")
    with pytest.raises(ValueError, match="NaN"):
        match_colors(rgb, rgb * float("nan"))
    with pytest.raises(ValueError, match="leaves no pixel"):
        match_colors(rgb, rgb, mask=torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match="no picture"):
        _ = ColorSampler().lab
