"""Conditions of the embedded network: without effect until trained, where they enter, what they refuse."""

import pytest
import torch

from chrominance.color.ab_bins import annealed_mean, entropy_confidence, open_mean
from chrominance.models.contract import Conditions
from chrominance.models.embedded import SPEC, EmbeddedColorizer, EmbeddedNetwork
from chrominance.models.embedded.conditions import color_grid, halve_local, lightness_tents
from chrominance.models.embedded.local import AB_SCALE, local_to_grid
from chrominance.models.embedded.settling import SURE, SURE_WHEN_TOLD, settle_open_areas
from chrominance.models.resize import resize_lightness


def random_network(*, trained: bool) -> EmbeddedNetwork:
    torch.manual_seed(0)
    network = EmbeddedNetwork().eval().requires_grad_(False)
    if trained:  # as if: what begins at zero is given values
        for name, value in network.named_parameters():
            if "style" in name or "leave" in name or "favour" in name:
                torch.nn.init.normal_(value, std=0.02)
    return network


@pytest.fixture(scope="module")
def untrained():
    return EmbeddedColorizer(random_network(trained=False), SPEC)


@pytest.fixture(scope="module")
def colorizer():
    return EmbeddedColorizer(random_network(trained=True), SPEC)


@pytest.fixture
def L():
    return torch.rand(2, 1, 48, 80, generator=torch.Generator().manual_seed(1)) * 100


def local(batch=2, height=48, width=80):
    ab = torch.full((batch, 2, height, width), 30.0)
    confidence = torch.zeros(batch, 1, height, width)
    confidence[..., 10:14, 20:24] = 1
    return ab, confidence


def everything(colorizer, batch=2):
    ab, confidence = local(batch)
    color = colorizer.encode_reference(
        torch.rand(batch, 3, 20, 30, generator=torch.Generator().manual_seed(2))
    )
    return Conditions(ab, confidence, color)


def test_untrained_conditions_change_nothing(untrained, L):
    plain = untrained.distribution(L, size=64)
    told = untrained.distribution(L, everything(untrained), size=64)
    torch.testing.assert_close(told, plain, atol=1e-3, rtol=0)


def test_every_condition_changes_something(colorizer, L):
    ab, confidence = local()
    color = everything(colorizer).color
    results = [
        colorizer.colorize(L, conditions, size=64).ab
        for conditions in (
            None,
            Conditions(ab, confidence),
            Conditions(color=color),
            Conditions(ab, confidence, color),
        )
    ]
    for i, first in enumerate(results):
        for second in results[i + 1 :]:
            assert (first - second).abs().max() > 0.01


def test_nothing_known_anywhere_is_no_condition(colorizer, L):
    ab, confidence = local()
    empty = Conditions(ab, torch.zeros_like(confidence))
    torch.testing.assert_close(
        colorizer.colorize(L, empty, size=64).ab, colorizer.colorize(L, size=64).ab, atol=1e-3, rtol=0
    )


def test_rows_of_a_batch_with_and_without_a_vector_do_not_meet(colorizer):
    network = colorizer.network
    L, color = torch.rand(2, 1, 64, 64) * 100, torch.randn(2, 512)
    mixed = network(L, None, color, torch.tensor([True, False]))
    torch.testing.assert_close(mixed[:1], network(L[:1], None, color[:1]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mixed[1:], network(L[1:]), atol=1e-4, rtol=1e-4)


def test_one_condition_stands_for_every_picture(colorizer, L):
    one = everything(colorizer, batch=1)
    both = Conditions(*(x.expand(2, *x.shape[1:]) for x in (one.local_ab, one.local_confidence, one.color)))
    assert torch.equal(colorizer.colorize(L, one, size=64).ab, colorizer.colorize(L, both, size=64).ab)


def test_the_distribution_is_what_the_colour_is_made_of(colorizer, L):
    told = everything(colorizer)
    without_vector = Conditions(told.local_ab, told.local_confidence)
    for conditions, mean, sure in (
        (told, annealed_mean, SURE_WHEN_TOLD),
        (without_vector, open_mean, SURE),
        (Conditions(), open_mean, SURE),
    ):
        logits = colorizer.distribution(L, conditions, size=64)
        assert logits.shape[1] == 313 and logits.dtype == torch.float32
        small = resize_lightness(L, *logits.shape[-2:])
        expected = settle_open_areas(mean(logits, 0.38), entropy_confidence(logits), small, sure)
        assert torch.equal(expected, colorizer.colorize(L, conditions, size=64).ab)


def test_bent_logits_are_settled_too(colorizer, L):
    logits = colorizer.distribution(L).clone()
    logits[:, 40] += 3.0
    made = colorizer.chroma_of(logits, L, 0.5)
    plain, confidence = annealed_mean(logits, 0.5), entropy_confidence(logits)
    assert torch.equal(made.confidence, confidence)
    small = resize_lightness(L, *plain.shape[-2:])
    torch.testing.assert_close(made.ab, settle_open_areas(plain, confidence, small, SURE_WHEN_TOLD))
    assert not torch.allclose(made.ab, plain, atol=0.1)


def test_one_sure_pixel_makes_a_sure_cell():
    ab, confidence = torch.zeros(1, 2, 40, 60), torch.zeros(1, 1, 40, 60)
    ab[..., 17, 33], confidence[..., 17, 33] = torch.tensor([30.0, -20.0]), 1
    grid = local_to_grid(ab, confidence, 4, 6)
    expected = torch.zeros(1, 3, 4, 6)
    expected[0, :, 1, 3] = torch.tensor([30 / AB_SCALE, -20 / AB_SCALE, 1])
    torch.testing.assert_close(grid, expected)
    torch.testing.assert_close(halve_local(grid)[0, :, 0, 1], expected[0, :, 1, 3])


def test_a_cell_weighs_what_is_known_by_confidence():
    ab = torch.tensor([10.0, 40.0]).view(1, 1, 1, 2).expand(1, 2, 1, 2)
    confidence = torch.tensor([0.2, 0.6]).view(1, 1, 1, 2)
    a, _, sure = local_to_grid(ab, confidence, 1, 1).flatten()
    assert sure == pytest.approx(0.6)
    assert a / sure * AB_SCALE == pytest.approx((10 * 0.2 + 40 * 0.6) / 0.8)


def test_known_chroma_smaller_than_the_grid_is_enlarged():
    grid = local_to_grid(torch.full((1, 2, 2, 3), 12.0), torch.full((1, 1, 2, 3), 0.5), 8, 12)
    torch.testing.assert_close(grid[:, 0], torch.full((1, 8, 12), 12 / AB_SCALE * 0.5))


def test_tents_are_a_partition():
    tents = lightness_tents(torch.linspace(0, 100, 101))
    torch.testing.assert_close(tents.sum(1), torch.ones(101))
    torch.testing.assert_close(
        tents @ torch.arange(4.0) / 3 * 100, torch.linspace(0, 100, 101), atol=1e-4, rtol=0
    )


def test_the_grid_counts_all_of_a_picture():
    lab = torch.randn(3, 50, 3) * 40
    weight = torch.rand(3, 50)
    total = color_grid(lab, weight / weight.sum(1, keepdim=True)).square().sum(1)
    torch.testing.assert_close(total, torch.ones(3), atol=1e-4, rtol=0)


def test_the_order_of_a_palette_is_free(colorizer):
    lab = torch.tensor([[[50.0, 20, 30], [70, -10, -40], [20, 0, 5]]])
    share = torch.tensor([[0.5, 0.3, 0.2]])
    order = [2, 0, 1]
    torch.testing.assert_close(
        colorizer.encode_palette(lab, share), colorizer.encode_palette(lab[:, order], share[:, order])
    )
    assert not torch.allclose(colorizer.encode_palette(lab), colorizer.encode_palette(lab, share))
    lit = colorizer.encode_palette(lab, illumination=torch.tensor([[5.0, 20.0]]))
    assert not torch.allclose(colorizer.encode_palette(lab), lit)


def test_a_colour_without_a_share_does_not_count(colorizer):
    lab = torch.tensor([[[50.0, 20, 30], [70, -10, -40]]])
    more = torch.cat([lab, torch.tensor([[[10.0, 90, 90]]])], 1)
    torch.testing.assert_close(
        colorizer.encode_palette(lab), colorizer.encode_palette(more, torch.tensor([[0.5, 0.5, 0.0]]))
    )


AB, CONFIDENCE = local(batch=2)
BAD = {
    "ab alone": (Conditions(local_ab=AB), "go together"),
    "confidence alone": (Conditions(local_confidence=CONFIDENCE), "go together"),
    "two sizes": (Conditions(AB, CONFIDENCE[..., 1:]), "local_ab must be"),
    "three pictures": (Conditions(AB[[0, 0, 0]], CONFIDENCE[[0, 0, 0]]), "local_ab must be"),
    "NaN": (Conditions(AB / 0 * 0, CONFIDENCE), "NaN"),
    "a vector of another model": (Conditions(color=torch.zeros(2, 12)), "512 numbers"),
    "vectors for three": (Conditions(color=torch.zeros(3, 512)), "color must be"),
}


@pytest.mark.parametrize(("conditions", "words"), BAD.values(), ids=BAD)
def test_conditions_that_do_not_fit_are_named(colorizer, L, conditions, words):
    with pytest.raises(ValueError, match=words):
        colorizer.colorize(L, conditions, size=64)


@pytest.mark.parametrize(
    ("lab", "share"),
    [
        (torch.zeros(1, 0, 3), None),
        (torch.zeros(3, 3), None),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2)),
        (torch.zeros(1, 2, 3), torch.tensor([[1.5, -0.5]])),
        (torch.zeros(1, 2, 3), torch.ones(1, 3)),
    ],
)
def test_palettes_that_are_none_are_named(colorizer, lab, share):
    with pytest.raises(ValueError, match=r"palette|shares"):
        colorizer.encode_palette(lab, share)


@pytest.mark.parametrize(
    "rgb", [torch.zeros(3, 8, 8), torch.zeros(1, 3, 0, 8), torch.full((1, 3, 8, 8), torch.nan)]
)
def test_references_that_are_none_are_named(colorizer, rgb):
    with pytest.raises(ValueError, match="reference"):
        colorizer.encode_reference(rgb)


def test_the_automatic_parameters_are_those_that_a_picture_alone_meets():
    network = random_network(trained=True)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network(torch.rand(1, 1, 32, 32)).sum().backward()
    met = {name for name, p in network.named_parameters() if p.grad is not None}
    listed = set(map(id, network.automatic_parameters()))
    assert met == {name for name, p in network.named_parameters() if id(p) in listed}
