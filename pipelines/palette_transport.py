"""Pairing the colours of two palettes by optimal transport of their weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .palette import Palette, Swatch

# Of the whole weight: less is rounding.
_DUST = 1e-12


def transport(cost: Tensor, supply: Tensor, demand: Tensor) -> Tensor:
    """Return the cheapest plan [N,M] that brings ``supply`` [N] to ``demand`` [M], float64 on the CPU.

    ``cost``: [N,M]. Exact, by successive shortest paths (R. Ahuja, T. Magnanti, J. Orlin, "Network Flows",
    1993, 9.7): for palettes, not for pictures. Raises ValueError where sums differ or a weight is negative.
    """
    cost, supply, demand = (x.double().cpu() for x in (cost, supply, demand))
    if bool((supply < 0).any() or (demand < 0).any()) or abs(float(supply.sum() - demand.sum())) > 1e-5 * max(
        1.0, float(supply.sum())
    ):
        raise ValueError("supply and demand must be 0 or more and of one sum")
    rows, columns = cost.shape
    total = float(supply.sum())
    left, wanted = supply.tolist(), demand.tolist()
    price = cost.tolist()
    plan = [[0.0] * columns for _ in range(rows)]
    while True:
        path = _shortest(price, plan, left, wanted, total * _DUST)
        if path is None:
            return torch.tensor(plan, dtype=torch.float64)
        amount = min(
            [left[path[0]], wanted[path[-1]]]
            + [plan[path[n + 1]][path[n]] for n in range(1, len(path) - 1, 2)]
        )
        left[path[0]] -= amount
        wanted[path[-1]] -= amount
        for n in range(0, len(path), 2):
            plan[path[n]][path[n + 1]] += amount
            if n:
                plan[path[n]][path[n - 1]] -= amount


def _shortest(
    price: list[list[float]], plan: list[list[float]], left: list[float], wanted: list[float], dust: float
) -> list[int] | None:
    """Find the cheapest way from a row with something left to a column that wants some, or None.

    A way goes row, column, row, column, ...: to a column at its price, and back along what is sent already.
    """
    rows, columns = range(len(left)), range(len(wanted))
    reach_row = [0.0 if left[n] > dust else float("inf") for n in rows]
    reach_column = [float("inf")] * len(wanted)
    from_row, from_column = [-1] * len(wanted), [-1] * len(left)
    for _ in range(len(left) + len(wanted)):
        changed = False
        for n in rows:
            for m in columns:
                if (there := reach_row[n] + price[n][m]) < reach_column[m] - 1e-9:
                    reach_column[m], from_row[m], changed = there, n, True
        for m in columns:
            for n in rows:
                if plan[n][m] > dust and (back := reach_column[m] - price[n][m]) < reach_row[n] - 1e-9:
                    reach_row[n], from_column[n], changed = back, m, True
        if not changed:
            break
    open_columns = [m for m in columns if wanted[m] > dust and reach_column[m] < float("inf")]
    if not open_columns:
        return None
    column = min(open_columns, key=lambda m: reach_column[m])
    path = [column]
    while True:
        row = from_row[path[0]]
        path.insert(0, row)
        if from_column[row] < 0:
            return path
        path.insert(0, from_column[row])


def paired(source: Palette, target: Palette) -> Palette:
    """Return for each colour of ``source`` the one that it becomes to look like ``target``.

    Weights travel by optimal transport, at the squared distance in Lab, and a colour becomes the mean of
    where its weight goes (S. Ferradans et al., "Regularized discrete optimal transport", 2014). Locked ones
    stay as they are and take no part. Names and locks are those of ``source``.
    """
    free = ~source.locked
    if not bool(free.any()):
        return source
    supply = source.weights[free].double()
    supply = supply / supply.sum() if float(supply.sum()) > 0 else torch.full_like(supply, 1 / len(supply))
    demand = target.weights.double()
    lab, goals = source.lab[free].double(), target.lab.double()
    plan = transport(torch.cdist(lab, goals).square(), supply, demand / demand.sum())
    # A colour without weight goes where the nearest one is.
    share = plan.sum(1, keepdim=True)
    nearest = torch.nn.functional.one_hot(torch.cdist(lab, goals).argmin(1), len(goals)).double()
    means = torch.where(share > 1e-9, plan / share.clamp(min=1e-9), nearest) @ goals
    moved = iter(means.tolist())
    swatches = tuple(one if one.locked else _at(one, next(moved)) for one in source.swatches)
    return replace(source, swatches=swatches)


def _at(swatch: Swatch, lab: list[float]) -> Swatch:
    L, a, b = lab
    return replace(swatch, lab=(L, a, b))
