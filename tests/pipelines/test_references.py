"""References: what is no reference is refused, and each is looked at once."""

from __future__ import annotations

import pytest
import torch

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.models.vgg19 import VGG19, VGG19Features
from chrominance.models.vgg19.network import imagenet_input
from chrominance.pipelines.exemplar import warp
from chrominance.pipelines.references import BadReferenceError, References, size_for

from .conftest import CountingFeatures, photo


def test_a_reference_is_looked_at_once():
    extractor = CountingFeatures()
    references = References([photo("coffee"), photo("chelsea")], extractor)
    for _ in range(4):
        warp(torch.rand(2, 1, 144, 160) * 100, references)
    assert extractor.calls == 2 + 4 * 2


def test_of_working_sizes_the_last_few_are_remembered():
    extractor = CountingFeatures()
    references = References([photo("coffee")], extractor)
    for size in (128, 136, 144, 152, 136, 160, 136):
        references.at(size)
    assert extractor.calls == 5
    references.at(128)
    assert extractor.calls == 6


def test_the_grid_holds_every_reference():
    pictures = [photo("coffee", 150, 200), photo("chelsea", 160, 120), photo("astronaut", 64, 64)]
    grid = References(pictures, CountingFeatures()).at(128)
    assert grid.shapes == ((16, 21), (21, 16), (16, 16))
    assert grid.owner.bincount().tolist() == [16 * 21, 21 * 16, 16 * 16]
    assert len(grid.features) == len(grid.values) == len(grid.owner)
    assert torch.allclose(grid.features.square().sum(1), torch.ones(len(grid.features)), atol=1e-5)
    assert sum(grid.channels) == grid.features.shape[1]
    for number, picture in enumerate(pictures):
        features, shape = grid.part(number)
        assert features.shape[2:] == shape
        assert torch.equal(features.flatten(2)[0].T, grid.features[grid.owner == number])
        ab = rgb_to_lab(picture[None])[:, 1:]
        own = grid.values[grid.owner == number]
        assert torch.allclose(own[:, :2].mean(0), ab.mean((0, 2, 3)), atol=1.0)
        assert (own[:, 2] >= own[:, :2].square().sum(1) - 1e-3).all()


def test_levels_finer_than_the_grid_are_left_out():
    grid = References([photo("coffee")], CountingFeatures()).at(128)
    assert grid.channels == (40, 112, 320)


@pytest.mark.parametrize(
    ("size", "expected"), [((1, 1), 128), ((200, 90), 128), ((300, 200), 200), ((2160, 3840), 384)]
)
def test_the_working_size(size, expected):
    assert size_for(*size) == expected


def test_other_networks_give_features_too():
    torch.manual_seed(0)
    extractor = VGG19Features(VGG19(), imagenet_input)
    references = References([photo("chelsea"), photo("coffee")], extractor)
    assert references.at(144).channels == (512, 512)
    found = warp(rgb_to_lightness(photo("coffee")[None]), references)
    assert found.best() == [1]
    assert (found.cosine > 0.99).all()


def test_large_references_are_kept_smaller():
    references = References([torch.rand(3, 2000, 1600)], CountingFeatures())
    assert references.sizes == ((2000, 1600),)
    assert references.pictures[0].shape == (1, 3, 960, 768)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.rand(1, 40, 40).expand(3, -1, -1), "no colours to give: it is grey"),
        (torch.rand(3, 40, 15), r"15×40 pixels, too small to compare.*16×16"),
        (torch.full((3, 40, 40), float("nan")), "holds NaN"),
        (torch.rand(4, 40, 40), r"must be \[3,H,W\], got \[4, 40, 40\]"),
    ],
)
def test_what_is_no_reference_is_refused(picture, message):
    with pytest.raises(BadReferenceError, match=message) as caught:
        References([photo("coffee"), picture], CountingFeatures(), ["a.png", "b.png"])
    assert str(caught.value).startswith("b.png")


def test_none_is_refused():
    with pytest.raises(BadReferenceError, match="at least one"):
        References([], CountingFeatures())
