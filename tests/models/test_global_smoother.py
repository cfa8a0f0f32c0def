from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from chrominance.models.global_smoother import smooth_globally


def by_numpy(x, guide, strength, sigma, attenuation, iterations):
    """The same by NumPy's dense solver, a row and a column at a time."""

    def solve(line, edges, lam):
        w = lam * np.exp(-np.abs(np.diff(edges)) / sigma)
        matrix = np.eye(len(line))
        for n, value in enumerate(w):
            matrix[n : n + 2, n : n + 2] += [[value, -value], [-value, value]]
        return np.linalg.solve(matrix, line)

    out = x.copy()
    for _ in range(iterations):
        for row in range(len(out)):
            out[row] = solve(out[row], guide[row], strength)
        for column in range(out.shape[1]):
            out[:, column] = solve(out[:, column], guide[:, column], strength)
        strength *= attenuation
    return out


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (12, 17)])
def test_it_solves_the_papers_equations(shape):
    rng = np.random.default_rng(0)
    x, guide = rng.normal(0, 40, shape), rng.integers(0, 256, shape).astype(float)
    out = smooth_globally(torch.from_numpy(x)[None, None], torch.from_numpy(guide)[None, None])
    np.testing.assert_allclose(out[0, 0], by_numpy(x, guide, 500, 4, 0.25, 3), atol=2e-3)


def test_the_mean_stays_and_edges_hold():
    x = torch.randn(2, 2, 20, 30, generator=torch.Generator().manual_seed(0)) * 20
    x[..., 15:] += 50
    guide = torch.zeros(1, 1, 20, 30)
    guide[..., 15:] = 200
    out = smooth_globally(x, guide)
    torch.testing.assert_close(out.mean((2, 3)), x.mean((2, 3)), atol=1e-3, rtol=0)
    assert out[..., :15].std((2, 3)).max() < 2 and (out[..., 15:].mean() - out[..., :15].mean()) > 45


def test_opencvs_result():
    folder = os.environ.get("CHROMINANCE_VECTORS") or os.environ.get("CHROMINANCE_REFERENCE", "") + "/vectors"
    path = Path(folder) / "fgs_wls_filter.pt"
    if not path.is_file():
        pytest.skip("no reference vectors: set CHROMINANCE_VECTORS")
    vector = torch.load(path, weights_only=True)
    for name, given in vector["inputs"].items():
        guide = given["guide_u8"][None, None].float()
        out = smooth_globally(given["src"][None, None], guide)[0, 0]
        expected = vector["outputs"][name]["dst"]
        torch.testing.assert_close(out, expected, atol=vector["meta"]["tolerance"], rtol=0)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="guide must be"):
        smooth_globally(torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 5))
