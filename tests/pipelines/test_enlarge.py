"""The products of matrices are what F.interpolate gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from chrominance.pipelines.enlarge import enlarge


def usual(x, height, width):
    return F.interpolate(x, size=(height, width), mode="bicubic", align_corners=False)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((64, 114), (480, 854)),
        ((7, 5), (7, 9)),
        ((1, 1), (3, 200)),
        ((30, 40), (31, 41)),
        ((3, 50), (100, 50)),
    ],
)
def test_it_is_bicubic(given, wanted):
    x = 60 * torch.randn(2, 2, *given, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(enlarge(x, *wanted), usual(x, *wanted), atol=2e-4, rtol=1e-5)
    out = torch.empty(2, 5, *wanted)
    assert enlarge(x, *wanted, out[:, 2:4]) is not None
    assert torch.equal(out[:, 2:4], enlarge(x, *wanted))


def test_other_types_and_rounded_products_go_the_usual_way():
    x = torch.randn(1, 2, 5, 6)
    assert torch.equal(enlarge(x.double(), 9, 11), usual(x.double(), 9, 11))
    torch.set_float32_matmul_precision("medium")
    try:
        assert torch.equal(enlarge(x, 9, 11), usual(x, 9, 11))
    finally:
        torch.set_float32_matmul_precision("highest")
    x.requires_grad_()
    enlarge(x, 9, 11).sum().backward()
    assert x.grad is not None and float(x.grad.sum()) == pytest.approx(2 * 99, rel=1e-4)
