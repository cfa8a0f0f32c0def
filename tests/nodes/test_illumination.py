from __future__ import annotations

import pytest
import torch
from skimage import data

from chrominance.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from chrominance.nodes.illumination import Illumination
from chrominance.nodes.lut import ApplyLUT
from chrominance.pipelines.choices import LIGHT_METHODS

GIVEN = {
    **{"method": "given", "light": "#ffffff", "target": "#ffffff", "kelvin": 0},
    **{"together": True, "strength": 1.0},
}
PHOTO = torch.from_numpy(data.coffee()[::4, ::4].copy())[None].float() / 255


def lit(image, gains):
    linear = rgb_to_linear_rgb(image.movedim(-1, 1)) * torch.tensor(gains).view(1, 3, 1, 1)
    return linear_rgb_to_rgb(linear).movedim(1, -1)


def test_a_known_light_is_taken_away():
    gains = [1.0, 0.8, 0.5]
    warm = lit(PHOTO, gains)
    code = "#" + "".join(
        f"{round(255 * float(linear_rgb_to_rgb(torch.tensor([g] * 3), dim=0)[0])):02x}" for g in gains
    )
    out, found, report, lut = Illumination.execute(warm, **{**GIVEN, "light": code}).args
    brightness = out.mean() / PHOTO.mean()
    back = lit(PHOTO, [float(brightness) ** 2.2] * 3)
    assert (out - back).abs().mean() < 0.01 < 0.03 < (warm - PHOTO).abs().mean()
    assert found == code and "| all | " + code in report
    torch.testing.assert_close(ApplyLUT.execute(warm, lut, 1.0)[0], out, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", LIGHT_METHODS)
def test_the_same_light_more_or_less_is_found_again(method):
    """A picture under another light: what is found changes by as much."""
    first = Illumination.execute(PHOTO, **{**GIVEN, "method": method})[1]
    second = Illumination.execute(lit(PHOTO, [0.9, 0.9, 0.5]), **{**GIVEN, "method": method})[1]
    before, after = (
        rgb_to_linear_rgb(torch.tensor(list(bytes.fromhex(one[1:]))) / 255, dim=0) for one in (first, second)
    )
    ratio = (after / after[1]) / (before / before[1])
    assert ratio.tolist() == pytest.approx([1, 1, 0.5 / 0.9], abs=0.06)


def test_one_light_for_all_or_one_for_each():
    batch = torch.cat([PHOTO, lit(PHOTO, [1.0, 0.7, 0.4]), PHOTO])
    each = Illumination.execute(batch, **{**GIVEN, "method": "grey world", "together": False})
    assert len(set(each[1].split(", "))) == 2 and each[2].count("|\n") == 4
    together = Illumination.execute(batch, **{**GIVEN, "method": "grey world"})
    assert "," not in together[1]
    assert torch.equal(together[0][0], together[0][2])


def test_kelvin_mask_strength_and_alpha():
    mask = torch.zeros(1, *PHOTO.shape[1:3])
    mask[:, 50:] = 1
    image = torch.cat([PHOTO, torch.rand(*PHOTO.shape[:3], 1)], 3)
    out = Illumination.execute(image, **{**GIVEN, "kelvin": 2850}, mask=mask)[0]
    assert torch.equal(out[:, :50], image[:, :50]) and torch.equal(out[..., 3], image[..., 3])
    assert (out[:, 50:, :, 0] - out[:, 50:, :, 2]).mean() > (
        PHOTO[:, 50:, :, 0] - PHOTO[:, 50:, :, 2]
    ).mean() + 0.1
    assert torch.equal(Illumination.execute(PHOTO, **{**GIVEN, "kelvin": 2850, "strength": 0.0})[0], PHOTO)
    assert torch.equal(Illumination.execute(PHOTO, **GIVEN)[0], PHOTO)
    with pytest.raises(ValueError, match="cannot be black"):
        Illumination.execute(PHOTO, **{**GIVEN, "target": "#000000"})
    with pytest.raises(ValueError, match="1667 to 25000 K"):
        Illumination.execute(PHOTO, **{**GIVEN, "kelvin": 20})
