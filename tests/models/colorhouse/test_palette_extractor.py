"""The extractor: five colours near to what is there, and no file but its own is read as it."""

from __future__ import annotations

import pytest
import torch
from skimage import data

from chrominance.color import lab_to_rgb, rgb_to_lab
from chrominance.models import shipped_weights
from chrominance.models.colorhouse.load import load_palette_extractor
from chrominance.models.colorhouse.palette_extractor import COLOR_COUNT, SIZE, PaletteExtractor, shrink
from chrominance.models.errors import CheckpointError, TruncatedFileError
from chrominance.pipelines.clusters import cluster_colors


@pytest.fixture(scope="module")
def shipped():
    return load_palette_extractor()


def photo(name: str) -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255


def error(lab: torch.Tensor, colors: torch.Tensor) -> float:
    return float(torch.cdist(lab.flatten(2).transpose(1, 2), colors).amin(2).mean())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photos_are_near_to_their_five_colours(shipped, name):
    lab = shrink(photo(name))
    colors, shares = shipped.colors(lab)
    best, _ = cluster_colors(lab.flatten(2).transpose(1, 2), COLOR_COUNT)
    one = lab.mean((2, 3))[:, None]
    # k-means looks for the least there is; one colour is the most that a palette may leave.
    assert error(lab, colors) < 1.8 * error(lab, best)
    assert error(lab, colors) < 0.75 * error(lab, one)
    nearest = torch.cdist(lab.flatten(2).transpose(1, 2), colors).argmin(2)[0]
    counted = torch.bincount(nearest, minlength=COLOR_COUNT) / SIZE**2
    assert (counted - shares[0]).abs().sum() < 0.5


def test_the_colours_of_areas_are_found(shipped):
    lab = torch.tensor([[40.0, 45, 25], [75, -5, 40], [55, -10, -35], [85, 0, 2], [20, 5, 5]])
    rgb = lab_to_rgb(lab, dim=1, clip=True)
    stripes = rgb.T[None, :, None, :].repeat_interleave(40, 3).expand(1, 3, 200, 200)
    colors, shares = shipped(stripes)
    # Nothing like a photo: they are found roughly, far nearer than by their mean alone.
    areas = rgb_to_lab(rgb, dim=1)
    apart = torch.cdist(areas, colors[0]).amin(1).mean()
    assert apart < 0.7 * torch.cdist(areas, areas.mean(0, keepdim=True)).mean()
    assert bool((shares > 0.02).all())


def test_shapes_ranges_and_sizes():
    network = PaletteExtractor().eval()
    with torch.inference_mode():
        for size in ((1, 1), (5, 200), (64, 64), (129, 77)):
            rgb = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
            colors, shares = network(rgb)
            assert colors.shape == (2, COLOR_COUNT, 3) and shares.shape == (2, COLOR_COUNT)
            assert torch.allclose(shares.sum(1), torch.ones(2)) and bool((shares > 0).all())
            assert colors[..., 0].min() > 0 and colors[..., 0].max() < 100
            assert torch.allclose(network(rgb[1:])[0], colors[1:], atol=1e-4)


def test_it_is_what_the_paper_says():
    network = PaletteExtractor()
    convs = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [(c.kernel_size, c.stride) for c in convs] == [((3, 3), (1, 1))] * 2
    assert sum(isinstance(layer, torch.nn.Linear) for layer in network.modules()) == 2


def test_files(shipped, tmp_path):
    path = shipped_weights("palette_extractor")
    assert path.stat().st_size < 2e6 and not shipped.training
    short = tmp_path / "short.safetensors"
    short.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TruncatedFileError, match="short"):
        load_palette_extractor(short)
    with pytest.raises(CheckpointError, match="palette_extractor"):
        load_palette_extractor(shipped_weights("illumination"))
    empty = tmp_path / "empty.safetensors"
    empty.write_bytes(b"")
    with pytest.raises(CheckpointError, match="empty"):
        load_palette_extractor(empty)
