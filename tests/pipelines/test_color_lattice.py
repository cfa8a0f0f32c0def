from __future__ import annotations

import pytest
import torch
from scipy.interpolate import LinearNDInterpolator

from chrominance.color import lab_to_rgb_in_gamut, rgb_to_lab
from chrominance.pipelines.color_lattice import Lattice, Placed, Tabulated, interpolate, tabulate, tetrahedra
from chrominance.pipelines.color_map import change_exactly, change_stage
from chrominance.pipelines.video_types import Frame


class Linear:
    """A map that tetrahedra hold exactly; it counts the colours that it was asked for."""

    asked = 0

    def displacement(self, lab):
        self.asked += lab.shape[1]
        return lab.new_tensor([[0.0, 0.1, 0], [0.2, 0, -0.1], [0, 0, 0.3]]) @ lab + 2


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_tetrahedra_are_those_of_the_sorted_parts():
    """Against SciPy's interpolation in the six tetrahedra of a cell that share its diagonal."""
    corners = torch.tensor([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=torch.float64)
    values = torch.rand(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    at = torch.rand(3, 200, generator=torch.Generator().manual_seed(2))
    nodes, shares = torch.empty(200, 4, dtype=torch.int32), torch.empty(200, 4)
    tetrahedra(at.clone(), torch.ones(3, 1), (4, 2, 1), nodes, shares)
    found = (values[nodes.long()] * shares).sum(1)
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        path = [0, 4 >> order[0], (4 >> order[0]) + (4 >> order[1]), 7]
        inside = (at[list(order)].diff(dim=0) < 0).all(0)
        there = LinearNDInterpolator(corners[path].numpy(), values[path].numpy())(at.T[inside].numpy())
        torch.testing.assert_close(found[inside], torch.from_numpy(there).squeeze(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(1, 3, 40, 50), (2, 3, 7, 5), (1, 3, 1, 1)])
def test_a_linear_map_is_exact_in_the_table(shape):
    rgb, change = picture(*shape), Linear()
    torch.testing.assert_close(
        Tabulated(tabulate(change, Lattice())).apply(rgb), change_exactly(rgb, change), atol=2e-5, rtol=0
    )


def test_shares_are_convex_and_give_the_colour_back():
    lab = rgb_to_lab(picture(3, 5000), dim=0)
    lattice = Lattice()
    places = lattice.place(lab)
    assert places.shares.min() >= 0
    torch.testing.assert_close(places.shares.sum(1), torch.ones(5000))
    torch.testing.assert_close(interpolate(lattice.lab.T.contiguous(), places), lab.T, atol=1e-3, rtol=0)
    beyond = lattice.place(torch.full((3, 1), 1e4))
    assert beyond.shares.sum() == 1
    assert float(interpolate(lattice.lab.T.contiguous(), beyond)[0, 0]) == 100


def test_nodes_are_made_once_and_stay():
    lattice, change = Lattice(), Linear()
    table = tabulate(change, lattice)
    rgb = picture(1, 3, 20, 20)
    first = Placed(rgb, lattice).change(table)
    count = change.asked
    assert count == lattice.lab.shape[1]
    assert torch.equal(Placed(rgb, lattice).change(table), first) and change.asked == count
    Placed(picture(1, 3, 20, 20, seed=1), lattice).change(table)
    assert count < change.asked == lattice.lab.shape[1]
    assert torch.equal(Placed(rgb, lattice).change(table), first)


def test_mask_and_strength():
    rgb, change = picture(1, 3, 12, 10), Tabulated(tabulate(Linear(), Lattice()))
    mask = torch.zeros(1, 1, 12, 10)
    mask[..., 5:] = 1
    out = change.apply(rgb, mask=mask)
    assert torch.equal(out[..., :5], rgb[..., :5])
    torch.testing.assert_close(out[..., 5:], change.apply(rgb)[..., 5:])
    assert torch.equal(change.apply(rgb, strength=0), rgb)
    half = change_exactly(rgb, Linear(), strength=0.5)
    torch.testing.assert_close(change.apply(rgb, strength=0.5), half, atol=2e-5, rtol=0)
    torch.testing.assert_close(change.apply(rgb, mask=mask * 0 + 0.5), half, atol=2e-5, rtol=0)
    lab = rgb_to_lab(rgb)
    moved = Linear().displacement(lab.flatten(2)[0]).view(lab.shape) / 2
    torch.testing.assert_close(half, lab_to_rgb_in_gamut(lab + moved), atol=1e-5, rtol=0)


def test_a_still_clip_stays_still():
    change = Tabulated(tabulate(Linear(), Lattice()))
    frames = [
        Frame(n, n / 25, picture(3, 9, 11, seed=0 if n != 1 else 4), None)  # pyright: ignore
        for n in range(4)
    ]
    out = list(change_stage(change)(iter(frames), None))  # pyright: ignore[reportArgumentType]
    assert [frame.index for frame in out] == [0, 1, 2, 3]
    assert torch.equal(out[0].rgb, out[2].rgb) and torch.equal(out[0].rgb, out[3].rgb)
    assert not torch.equal(out[0].rgb, out[1].rgb)


@pytest.mark.parametrize(
    ("rgb", "mask", "strength", "message"),
    [
        (picture(3, 4, 4), None, 1, "must be"),
        (picture(1, 4, 4, 4), None, 1, "must be"),
        (picture(1, 3, 4, 4) * float("nan"), None, 1, "NaN"),
        (picture(1, 3, 4, 4), torch.ones(1, 1, 4, 5), 1, "mask must be"),
        (picture(1, 3, 4, 4), torch.full((1, 1, 4, 4), float("nan")), 1, "NaN"),
        (picture(1, 3, 4, 4), None, 1.5, "strength"),
    ],
)
def test_what_does_not_fit_is_refused(rgb, mask, strength, message):
    with pytest.raises(ValueError, match=message):
        change_exactly(rgb, Linear(), mask=mask, strength=strength)
    with pytest.raises(ValueError, match=message):
        Tabulated(tabulate(Linear(), Lattice())).apply(rgb, mask=mask, strength=strength)
