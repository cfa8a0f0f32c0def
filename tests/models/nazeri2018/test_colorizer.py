"""Nazeri 2018 and its ports as colorizers: any size, aspect kept, no picture mixed in; and as published."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from chrominance.color import rgb_to_lab
from chrominance.models import Conditions, load_colorizer
from chrominance.models.nazeri2018 import TensorFlowGan, TutorialGan
from chrominance.models.nazeri2018.colorizer import gan_lab_to_rgb, mirror_to_multiple

from .conftest import shapes_of

NAMES = ("gan_cifar10", "gan_places365", "gan_unet", "gan_res18")


@pytest.fixture(scope="module", params=NAMES)
def colorizer(request, random_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("gan") / "a.safetensors"
    save_file(random_weights(shapes_of(request.param)), path)
    return load_colorizer(path)


@pytest.fixture
def seen(colorizer, monkeypatch):
    """What the network is given; nothing is computed."""
    got = []

    def look(x):
        got.append(x)
        channels = 3 if isinstance(colorizer, TensorFlowGan) else 2
        return torch.full((len(x), channels, *x.shape[2:]), 0.1) + x / 1000

    monkeypatch.setattr(colorizer.network, "forward", look)
    return got


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(50, 70), (1, 1), (1, 300), (300, 200)])
def test_any_size_comes_back_with_its_aspect(colorizer, seen, size):
    chroma = colorizer.colorize(picture(2, 1, *size) * 100)
    height, width = chroma.ab.shape[2:]
    assert chroma.ab.shape[:2] == (2, 2) and chroma.confidence.shape == (2, 1, height, width)
    assert chroma.ab.dtype == torch.float32
    assert min(height, width) <= colorizer.spec.size
    wanted = min(max(size[1] / size[0], 1 / 4), 4) if max(size) <= 4 * min(size) else width / height
    assert width / height == pytest.approx(wanted, abs=1.5 / min(height, width))
    for x in seen:
        assert x.shape[2] % colorizer.spec.multiple == 0 and x.shape[3] % colorizer.spec.multiple == 0
        assert x.shape[2] - height < colorizer.spec.multiple and x.shape[3] - width < colorizer.spec.multiple


def test_the_working_size_goes_in_the_networks_steps(colorizer, seen):
    L = picture(1, 1, 64, 64) * 100
    for size in (16, 100, 300, 700):
        side = colorizer.colorize(L, size=size).ab.shape[-1]
        multiple = colorizer.spec.multiple
        least = 2 * multiple if isinstance(colorizer, TensorFlowGan) else multiple
        assert side == max(round(size / multiple) * multiple, least)


def test_the_networks_are_told_lightness_in_their_own_units(colorizer, seen):
    values = torch.tensor([0.0, 53.585, 100.0]).view(3, 1, 1, 1).expand(3, 1, 32, 32)
    ab = colorizer.colorize(values).ab
    told = torch.cat(seen).mean((1, 2, 3))
    if isinstance(colorizer, TensorFlowGan):
        assert len(seen) == 3  # one at a time
        wanted = torch.tensor([0.0, 128.0, 255.0])
    else:
        wanted = torch.tensor([-1.0, 0.0717, 1.0])
    torch.testing.assert_close(told, wanted, atol=0.01, rtol=0)
    torch.testing.assert_close(ab.mean((1, 2, 3)), (0.1 + told / 1000) * 110, atol=1e-3, rtol=0)


def test_pictures_of_a_batch_do_not_mix(random_weights, tmp_path):
    for name in ("gan_cifar10", "gan_res18"):
        save_file(random_weights(shapes_of(name)), tmp_path / f"{name}.safetensors")
        colorizer = load_colorizer(tmp_path / f"{name}.safetensors")
        L = torch.cat([picture(1, 1, 40, 60), picture(1, 1, 40, 60, seed=1) / 3 + 0.6]) * 100
        both = colorizer.colorize(L, size=32)
        for i in range(2):
            torch.testing.assert_close(
                both.ab[i : i + 1], colorizer.colorize(L[i : i + 1], size=32).ab, atol=0.01, rtol=1e-3
            )
        assert torch.equal(both.ab, colorizer.colorize(L, size=32).ab)


def test_what_they_do_not_take_is_refused(colorizer):
    with pytest.raises(ValueError, match="knows these conditions: none; got global"):
        colorizer.colorize(torch.zeros(1, 1, 8, 8), Conditions(color=torch.zeros(1, 512)))
    with pytest.raises(ValueError, match="has no temperature"):
        colorizer.colorize(torch.zeros(1, 1, 8, 8), temperature=0.4)


def test_edges_are_mirrored_however_far():
    x = torch.arange(1.0, 4.0).view(1, 1, 1, 3)
    assert mirror_to_multiple(x, 8).tolist() == [[[[1, 2, 3, 3, 2, 1, 1, 2]] * 8]]
    assert mirror_to_multiple(x, 1) is x
    x = picture(2, 3, 8, 16)
    assert mirror_to_multiple(x, 8) is x


# ---------------------------------------------------------------- as published


def test_the_white_of_the_gan_is_neutral_and_channels_are_cut_off():
    lab = torch.zeros(1, 3, 1, 5)
    lab[0, 0, 0] = torch.tensor([-1.0, 1.0, 0.0, 0.0, 0.0])
    lab[0, 1, 0, 3], lab[0, 2, 0, 4] = 1.0, -1.0
    rgb = gan_lab_to_rgb(lab)[0, :, 0]
    torch.testing.assert_close(rgb[:, 0], torch.zeros(3))
    torch.testing.assert_close(rgb[:, 1], torch.ones(3), atol=1e-5, rtol=0)
    assert rgb[:, 2].max() - rgb[:, 2].min() < 1e-5
    assert rgb[0, 3] == 1 and rgb[1, 3] == 0 and rgb[2, 4] == 1
    torch.testing.assert_close(rgb_to_lab(rgb[:, 2:3, None])[0].item(), 50.0, atol=1e-3, rtol=0)


@pytest.mark.parametrize("colorizer", ["gan_cifar10", "gan_places365"], indirect=True)
def test_the_gan_as_published_takes_weighted_channels_at_the_pictures_size(colorizer, seen):
    multiple = colorizer.spec.multiple
    u8 = (picture(3, multiple, 2 * multiple) * 255).to(torch.uint8)
    rgb = colorizer.as_published(u8).rgb
    r, g, b = u8.double()
    (grey,) = seen
    torch.testing.assert_close(grey[0, 0].double(), 0.2989 * r + 0.587 * g + 0.114 * b, atol=1e-4, rtol=0)
    assert rgb.shape == u8.shape and rgb.dtype == torch.float32
    torch.testing.assert_close(rgb, gan_lab_to_rgb(0.1 + grey.expand(1, 3, -1, -1) / 1000)[0])
    torch.testing.assert_close(colorizer.as_published(u8 / 255).rgb, rgb, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=f"sides multiples of {multiple}, got {multiple}x9:"):
        colorizer.as_published(u8[..., :9])


@pytest.mark.parametrize("colorizer", ["gan_unet", "gan_res18"], indirect=True)
def test_the_tutorial_as_published_is_pillows_and_scikit_images(colorizer):
    assert isinstance(colorizer, TutorialGan)
    color = pytest.importorskip("skimage.color")
    u8 = (picture(3, 60, 90) * 255).to(torch.uint8)
    square = Image.fromarray(u8.permute(1, 2, 0).numpy()).resize((256, 256), Image.Resampling.BICUBIC)
    lab = torch.from_numpy(color.rgb2lab(np.array(square)).astype("float32")).permute(2, 0, 1)
    L = lab[:1] / 50.0 - 1.0
    with torch.inference_mode():
        ab = colorizer.network(L[None])[0] * 110.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of colours that no screen has
        wanted = color.lab2rgb(torch.cat([(L + 1.0) * 50.0, ab]).permute(1, 2, 0).double().numpy())
    rgb = colorizer.as_published(u8).rgb
    assert rgb.dtype == torch.float32
    torch.testing.assert_close(rgb, torch.from_numpy(wanted).permute(2, 0, 1).float(), atol=2e-4, rtol=0)
    assert torch.equal(colorizer.as_published(u8.double() / 255).rgb, rgb)


@pytest.mark.parametrize(
    ("rgb", "reason"),
    [
        (torch.zeros(1, 3, 256, 256), r"must be \[3,H,W\]"),
        (torch.zeros(3, 0, 256), r"must be \[3,H,W\]"),
        (torch.full((3, 256, 256), float("nan")), "without NaN"),
        (torch.zeros(3, 256, 256, dtype=torch.int64), "must be uint8, or floating"),
    ],
)
def test_what_is_no_picture(colorizer, seen, rgb, reason):
    with pytest.raises(ValueError, match=reason):
        colorizer.as_published(rgb)
    assert not seen
