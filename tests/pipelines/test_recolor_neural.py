from __future__ import annotations

from typing import Any

import pytest
import torch
from skimage import data

from chrominance.color import delta_e76, rgb_to_lab, rgb_to_lightness
from chrominance.models.colorhouse.system import build_colorhouse
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.palette_extract import extract
from chrominance.pipelines.recolor_neural import NeuralRecoloring, enlarge_change, locked_share

PHOTO = torch.from_numpy(data.coffee()[::2, ::2].copy()).permute(2, 0, 1)[None].float() / 255


class Swapping:
    """In place of the network: red and blue change places."""

    def encode_palette(self, lab, share=None, illumination=None):
        return torch.zeros(1, 448)

    def recolor(self, rgb, code, *, size=64):
        small = torch.nn.functional.interpolate(rgb, (size, size * 3 // 2), mode="bilinear", antialias=True)
        return small, small.flip(1)


@pytest.fixture
def change():
    model: Any = Swapping()
    return NeuralRecoloring(model, extract(PHOTO, 5), lightness="transfer", size=128)


def test_a_change_is_enlarged_with_the_pictures_edges(change):
    """The network saw a quarter of the picture; at full size it is nearly what it would have made."""
    out = change.apply(PHOTO)
    exact = delta_e76(rgb_to_lab(out), rgb_to_lab(PHOTO.flip(1))).mean()
    small = torch.nn.functional.interpolate(PHOTO, (128, 192), mode="bilinear", antialias=True)
    moved = rgb_to_lab(small.flip(1)) - rgb_to_lab(small)
    plain = torch.nn.functional.interpolate(moved, PHOTO.shape[2:], mode="bilinear") + rgb_to_lab(PHOTO)
    blurred = delta_e76(plain, rgb_to_lab(PHOTO.flip(1))).mean()
    assert exact < 2.5 and exact < 0.6 * blurred


def test_bands_of_a_large_picture_join(monkeypatch):
    import chrominance.pipelines.recolor_neural as module

    small = rgb_to_lab(torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0)))
    moved = small.flip(1) / 3
    lab = rgb_to_lab(PHOTO)
    whole = enlarge_change(small, moved, lab)
    monkeypatch.setattr(module, "_ROWS", 32)
    torch.testing.assert_close(enlarge_change(small, moved, lab), whole, atol=1e-3, rtol=0)


def test_lightness_mask_strength_and_locks(change):
    keep = NeuralRecoloring(change.model, change.target, size=128).apply(PHOTO)
    torch.testing.assert_close(rgb_to_lightness(keep), rgb_to_lightness(PHOTO), atol=0.05, rtol=0)
    assert torch.equal(change.apply(PHOTO, strength=0), PHOTO)
    mask = torch.zeros(1, 1, *PHOTO.shape[2:])
    mask[..., 100:] = 1
    masked = change.apply(PHOTO, mask=mask)
    assert torch.equal(masked[..., :100], PHOTO[..., :100])
    assert torch.equal(masked[..., 100:], change.apply(PHOTO)[..., 100:])
    palette = change.target.with_locks([True, False, False, False, False])
    out = NeuralRecoloring(change.model, palette, lightness="transfer", size=128).apply(PHOTO)
    lab = rgb_to_lab(PHOTO)
    held = locked_share(lab, palette)[0, 0] >= 0.999
    apart = delta_e76(rgb_to_lab(out), lab)[0, 0]
    assert held.any() and apart[held].max() < 1 < 10 < apart.max()


def test_the_untrained_generator_changes_nothing_and_any_size_works():
    model = build_colorhouse()
    target = Palette.from_hex(["#204080", "#e0e8ff"])
    for size in ((1, 1), (7, 40)):
        rgb = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
        out = NeuralRecoloring(model, target, light=torch.tensor([5.0, 9.0])).apply(rgb)
        assert (out - rgb).abs().max() < 1e-3
    with pytest.raises(ValueError, match="NaN"):
        NeuralRecoloring(model, target).apply(PHOTO * float("nan"))
