"""Distances through pictures, against Dijkstra's algorithm on the same graph."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from chrominance.pipelines.geodesic import distances, step_costs


def shortest(features, reach, seed):
    """Dijkstra from one pixel, over the eight neighbours of each, the costs written out anew."""
    _, height, width = features.shape
    number = np.arange(height * width).reshape(height, width)
    rows, columns, costs = [], [], []
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    rows.append(number[y, x])
                    columns.append(number[y + dy, x + dx])
                    change = features[:, y, x] - features[:, y + dy, x + dx]
                    costs.append((dy * dy + dx * dx) ** 0.5 / reach + (change**2).sum())
    graph = coo_matrix((costs, (rows, columns)), shape=(number.size, number.size))
    return dijkstra(graph, directed=False, indices=number[seed]).reshape(height, width)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (12, 17)])
def test_plain_ground(shape):
    features = np.zeros((2, *shape), np.float32)
    seed = (shape[0] // 2, shape[1] // 3)
    seeds = np.zeros((*shape, 1), bool)
    seeds[seed] = True
    np.testing.assert_allclose(
        distances(seeds, step_costs(features, 7.0))[..., 0], shortest(features, 7.0, seed), atol=1e-5
    )


def test_a_picture_with_edges():
    rng = np.random.default_rng(2)
    features = rng.random((3, 20, 26)).astype(np.float32) * 0.4
    features[0, 5:, 10] += 2  # a wall with a way around it
    places = [(2, 3), (18, 22), (12, 11)]
    seeds = np.zeros((20, 26, 3), bool)
    for n, place in enumerate(places):
        seeds[(*place, n)] = True
    found = distances(seeds, step_costs(features, 10.0))
    for n, place in enumerate(places):
        expected = shortest(features.astype(np.float64), 10.0, place)
        assert (found[..., n] >= expected - 1e-5).all()
        assert (found[..., n] <= expected * 1.05 + 1e-5).all()


def test_a_seed_of_several_pixels_is_as_near_as_the_nearest():
    features = np.random.default_rng(3).random((1, 9, 9)).astype(np.float32)
    steps = step_costs(features, 5.0)
    apart = np.zeros((9, 9, 2), bool)
    apart[1, 1, 0] = apart[7, 6, 1] = True
    np.testing.assert_allclose(
        distances(apart.any(2, keepdims=True), steps)[..., 0], distances(apart, steps).min(2), atol=1e-6
    )


def test_a_seed_that_is_nowhere_is_infinitely_far():
    steps = step_costs(np.zeros((1, 3, 4), np.float32), 5.0)
    assert np.isinf(distances(np.zeros((3, 4, 1), bool), steps)).all()
