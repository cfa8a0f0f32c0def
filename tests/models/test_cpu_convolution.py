"""The quick ways of convolving on a processor against the plain one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from chrominance.models import cpu_convolution
from chrominance.models.cpu_convolution import has_bfloat16, multiply_rows, winograd_conv3, winograd_kernels


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 9), (17, 30), (2, 5)])
@pytest.mark.parametrize("tiles", [1, 3, 512])
@pytest.mark.parametrize("rectify", [False, True])
def test_winograd_is_the_convolution(size, tiles, rectify, monkeypatch):
    monkeypatch.setattr(cpu_convolution, "_TILES_AT_ONCE", tiles)
    x, weight, bias = noise(2, 5, *size), noise(7, 5, 3, 3, seed=1), noise(7, seed=2)
    wanted = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    wanted = wanted.relu() if rectify else wanted
    for layout in (torch.contiguous_format, torch.channels_last):
        found = winograd_conv3(
            x.contiguous(memory_format=layout),
            winograd_kernels(weight.contiguous(memory_format=layout)),
            bias,
            rectify=rectify,
        )
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), wanted, atol=5e-5, rtol=0)


def test_winograd_is_about_as_exact_as_the_direct_sum():
    x, weight, bias = noise(1, 128, 32, 32).relu(), noise(64, 128, 3, 3, seed=1) / 34, noise(64, seed=2)
    wanted = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    errors = [
        (found.double() - wanted).abs().mean().item()
        for found in (winograd_conv3(x, winograd_kernels(weight), bias), F.conv2d(x, weight, bias, padding=1))
    ]
    # How exact the direct sum is depends on the processor: with AVX-512 it is 6.4 times as exact as this.
    assert errors[0] < 10 * errors[1]


def test_winograd_rounds_narrow_types_once():
    x, weight, bias = (t.bfloat16() for t in (noise(1, 6, 9, 9), noise(4, 6, 3, 3, seed=1), noise(4, seed=2)))
    found = winograd_conv3(x, winograd_kernels(weight), bias)
    assert found.dtype == torch.bfloat16
    wanted = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    assert ((found.double() - wanted).abs() <= wanted.abs() * 2**-8 + 1e-4).all()


@pytest.mark.parametrize("count", [1, 16, 30, 48])
def test_rows_times_weights(count):
    rows, weight, bias = noise(count, 5), noise(7, 5, seed=1), noise(7, seed=2)
    torch.testing.assert_close(multiply_rows(rows, weight, bias), rows @ weight.T + bias)
    torch.testing.assert_close(multiply_rows(rows, weight), rows @ weight.T)


def test_what_the_processor_has(monkeypatch):
    assert isinstance(has_bfloat16(), bool)
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)  # noqa: B023
        assert has_bfloat16.__wrapped__() is has
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    for name, has in (("AVX512", True), ("AVX2", False)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: name)  # noqa: B023
        assert has_bfloat16.__wrapped__() is has
