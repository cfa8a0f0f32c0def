import numpy as np
import pytest
import torch
from skimage import color, data

from chrominance.color import rgb_to_lightness
from chrominance.pipelines.merge import LabImage, merge, resize_chroma, split


def _photo(height=96, width=128):
    picture = data.astronaut()[:height, :width].astype(np.float32) / 255
    return torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()


def _lightness(rgb):
    return color.rgb2lab(rgb[0].permute(1, 2, 0).double().numpy())[..., 0]


def test_own_chroma_gives_the_picture_back():
    rgb = _photo()
    torch.testing.assert_close(merge(rgb, split(rgb).ab), rgb, atol=2e-5, rtol=0)


@pytest.mark.parametrize("saturation", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("scale", [30, 120])
def test_lightness_stays_for_any_chroma(scale, saturation):
    rgb = _photo()
    ab = torch.randn(1, 2, 12, 16, generator=torch.Generator().manual_seed(0)) * scale
    out = merge(rgb, ab, saturation=saturation)
    assert out.min() >= 0 and out.max() <= 1
    assert np.abs(_lightness(out) - _lightness(rgb)).max() <= 0.01


def test_clip_keeps_what_is_in_gamut_and_cuts_the_rest():
    rgb = torch.full((1, 3, 4, 4), 0.5)
    mild = torch.full((1, 2, 4, 4), 5.0)
    wild = torch.tensor([30.0, -110.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    torch.testing.assert_close(merge(rgb, mild, gamut="clip"), merge(rgb, mild), atol=1e-5, rtol=0)
    assert np.abs(_lightness(merge(rgb, wild, gamut="clip")) - _lightness(rgb)).max() > 0.5


def test_masked_and_strengthless_pixels_are_untouched():
    rgb = _photo()
    ab = torch.full((1, 2, 8, 8), 40.0)
    mask = torch.zeros(1, 1, 96, 128)
    mask[..., 60:] = 1
    out = merge(rgb, ab, mask=mask)
    assert torch.equal(out[..., :60], rgb[..., :60])
    assert not torch.equal(out[..., 60:], rgb[..., 60:])
    assert torch.equal(merge(rgb, ab, strength=0), rgb)


def test_mask_and_strength_mix_chroma_linearly():
    rgb = _photo()
    own, new = split(rgb).ab, torch.full((1, 2, 96, 128), 8.0)
    got = split(merge(rgb, new, strength=0.5, mask=torch.full((1, 1, 96, 128), 0.5))).ab
    expected = own + 0.25 * (new - own)
    inside = (split(merge(rgb, expected)).ab - expected).abs().amax(1) < 1e-3
    assert inside.float().mean() > 0.9
    assert (got - expected).abs().amax(1)[inside].max() < 2e-3


def test_one_chroma_serves_a_batch_and_types_are_kept():
    rgb = torch.rand(3, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    ab = torch.full((1, 2, 2, 2), 10.0)
    whole = merge(rgb, ab)
    for i in range(3):
        torch.testing.assert_close(whole[i], merge(rgb[i : i + 1], ab)[0], atol=1e-6, rtol=0)
    assert merge(rgb.half(), ab).dtype == torch.float16


def test_upsampled_chroma_is_smooth():
    # A step of chroma over 4 positions: nearest would keep 3 jumps, bicubic spreads them.
    ab = torch.zeros(1, 2, 4, 4)
    ab[..., 2:] = 40
    row = resize_chroma(ab, 64, 64)[0, 0, 32]
    assert row.diff().abs().max() < 5
    assert row.unique().numel() > 20


def test_large_chroma_is_averaged_when_it_shrinks():
    ab = torch.zeros(1, 2, 64, 64)
    ab[..., ::2] = 20
    small = resize_chroma(ab, 8, 8)
    assert (small[..., 2:-2] - 10).abs().max() < 0.5


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"rgb": torch.zeros(3, 4, 4)}, "rgb must be"),
        ({"rgb": torch.zeros(1, 3, 0, 4)}, "empty"),
        ({"ab": torch.zeros(1, 3, 4, 4)}, "ab must be"),
        ({"ab": torch.zeros(2, 2, 4, 4)}, "give one, or as many"),
        ({"mask": torch.zeros(1, 1, 3, 4)}, "mask must be"),
        ({"strength": 1.5}, "strength"),
        ({"saturation": -1.0}, "saturation"),
        ({"gamut": "squash"}, "gamut"),
        ({"rgb": torch.full((1, 3, 4, 4), float("nan"))}, "NaN"),
        ({"ab": torch.full((1, 2, 4, 4), float("inf"))}, "NaN"),
    ],
)
def test_bad_input_is_named(kwargs, words):
    good = {"rgb": torch.zeros(1, 3, 4, 4), "ab": torch.zeros(1, 2, 4, 4)}
    arguments = good | kwargs
    with pytest.raises(ValueError, match=words):
        merge(arguments.pop("rgb"), arguments.pop("ab"), **arguments)


def test_lab_image_refuses_shapes_that_do_not_belong_together():
    with pytest.raises(ValueError, match="equally many"):
        LabImage(torch.zeros(2, 1, 4, 4), torch.zeros(1, 2, 4, 4))


@pytest.mark.parametrize("gamut", ["reduce", "clip"])
@pytest.mark.parametrize(
    "given", [{}, {"strength": 0.4}, {"strength": 0.0}, {"mask": torch.ones(1, 1, 30, 40)}]
)
def test_known_lightness_and_a_place_for_the_result_change_nothing(gamut, given):
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(2, 3, 30, 40, generator=generator)
    ab = 40 * torch.randn(1, 2, 5, 7, generator=generator)
    plain = merge(rgb, ab, gamut=gamut, **given)
    out = torch.empty_like(rgb)
    assert merge(rgb, ab, gamut=gamut, **given, lightness=rgb_to_lightness(rgb), out=out) is out
    assert torch.equal(out, plain)
