"""Colour from references: a picture is its own best reference, and what is unlike it is not followed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.models.contract import Chroma, Colorizer, Conditions, Exemplar, ModelSpec
from chrominance.pipelines.colorize import ColorizeSettings, colorize
from chrominance.pipelines.correspondence import Matches
from chrominance.pipelines.exemplar import (
    AUTOMATIC_ERROR,
    Guide,
    blend,
    colorize_with_references,
    level_similarity,
    relatedness,
    sureness,
    warp,
    ways_back,
)
from chrominance.pipelines.metrics import psnr
from chrominance.pipelines.references import References

from .conftest import CountingFeatures, embedded, greyed, photo


def lightness(rgb: torch.Tensor) -> torch.Tensor:
    return rgb_to_lightness(rgb[None])


def references(*names: str) -> References:
    return References([photo(name) for name in names], CountingFeatures(), names)


class Told(Colorizer):
    """Proposes one colour, and keeps the conditions that it was given."""

    spec = ModelSpec("told", "Told", "", "", "", conditions=frozenset({"local"}))

    def __init__(self, *conditions: str, required: tuple[str, ...] = ()) -> None:
        self.network = torch.nn.Linear(1, 1)
        if conditions:
            self.spec = ModelSpec(
                "told", "Told", "", "", "", conditions=frozenset(conditions), required=frozenset(required)
            )
        self.told: list[Conditions] = []
        self.encoded = 0

    def _colorize(self, L, conditions, *, size, temperature):
        self.told.append(conditions)
        return Chroma(torch.full((len(L), 2, 4, 4), 9.0), torch.ones(len(L), 1, 4, 4))

    def encode_exemplar(self, rgb, *, size=None):
        self.encoded += 1
        return Exemplar("told")

    def encode_reference(self, rgb):
        self.encoded += 1
        return rgb.mean((2, 3))


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_a_picture_is_its_own_best_reference(name):
    rgb = photo(name)
    found = warp(lightness(rgb), references(name))
    true = rgb_to_lab(rgb[None])[:, 1:]
    error = F.avg_pool2d((found.ab - true).square().sum(1, keepdim=True), 8)
    assert error.mean() < 0.15 * true.square().sum(1).mean()
    assert (found.cosine > 0.999).all()
    assert found.confidence().mean() > 0.75
    assert torch.allclose(found.similarity, torch.ones_like(found.similarity), atol=1e-3)


def test_the_error_that_is_expected_is_about_the_one_that_is():
    rgb = photo("astronaut")
    moved = rgb[:, 8:, 16:]
    found = warp(lightness(moved), references("astronaut"))
    true = F.interpolate(rgb_to_lab(moved[None])[:, 1:], found.ab.shape[2:], mode="area")
    actual = (found.ab - true).square().sum(1).mean()
    assert 0.3 < actual / found.error.mean() < 2


def test_something_else_is_not_followed():
    found = warp(lightness(photo("coffee")), references("chelsea"))
    assert found.confidence().mean() < 0.1
    assert found.confidence(0.9).mean() > 0.3
    assert found.confidence(1).min() == 1 and found.confidence(0).max() == 0


def test_each_part_takes_its_own_reference():
    target = torch.cat([photo("coffee")[..., :96], photo("astronaut")[..., 96:]], 2)
    found = warp(lightness(target), references("astronaut", "chelsea", "coffee"))
    left, right = found.source[..., :11], found.source[..., 13:]
    assert (left == 2).float().mean() > 0.95
    assert (right == 0).float().mean() > 0.95
    assert (found.source == 1).float().mean() < 0.05


def test_pictures_of_a_batch_do_not_mix():
    batch = torch.cat([lightness(photo("coffee")), lightness(photo("chelsea"))])
    both = references("chelsea", "coffee")
    found = warp(batch, both)
    assert found.best() == [1, 0]
    alone = warp(batch[1:], both)
    assert torch.allclose(found.ab[1:], alone.ab, atol=1e-3)


def test_similarity_of_levels_is_their_cosine():
    known = references("coffee")
    found = warp(lightness(photo("coffee")), known)
    grid = known.at(144)
    count = len(grid.features)
    rows = grid.features.flip(0)
    index = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    back = index.flip(0)
    matches = Matches(grid.values[:, :2], torch.ones(count), index, back, torch.ones(count))
    told = level_similarity(rows, grid, matches)
    for place, level in enumerate((2, 2, 1, 1, 0)):
        first, there = (
            rows.split(grid.channels, 1)[level],
            grid.features[index].split(grid.channels, 1)[level],
        )
        returned = rows[back[index]].split(grid.channels, 1)[level]
        assert torch.allclose(told[:, place], F.cosine_similarity(first, there), atol=1e-4)
        assert torch.allclose(told[:, 5 + place], F.cosine_similarity(there, returned), atol=1e-4)
    assert found.similarity.shape == (1, 10, 18, 24)


def test_ways_back_that_miss_are_not_trusted():
    count = 20 * 30
    itself = torch.arange(count)
    zeros = torch.zeros(count)
    there = Matches(zeros[:, None], zeros, itself, itself, zeros)
    astray = Matches(zeros[:, None], zeros, itself, itself.flip(0), zeros)
    assert relatedness(ways_back(there, (20, 30))).min() > 0.99
    assert relatedness(ways_back(astray, (20, 30))).max() < 0.02
    assert ways_back(astray, (20, 30))[0, 0, 0, 0] == pytest.approx(math.hypot(19, 29))


def test_of_a_small_picture_more_ways_back_are_asked_for():
    # A quarter of the ways end where they began, everywhere: as many do by chance where there are few places.
    def related(side: int) -> float:
        missed = torch.full((1, 1, side, side), 50.0)
        missed[..., ::2, ::2] = 0
        return float(relatedness(missed)[0, 0, side // 2, side // 2])

    assert related(64) > 0.5 > 0.01 > related(18)


def test_one_place_that_agrees_is_not_enough():
    def missed(share: int, width: int) -> Tensor:
        """One way in ``share`` returns, and all of the ``width`` places at the left."""
        astray = torch.full((1, 1, 24, 36), 50.0)
        astray.view(-1)[::share] = 0
        astray[..., :width] = 0
        return astray

    # The left third is in the reference, and it is seen there.
    assert relatedness(missed(100, 12))[0, 0, 12, 3] > 0.9
    # A few places in a corner agree by chance.
    assert relatedness(missed(100, 4)).max() < 0.05


def test_confidence_is_a_matter_of_error_and_trust():
    least, share = AUTOMATIC_ERROR
    ab = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    automatic = least + share * 25
    error = torch.tensor([0.0, automatic, 10 * automatic]).view(1, 1, 1, 3)
    assert sureness(ab, error).flatten().tolist() == pytest.approx([1, 0.5, 1 / 101])
    assert (sureness(10 * ab, error)[..., 1:] > sureness(ab, error)[..., 1:]).all()
    more = torch.stack([sureness(ab, error, trust) for trust in (0, 0.2, 0.5, 0.9, 1)])
    assert (more.diff(dim=0) >= 0).all()
    with pytest.raises(ValueError, match=r"trust must be 0\.\.1, got 1\.5"):
        sureness(ab, error, 1.5)


def test_blend_goes_from_one_to_the_other():
    ab, proposed = torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 2, 2)
    sure = torch.tensor([0.0, 0.25, 1.0, 1.0]).view(1, 1, 1, 4).expand(1, 1, 4, 4)
    assert blend(ab, sure, proposed)[0, 0, 0].tolist() == [0, 0.25, 1, 1]


def test_the_reference_gives_its_colours_back():
    rgb = photo("astronaut")[None]
    grey = greyed(rgb)
    guide = Guide(embedded(), references("coffee", "astronaut"))
    done, found = colorize_with_references(grey, guide)
    alone = colorize(grey, embedded()).rgb
    assert found.best() == [1]
    assert float(psnr(done.rgb, rgb)) > float(psnr(alone, rgb)) + 4
    assert torch.allclose(rgb_to_lightness(done.rgb), rgb_to_lightness(grey), atol=0.05)
    assert done.confidence.mean() > 0.8


def test_without_trust_it_is_automatic():
    grey = greyed(torch.stack([photo("astronaut"), photo("coffee")]))
    done, _ = colorize_with_references(grey, Guide(embedded(), references("astronaut"), trust=0))
    assert torch.allclose(done.rgb, colorize(grey, embedded()).rgb, atol=1e-5)
    assert done.confidence.max() == 0


def test_something_else_is_as_good_as_automatic():
    rgb = photo("coffee")[None]
    done, _ = colorize_with_references(greyed(rgb), Guide(embedded(), references("chelsea")))
    alone = colorize(greyed(rgb), embedded()).rgb
    assert float(psnr(done.rgb, rgb)) > float(psnr(alone, rgb)) - 0.5


def test_a_network_is_told_of_what_is_known_alone():
    colorizer = Told()
    grey = greyed(photo("coffee")[None])
    colorize_with_references(grey, Guide(colorizer, references("chelsea")))
    assert [one.names() for one in colorizer.told] == [frozenset()]
    colorizer = Told()
    colorize_with_references(grey, Guide(colorizer, references("coffee")))
    assert [one.names() for one in colorizer.told] == [{"local"}]


def test_in_between_it_is_asked_both_ways():
    colorizer = Told()
    guide = Guide(colorizer, references("coffee"))
    sure = torch.zeros(1, 1, 8, 8)
    sure[..., :3] = 1
    L = rgb_to_lightness(greyed(photo("coffee")[None]))
    guide.propose(L, ColorizeSettings(), torch.zeros(1, 2, 8, 8), sure)
    assert [one.names() for one in colorizer.told] == [frozenset(), {"local"}]


@pytest.mark.parametrize("condition", ["exemplar", "global"])
def test_other_systems_get_the_best_reference_once(condition):
    colorizer = Told(condition)
    grey = greyed(torch.stack([photo("coffee")] * 3))
    done, _ = colorize_with_references(grey, Guide(colorizer, references("chelsea", "coffee")))
    assert colorizer.encoded == 1
    assert [one.names() for one in colorizer.told] == [{condition}] * 3
    if condition == "global":
        assert torch.allclose(colorizer.told[0].color, photo("coffee").mean((1, 2))[None], atol=1e-5)
    assert (done.ab == 9).all()


def test_he_2018_judges_by_similarity():
    colorizer = Told("local", "similarity", required=("local", "similarity"))
    done, found = colorize_with_references(
        greyed(photo("coffee")[None]), Guide(colorizer, references("coffee"))
    )
    (told,) = colorizer.told
    assert told.names() == {"local", "similarity"}
    assert torch.equal(told.similarity, found.similarity)
    assert (done.ab == 9).all()


def test_a_system_that_takes_none_is_refused():
    with pytest.raises(ValueError, match="Told takes no reference: choose the embedded network"):
        Guide(Told("previous"), references("coffee"))


def test_settings_and_mask():
    grey = greyed(torch.stack([photo("astronaut"), photo("coffee")]))
    guide = Guide(embedded(), references("astronaut"))
    mask = torch.zeros(1, 1, 144, 192)
    mask[..., :50] = 1
    seen = []
    done, _ = colorize_with_references(
        grey, guide, ColorizeSettings(saturation=0.5), mask=mask, progress=seen.append
    )
    assert torch.equal(done.rgb[..., 50:], grey[..., 50:])
    full, _ = colorize_with_references(grey, guide)
    part, whole = (float(rgb_to_lab(one.rgb[..., :50])[:, 1:].norm(dim=1).mean()) for one in (done, full))
    assert part == pytest.approx(whole / 2, rel=0.05)
    assert seen == [1, 1]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (33, 17), (131, 257)])
def test_odd_sizes(size):
    rgb = F.interpolate(photo("astronaut")[None], size, mode="bilinear", antialias=True)
    done, found = colorize_with_references(greyed(rgb), Guide(embedded(), references("astronaut", "coffee")))
    assert done.rgb.shape == rgb.shape
    assert torch.isfinite(found.ab).all() and torch.isfinite(done.rgb).all()


def test_a_thumbnail_for_a_4k_picture():
    rgb = F.interpolate(photo("astronaut", 512, 512)[None], (2160, 3840), mode="bicubic").clamp(0, 1)
    small = photo("astronaut", 48, 85)
    grey = greyed(rgb)
    done, _ = colorize_with_references(grey, Guide(embedded(), References([small], CountingFeatures())))
    assert done.rgb.shape == rgb.shape
    assert float(psnr(done.rgb, rgb)) > float(psnr(grey, rgb)) + 3


def test_what_does_not_fit_is_refused():
    guide = Guide(embedded(), references("coffee"))
    with pytest.raises(ValueError, match="3 masks were given for 2 pictures"):
        colorize_with_references(torch.rand(2, 3, 20, 20), guide, mask=torch.ones(3, 1, 20, 20))
    with pytest.raises(ValueError, match="L holds NaN"):
        colorize_with_references(torch.full((1, 3, 20, 20), float("nan")), guide)
    with pytest.raises(ValueError, match=r"rgb must be \[B,3,H,W\]"):
        colorize_with_references(torch.rand(3, 20, 20), guide)
    with pytest.raises(ValueError, match=r"L must be \[B,1,H,W\]"):
        warp(torch.rand(1, 3, 20, 20), guide.references)
