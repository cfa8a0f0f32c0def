"""Extraction: about as good as scikit-learn's k-means on all pixels, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2
from skimage import data

from chrominance.color import rgb_to_lab
from chrominance.pipelines.palette import Palette, PaletteError
from chrominance.pipelines.palette_extract import Sampler, extract, extract_from_frames, spread_out

RED, GREEN = (0.8, 0.2, 0.2), (0.2, 0.6, 0.2)


def photo(name: str) -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1).float() / 255


def pixels(rgb: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(rgb[None])[0].flatten(1).T


def distance(rgb: torch.Tensor, centres: torch.Tensor) -> float:
    return float(torch.cdist(pixels(rgb), centres).amin(1).mean())


def stripes(*colors: tuple[float, float, float], shares: tuple[int, ...]) -> torch.Tensor:
    columns = [
        torch.tensor(color).view(3, 1, 1).expand(3, 20, n) for color, n in zip(colors, shares, strict=True)
    ]
    return torch.cat(columns, 2)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
@pytest.mark.parametrize("count", [2, 6, 12])
def test_it_is_as_good_as_k_means_on_all_pixels(name, count):
    rgb = photo(name)
    points = pixels(rgb).double().numpy()
    runs = [kmeans2(points, count, minit="++", seed=seed, iter=30)[0] for seed in range(3)]
    theirs = min(distance(rgb, torch.from_numpy(run).float()) for run in runs)
    # K-means lessens squares: with many colours the mean distance may differ a little more.
    assert distance(rgb, extract([rgb], count).lab) < (1.02 if count <= 6 else 1.04) * theirs


def test_known_colours_and_shares():
    red, green, grey = RED, GREEN, (0.6, 0.6, 0.6)
    palette = extract([stripes(red, green, grey, shares=(60, 30, 10))], 3)
    assert palette.weights.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=1e-6)
    assert palette.hex_list() == ["#cc3333", "#339933", "#999999"]
    assert extract([stripes(red, green, grey, shares=(60, 30, 10))], None).hex_list() == palette.hex_list()


def test_a_mask_and_a_batch():
    red, green, blue = RED, GREEN, (0.2, 0.2, 1.0)
    first = stripes(red, green, shares=(10, 10))
    mask = torch.zeros(20, 20)
    mask[:, 10:] = 1
    assert extract([first], 2, masks=[mask]).hex_list() == ["#339933"]
    both = extract([first, stripes(blue, red, shares=(10, 10))], 3)
    assert both.hex_list()[0] == "#cc3333"
    assert both.weights.tolist() == pytest.approx([0.5, 0.25, 0.25])


def test_the_seed_decides():
    rgb = photo("astronaut")
    assert extract([rgb], 6, seed=3).to_json() == extract([rgb], 6, seed=3).to_json()
    assert extract([rgb], 6, seed=3).lab.tolist() != extract([rgb], 6, seed=4).lab.tolist()


def test_pictures_with_few_colours():
    assert len(extract([torch.full((3, 9, 9), 0.25)], 6)) == 1
    assert len(extract([torch.rand(3, 1, 1)], 16)) == 1
    assert len(extract([torch.full((3, 9, 9), 0.25)], None)) == 1
    assert 2 <= len(extract([photo("coffee")], None)) <= 16


def test_one_palette_for_a_clip():
    frames = [photo("chelsea")[:, :, n : n + 200] for n in range(0, 240, 5)]
    palette = extract_from_frames(spread_out(iter(frames), len(frames), 8), 6, expected=8)
    assert isinstance(palette, Palette)
    whole = torch.cat(frames, 2)
    assert distance(whole, palette.lab) < 1.03 * distance(whole, extract([whole], 6).lab)
    assert len(list(spread_out(iter(frames), None))) == 2
    sampler = Sampler(0, frames=1000)
    for _ in range(300):
        sampler.add(frames[0])
    assert sum(len(part) for part in sampler._lab) < 300 * 300
    assert len(sampler.palette(4)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 1}, "2 to 16 colours, got 1"),
        ({"count": 17}, "2 to 16 colours, got 17"),
        ({"masks": [torch.zeros(9, 9)]}, "the mask leaves no pixel"),
        ({"masks": [torch.ones(9, 8)]}, r"the mask must be \[9, 9\]"),
        ({"masks": [torch.full((9, 9), float("nan"))]}, "holds NaN"),
    ],
)
def test_what_does_not_fit(options, message):
    with pytest.raises(PaletteError, match=message):
        extract([torch.rand(3, 9, 9)], **{"count": 3, **options})


def test_no_picture_and_no_number():
    with pytest.raises(PaletteError, match="no picture"):
        extract([])
    with pytest.raises(PaletteError, match="holds NaN"):
        extract([torch.full((3, 4, 4), float("nan"))])
    with pytest.raises(PaletteError, match=r"must be \[3,H,W\]"):
        extract([torch.rand(4, 4, 4)])
    assert np.isfinite(extract([torch.rand(3, 4, 4)], 3).lab.numpy()).all()


def test_eight_bits_are_the_same_as_their_fractions():
    from skimage import data

    pixels = torch.from_numpy(data.coffee()).permute(2, 0, 1)
    assert extract([pixels], 6) == extract([(pixels.float() / 255).contiguous()], 6)
