from __future__ import annotations

import pytest
import torch
from skimage.color import rgb2lab

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.nodes.lab import LabMerge, LabSplit

SETTINGS = {"strength": 1.0, "saturation": 1.0, "gamut": "reduce"}


def lightness_of(image):
    return rgb_to_lightness(image[..., :3].movedim(-1, 1))


def test_split_agrees_with_scikit_image(pictures):
    lightness, a, b, lab = LabSplit.execute(pictures).args
    expected = torch.from_numpy(rgb2lab(pictures.numpy())).float().movedim(-1, 1)
    assert torch.allclose(torch.cat([lab.L, lab.ab], 1), expected, atol=0.02)
    assert torch.allclose(a[..., 0] * 255 - 128, expected[:, 1], atol=0.02)
    assert torch.allclose(b[..., 0] * 255 - 128, expected[:, 2], atol=0.02)
    assert a.shape == b.shape == lightness.shape == pictures.shape


def test_every_srgb_colour_has_a_and_b_within_a_picture():
    steps = torch.linspace(0, 1, 17)
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(1, 289, 17, 3)
    _, a, b, _ = LabSplit.execute(cube).args
    for plane in (a, b):
        assert plane.min() >= 0
        assert plane.max() <= 1


def test_the_lightness_picture_is_neutral_and_of_the_same_lightness(pictures):
    lightness = LabSplit.execute(pictures).args[0]
    assert torch.equal(lightness[..., 0], lightness[..., 1])
    assert torch.equal(lightness[..., 0], lightness[..., 2])
    assert torch.allclose(lightness_of(lightness), lightness_of(pictures), atol=1e-3)


@pytest.mark.parametrize("way", ["lab", "a and b", "the picture itself"])
def test_split_then_merge_gives_the_picture_back(pictures, way):
    lightness, a, b, lab = LabSplit.execute(pictures).args
    chroma = {
        "lab": {"chroma": lab},
        "a and b": {"a": a, "b": b},
        "the picture itself": {"chroma": pictures},
    }[way]
    back = LabMerge.execute(lightness, **SETTINGS, **chroma)[0]
    assert torch.allclose(back, pictures, atol=2e-5)


def test_alpha_goes_through_bit_for_bit(pictures):
    alpha = torch.rand(3, 33, 47, 1)
    image = torch.cat([pictures, alpha], -1)
    lightness, a, _, lab = LabSplit.execute(image).args
    assert torch.equal(lightness[..., 3:], alpha)
    assert torch.equal(lab.alpha, alpha.movedim(-1, 1))
    assert a.shape[-1] == 3
    merged = LabMerge.execute(lightness, **SETTINGS, chroma=pictures)[0]
    assert torch.equal(merged[..., 3:], alpha)


@pytest.mark.parametrize("size", [(33, 47), (16, 24), (100, 140)])
def test_colours_of_any_size_leave_the_lightness_alone(pictures, size):
    colours = torch.rand(3, *size, 3)
    merged = LabMerge.execute(pictures, **SETTINGS, chroma=colours)[0]
    assert merged.shape == pictures.shape
    assert torch.allclose(lightness_of(merged), lightness_of(pictures), atol=0.01)


def test_saturation_zero_gives_grey(pictures):
    merged = LabMerge.execute(pictures, **{**SETTINGS, "saturation": 0.0}, chroma=pictures)[0]
    ab = rgb_to_lab(merged.movedim(-1, 1))[:, 1:]
    assert ab.abs().max() < 0.01


def test_strength_zero_and_black_mask_change_nothing(pictures):
    colours = 1 - pictures
    still = LabMerge.execute(pictures, **{**SETTINGS, "strength": 0.0}, chroma=colours)[0]
    assert torch.equal(still, pictures)
    mask = torch.zeros(1, 33, 47)
    mask[:, :10] = 1
    part = LabMerge.execute(pictures, **SETTINGS, chroma=colours, mask=mask)[0]
    assert torch.equal(part[:, 10:], pictures[:, 10:])
    assert not torch.equal(part[:, :10], pictures[:, :10])


def test_a_mask_of_another_size_is_scaled(pictures):
    # ComfyUI's Load Image gives a black 64×64 mask for a picture without alpha.
    merged = LabMerge.execute(pictures, **SETTINGS, chroma=1 - pictures, mask=torch.zeros(1, 64, 64))[0]
    assert torch.equal(merged, pictures)


def test_one_picture_serves_for_a_whole_batch(pictures):
    one = pictures[:1]
    many_colours = LabMerge.execute(one, **SETTINGS, chroma=pictures)[0]
    assert many_colours.shape == pictures.shape
    assert torch.allclose(many_colours[0], one[0], atol=2e-5)
    one_colour = LabMerge.execute(pictures, **SETTINGS, chroma=one)[0]
    assert torch.allclose(one_colour[0], one[0], atol=2e-5)
    masks = LabMerge.execute(one, **SETTINGS, chroma=one, mask=torch.ones(4, 33, 47))[0]
    assert masks.shape[0] == 4


def test_grey_pictures_of_one_channel_are_taken():
    merged = LabMerge.execute(torch.rand(1, 8, 8, 1), **SETTINGS, chroma=torch.rand(1, 8, 8, 3))[0]
    assert merged.shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "connected: none"),
        ({"a": torch.rand(1, 8, 8, 3)}, "connected: a"),
        ({"chroma": torch.rand(1, 8, 8, 3), "b": torch.rand(1, 8, 8, 3)}, "connected: chroma, b"),
        ({"a": torch.rand(1, 8, 8, 3), "b": torch.rand(1, 4, 8, 3)}, "of one size"),
        ({"chroma": torch.rand(1, 8, 16, 3)}, "different shapes"),
        ({"chroma": torch.rand(3, 8, 8, 3)}, "equally many"),
        ({"chroma": torch.rand(8, 8, 3)}, "chroma must be pictures"),
        ({"chroma": torch.rand(1, 8, 8, 3), "mask": torch.rand(1, 1, 8, 8)}, "mask must be"),
        ({"chroma": torch.rand(1, 8, 8, 3), "mask": torch.rand(3, 8, 8)}, "equally many"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, words):
    with pytest.raises(ValueError, match=words):
        LabMerge.execute(torch.rand(2, 8, 8, 3), **SETTINGS, **inputs)


@pytest.mark.parametrize("image", [torch.rand(0, 8, 8, 3), torch.rand(1, 8, 8, 2), torch.rand(8, 8, 3), None])
def test_split_refuses_what_is_no_picture(image):
    with pytest.raises(ValueError, match="image"):
        LabSplit.execute(image)


def test_half_precision_between_nodes(pictures, monkeypatch):
    import comfy.model_management as management

    monkeypatch.setattr(management, "INTERMEDIATE_DTYPE", torch.float16)
    lightness, a, b, lab = LabSplit.execute(pictures.half()).args
    assert {t.dtype for t in (lightness, a, b)} == {torch.float16}
    assert lab.L.dtype == lab.ab.dtype == torch.float32
    merged = LabMerge.execute(pictures.half(), **SETTINGS, chroma=lab)[0]
    assert merged.dtype == torch.float16
    assert torch.allclose(merged.float(), pictures, atol=2e-3)
