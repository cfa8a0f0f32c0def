from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from chrominance.color import rgb_to_lightness
from chrominance.color.ab_bins import BIN_COUNT, nearest_ab_bin
from chrominance.nodes import host
from chrominance.nodes.lab import LabMerge
from chrominance.nodes.variants import ColorVariants

SETTINGS = {
    **{"count": 3, "seed": 0, "diversity": 1.0},
    **{"strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 0},
}


@pytest.fixture
def dice(plain):
    """A colorizer that holds many colours possible, alike everywhere."""

    class Dice(type(plain)):
        spec = replace(plain.spec, conditions=frozenset({"local"}))

        def distribution(self, L, conditions=None, *, size=None):
            self._checked(L, conditions, size)
            self.calls.append(len(L))
            logits = torch.full((len(L), BIN_COUNT, 8, 12), -20.0)
            for a, b in ((20.0, 20.0), (-20.0, 20.0), (0.0, -20.0), (30.0, -10.0)):
                logits[:, nearest_ab_bin(torch.tensor([a, b]), dim=0)] = 0
            return logits

    return Dice()


@pytest.fixture
def hosted(dice):
    return host._host(dice)


def lightness_of(image):
    return rgb_to_lightness(image[..., :3].movedim(-1, 1))


def test_the_versions_of_each_picture_follow_one_another(pictures, hosted):
    image, lab = ColorVariants.execute(pictures, **SETTINGS, colorizer=hosted).args
    assert image.shape == (9, 33, 47, 3) and lab.ab.shape == (9, 2, 32, 48)
    assert torch.allclose(lightness_of(image), lightness_of(pictures).repeat_interleave(3, 0), atol=0.01)
    assert torch.allclose(lab.L, lightness_of(pictures).repeat_interleave(3, 0), atol=1e-4)
    for number in range(3):
        alone = ColorVariants.execute(pictures[number, None], **SETTINGS, colorizer=hosted)[0]
        assert torch.equal(alone, image[3 * number : 3 * number + 3])
    assert not torch.allclose(lab.ab[0], lab.ab[1], atol=5)


def test_a_larger_count_keeps_the_first_ones(pictures, hosted):
    few = ColorVariants.execute(pictures[:1], **SETTINGS, colorizer=hosted)[0]
    many = ColorVariants.execute(pictures[:1], **{**SETTINGS, "count": 5}, colorizer=hosted)[0]
    other = ColorVariants.execute(pictures[:1], **{**SETTINGS, "seed": 2**64 - 1}, colorizer=hosted)[0]
    assert torch.equal(many[:3], few)
    assert not torch.equal(other, few)


def test_the_lab_output_merged_is_the_image_output(pictures, hosted):
    image, lab = ColorVariants.execute(pictures[:1], **SETTINGS, colorizer=hosted).args
    again = pictures[:1].expand(3, -1, -1, -1)
    merged = LabMerge.execute(again, strength=1.0, saturation=1.0, gamut="reduce", chroma=lab)[0]
    assert torch.allclose(merged, image, atol=1e-6)


def test_alpha_and_masked_pixels_are_untouched(pictures, hosted):
    image = torch.cat([pictures, torch.rand(3, 33, 47, 1)], -1)
    mask = torch.zeros(3, 33, 47)
    mask[1, 5:9] = 1
    done, lab = ColorVariants.execute(image, **SETTINGS, colorizer=hosted, mask=mask).args
    before = image.repeat_interleave(3, 0)
    assert torch.equal(done[..., 3], before[..., 3])
    assert torch.equal(lab.alpha[:, 0], before[..., 3])
    assert torch.equal(done[[0, 1, 2, 6, 7, 8]], before[[0, 1, 2, 6, 7, 8]])
    assert torch.equal(done[3:6, 9:], before[3:6, 9:])
    assert not torch.equal(done[3:6, 5:9], before[3:6, 5:9])


def test_progress_counts_versions_and_cancel_stops_between_them(pictures, hosted, dice):
    import comfy.model_management as management
    import comfy.utils

    ColorVariants.execute(pictures, **SETTINGS, colorizer=hosted)
    (bar,) = comfy.utils.ProgressBar.made
    assert (bar.current, bar.total) == (9, 9)
    once = len(dice.calls)
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        ColorVariants.execute(pictures, **SETTINGS, colorizer=hosted)
    assert len(dice.calls) - once < once / 3


def test_wrong_inputs_are_refused(pictures, hosted, plain):
    with pytest.raises(ValueError, match="choose the embedded network"):
        ColorVariants.execute(pictures, **SETTINGS, colorizer=host._host(plain))
    with pytest.raises(ValueError, match="Load Colorizer"):
        ColorVariants.execute(pictures, **SETTINGS, colorizer="a colorizer of another pack")
    with pytest.raises(ValueError, match="equally many"):
        ColorVariants.execute(pictures, **SETTINGS, colorizer=hosted, mask=torch.ones(2, 33, 47))
    with pytest.raises(ValueError, match=r"1\.\.64"):
        ColorVariants.execute(pictures, **{**SETTINGS, "count": 65}, colorizer=hosted)
