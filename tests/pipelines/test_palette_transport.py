from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog

from chrominance.pipelines.palette import Palette
from chrominance.pipelines.palette_transport import paired, transport


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 5), (6, 6), (3, 16), (16, 16)])
def test_the_plan_is_the_cheapest(rows, columns):
    """Against SciPy's linear program."""
    cost, supply, demand = (random(*shape, seed=3) for shape in ((rows, columns), (rows,), (columns,)))
    supply, demand = supply / supply.sum(), demand / demand.sum()
    plan = transport(cost, supply, demand)
    assert plan.min() >= 0
    torch.testing.assert_close(plan.sum(1), supply, atol=1e-9, rtol=0)
    torch.testing.assert_close(plan.sum(0), demand, atol=1e-9, rtol=0)
    sums = [np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))]
    best = linprog(cost.numpy().ravel(), A_eq=np.vstack(sums), b_eq=torch.cat([supply, demand]).numpy())
    assert float((plan * cost).sum()) == pytest.approx(best.fun, abs=1e-9)


def test_equal_weights_are_an_assignment():
    cost = random(9, 9, seed=5)
    plan = transport(cost, torch.ones(9), torch.ones(9))
    rows, columns = linear_sum_assignment(cost.numpy())
    assert torch.equal(plan.argmax(1), torch.from_numpy(columns)) and len(rows) == 9


def test_sums_that_differ_are_refused():
    with pytest.raises(ValueError, match="one sum"):
        transport(torch.ones(2, 2), torch.ones(2), torch.ones(2) * 2)
    with pytest.raises(ValueError, match="0 or more"):
        transport(torch.ones(1, 2), torch.ones(1), torch.tensor([2.0, -1.0]))


def test_a_palette_in_another_order_is_paired_with_itself():
    lab = torch.tensor([[20.0, 10, 10], [50, 60, 40], [80, -20, 30]])
    weights = torch.tensor([0.5, 0.3, 0.2])
    source = Palette.from_lab(lab, weights)
    order = torch.tensor([2, 0, 1])
    target = Palette.from_lab(lab[order], weights[order])
    torch.testing.assert_close(paired(source, target).lab, lab)


def test_locked_colours_stay_and_weightless_ones_go_to_the_nearest():
    lab = torch.tensor([[20.0, 0, 0], [50, 60, 40], [80, 0, 0]])
    source = Palette.from_lab(lab, torch.tensor([0.5, 0.5, 0.0])).with_locks([True, False, False])
    target = Palette.from_hex(["#ff0000", "#ffffff"])
    found = paired(source, target)
    assert found.swatches[0] == source.swatches[0]
    torch.testing.assert_close(found.lab[2], target.lab[1])
    torch.testing.assert_close(found.lab[1], target.lab.mean(0))
    assert paired(source.with_locks([True] * 3), target).lab.equal(lab)
