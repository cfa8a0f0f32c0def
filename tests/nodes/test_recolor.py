"""Recolouring nodes on photos and a clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from chrominance.color import delta_e76, rgb_to_lab
from chrominance.nodes.lut import ApplyLUT, ApplyLUTVideo
from chrominance.nodes.recolor import PaletteRecolor, PaletteRecolorVideo
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.palette_extract import extract
from chrominance.pipelines.recolor import recolor

GIVEN = {"method": "soft", "lightness": "keep", "pairing": "order", "strength": 1.0}
CODING = {"codec": "h264", "crf": 4}


@pytest.fixture(scope="module")
def photo():
    """A photo as an IMAGE [1,133,200,3]."""
    return torch.from_numpy(data.coffee()[::3, ::3].copy())[None].float() / 255


@pytest.fixture(scope="module")
def palette(photo):
    return extract(photo.movedim(-1, 1), 5)


def turned(palette, locked=()):
    """The same palette with a and b exchanged: other hues."""
    lab = palette.lab[:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0])
    return Palette.from_lab(lab, palette.weights).with_locks([n in locked for n in range(len(palette))])


def test_a_batch_is_recoloured_as_the_engine_does_it(photo, palette):
    batch = torch.cat([photo, photo.flip(2)])
    alpha = torch.rand(2, *photo.shape[1:3], 1)
    image = torch.cat([batch, alpha], 3)
    target = turned(palette)
    out, lut, source, became = PaletteRecolor.execute(image, target, **GIVEN, source=palette).args
    expected = recolor(batch.movedim(-1, 1), palette, target).movedim(1, -1)
    torch.testing.assert_close(out[..., :3], expected, atol=1e-5, rtol=0)
    assert torch.equal(out[..., 3:], alpha)
    assert source == palette and became == target
    again = ApplyLUT.execute(photo, lut, 1.0)[0]
    torch.testing.assert_close(again, out[:1, ..., :3], atol=1e-5, rtol=0)


def test_locks_and_masks_hold(photo, palette):
    target = turned(palette, locked=(0, 1))
    mask = torch.zeros(1, *photo.shape[1:3])
    mask[:, :, 100:] = 1
    out = PaletteRecolor.execute(photo, target, **GIVEN, source=palette, mask=mask)[0]
    assert torch.equal(out[:, :, :100], photo[:, :, :100])
    from chrominance.pipelines.recolor_weights import soft_weights

    lab = rgb_to_lab(photo.movedim(-1, 1))
    held = soft_weights(lab.flatten(2)[0], palette.lab)[:2].sum(0) >= 0.9
    apart = delta_e76(rgb_to_lab(out.movedim(-1, 1)), lab).flatten()
    assert held.any() and apart[held].max() < 1 < 10 < apart.max()


def test_the_same_palette_gives_the_picture(photo, palette):
    out = PaletteRecolor.execute(photo, palette, **GIVEN, source=palette)[0]
    assert torch.equal(out, photo)


def test_without_source_colours_find_theirs(photo):
    """The picture's own palette, in whatever order and number, comes out nearly as it is."""
    own = extract(photo.movedim(-1, 1), 9)
    mixed = Palette(tuple(reversed(own.swatches)))
    out, _, source, became = PaletteRecolor.execute(photo, mixed, **GIVEN).args
    assert len(source) == 9 and delta_e76(source.lab.T, became.lab.T, dim=0).max() < 1
    assert (out - photo).abs().mean() < 0.01
    blue = Palette.from_hex(["#204080", "#4060c0", "#e0e8ff"])
    cold = PaletteRecolor.execute(photo, blue, **GIVEN)[0]
    assert (
        rgb_to_lab(cold.movedim(-1, 1))[:, 2].mean() < -15 < 5 < rgb_to_lab(photo.movedim(-1, 1))[:, 2].mean()
    )


def test_transport_pairs_palettes_of_other_lengths(photo, palette):
    three = Palette.from_hex(["#204080", "#4060c0", "#e0e8ff"])
    with pytest.raises(ValueError, match="equally many colours"):
        PaletteRecolor.execute(photo, three, **GIVEN, source=palette)
    _, _, _, became = PaletteRecolor.execute(
        photo, three, **{**GIVEN, "pairing": "transport"}, source=palette
    ).args
    assert len(became) == 5


def test_another_packs_palette_is_refused(photo):
    with pytest.raises(ValueError, match=r"target must come from a palette node of Chrominance, .* got list"):
        PaletteRecolor.execute(photo, ["#ff0000"], **GIVEN)


def test_a_clip_is_recoloured_by_one_change(photo, palette, clip_over, frames_of):
    import comfy.utils

    video = clip_over(photo)
    before = frames_of(video)
    target = turned(palette)
    done, lut, source, _ = PaletteRecolorVideo.execute(video, target, **GIVEN, **CODING, source=palette).args
    after = frames_of(done)
    expected = recolor(torch.from_numpy(before).movedim(-1, 1).float() / 255, palette, target)
    assert np.abs(after - (expected.movedim(1, -1) * 255).numpy()).mean() < 4
    assert source == palette
    assert (comfy.utils.ProgressBar.made[-1].current, comfy.utils.ProgressBar.made[-1].total) == (4, 4)
    same = frames_of(ApplyLUTVideo.execute(video, lut, 1.0, **CODING)[0])
    np.testing.assert_array_equal(same, after)


def test_a_clips_own_palette_is_taken_once(photo, clip_over, frames_of):
    video = clip_over(photo)
    blue = Palette.from_hex(["#204080", "#4060c0", "#e0e8ff"])
    done, _, source, _ = PaletteRecolorVideo.execute(video, blue, **GIVEN, **CODING).args
    assert 2 <= len(source) <= 6
    lab = rgb_to_lab(torch.from_numpy(frames_of(done)).movedim(-1, 1).float() / 255)
    assert lab[:, 2].mean() < -10


def test_cancel_leaves_nothing(photo, palette, clip_over, tmp_path):
    import comfy.model_management as management

    video = clip_over(photo)
    management.interrupted = True
    with pytest.raises(management.InterruptProcessingException):
        PaletteRecolorVideo.execute(video, turned(palette), **GIVEN, **CODING, source=palette)
    assert list((tmp_path / "temp").glob("*")) == []
