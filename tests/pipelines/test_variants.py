"""Versions of a picture, drawn from a colorizer whose distribution is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from chrominance.color import rgb_to_lightness
from chrominance.color.ab_bins import BIN_COUNT, nearest_ab_bin
from chrominance.models.contract import Chroma, Colorizer, Conditions, ModelSpec
from chrominance.pipelines.colorize import ColorizeSettings
from chrominance.pipelines.variants import (
    LAST_SEED,
    VariantSampler,
    VariantSettings,
    check_draws,
    draw_color,
    draw_variants,
)

RED, BLUE, GREEN = (torch.tensor(color) for color in ([60.0, 40.0], [20.0, -60.0], [-40.0, 40.0]))
CHANCE_OF_RED = 0.7
# At this diversity colours are drawn from the distribution as it is.
AS_IT_IS = 1 / 0.7


class Coat(Colorizer):
    """A coat, the left half, that is red or blue, on a green meadow; told one pixel it knows the rest."""

    spec = ModelSpec(
        "coat", "Coat", "", "", "", size=32, multiple=1, temperature=0.4, conditions=frozenset({"local"})
    )

    def __init__(self) -> None:
        self.network = torch.nn.Linear(1, 1)
        self.told: list[Conditions] = []

    def distribution(self, L, conditions=None, *, size=None):
        conditions = self._checked(L, conditions, size)
        probability = torch.full((1, BIN_COUNT, 16, 16), 1e-9)
        chance = CHANCE_OF_RED
        if conditions.local_ab is not None and conditions.local_confidence is not None:
            self.told.append(conditions)
            known = F.adaptive_avg_pool2d(conditions.local_ab * conditions.local_confidence, 16)[0, :, :, :8]
            if known.abs().sum() > 0:
                total = known.sum((1, 2))
                chance = 0.999 if (total @ RED) / RED.norm() > (total @ BLUE) / BLUE.norm() else 0.001
        for color, columns, share in ((RED, slice(8), chance), (BLUE, slice(8), 1 - chance)):
            probability[0, nearest_ab_bin(color, dim=0), :, columns] = share
        probability[0, nearest_ab_bin(GREEN, dim=0), :, 8:] = 1
        return probability.log()

    def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
        raise AssertionError("variants are drawn from the distribution")


class Deaf(Coat):
    """The same, but it takes no known colours."""

    spec = replace(Coat.spec, conditions=frozenset())


@pytest.fixture
def rgb() -> torch.Tensor:
    grey = 0.3 + 0.2 * torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    return grey.expand(-1, 3, -1, -1).contiguous()


def is_red(ab: torch.Tensor) -> torch.Tensor:
    """Tell for each place of the coat whether it is red; fails where it is neither red nor blue."""
    coat = ab[0, :, :, :8]
    red, blue = ((coat - color[:, None, None]).norm(dim=0) < 12 for color in (RED, BLUE))
    assert bool((red | blue).all())
    return red


def versions(rgb, **options):
    settings = ColorizeSettings(saturation=0.3)
    return list(draw_variants(rgb, Coat(), settings, VariantSettings(**options)))


def test_a_region_is_of_one_colour_in_each_version_and_both_come_up(rgb) -> None:
    found = [is_red(version.ab) for version in versions(rgb, count=8)]
    assert all(red.all() or not red.any() for red in found)
    assert {bool(red.all()) for red in found} == {True, False}


@pytest.mark.parametrize("number", [0, 3])
def test_colours_come_up_as_often_as_they_are_likely(rgb, number) -> None:
    red = []
    for seed in range(100):
        settings = VariantSettings(count=4, seed=seed, diversity=AS_IT_IS)
        red.append(float(is_red(VariantSampler(rgb, Coat()).draw(settings, number).ab)[0, 0]))
    # 2.6 standard deviations of the mean of 100.
    assert abs(sum(red) / len(red) - CHANCE_OF_RED) < 0.12


def test_a_few_versions_of_one_seed_spread_evenly(rgb) -> None:
    red = [float(is_red(v.ab)[0, 0]) for v in versions(rgb, count=20, seed=5, diversity=AS_IT_IS)]
    assert abs(sum(red) / len(red) - CHANCE_OF_RED) < 0.08


def test_what_is_sure_is_the_same_in_all(rgb) -> None:
    meadows = torch.cat([version.ab[..., 8:] for version in versions(rgb, count=6)])
    assert torch.allclose(meadows, GREEN[:, None, None].expand_as(meadows), atol=0.1)


def test_the_same_seed_gives_the_same_bytes_and_more_versions_keep_the_first(rgb) -> None:
    few, many = versions(rgb, count=3, seed=9), versions(rgb, count=7, seed=9)
    for one, two in zip(few, many, strict=False):
        assert torch.equal(one.rgb, two.rgb) and torch.equal(one.ab, two.ab)
    alone = VariantSampler(rgb, Coat(), ColorizeSettings(saturation=0.3)).draw(VariantSettings(3, seed=9), 2)
    assert torch.equal(alone.rgb, few[2].rgb)


def test_seeds_differ_beyond_32_bits(rgb) -> None:
    drawn = {
        tuple(bool(is_red(v.ab)[0, 0]) for v in versions(rgb, count=12, seed=seed, diversity=2))
        for seed in (3, 3 + 2**32, 3 + 2**63, LAST_SEED)
    }
    assert len(drawn) > 1


def test_lightness_stays_and_masked_pixels_come_back_bit_for_bit(rgb) -> None:
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 10:] = 1
    for version in draw_variants(rgb, Coat(), mask=mask):
        assert torch.allclose(rgb_to_lightness(version.rgb), rgb_to_lightness(rgb), atol=0.01)
        assert torch.equal(version.rgb[..., :10], rgb[..., :10])
        assert not torch.equal(version.rgb[..., 10:], rgb[..., 10:])


def test_low_diversity_keeps_to_the_likeliest(rgb) -> None:
    assert all(is_red(version.ab).all() for version in versions(rgb, count=8, diversity=0.05))


def test_the_users_own_knowledge_is_told_with_every_draw(rgb) -> None:
    ab, confidence = torch.zeros(1, 2, 40, 40), torch.zeros(1, 1, 40, 40)
    ab[..., 3, 3], confidence[..., 3, 3] = BLUE, 1
    coat = Coat()
    known = Conditions(local_ab=ab, local_confidence=confidence)
    settings = VariantSettings(count=6, diversity=AS_IT_IS)
    for version in draw_variants(rgb, coat, variants=settings, conditions=known):
        assert not is_red(version.ab).any()
    for told in coat.told:
        assert torch.equal(told.local_ab[..., 3, 3], BLUE[None])
    assert torch.equal(ab.abs().sum((0, 1)) > 0, confidence[0, 0] > 0)  # the caller's are not written into


def test_without_local_conditions_likeness_alone_spreads_a_colour(rgb) -> None:
    versions = list(draw_variants(rgb, Deaf(), variants=VariantSettings(count=8)))
    middles = [is_red(version.ab)[4:12, 2:6].float().mean() for version in versions]
    assert all(share in (0, 1) for share in middles) and len(set(map(float, middles))) == 2


def test_a_sure_picture_needs_no_draw(rgb) -> None:
    class Meadow(Coat):
        def distribution(self, L, conditions=None, *, size=None):
            assert conditions is None
            return super().distribution(L, conditions, size=size)[..., 8:]

    first, second = draw_variants(rgb, Meadow(), variants=VariantSettings(count=2))
    assert torch.equal(first.rgb, second.rgb)


def test_a_drawn_colour_is_the_mean_around_its_bin() -> None:
    probability = torch.zeros(BIN_COUNT)
    probability[nearest_ab_bin(RED, dim=0)] = 0.5
    probability[nearest_ab_bin(BLUE, dim=0)] = 0.5
    assert torch.allclose(draw_color(probability, 0.0), BLUE, atol=0.1)
    assert torch.allclose(draw_color(probability, 0.49), BLUE, atol=0.1)
    assert torch.allclose(draw_color(probability, 0.51), RED, atol=0.1)
    assert torch.allclose(draw_color(probability, 0.9999999), RED, atol=0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, r"1\.\.64, got 0"),
        ({"count": 65}, r"1\.\.64, got 65"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"diversity": 0.0}, "diversity"),
        ({"diversity": 2.5}, "diversity"),
        ({"diversity": float("nan")}, "diversity"),
    ],
)
def test_settings_out_of_range(options, words) -> None:
    with pytest.raises(ValueError, match=words):
        VariantSettings(**options)


def test_what_cannot_be_drawn_is_refused(rgb) -> None:
    class One(Coat):
        distribution = Colorizer.distribution

    with pytest.raises(ValueError, match="choose the embedded network"):
        check_draws(One())
    with pytest.raises(ValueError, match="choose the embedded network"):
        list(draw_variants(rgb, One()))
    with pytest.raises(ValueError, match="one picture"):
        list(draw_variants(rgb.expand(2, -1, -1, -1), Coat()))
    with pytest.raises(ValueError, match="mask"):
        list(draw_variants(rgb, Coat(), mask=torch.ones(1, 1, 3, 3)))
    with pytest.raises(ValueError, match="number of a variant"):
        VariantSampler(rgb, Coat()).draw(VariantSettings(count=2), 2)
