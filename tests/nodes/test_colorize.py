from __future__ import annotations

import pytest
import torch

from chrominance.color import rgb_to_lightness
from chrominance.models.contract import Published
from chrominance.nodes.colorize import AutoColorize
from chrominance.nodes.lab import LabMerge

SETTINGS = {"strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 0}


def lightness_of(image):
    return rgb_to_lightness(image[..., :3].movedim(-1, 1))


def test_a_batch_is_coloured_under_its_own_lightness(pictures, hosted):
    image, confidence, lab = AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted).args
    assert image.shape == pictures.shape
    assert torch.allclose(lightness_of(image), lightness_of(pictures), atol=0.01)
    assert confidence.shape == (3, 33, 47)
    assert 0 <= confidence.min() <= confidence.max() <= 1
    assert torch.allclose(lab.L, lightness_of(pictures), atol=1e-4)
    assert torch.equal(lab.ab[:, 0], torch.full_like(lab.ab[:, 0], 20))


def test_the_lab_output_merged_is_the_image_output(pictures, hosted):
    image, _, lab = AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted).args
    merged = LabMerge.execute(pictures, strength=1.0, saturation=1.0, gamut="reduce", chroma=lab)[0]
    assert torch.allclose(merged, image, atol=1e-6)


def test_alpha_and_masked_pixels_are_untouched(pictures, hosted):
    image = torch.cat([pictures, torch.rand(3, 33, 47, 1)], -1)
    mask = torch.zeros(33, 47)
    mask[5:9] = 1
    done = AutoColorize.execute(image, **SETTINGS, colorizer=hosted, mask=mask)[0]
    assert torch.equal(done[..., 3], image[..., 3])
    assert torch.equal(done[:, 9:], image[:, 9:])
    assert not torch.equal(done[:, 5:9], image[:, 5:9])


def test_zero_means_the_networks_own_setting(pictures, hosted, plain):
    AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted)
    assert plain.seen == {"size": 64, "temperature": 0.4}
    AutoColorize.execute(pictures, **{**SETTINGS, "size": 128, "temperature": 0.7}, colorizer=hosted)
    assert plain.seen == {"size": 128, "temperature": 0.7}


def test_progress_counts_pictures(pictures, hosted):
    import comfy.utils

    AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted)
    (bar,) = comfy.utils.ProgressBar.made
    assert (bar.current, bar.total) == (3, 3)


def test_cancel_stops_between_pictures(pictures, hosted, plain):
    import comfy.model_management as management

    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted)
    assert plain.calls == [1]


def test_out_of_memory_halves_the_batch_and_goes_on(hosted, plain, monkeypatch):
    import comfy.model_management as management

    monkeypatch.setattr("chrominance.nodes.host.start_batch", lambda height, width: 8)
    plain.out_of_memory_above = 3
    image = torch.rand(11, 16, 16, 3)
    done = AutoColorize.execute(image, **SETTINGS, colorizer=hosted)[0]
    assert plain.calls == [8, 4, 2, 2, 2, 2, 2, 1]
    assert management.cache_emptied == 2
    one_by_one = torch.cat([AutoColorize.execute(i[None], **SETTINGS, colorizer=hosted)[0] for i in image])
    assert torch.allclose(done, one_by_one, atol=1e-6)


def test_out_of_memory_with_one_picture_is_reported(pictures, hosted, plain):
    import comfy.model_management as management

    plain.out_of_memory_above = 0
    with pytest.raises(management.OutOfMemoryError):
        AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted)


def test_another_error_is_not_tried_again(hosted, plain, monkeypatch):
    monkeypatch.setattr("chrominance.nodes.host.start_batch", lambda height, width: 8)
    with pytest.raises(ValueError, match="NaN"):
        AutoColorize.execute(torch.full((4, 8, 8, 3), torch.nan), **SETTINGS, colorizer=hosted)
    assert plain.calls == []


def test_wrong_inputs_are_refused(pictures, hosted):
    with pytest.raises(ValueError, match="Load Colorizer"):
        AutoColorize.execute(pictures, **SETTINGS, colorizer="a colorizer of another pack")
    with pytest.raises(ValueError, match="equally many"):
        AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted, mask=torch.ones(2, 33, 47))
    with pytest.raises(ValueError, match="size"):
        AutoColorize.execute(pictures, **{**SETTINGS, "size": 5}, colorizer=hosted)


def test_several_masks_need_as_many_pictures(pictures, hosted):
    done = AutoColorize.execute(pictures, **SETTINGS, colorizer=hosted, mask=torch.zeros(3, 33, 47))[0]
    assert torch.equal(done, pictures)
    with pytest.raises(ValueError, match="equally many"):
        AutoColorize.execute(pictures[:1], **SETTINGS, colorizer=hosted, mask=torch.zeros(3, 33, 47))


def test_as_published_is_the_authors_way(pictures, plain, hosted, monkeypatch):
    import comfy.utils

    seen = []

    def way(self, rgb, reference, size, state):
        seen.append((reference, size))
        return Published(torch.full((3, 20, 24), 0.5), torch.zeros(1, 2, 4, 4))

    image = torch.cat([pictures, torch.ones(3, 33, 47, 1)], -1)
    with pytest.raises(ValueError, match="no published way of its own"):
        AutoColorize.execute(image, **SETTINGS, as_published=True, colorizer=hosted)
    monkeypatch.setattr(type(plain), "_as_published", way)
    done, confidence, lab = AutoColorize.execute(
        image, **{**SETTINGS, "size": 32}, as_published=True, colorizer=hosted
    ).args
    assert seen == [(None, 32)] * 3
    torch.testing.assert_close(done[..., :3], torch.full((3, 20, 24, 3), 0.5))
    torch.testing.assert_close(done[..., 3], torch.ones(3, 20, 24))
    assert torch.equal(confidence, torch.ones(3, 20, 24))
    torch.testing.assert_close(lab.L, lightness_of(done), atol=1e-4, rtol=0)
    assert comfy.utils.ProgressBar.made[-1].current == 3
    with pytest.raises(ValueError, match="knows no mask"):
        AutoColorize.execute(image, **SETTINGS, as_published=True, colorizer=hosted, mask=torch.ones(33, 47))
    with pytest.raises(ValueError, match="leaves strength"):
        AutoColorize.execute(image, **{**SETTINGS, "strength": 0.5}, as_published=True, colorizer=hosted)
