"""Hints: exact where they are, under the picture's lightness, spread up to edges."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from chrominance.color import reduce_chroma
from chrominance.models.contract import Chroma, Colorizer, Conditions, ModelSpec
from chrominance.pipelines import hint_spread
from chrominance.pipelines.colorize import ColorizeSettings, colorize
from chrominance.pipelines.hint_spread import impose_hints
from chrominance.pipelines.hints import (
    HintPicture,
    HintPoint,
    Hints,
    colorize_with_hints,
    hex_to_ab,
    join_conditions,
)

RED, GREY = (40.0, 25.0), (0.0, 0.0)


class Flat(Colorizer):
    """Proposes one colour everywhere; keeps what it was told."""

    spec = ModelSpec("flat", "Flat", "", "", "", temperature=1.0, conditions=frozenset({"local"}))

    def __init__(self, ab=(8.0, -12.0)):
        self.network = torch.nn.Linear(1, 1)
        self.ab, self.told = torch.tensor(ab).view(1, 2, 1, 1), []

    def _colorize(self, L, conditions, *, size, temperature):
        self.told.append(conditions)
        return Chroma(self.ab.expand(len(L), 2, 3, 5), torch.ones(len(L), 1, 3, 5))


def pictures(count=1, height=33, width=17, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator) * 0.6 + 0.2


def lab_of(rgb):
    return rgb2lab(rgb.movedim(1, -1).double().numpy())


def colour(rgb, hints, settings=None, **options):
    conditions = hints.conditions(*rgb.shape[2:])
    return colorize_with_hints(rgb, Flat(), settings, conditions=conditions, **options)


def in_gamut(lightness, ab):
    """Chroma as it can be under a lightness: the oracle of what "exact" means."""
    lab = torch.tensor([[lightness, *ab]], dtype=torch.float64)
    return reduce_chroma(lab, dim=1)[0, 1:].numpy()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 17), (150, 260)])
@pytest.mark.parametrize("count", [1, 7, 300])
def test_exact_at_every_point_and_lightness_unchanged(size, count):
    rgb, rng = pictures(1, *size), np.random.default_rng(1)
    named = {(int(rng.integers(size[1])), int(rng.integers(size[0]))) for _ in range(count)}
    points = tuple(HintPoint(x, y, tuple(rng.uniform(-45, 45, 2))) for x, y in named)
    done = colour(rgb, Hints(points))
    before, after = lab_of(rgb)[0], lab_of(done.rgb)[0]
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=0.01)
    for point in points:
        place = int(point.y), int(point.x)
        np.testing.assert_allclose(after[place][1:], in_gamut(before[place][0], point.ab), atol=0.02)


def test_exact_under_strokes_of_many_colours():
    rgb = pictures(1, 160, 200)
    rows, columns = torch.meshgrid(torch.arange(160.0), torch.arange(200.0), indexing="ij")
    ab = torch.stack([rows / 10 - 8, columns / 10 - 10])
    known = ((rows + 2 * columns) % 37 < 9) & (rows > 20)
    done = colour(rgb, Hints(pictures=(HintPicture(ab, known),)))
    before, after = lab_of(rgb)[0], lab_of(done.rgb)[0]
    lab = torch.cat([torch.from_numpy(before[None, ..., 0]), ab.double()])
    expected = reduce_chroma(lab, dim=0)[1:, known].T.numpy()
    np.testing.assert_allclose(after[known.numpy()][:, 1:], expected, atol=0.02)


def test_an_edge_of_lightness_stops_a_hint_and_plain_ground_does_not():
    L = torch.full((1, 90, 120), 40.0)
    L[:, :, 60:] = 75
    known = torch.zeros(90, 120, dtype=torch.bool)
    known[45, 20] = True
    known_ab = torch.tensor(RED).view(2, 1, 1).expand(2, 90, 120)
    done = impose_hints(L, torch.zeros(2, 4, 4), known_ab, known)
    assert done[0, 45, 20] == 40
    assert done[0, :, :58].min() > 0.7 * 40
    assert done[0, :, 62:].abs().max() < 0.05 * 40
    # From one pixel to the next the colour changes little: no dot.
    plain = done[0, :, :58]
    assert max(plain.diff(dim=n).abs().max() for n in (0, 1)) < 2.5


def test_an_edge_survives_on_a_larger_picture():
    L = torch.full((1, 400, 520), 40.0)
    L[:, :, 261:] = 75
    known = torch.zeros(400, 520, dtype=torch.bool)
    known[200, 100] = True
    done = impose_hints(L, torch.zeros(2, 4, 4), torch.full((2, 400, 520), 30.0), known)
    assert done[:, :, :259].min() > 20 and done[:, :, 263:].abs().max() < 3


def test_a_hint_that_is_right_already_changes_nothing():
    L = torch.rand(1, 60, 80) * 100
    known = torch.zeros(60, 80, dtype=torch.bool)
    known[10, 10] = known[50, 70] = True
    ab = torch.tensor([8.0, -12.0]).view(2, 1, 1)
    done = impose_hints(L, ab.expand(2, 5, 5), ab.expand(2, 60, 80), known)
    torch.testing.assert_close(done, ab.expand(2, 60, 80), atol=1e-3, rtol=0)


def test_grey_keeps_a_thing_grey():
    rgb = torch.full((1, 3, 40, 60), 0.5)
    done = colour(rgb, Hints((HintPoint(30, 20, GREY),)))
    assert np.abs(lab_of(done.rgb)[0, 15:25, 25:35, 1:]).max() < 2


def test_more_hints_than_are_measured_apart_agree_with_those_that_are(monkeypatch):
    rng = np.random.default_rng(4)
    L = torch.from_numpy(rng.random((1, 64, 64)).astype(np.float32) * 20 + 40)
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[8:24, 8:24] = True
    known_ab = torch.tensor(RED).view(2, 1, 1).expand(2, 64, 64)
    few = impose_hints(L, torch.zeros(2, 4, 4), known_ab, known)
    monkeypatch.setattr(hint_spread, "_SEEDS", 1000)
    many = impose_hints(L, torch.zeros(2, 4, 4), known_ab, known)
    torch.testing.assert_close(few, many, atol=4.0, rtol=0)


def test_the_same_again_and_mirrored():
    rgb = pictures(1, 50, 70)
    hints = Hints((HintPoint(10, 5, RED), HintPoint(60, 44, (-20, 30.0))))
    first, second = colour(rgb, hints).rgb, colour(rgb, hints).rgb
    assert torch.equal(first, second)
    mirrored = Hints(tuple(HintPoint(69 - p.x, p.y, p.ab) for p in hints.points))
    torch.testing.assert_close(colour(rgb.flip(3), mirrored).rgb.flip(3), first, atol=0.02, rtol=0)


def test_saturation_acts_on_the_proposal_alone():
    rgb = torch.full((1, 3, 40, 60), 0.5)
    hints = Hints((HintPoint(5, 5, (20.0, 10.0)),))
    done = colour(rgb, hints, ColorizeSettings(saturation=0))
    np.testing.assert_allclose(lab_of(done.rgb)[0, 5, 5, 1:], (20, 10), atol=0.01)
    assert done.ab.shape == (1, 2, 40, 60)
    # A hint in the proposal's own colour shows what the saturation did to the rest.
    far = colour(rgb, Hints((HintPoint(0, 0, GREY),)), ColorizeSettings(saturation=0))
    assert np.abs(lab_of(far.rgb)[..., 1:]).max() < 0.01


def test_strength_and_mask_have_the_last_word():
    rgb = pictures(1, 40, 40)
    hints = Hints((HintPoint(10, 10, RED), HintPoint(30, 30, RED)))
    mask = torch.ones(1, 1, 40, 40)
    mask[..., :20] = 0
    done = colour(rgb, hints, mask=mask).rgb
    assert torch.equal(done[..., :20], rgb[..., :20])
    assert not torch.equal(done[..., 20:], rgb[..., 20:])
    assert torch.equal(colour(rgb, hints, ColorizeSettings(strength=0)).rgb, rgb)
    half = lab_of(colour(rgb, hints, ColorizeSettings(strength=0.5)).rgb)[0, 10, 10, 1:]
    whole, before = lab_of(colour(rgb, hints).rgb)[0, 10, 10, 1:], lab_of(rgb)[0, 10, 10, 1:]
    assert np.linalg.norm(half - before) < np.linalg.norm(whole - before)


def test_a_batch_with_one_set_of_hints_or_as_many():
    rgb = pictures(3, 20, 24)
    one = Hints((HintPoint(3, 4, RED),))
    each = [Hints((HintPoint(n, n, RED),)) for n in (2, 8, 14)]
    joined = join_conditions([hints.conditions(20, 24) for hints in each])
    done = []
    together = colorize_with_hints(rgb, Flat(), conditions=joined, batch=2, progress=done.append)
    assert done == [2, 1] and together.ab.shape == (3, 2, 20, 24)
    for n, hints in enumerate(each):
        torch.testing.assert_close(together.rgb[n : n + 1], colour(rgb[n : n + 1], hints).rgb)
    shared = colour(rgb, one, batch=2).rgb
    torch.testing.assert_close(shared[2:], colour(rgb[2:], one).rgb)
    with pytest.raises(ValueError, match="give one, or as many"):
        colorize_with_hints(rgb, Flat(), conditions=join_conditions([joined, joined]))


def test_the_network_is_told():
    flat = Flat()
    conditions = Hints((HintPoint(3, 4, RED, radius=1),)).conditions(20, 24)
    colorize_with_hints(pictures(1, 20, 24), flat, conditions=conditions)
    (told,) = flat.told
    assert told.local_confidence.sum() == 5 and told.local_confidence[0, 0, 4, 3] == 1
    assert told.local_ab[0, :, 4, 2].tolist() == list(RED)
    # colorize() passes conditions on, and has them exact nowhere.
    soft = colorize(pictures(1, 20, 24), flat, conditions=conditions)
    assert flat.told[1].local_ab is not None and soft.ab.shape == (1, 2, 15, 25)


def test_a_colorizer_that_takes_no_hints():
    class Plain(Flat):
        spec = ModelSpec("plain", "Plain", "", "", "", temperature=1.0)

    conditions = Hints((HintPoint(0, 0, RED),)).conditions(8, 8)
    with pytest.raises(ValueError, match="Plain knows these conditions: none; got local"):
        colorize_with_hints(pictures(1, 8, 8), Plain(), conditions=conditions)


def test_hex_colours():
    for text, rgb in (("#c04030", (192, 64, 48)), ("#0F8", (0, 255, 136)), (" #808080 ", (128, 128, 128))):
        expected = rgb2lab(np.array(rgb)[None, None] / 255)[0, 0, 1:]
        np.testing.assert_allclose(hex_to_ab(text), expected, atol=0.01)
    for text in ("c04030", "#12345", "red", "#gggggg"):
        with pytest.raises(ValueError, match="#rrggbb"):
            hex_to_ab(text)


def test_discs_lie_over_one_another_and_each_keeps_its_own_pixel():
    hints = Hints((HintPoint(5, 5, RED, 2), HintPoint(6.9, 5, GREY, 3), HintPoint(0, 0, RED, 1e6)))
    conditions = hints.conditions(10, 12)
    ab = conditions.local_ab[0, 0]
    assert conditions.local_confidence.min() == 1 and ab[5, 5] == 40 and ab[5, 6] == 0 and ab[9, 11] == 40


@pytest.mark.parametrize(
    ("x", "y", "pixel"), [(0, 0, (0, 0)), (1, 1, (9, 19)), (0.5, 0.25, (2, 10)), (0.9999, 0, (0, 19))]
)
def test_fractions(x, y, pixel):
    assert HintPoint(x, y, RED, unit="fraction").pixel(10, 20) == pixel


@pytest.mark.parametrize(
    ("x", "y", "unit"), [(20, 0, "pixel"), (0, 10, "pixel"), (-0.5, 0, "pixel"), (1.01, 0, "fraction")]
)
def test_a_point_outside_is_named(x, y, unit):
    hints = Hints((HintPoint(1, 1, RED, unit="fraction"), HintPoint(x, y, RED, unit=unit, name="line 7")))
    with pytest.raises(ValueError, match=r"line 7: x .* is outside"):
        hints.conditions(10, 20)


def test_hints_that_contradict_one_another_are_named():
    points = HintPoint(3, 4, RED, name="line 1"), HintPoint(3.5, 4, GREY, name="line 2")
    with pytest.raises(ValueError, match="line 2 and line 1 name one pixel, 3,4"):
        Hints(points).conditions(10, 20)
    Hints((points[0], points[0])).conditions(10, 20)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HintPoint(float("nan"), 0, RED), "must be numbers"),
        (lambda: HintPoint(0, 0, (float("inf"), 0)), "must be numbers"),
        (lambda: HintPoint(0, 0, RED, radius=-1), "radius"),
        (lambda: HintPoint(0, 0, RED, unit="percent"), "unit"),
        (lambda: Hints(), "no hint"),
        (lambda: HintPicture(torch.zeros(2, 4, 4), torch.zeros(4, 4, dtype=torch.bool)), "mask is empty"),
        (lambda: HintPicture.from_mask(torch.full((4, 4), 0.49), RED), "mask is empty"),
        (lambda: HintPicture.from_rgb(torch.full((3, 4, 4), torch.nan), torch.ones(4, 4)), "NaN"),
        (lambda: HintPicture.from_rgb(torch.zeros(3, 4, 4), torch.full((4, 4), torch.nan)), "NaN"),
        (lambda: HintPicture(torch.zeros(3, 4, 4), torch.ones(4, 4, dtype=torch.bool)), "must be"),
    ],
)
def test_bad_hints_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_conditions_must_fit():
    with pytest.raises(ValueError, match=r"Hints\.conditions"):
        colorize_with_hints(pictures(), Flat(), conditions=Conditions())
    with pytest.raises(ValueError, match="size"):
        colorize_with_hints(pictures(), Flat(), conditions=Hints((HintPoint(0, 0, RED),)).conditions(4, 4))


def test_a_smaller_hint_picture_is_scaled_without_a_mixture():
    ab = torch.zeros(2, 4, 6)
    ab[0, :, 3:] = 30
    conditions = Hints(pictures=(HintPicture(ab, torch.ones(4, 6, dtype=torch.bool)),)).conditions(41, 60)
    assert conditions.local_confidence.min() == 1
    assert set(conditions.local_ab[0, 0].unique().tolist()) == {0, 30}
    assert conditions.local_ab[0, 0, :, :30].max() == 0


def test_a_larger_hint_picture_loses_no_point():
    known = torch.zeros(80, 120, dtype=torch.bool)
    known[[1, 33, 79], [0, 61, 119]] = True
    picture = HintPicture(torch.full((2, 80, 120), 9.0), known)
    conditions = Hints(pictures=(picture,)).conditions(8, 12)
    there = conditions.local_confidence[0, 0]
    assert there.sum() == 3 and there[0, 0] == there[3, 6] == there[7, 11] == 1
    assert conditions.local_ab[0, 0, 3, 6] == 9


def test_a_hint_picture_of_another_shape():
    picture = HintPicture(torch.zeros(2, 8, 8), torch.ones(8, 8, dtype=torch.bool), "hints.png")
    with pytest.raises(ValueError, match=r"hints.png is 8×8, the picture 16×12"):
        Hints(pictures=(picture,)).conditions(12, 16)
    # What rounding the sides does is no other shape.
    Hints(pictures=(HintPicture(torch.zeros(2, 67, 100), torch.ones(67, 100, dtype=torch.bool)),)).conditions(
        1000, 1500
    )


def test_the_real_network_with_the_shipped_weights_takes_hints():
    from chrominance.models import load_colorizer

    rgb = pictures(1, 48, 64)
    conditions = Hints((HintPoint(20, 20, RED),)).conditions(48, 64)
    colorizer = load_colorizer("embedded")
    done = colorize_with_hints(rgb, colorizer, ColorizeSettings(size=64), conditions=conditions)
    before, after = lab_of(rgb)[0, 20, 20], lab_of(done.rgb)[0, 20, 20]
    np.testing.assert_allclose(after[1:], in_gamut(before[0], RED), atol=0.02)
