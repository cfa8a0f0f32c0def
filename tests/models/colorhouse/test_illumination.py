"""The predictor: a light on a picture comes out as that light, and no file but its own is read as it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from skimage import data

from chrominance.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from chrominance.models import shipped_weights
from chrominance.models.colorhouse.illumination import (
    LUMINANCE,
    SIZE,
    IlluminationPredictor,
    _histograms,
    shades_of_grey,
    shrink,
    unit_luminance,
)
from chrominance.models.colorhouse.load import load_illumination_predictor
from chrominance.models.errors import CheckpointError, TruncatedFileError

GAINS = torch.tensor([[1.0, 0.7, 0.45], [0.6, 0.8, 1.0], [0.8, 1.0, 0.75]])


@pytest.fixture(scope="module")
def shipped():
    return load_illumination_predictor()


def photo(name: str) -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255


def lit(rgb: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    return linear_rgb_to_rgb(rgb_to_linear_rgb(rgb) * gains[:, None, None])


def chroma(light: torch.Tensor) -> torch.Tensor:
    log = light.log()
    return log[..., ::2] - log[..., 1:2]


def test_gains_come_out_exactly_where_nothing_is_learned():
    # A fresh network adds nothing to shades of grey, and that is the power mean of each channel.
    rgb = torch.rand(2, 3, 2 * SIZE, 2 * SIZE, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    network = IlluminationPredictor().eval()
    with torch.inference_mode():
        light = network(rgb)
        for gains in GAINS:
            moved = chroma(network(lit(rgb, gains))) - chroma(light)
            assert torch.allclose(moved, chroma(gains).expand(2, -1), atol=1e-3)
    linear = shrink(rgb)[0].double().numpy()
    mean = (linear**6).mean((2, 3)) ** (1 / 6)
    expected = mean / (mean @ np.array(LUMINANCE))[:, None]
    assert np.allclose(light.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_gains_come_out_of_photos(shipped, name):
    with torch.inference_mode():
        before = chroma(shipped(photo(name)))
        for gains in GAINS:
            moved = chroma(shipped(lit(photo(name), gains))) - before - chroma(gains)
            assert moved.abs().max() < 0.12


def test_a_toned_picture_is_lit_by_its_tone(shipped):
    grey = photo("coffee").mean(1, keepdim=True).expand(-1, 3, -1, -1)
    light = shipped(lit(grey, GAINS[0]))
    assert (chroma(light) - chroma(GAINS[0])).abs().max() < 0.15


def test_what_is_masked_out_does_not_count(shipped):
    rgb = photo("astronaut")[:, :, :256, :256]
    both = torch.cat([lit(rgb, GAINS[0]), lit(rgb, GAINS[1])], 3)
    left = torch.zeros(1, 1, *both.shape[2:])
    left[..., :256] = 1
    one, other = (chroma(shipped(both, mask)) for mask in (left, 1 - left))
    assert torch.allclose(one - other, chroma(GAINS[0]) - chroma(GAINS[1]), atol=0.2)
    changed = both.clone()
    changed[..., 256:] = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(shipped(changed, left), shipped(both, left), atol=1e-5)


def test_all_counts_as_much_as_no_mask(shipped):
    rgb = photo("chelsea")
    assert torch.allclose(shipped(rgb, torch.ones_like(rgb[:, :1])), shipped(rgb), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (63, 65), (300, 7)])
def test_any_size(shipped, size):
    light = shipped(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)))
    assert light.shape == (2, 3) and bool(torch.isfinite(light).all()) and bool((light > 0).all())
    assert torch.allclose(light @ torch.tensor(LUMINANCE), torch.ones(2), atol=1e-5)


def test_black_has_no_light(shipped):
    rgb = torch.cat([torch.zeros(1, 3, 20, 20), photo("coffee")[:, :, :20, :20]])
    assert shipped(rgb)[0].tolist() == [1, 1, 1]
    assert torch.allclose(shipped(rgb)[1], shipped(rgb[1:])[0], atol=1e-5)


def test_shades_of_grey_go_from_the_mean_to_the_largest():
    linear = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(shades_of_grey(linear, 1.0), linear.mean((2, 3)), atol=1e-6)
    assert torch.allclose(shades_of_grey(linear, 400.0), linear.amax((2, 3)), rtol=0.02)
    weight = torch.zeros(2, 1, 9, 11)
    weight[..., :4] = 0.5
    expected = shades_of_grey(linear[..., :4], 6.0)
    assert torch.allclose(shades_of_grey(linear, 6.0, weight), expected, rtol=1e-5)


def test_a_gain_of_whole_cells_moves_a_histogram():
    linear = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3)) * 0.2 + 0.2
    ones = torch.ones(1, 1, SIZE, SIZE)
    before = _histograms(linear, ones).square()
    assert torch.allclose(before.sum((2, 3)) / 64, torch.ones(1, 2), atol=2e-3)
    # Two cells of red, three of blue; the mean brightness that pixels weigh by changes with them.
    gains = torch.tensor([0.2, 0.0, -0.3]).exp()[:, None, None]
    after = _histograms(linear * gains, ones).square()
    centre = [
        (h[0, 0] * torch.arange(32)[:, None]).sum() / h[0, 0].sum()
        - (before[0, 0] * torch.arange(32)[:, None]).sum() / before[0, 0].sum()
        for h in (after, before)
    ]
    assert centre[1] == 0 and centre[0] == pytest.approx(2, abs=0.2)


def test_unit_luminance():
    light = unit_luminance(torch.tensor([[2.0, 1, 0.5], [0.1, 0.1, 0.1]]))
    assert torch.allclose(light @ torch.tensor(LUMINANCE), torch.ones(2))
    assert torch.allclose(light[0] / light[0, 1], torch.tensor([2.0, 1, 0.5]))


def test_the_file_is_small_and_loads_the_same_twice(shipped):
    assert shipped_weights("illumination").stat().st_size < 1e6
    again = load_illumination_predictor()
    assert all(
        torch.equal(a, b)
        for a, b in zip(shipped.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert not shipped.training and not any(p.requires_grad for p in shipped.parameters())


def test_other_files_are_refused(tmp_path):
    whole = shipped_weights("illumination").read_bytes()
    short = tmp_path / "short.safetensors"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedFileError, match="short"):
        load_illumination_predictor(short)
    text = tmp_path / "text.safetensors"
    text.write_text("no weights at all")
    with pytest.raises(CheckpointError, match="text"):
        load_illumination_predictor(text)
    with pytest.raises(CheckpointError, match="illumination"):
        load_illumination_predictor(shipped_weights("embedded"))
    tensors = load_file(shipped_weights("illumination"))
    tensors["out.bias"] = tensors["out.bias"] * torch.nan
    bad = tmp_path / "bad.safetensors"
    save_file(tensors, bad)
    with pytest.raises(CheckpointError, match="NaN"):
        load_illumination_predictor(bad)
    with pytest.raises(CheckpointError, match="absent"):
        load_illumination_predictor(tmp_path / "absent.safetensors")
