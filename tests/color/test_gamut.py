import math

import pytest
import torch
from skimage import data

from chrominance.color import lab_to_lch, lab_to_rgb, lab_to_rgb_in_gamut, reduce_chroma, rgb_to_lab


def _colours(seed: int = 0) -> torch.Tensor:
    """Return Lab [3,200,200] float32, mostly far outside the gamut, with rows near black and near white."""
    generator = torch.Generator().manual_seed(seed)
    lab = torch.rand(3, 200, 200, generator=generator)
    lab[0] *= 100
    lab[1:] = lab[1:] * 256 - 128
    lab[0, 0] *= 1e-3
    lab[0, 1] *= 1e-1
    lab[0, 2] = 100 - lab[0, 2] * 1e-3
    lab[0, 3] = 100 - lab[0, 3] * 1e-1
    return lab


def _rgb(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(9))


def _largest_scale_by_bisection(lab: torch.Tensor) -> torch.Tensor:
    low, high = torch.zeros_like(lab[:1]), torch.ones_like(lab[:1])
    for _ in range(40):
        middle = (low + high) / 2
        rgb = lab_to_rgb(torch.cat((lab[:1], lab[1:] * middle)))
        inside = (rgb.amin(0) >= 0) & (rgb.amax(0) <= 1)
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return low


def _turned(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the hue angle between Lab colours in degrees."""
    turn = (lab_to_lch(first)[2] - lab_to_lch(second)[2]).abs()
    return torch.minimum(turn, 360 - turn)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reduced_colours_are_inside_and_keep_lightness_and_hue(dtype):
    lab = _colours().to(dtype)
    reduced = reduce_chroma(lab)
    rgb = lab_to_rgb(reduced.double())
    assert rgb.min() >= -1e-6
    assert rgb.max() <= 1 + 1e-6
    assert torch.equal(reduced[0], lab[0])
    ratio = reduced[1:] / lab[1:]
    assert (ratio[0] - ratio[1]).abs().max() < 1e-5
    assert ratio.min() >= 0
    assert ratio.max() <= 1


def test_no_more_chroma_is_taken_than_needed():
    lab = _colours(1)[:, 4:54].double()
    chroma = lab[1:].norm(dim=0)
    taken = (reduce_chroma(lab)[1:] / lab[1:])[0]
    missing = (_largest_scale_by_bisection(lab)[0] - taken).abs() * chroma
    inside = (lab_to_rgb(lab).amin(0) >= 0) & (lab_to_rgb(lab).amax(0) <= 1)
    # A few rays near yellow leave the gamut and come back: there the two may stop at different crossings.
    assert missing[~inside].quantile(0.999) < 0.01
    assert (missing[~inside] > 0.05).double().mean() < 1e-3


def test_colours_inside_come_back_bit_identical():
    lab = rgb_to_lab(_rgb(2, 3, 60, 60) * 0.98 + 0.01)
    assert torch.equal(reduce_chroma(lab), lab)
    assert torch.equal(reduce_chroma(lab.double()), lab.double())
    mixed = _colours(2)
    rgb = lab_to_rgb(mixed.double())
    inside = (rgb.amin(0) >= 0) & (rgb.amax(0) <= 1)
    assert 0.02 < inside.double().mean() < 0.5
    assert torch.equal(reduce_chroma(mixed)[:, inside], mixed[:, inside])


def test_fused_conversion_keeps_lightness_and_hue():
    lab = _colours(3)
    rgb = lab_to_rgb_in_gamut(lab)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    back = rgb_to_lab(rgb.double())
    assert (back[0] - lab[0]).abs().max() < 0.01
    colourful = lab_to_lch(back)[1] > 2
    assert _turned(back, lab.double())[colourful].max() < 0.02
    assert (back - reduce_chroma(lab)).abs().max() < 2e-4


def test_fused_conversion_of_a_photo_given_too_much_colour():
    rgb = torch.from_numpy(data.astronaut()[::2, ::2]).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(rgb)
    lab[:, 1:] *= 2
    result = lab_to_rgb_in_gamut(lab)
    assert (rgb_to_lab(result.double())[:, 0] - lab[:, 0]).abs().max() < 0.01
    clipped = rgb_to_lab(lab_to_rgb(lab, clip=True).double())
    assert (clipped[:, 0] - lab[:, 0]).abs().max() > 1


def test_in_gamut_pictures_are_converted_as_ever():
    lab = rgb_to_lab(_rgb(1, 3, 70, 50) * 0.9 + 0.05)
    assert torch.equal(lab_to_rgb_in_gamut(lab), lab_to_rgb(lab))


def test_lightness_without_a_grey_gives_black_or_white():
    lab = torch.tensor([[0.0, 40.0, -9.0], [-5.0, 3.0, 3.0], [100.0, 1.0, 8.0], [130.0, 0.0, 50.0]])
    assert torch.equal(reduce_chroma(lab, dim=-1), lab * torch.tensor([1.0, 0.0, 0.0]))
    expected = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(3, 1).T
    assert torch.allclose(lab_to_rgb_in_gamut(lab, dim=-1), expected, rtol=0, atol=1e-5)


def test_out_may_be_the_input():
    lab = _colours(4)
    for convert in (reduce_chroma, lab_to_rgb_in_gamut):
        expected = convert(lab)
        buffer = lab.clone()
        assert convert(buffer, out=buffer) is buffer
        assert torch.equal(buffer, expected)


def test_nan_stays_and_does_not_hide_others():
    lab = _colours(5)
    expected = lab_to_rgb_in_gamut(lab)
    lab[2, 10, 10] = torch.nan
    result = lab_to_rgb_in_gamut(lab)
    assert result[:, 10, 10].isnan().any()
    result[:, 10, 10] = expected[:, 10, 10]
    assert torch.allclose(result, expected, rtol=0, atol=1e-6)


def test_gradients_reach_lab_with_the_factor_constant():
    lab = torch.tensor([[50.0, 120.0, -30.0], [50.0, 5.0, 5.0], [0.0, 9.0, 0.0]], requires_grad=True)
    reduced = reduce_chroma(lab, dim=-1)
    reduced.sum().backward()
    assert lab.grad is not None
    scale = (reduced[:, 1] / lab[:, 1]).detach()
    assert torch.allclose(lab.grad[:, 1], scale)
    assert 0 < scale[0] < scale[1] == 1
    other = lab.detach().requires_grad_()
    lab_to_rgb_in_gamut(other, dim=-1).sum().backward()
    assert other.grad is not None
    assert other.grad.isfinite().all()


def test_hue_of_known_primaries():
    # Twice the chroma of sRGB's own red comes back to red.
    lab = rgb_to_lab(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), dim=-1)
    doubled = lab * torch.tensor([1.0, 2.0, 2.0])
    assert math.isclose(reduce_chroma(doubled, dim=-1)[1].item(), lab[1].item(), abs_tol=0.01)
