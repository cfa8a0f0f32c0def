import pytest
import torch

from chrominance.color import (
    linear_rgb_to_rgb,
    linear_rgb_to_xyz,
    oklab_to_rgb,
    rgb_to_linear_rgb,
    rgb_to_oklab,
    xyz_to_linear_rgb,
)


def test_transfer_function():
    rgb = torch.tensor([-0.1, 0.0, 0.04045, 0.5, 1.0, 1.2], dtype=torch.float64).repeat(3, 1, 1)
    linear = rgb_to_linear_rgb(rgb)
    expected = [-0.1 / 12.92, 0.0, 0.04045 / 12.92, (0.555 / 1.055) ** 2.4, 1.0, (1.255 / 1.055) ** 2.4]
    assert torch.allclose(linear[0, 0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.allclose(linear_rgb_to_rgb(linear), rgb, rtol=0, atol=1e-7)


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _close(result: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    return torch.allclose(result.double(), expected.double(), rtol=0, atol=tolerance)


def test_xyz_of_white_and_back():
    white = linear_rgb_to_xyz(torch.ones(3, 1, 1, dtype=torch.float64)).flatten()
    assert _close(white, torch.tensor([0.950456, 1.0, 1.088754]), 1e-7)
    linear = _random(3, 9, 9)
    assert _close(xyz_to_linear_rgb(linear_rgb_to_xyz(linear)), linear, 1e-12)


def test_oklab_of_published_colours():
    # The pairs of XYZ (Y = 1) and OKLab in Ottosson's article, given to three decimals. XYZ was then taken
    # to linear RGB by a matrix of four digits, which the tolerance allows for.
    xyz = [[0.950, 1.0, 1.089], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    oklab = [[1.0, 0.0, 0.0], [0.450, 1.236, -0.019], [0.922, -0.671, 0.263], [0.153, -1.415, -0.449]]
    linear = xyz_to_linear_rgb(torch.tensor(xyz, dtype=torch.float64), dim=-1)
    assert _close(rgb_to_oklab(linear_rgb_to_rgb(linear, dim=-1), dim=-1), torch.tensor(oklab), 3e-3)


def test_oklab_round_trip_and_neutrality():
    rgb = _random(3, 40, 40)
    assert _close(oklab_to_rgb(rgb_to_oklab(rgb)), rgb, 1e-7)
    assert _close(oklab_to_rgb(rgb_to_oklab(rgb.float())), rgb, 1e-4)
    grey = rgb_to_oklab(torch.linspace(0, 1, 101, dtype=torch.float64).repeat(3, 1, 1))
    assert grey[1:].abs().max() < 1e-4


@pytest.mark.parametrize("convert", [rgb_to_oklab, oklab_to_rgb, rgb_to_linear_rgb, linear_rgb_to_rgb])
def test_gradients(convert):
    black = torch.zeros(3, 2, 2, requires_grad=True)
    convert(black).sum().backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()
    inner = (_random(3, 2, 2) * 0.5 + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(convert, (inner,))
