"""Shapes, types, buffers and modes, the same for every conversion."""

import pytest
import torch

from chrominance import color
from chrominance.color import chunks

CONVERSIONS = [
    color.rgb_to_lab,
    color.lab_to_rgb,
    color.rgb_to_lightness,
    color.lab_to_rgb_in_gamut,
    color.reduce_chroma,
    color.lab_to_lch,
    color.lch_to_lab,
    color.rgb_to_oklab,
    color.oklab_to_rgb,
    color.rgb_to_linear_rgb,
    color.linear_rgb_to_rgb,
    color.linear_rgb_to_xyz,
    color.xyz_to_linear_rgb,
    color.xyz_to_lab,
    color.lab_to_xyz,
]
all_conversions = pytest.mark.parametrize("convert", CONVERSIONS, ids=lambda f: f.__name__)


def _picture(convert, *shape: int) -> torch.Tensor:
    """Return values in the range of what ``convert`` takes, [..., 3, H, W] float32."""
    x = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    name = convert.__name__
    if name.startswith(("lab", "lch", "reduce")):
        return x * torch.tensor([100.0, 90.0, 90.0]).view(3, 1, 1) - torch.tensor([0.0, 30.0, 30.0]).view(
            3, 1, 1
        )
    return x


def _per_pixel(convert, x: torch.Tensor) -> torch.Tensor:
    """Convert [B,3,H,W] the slow way: one pixel at a time in float64."""
    rows = x.double().permute(0, 2, 3, 1).reshape(-1, 3)
    return torch.stack([convert(row, dim=-1) for row in rows]).reshape(x.shape[0], x.shape[2], x.shape[3], -1)


@all_conversions
def test_every_layout_gives_the_same(convert, monkeypatch):
    monkeypatch.setattr(chunks, "_CPU_CHUNK", 7)
    x = _picture(convert, 2, 3, 5, 6)
    expected = _per_pixel(convert, x).permute(0, 3, 1, 2)

    def close(result: torch.Tensor, wanted: torch.Tensor = expected) -> bool:
        return result.shape == wanted.shape and torch.allclose(result.double(), wanted, rtol=0, atol=2e-4)

    assert close(convert(x))
    assert close(convert(x[0]), expected[0])
    assert close(convert(x[None]), expected[None])
    assert close(convert(x.permute(0, 2, 3, 1), dim=-1), expected.permute(0, 2, 3, 1))
    assert close(convert(x.permute(0, 2, 3, 1).contiguous(), dim=-1), expected.permute(0, 2, 3, 1))
    assert close(convert(x.contiguous(memory_format=torch.channels_last)))
    assert close(convert(x[:, :, 1:4, 2:5]), expected[:, :, 1:4, 2:5])
    assert close(convert(x.permute(1, 0, 2, 3), dim=0), expected.permute(1, 0, 2, 3))
    assert close(convert(x[:, :, 0, 0], dim=1), expected[:, :, 0, 0])
    assert close(convert(x[0, :, 0, 0], dim=0), expected[0, :, 0, 0])


@all_conversions
def test_types(convert):
    x = _picture(convert, 1, 3, 8, 9)
    exact = convert(x.double())
    assert exact.dtype == torch.float64
    assert torch.allclose(convert(x).double(), exact, rtol=0, atol=2e-4)
    for dtype in (torch.bfloat16, torch.float16):
        low = convert(x.to(dtype))
        assert low.dtype == dtype
        assert torch.equal(low, convert(x.to(dtype).float()).to(dtype))


@all_conversions
def test_out_is_written_and_inputs_are_not(convert):
    x = _picture(convert, 2, 3, 9, 10)
    before = x.clone()
    expected = convert(x)
    assert torch.equal(x, before)
    out = torch.empty_like(expected)
    assert convert(x, out=out) is out
    assert torch.equal(out, expected)
    strided = torch.empty(2, 9, 10, expected.shape[1]).permute(0, 3, 1, 2)
    convert(x, out=strided)
    assert torch.equal(strided, expected)
    window = torch.zeros(2, expected.shape[1], 20, 20)
    convert(x, out=window[:, :, 3:12, 5:15])
    assert torch.equal(window[:, :, 3:12, 5:15], expected)
    assert window.count_nonzero() <= expected.numel()
    if expected.shape == x.shape:
        assert convert(x, out=x) is x
        assert torch.equal(x, expected)


@all_conversions
def test_empty_tensors(convert):
    assert convert(torch.empty(0, 3, 4, 5)).shape[0] == 0
    assert convert(torch.empty(2, 3, 0, 5)).shape[2:] == (0, 5)


@all_conversions
def test_inference_mode_and_back(convert):
    x = _picture(convert, 1, 3, 6, 6)
    expected = convert(x)
    with torch.inference_mode():
        inside = convert(x)
        assert torch.equal(convert(x.clone(), out=torch.empty_like(expected)), expected)
    assert torch.equal(inside, expected)
    assert torch.equal(convert(x), expected)
    tracked = x.clone().requires_grad_()
    assert torch.allclose(convert(tracked), expected, rtol=0, atol=2e-4)
    with torch.no_grad():
        assert torch.equal(convert(tracked), expected)


def test_threads_and_chunks_change_nothing(monkeypatch):
    rgb = _picture(color.rgb_to_lab, 1, 3, 300, 301)
    expected = color.rgb_to_lab(rgb)
    monkeypatch.setattr(chunks, "_CPU_CHUNK", 1000)
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            assert torch.allclose(color.rgb_to_lab(rgb), expected, rtol=0, atol=1e-4)
            with torch.inference_mode():
                assert torch.allclose(color.rgb_to_lab(rgb.clone()), expected, rtol=0, atol=1e-4)
            with torch.no_grad():
                tracked = rgb.clone().requires_grad_()
                assert torch.allclose(color.rgb_to_lab(tracked), expected, rtol=0, atol=1e-4)
            # Half of these colours are outside the gamut.
            loud = expected * torch.tensor([1.0, 1.4, 1.4]).view(3, 1, 1)
            result = color.lab_to_rgb_in_gamut(loud)
            assert torch.allclose(result, color.lab_to_rgb(color.reduce_chroma(loud)), rtol=0, atol=1e-5)
            assert (color.rgb_to_lightness(result) - loud[:, :1]).abs().max() < 1e-3
    finally:
        torch.set_num_threads(before)


def test_callers_defaults_do_not_matter():
    rgb = _picture(color.rgb_to_lab, 1, 3, 6, 6)
    expected = color.rgb_to_lab(rgb)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(color.rgb_to_lab(rgb), expected)
        with torch.device("meta"):
            assert torch.equal(color.rgb_to_lab(rgb), expected)
            assert color.lab_to_rgb_in_gamut(expected * 1.5).device.type == "cpu"
    finally:
        torch.set_default_dtype(torch.float32)


@all_conversions
def test_errors_name_what_is_wrong(convert):
    with pytest.raises(ValueError, match=r"3 channels on axis -3, got shape \[1, 4, 2, 2\]"):
        convert(torch.rand(1, 4, 2, 2))
    with pytest.raises(ValueError, match="channel axis -3"):
        convert(torch.rand(3, 2))
    with pytest.raises(ValueError, match="floating-point"):
        convert(torch.zeros(3, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="out must be"):
        convert(torch.rand(3, 2, 2), out=torch.empty(3, 2, 3))
    with pytest.raises(ValueError, match="gradient"):
        convert(torch.rand(3, 2, 2, requires_grad=True), out=torch.empty_like(convert(torch.rand(3, 2, 2))))
