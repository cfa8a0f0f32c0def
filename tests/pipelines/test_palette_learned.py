"""Learned palettes: the shares are counted, masks count, and the same picture gives the same palette."""

from __future__ import annotations

import pytest
import torch
from skimage import data

from chrominance.color import rgb_to_lab
from chrominance.models.colorhouse.palette_extractor import PaletteExtractor
from chrominance.pipelines.palette import Palette, PaletteError
from chrominance.pipelines.palette_extract import extract
from chrominance.pipelines.palette_learned import LearnedSampler, learned_palette


def photo(name: str = "coffee") -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1).float() / 255


def error(rgb: torch.Tensor, palette: Palette) -> float:
    return float(torch.cdist(rgb_to_lab(rgb).flatten(1).T, palette.lab).amin(1).mean())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_it_is_near_k_means(name):
    rgb = photo(name)[:, ::4, ::4]
    palette = learned_palette(rgb)
    assert 2 <= len(palette) <= 5
    assert error(rgb, palette) < 1.8 * error(rgb, extract(rgb[None], 5))


def test_the_weights_are_the_shares_of_the_nearest_pixels():
    rgb = photo()[:, ::8, ::8]
    palette = learned_palette(rgb)
    nearest = torch.cdist(rgb_to_lab(rgb).flatten(1).T, palette.lab).argmin(1)
    share = torch.bincount(nearest, minlength=len(palette)) / nearest.numel()
    assert torch.allclose(palette.weights, share, atol=0.02)
    assert palette.weights.tolist() == sorted(palette.weights.tolist(), reverse=True)


def test_the_same_picture_gives_the_same_palette():
    assert learned_palette(photo()) == learned_palette(photo().clone())
    assert learned_palette(photo()).to_json() == learned_palette(photo()).to_json()


def test_what_is_masked_out_does_not_count():
    rgb = photo("astronaut")
    mask = torch.zeros(rgb.shape[1:])
    mask[:, :256] = 1
    other = rgb.clone()
    other[:, :, 256:] = torch.rand(3, 512, 256, generator=torch.Generator().manual_seed(0))
    assert learned_palette(other, mask) == learned_palette(rgb, mask)
    assert learned_palette(rgb, mask) != learned_palette(rgb)
    assert learned_palette(rgb, torch.ones(rgb.shape[1:])).lab.allclose(learned_palette(rgb).lab, atol=1e-3)


def test_many_pictures_have_one_palette():
    sampler = LearnedSampler()
    for _ in range(3):
        sampler.add(photo())
    together, alone = sampler.palette(), learned_palette(photo())
    assert torch.allclose(together.lab, alone.lab, atol=1e-3)
    assert torch.allclose(together.weights, alone.weights, atol=1e-4)
    sampler.add(photo("astronaut"))
    assert 2 <= len(sampler.palette()) <= 5


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (64, 64), (333, 5)])
def test_any_size(size):
    palette = learned_palette(torch.rand(3, *size, generator=torch.Generator().manual_seed(1)))
    assert 1 <= len(palette) <= 5 and float(palette.weights.sum()) == pytest.approx(1)


def test_another_extractor_can_be_given():
    torch.manual_seed(0)
    assert learned_palette(photo(), extractor=PaletteExtractor().eval()) != learned_palette(photo())


def test_bad_input_is_refused():
    with pytest.raises(PaletteError, match="3,H,W"):
        learned_palette(photo()[None])
    with pytest.raises(PaletteError, match="NaN"):
        learned_palette(photo() * torch.nan)
    with pytest.raises(PaletteError, match="mask must be"):
        learned_palette(photo(), torch.ones(3, 3))
    with pytest.raises(PaletteError, match="leaves no pixel"):
        learned_palette(photo(), torch.zeros(photo().shape[1:]))
    with pytest.raises(PaletteError, match="no picture"):
        LearnedSampler().palette()
