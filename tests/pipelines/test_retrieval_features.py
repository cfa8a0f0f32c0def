from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import pearsonr

from chrominance.color import rgb_to_lightness
from chrominance.models.features_load import load_features
from chrominance.pipelines.merge import merge
from chrominance.pipelines.retrieval_features import (
    GRID,
    LEAST_COLOR,
    LEVELS,
    PLACES,
    SIDE,
    Basis,
    color_beyond_lightness,
    describe,
    probe,
)


@pytest.fixture(scope="module")
def extractor():
    return load_features()


@pytest.fixture(scope="module")
def blobs():
    """Three colourful pictures [3,3,224,224], without colours outside of sRGB when they are made grey."""
    coarse = torch.rand(3, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)


def test_shapes_and_histograms_against_numpy(extractor, blobs):
    described = describe(blobs, extractor)
    assert described.features.shape == (3, PLACES, 320) and described.features.dtype == torch.float32
    assert described.lightness.shape == (3, PLACES, LEVELS)
    L = rgb_to_lightness(blobs).numpy()
    step = SIDE // GRID
    counts = {}
    for place in (0, 1, 8, 30, 48):
        row, column = divmod(place, GRID)
        window = L[1, 0, row * step : (row + 1) * step, column * step : (column + 1) * step]
        counts[place] = np.histogram(window, LEVELS, (0, 100))[0]
    for one, other in ((0, 1), (8, 30), (48, 0)):
        product = float(described.lightness[1, one] @ described.lightness[1, other])
        assert product == pytest.approx(pearsonr(counts[one], counts[other])[0], abs=1e-4)


def test_places_are_where_they_are_in_the_picture(extractor, blobs):
    """A change in one corner changes the features about it most, and the histogram of its place alone."""
    changed = blobs[:1].clone()
    changed[:, :, -32:, :32] = 1 - changed[:, :, -32:, :32]
    before, after = describe(blobs[:1], extractor), describe(changed, extractor)
    place = PLACES - GRID
    row, column = divmod(int((before.features - after.features).norm(dim=2).argmax()), GRID)
    assert row >= GRID - 2 and column <= 1
    differs = (before.lightness - after.lightness).abs().sum(2)[0] > 1e-4
    assert differs.nonzero().flatten().tolist() == [place]


def test_colour_and_company_do_not_count(extractor, blobs):
    together = describe(blobs, extractor)
    grey = describe(merge(blobs, torch.zeros(1, 2, 1, 1)), extractor)
    alone = describe(blobs[1:2], extractor)
    assert F.cosine_similarity(together.features, grey.features, dim=2).min() > 0.999
    torch.testing.assert_close(alone.features[0], together.features[1], atol=1e-3, rtol=1e-3)
    assert torch.equal(alone.lightness[0], together.lightness[1])


def test_black_white_and_wrong_shapes(extractor):
    for value in (0.0, 1.0):
        described = describe(torch.full((1, 3, SIDE, SIDE), value), extractor)
        assert torch.isfinite(described.features).all() and torch.isfinite(described.lightness).all()
    with pytest.raises(ValueError, match=r"\[B,3,224,224\], got \[1, 3, 96, 224\]"):
        describe(torch.rand(1, 3, 96, 224), extractor)


def test_the_probe_tells_networks_apart_and_not_their_types(extractor):
    mark = probe(extractor)
    assert mark.shape == (320,) and torch.equal(mark, probe(extractor))
    half = load_features(dtype=torch.bfloat16)
    assert F.cosine_similarity(probe(half), mark, dim=0) > 0.9995
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in half.network.parameters():
            parameter += 0.05 * parameter.std(unbiased=False) * torch.randn_like(parameter)
    assert F.cosine_similarity(probe(half), mark, dim=0) < 0.999


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_basis_of_few_pictures_compresses_all_the_same(count):
    generator = torch.Generator().manual_seed(count)
    basis = Basis.fit(torch.randn(count, PLACES, 20, generator=generator))
    overall, places = basis.compress(torch.randn(4, PLACES, 20, generator=generator))
    assert overall.shape == (4, 20) and places.shape == (4, PLACES, 20)
    assert torch.isfinite(overall).all() and torch.isfinite(places).all()


def test_the_basis_keeps_what_matters_and_agrees_with_an_svd():
    generator = torch.Generator().manual_seed(3)
    strong = torch.randn(200, 49, 5, generator=generator) @ torch.randn(5, 90, generator=generator) * 4
    features = strong + 0.05 * torch.randn(200, 49, 90, generator=generator) + 3
    basis = Basis.fit(features)
    assert basis.to_place.shape == (90, 64) and basis.to_overall.shape == (90, 90)
    _, _, axes = np.linalg.svd(
        (features.reshape(-1, 90) - features.mean((0, 1))).numpy(), full_matrices=False
    )
    ours = F.normalize(basis.to_place[:, :5], dim=0).numpy()
    assert np.linalg.norm(ours.T @ axes[:5].T) == pytest.approx(5**0.5, abs=1e-3)
    overall, places = basis.compress(features)
    assert torch.allclose(places.norm(dim=2), torch.ones(200, 49), atol=1e-5)
    assert torch.allclose(overall.norm(dim=1), torch.ones(200), atol=1e-5)


def test_colours_beyond_lightness():
    L = torch.linspace(0, 1, SIDE).expand(1, SIDE, SIDE)
    grey = L[None].expand(1, 3, -1, -1)
    toned = torch.stack([L**0.8, L, L**1.4], 1)
    colours = torch.stack([L, L.mT, 1 - L], 1)
    flat = torch.tensor([0.8, 0.1, 0.2]).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE)
    found = color_beyond_lightness(torch.cat([grey, toned, flat, colours]))
    assert found[0] < 1e-3 and found[2] < 1e-3
    assert found[1] < LEAST_COLOR < 10 < found[3]
