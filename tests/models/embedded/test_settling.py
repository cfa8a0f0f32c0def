"""Plain areas whose colour is open get one colour; nothing else changes."""

import pytest
import torch
from scipy.sparse import diags, eye
from scipy.sparse.linalg import spsolve

from chrominance.models.embedded.settling import settle_open_areas


def patches(height=24, width=40):
    """Return chroma in two patches on a wall, unsure everywhere, and the shaded wall's lightness."""
    ab = torch.zeros(1, 2, height, width)
    ab[..., : width // 2] = torch.tensor([15.0, 5.0]).view(1, 2, 1, 1)
    ab[..., width // 2 :] = torch.tensor([-5.0, -25.0]).view(1, 2, 1, 1)
    L = torch.linspace(60, 61, width).expand(1, 1, height, width)
    return ab, torch.full((1, 1, height, width), 0.2), L


def spread(ab):
    return float((ab - ab.mean((2, 3), keepdim=True)).norm(dim=1).max())


def test_patches_on_a_wall_give_way_to_their_mean():
    ab, confidence, L = patches()
    made = settle_open_areas(ab, confidence, L)
    assert spread(ab) > 17 and spread(made) < 2
    torch.testing.assert_close(made.mean((2, 3)), ab.mean((2, 3)), atol=0.5, rtol=0)


def test_what_is_surer_decides():
    ab, confidence, L = patches()
    confidence[..., :20] = 0.44
    made = settle_open_areas(ab, confidence, L)
    left, wall = ab[0, :, 0, 0], made[0, :, 0, 39]
    assert (wall - left).norm() < (wall - ab[0, :, 0, 39]).norm() / 2


def test_what_is_sure_stays_bit_for_bit():
    ab, confidence, L = patches()
    confidence[..., 5:15, 10:30] = 0.5
    made = settle_open_areas(ab, confidence, L)
    assert torch.equal(made[..., 5:15, 10:30], ab[..., 5:15, 10:30])
    assert not torch.equal(made, ab)


def test_nothing_crosses_an_edge():
    ab, confidence, L = patches()
    L = torch.where(torch.arange(40) < 20, 60.0, 75.0).expand_as(L)
    torch.testing.assert_close(settle_open_areas(ab, confidence, L), ab, atol=0.05, rtol=0)


def test_nothing_becomes_stronger_than_it_was():
    torch.manual_seed(0)
    ab, confidence = torch.randn(3, 2, 17, 23) * 30, torch.rand(3, 1, 17, 23)
    made = settle_open_areas(ab, confidence, torch.rand(3, 1, 17, 23) * 100)
    assert (made.amax((2, 3)) <= ab.amax((2, 3)) + 1e-3).all()
    assert (made.amin((2, 3)) >= ab.amin((2, 3)) - 1e-3).all()
    one = settle_open_areas(ab[1:2], confidence[1:2], torch.full((1, 1, 17, 23), 50.0))
    both = settle_open_areas(ab[:2], confidence[:2], torch.full((2, 1, 17, 23), 50.0))
    torch.testing.assert_close(both[1:], one)


def test_along_a_row_it_is_the_weighted_least_squares_solution():
    # In one row the smoother's directions do not mix: three solutions of (I + strength * Laplacian) u = x.
    torch.manual_seed(0)
    ab, confidence = torch.randn(1, 2, 1, 30) * 20, torch.full((1, 1, 1, 30), 0.1)
    L = torch.randn(1, 1, 1, 30) * 0.5 + 50
    ties = torch.exp(-L.diff(dim=3).abs() / 0.4).double().flatten().numpy()
    difference = diags([-1.0, 1.0], [0, 1], shape=(29, 30))
    laplacian = difference.T @ diags(ties) @ difference
    x, strength = ab[0, :, 0].double().numpy().T, 2000.0
    for _ in range(3):
        x, strength = spsolve((eye(30) + strength * laplacian).tocsc(), x), strength / 4
    made = settle_open_areas(ab, confidence, L)
    torch.testing.assert_close(made[0, :, 0].T.double(), torch.from_numpy(x), atol=1e-2, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_the_smallest_grids(size):
    ab, confidence, L = patches(*size)
    made = settle_open_areas(ab, confidence, L)
    assert made.shape == ab.shape and torch.isfinite(made).all()
