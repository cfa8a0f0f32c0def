import numpy as np
import pytest
import torch
from skimage.color import deltaE_cie76, deltaE_ciede2000

from chrominance.color import ciede2000, delta_e76

# L1 a1 b1 L2 a2 b2 ΔE00: table 1 of G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula:
# implementation notes, supplementary test data, and mathematical observations" (2005).
SHARMA = """
50.0000   2.6772 -79.7751  50.0000   0.0000 -82.7485   2.0425
50.0000   3.1571 -77.2803  50.0000   0.0000 -82.7485   2.8615
50.0000   2.8361 -74.0200  50.0000   0.0000 -82.7485   3.4412
50.0000  -1.3802 -84.2814  50.0000   0.0000 -82.7485   1.0000
50.0000  -1.1848 -84.8006  50.0000   0.0000 -82.7485   1.0000
50.0000  -0.9009 -85.5211  50.0000   0.0000 -82.7485   1.0000
50.0000   0.0000   0.0000  50.0000  -1.0000   2.0000   2.3669
50.0000  -1.0000   2.0000  50.0000   0.0000   0.0000   2.3669
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0009   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0010   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0011   7.2195
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0012   7.2195
50.0000  -0.0010   2.4900  50.0000   0.0009  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0010  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0011  -2.4900   4.7461
50.0000   2.5000   0.0000  50.0000   0.0000  -2.5000   4.3065
50.0000   2.5000   0.0000  73.0000  25.0000 -18.0000  27.1492
50.0000   2.5000   0.0000  61.0000  -5.0000  29.0000  22.8977
50.0000   2.5000   0.0000  56.0000 -27.0000  -3.0000  31.9030
50.0000   2.5000   0.0000  58.0000  24.0000  15.0000  19.4535
50.0000   2.5000   0.0000  50.0000   3.1736   0.5854   1.0000
50.0000   2.5000   0.0000  50.0000   3.2972   0.0000   1.0000
50.0000   2.5000   0.0000  50.0000   1.8634   0.5757   1.0000
50.0000   2.5000   0.0000  50.0000   3.2592   0.3350   1.0000
60.2574 -34.0099  36.2677  60.4626 -34.1751  39.4387   1.2644
63.0109 -31.0961  -5.8663  62.8187 -29.7946  -4.0864   1.2630
61.2901   3.7196  -5.3901  61.4292   2.2480  -4.9620   1.8731
35.0831 -44.1164   3.7933  35.0232 -40.0716   1.5901   1.8645
22.7233  20.0904 -46.6940  23.0331  14.9730 -42.5619   2.0373
36.4612  47.8580  18.3852  36.2715  50.5065  21.2231   1.4146
90.8027  -2.0831   1.4410  91.1528  -1.6435   0.0447   1.4441
90.9257  -0.5406  -0.9208  88.6381  -0.8985  -0.7239   1.5381
 6.7747  -0.2908  -2.4247   5.8714  -0.0985  -2.2286   0.6377
 2.0776   0.0795  -1.1350   0.9033  -0.0636  -0.5514   0.9082
"""


def _table() -> torch.Tensor:
    return torch.from_numpy(np.fromstring(SHARMA, sep=" ").reshape(-1, 7))


def _colours(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    return unit * torch.tensor([100.0, 200.0, 200.0]) - torch.tensor([0.0, 100.0, 100.0])


def test_ciede2000_agrees_with_the_published_table():
    table = _table()
    assert table.shape == (34, 7)
    first, second, expected = table[:, :3], table[:, 3:6], table[:, 6:]
    assert torch.allclose(ciede2000(first, second, dim=-1), expected, rtol=0, atol=5.01e-5)
    assert torch.allclose(ciede2000(second, first, dim=-1), expected, rtol=0, atol=5.01e-5)


def test_differences_agree_with_scikit_image():
    first, second = _colours(20000, 1), _colours(20000, 2)
    expected = torch.from_numpy(deltaE_ciede2000(first.numpy(), second.numpy()))
    assert torch.allclose(ciede2000(first, second, dim=-1)[:, 0], expected, rtol=0, atol=1e-9)
    expected = torch.from_numpy(deltaE_cie76(first.numpy(), second.numpy()))
    assert torch.allclose(delta_e76(first, second, dim=-1)[:, 0], expected, rtol=0, atol=1e-10)


def test_float32_stays_near_float64():
    first, second = _colours(20000, 3), _colours(20000, 4)
    exact = delta_e76(first, second, dim=-1)
    assert (delta_e76(first.float(), second.float(), dim=-1) - exact).abs().max() < 1e-4
    error = (ciede2000(first.float(), second.float(), dim=-1) - ciede2000(first, second, dim=-1)).abs()
    # Nearly opposite hues may fall on either side of the formula's own discontinuity.
    assert error.quantile(0.999) < 1e-4


@pytest.mark.parametrize("difference", [delta_e76, ciede2000])
def test_a_colour_broadcasts_over_a_picture(difference):
    picture = _colours(60, 5).reshape(2, 5, 6, 3).permute(0, 3, 1, 2)
    colour = _colours(1, 6).reshape(3, 1, 1)
    result = difference(picture, colour)
    assert result.shape == (2, 1, 5, 6)
    assert torch.equal(result, difference(picture, colour.expand(2, 3, 5, 6).contiguous()))
    palette, pixels = _colours(7, 7), _colours(11, 8)
    assert difference(pixels[:, None], palette, dim=-1).shape == (11, 7, 1)


@pytest.mark.parametrize("difference", [delta_e76, ciede2000])
def test_gradients_are_finite_also_for_equal_and_neutral_colours(difference):
    first = torch.tensor([[50.0, 0.0, 0.0], [50.0, 10.0, -5.0], [0.0, 0.0, 0.0]], requires_grad=True)
    second = torch.tensor([[50.0, 0.0, 0.0], [50.0, 10.0, -5.0], [90.0, 3.0, 0.0]])
    result = difference(first, second, dim=-1)
    assert result[:2].tolist() == [[0.0], [0.0]]
    result.sum().backward()
    assert first.grad is not None
    assert first.grad.isfinite().all()
    assert first.grad[2, 0] < 0


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="share type"):
        delta_e76(torch.rand(3, 2, 2), torch.rand(3, 2, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="lab2 must have 3 channels"):
        delta_e76(torch.rand(3, 2, 2), torch.rand(1, 2, 2))
