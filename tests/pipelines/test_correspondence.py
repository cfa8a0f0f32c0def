from __future__ import annotations

import pytest
import torch

from chrominance.pipelines.correspondence import cycle_distance, match, normalise


def features(count, channels=16, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return normalise(torch.randn(count, channels, generator=generator, dtype=torch.float64)).to(dtype)


def colours(count, channels=2, seed=9):
    return torch.rand(count, channels, generator=torch.Generator().manual_seed(seed)) * 200 - 100


def exact(query, reference, values, temperature):
    """The whole matrix in float64: values, cosines."""
    cosines = query.double() @ reference.double().T
    if temperature == 0:
        return values.double()[cosines.argmax(1)], cosines
    return torch.softmax(cosines / temperature, 1) @ values.double(), cosines


def check(found, query, reference, values, temperature, atol=1e-3):
    expected, cosines = exact(query, reference, values, temperature)
    torch.testing.assert_close(found.values.double(), expected, atol=atol, rtol=0)
    torch.testing.assert_close(found.similarity.double(), cosines.amax(1), atol=1e-6, rtol=0)
    assert torch.equal(found.index, cosines.argmax(1))
    if found.back_index is not None:
        torch.testing.assert_close(found.back_similarity.double(), cosines.amax(0), atol=1e-6, rtol=0)
        assert torch.equal(found.back_index, cosines.argmax(0))


@pytest.mark.parametrize("temperature", [0, 1e-6, 0.001, 0.01, 1, 1e6])
@pytest.mark.parametrize(
    ("count", "others"), [(300, 1200), (1200, 300), (256, 320), (1, 700), (700, 1), (1, 1)]
)
def test_it_is_what_the_whole_matrix_gives(temperature, count, others):
    query, reference, values = features(count), features(others, seed=1), colours(others)
    found = match(query, reference, values, temperature=temperature)
    # The colder, the more the rounding of a cosine counts.
    check(found, query, reference, values, temperature, atol=60 if temperature == 1e-6 else 0.02)
    assert found.values.dtype == found.similarity.dtype == found.back_similarity.dtype == torch.float32
    assert found.index.dtype == found.back_index.dtype == torch.int64


@pytest.mark.parametrize(
    "tile", [(1, 100), (100, 1), (17, 15), (64, 1000), (1000, 64), (128, 192), (200, 333), None]
)
@pytest.mark.parametrize("temperature", [0, 0.01])
def test_tiles_do_not_change_the_result(tile, temperature):
    query, reference, values = features(200), features(333, seed=1), colours(333)
    found = match(query, reference, values, temperature=temperature, tile=tile)
    check(found, query, reference, values, temperature)


def test_one_way_gives_the_same_without_the_way_back():
    query, reference, values = features(200), features(333, seed=1), colours(333)
    both = match(query, reference, values, temperature=0.01)
    one = match(query, reference, values, temperature=0.01, both_ways=False)
    assert one.back_index is None and one.back_similarity is None
    for name in ("values", "similarity", "index"):
        assert torch.equal(getattr(one, name), getattr(both, name))


def test_the_order_of_the_references_does_not_matter():
    query, reference, values = features(200), features(333, seed=1), colours(333)
    order = torch.randperm(333, generator=torch.Generator().manual_seed(2))
    found = match(query, reference, values, temperature=0.01, tile=(50, 40))
    shuffled = match(query, reference[order], values[order], temperature=0.01, tile=(50, 40))
    torch.testing.assert_close(shuffled.values, found.values, atol=1e-3, rtol=0)
    assert torch.equal(order[shuffled.index], found.index)
    assert torch.equal(shuffled.back_index, found.back_index[order])


def test_a_picture_finds_itself():
    query, values = features(12 * 20), colours(12 * 20)
    found = match(query, query, values, temperature=0, tile=(50, 40))
    assert torch.equal(found.index, torch.arange(240)) and torch.equal(found.back_index, torch.arange(240))
    assert torch.equal(found.values, values)
    assert found.similarity.min() > 1 - 1e-6 and found.similarity.max() <= 1
    assert torch.equal(cycle_distance(found.index, found.back_index, (12, 20)), torch.zeros(240))


@pytest.mark.parametrize(("count", "tile"), [(8, None), (8, (3, 2)), (256, None), (256, (128, 64))])
def test_the_lowest_of_equals_is_taken(count, tile):
    one = features(1)
    found = match(one.expand(count, -1), one.expand(128, -1), colours(128), temperature=0, tile=tile)
    assert found.index.tolist() == [0] * count and found.back_index.tolist() == [0] * 128


def test_equals_share_the_weight_however_cold():
    one = features(1)
    values = colours(9)
    found = match(one.expand(8, -1), one.expand(9, -1), values, temperature=1e-6)
    torch.testing.assert_close(found.values, values.mean(0).expand(8, -1))


def test_opposites_and_zeros_are_no_trouble():
    query = features(4)
    found = match(query, torch.cat([-query[:1], torch.zeros(1, 16)]), colours(2), temperature=1e-6)
    assert bool(torch.isfinite(found.values).all())
    assert found.similarity[0] == 0 and found.index[0] == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    query, reference, values = features(200, dtype=dtype), features(333, seed=1, dtype=dtype), colours(333)
    found = match(query, reference, values, temperature=0.01, tile=(50, 40))
    assert found.values.dtype == torch.float32
    check(found, query, reference, values, 0.01)


def test_double_stays_double():
    query, reference = features(50, dtype=torch.float64), features(60, seed=1, dtype=torch.float64)
    values = colours(60)
    found = match(query, reference, values, temperature=0.01)
    assert found.values.dtype == torch.float64
    check(found, query, reference, values, 0.01, atol=1e-9)


def test_views_are_read_as_they_lie():
    query, reference = (features(200, seed=s).T.contiguous().T for s in (0, 1))
    wide = torch.stack([colours(200), colours(200)], 1)[:, 0]
    assert not query.is_contiguous() and not wide.is_contiguous()
    kept = query.clone(), reference.clone(), wide.clone()
    check(match(query, reference, wide, temperature=0.01), query, reference, wide, 0.01)
    for tensor, copy in zip((query, reference, wide), kept, strict=True):
        assert torch.equal(tensor, copy)


def test_a_network_in_training_is_read_without_gradients():
    query, reference = features(20).requires_grad_(), features(30, seed=1).requires_grad_()
    found = match(query, reference, colours(30), temperature=0.01)
    assert not found.values.requires_grad


def test_any_number_of_values_is_fetched():
    query, reference, values = features(20), features(30, seed=1), colours(30, 5)
    check(match(query, reference, values, temperature=0.1), query, reference, values, 0.1)


def test_cycle_distance_is_in_positions():
    # Queries on a grid of 2 x 3; the best match of each leads back to position 5.
    index, back_index = torch.zeros(6, dtype=torch.int64), torch.tensor([5])
    expected = torch.tensor([5.0**0.5, 2.0**0.5, 1.0, 2.0, 1.0, 0.0])
    torch.testing.assert_close(cycle_distance(index, back_index, (2, 3)), expected)
    with pytest.raises(ValueError, match="as many positions as there are queries, 6, got 3 x 3"):
        cycle_distance(index, back_index, (3, 3))


def test_normalise_gives_unit_length_and_keeps_zeros():
    given = torch.cat([features(3) * 7, torch.zeros(1, 16)]).bfloat16()
    unit = normalise(given)
    assert unit.dtype == torch.float32
    torch.testing.assert_close(unit.norm(dim=1), torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert normalise(given.double()).dtype == torch.float64


def broken(tensor, value):
    tensor = tensor.clone()
    tensor[-1, -1] = value
    return tensor


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query": features(4).view(2, 2, 16)}, "query must be a floating-point tensor"),
        ({"query": features(4)[:0]}, "query must be .* neither empty"),
        ({"values": colours(5)[:, :0]}, "values must be .* neither empty"),
        ({"values": torch.zeros(5, 2, dtype=torch.uint8)}, "values must be a floating-point tensor"),
        ({"reference": features(5, 8)}, "query's 16 channels .* got 8"),
        ({"reference": features(5).half()}, "torch.float32, got 16 and torch.float16"),
        ({"reference": features(5).to("meta")}, "must be where the query is, on cpu, got meta"),
        ({"values": colours(6)}, "row for each of the 5 reference positions, got 6"),
        ({"query": broken(features(4), float("nan"))}, "query holds NaN or infinite"),
        ({"reference": broken(features(5), float("inf"))}, "reference holds NaN or infinite"),
        ({"values": broken(colours(5), float("nan"))}, "values holds NaN or infinite"),
        ({"query": features(4) * 3}, "query must hold features of unit length, got one of 3"),
        ({"temperature": -0.1}, "temperature must be 0, or"),
        ({"temperature": 1e-9}, "temperature must be 0, or"),
        ({"temperature": float("nan")}, "temperature must be 0, or"),
        ({"tile": (0, 4)}, "tile must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    arguments = {
        "query": features(4),
        "reference": features(5, seed=1),
        "values": colours(5),
        "temperature": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        match(**arguments | changed)
