"""DeOldify as a colorizer: any size, aspect kept; and as published, step by step with Pillow and OpenCV."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.models import Conditions, load_colorizer
from chrominance.models.deoldify import make_system
from chrominance.models.deoldify.colorizer import pillow_grey

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@pytest.fixture(scope="module")
def load(kind, state, tmp_path_factory):
    path = tmp_path_factory.mktemp("deoldify") / "a.pth"
    torch.save(state, path)
    return lambda **settings: load_colorizer(path, systems=(make_system("small", "Small", kind),), **settings)


@pytest.fixture(scope="module")
def colorizer(load):
    return load()


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def picture(height, width):
    """Something smooth, uint8 [3,H,W]."""
    small = rand(1, 3, 5, 6)
    large = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")[0]
    return (large * 255).to(torch.uint8)


@pytest.mark.parametrize(("size", "network"), [
    ((50, 70), (64, 96)), ((70, 50), (96, 64)), ((1, 1), (64, 64)), ((1, 300), (32, 256)),
    ((640, 480), (96, 64)),
])  # fmt: skip
def test_any_size_comes_back_with_its_aspect(colorizer, size, network):
    chroma = colorizer.colorize(rand(2, 1, *size) * 100, size=64)
    assert chroma.ab.shape == (2, 2, *network) and chroma.ab.dtype == torch.float32
    assert chroma.confidence.shape == (2, 1, *network) and bool((chroma.confidence == 1).all())


def test_the_network_sees_normalised_grey_and_chroma_is_that_of_its_rgb(colorizer, monkeypatch):
    seen = []

    def look(x):
        seen.append(x)
        return x + torch.tensor([0.5, 0.0, -9.0]).view(3, 1, 1)

    monkeypatch.setattr(colorizer.network, "forward", look)
    L = torch.tensor([0.0, 40.0, 100.0]).view(3, 1, 1, 1).expand(3, 1, 32, 32)
    chroma = colorizer.colorize(L, size=32)
    grey = seen[0] * DEVIATION + MEAN
    assert (grey - grey[:, :1]).abs().max() < 1e-5
    assert grey.min() >= -1e-5 and grey.max() <= 1 + 1e-5
    torch.testing.assert_close(rgb_to_lightness(grey), L, atol=0.01, rtol=0)
    rgb = (look(seen[0]) * DEVIATION + MEAN).clamp(0, 1)
    torch.testing.assert_close(chroma.ab, rgb_to_lab(rgb)[:, 1:])


def test_pictures_of_a_batch_do_not_mix(colorizer):
    L = torch.cat([rand(1, 1, 40, 60), rand(1, 1, 40, 60, seed=1) / 3 + 0.6]) * 100
    both = colorizer.colorize(L, size=64)
    for i in range(2):
        alone = colorizer.colorize(L[i : i + 1], size=64)
        torch.testing.assert_close(both.ab[i : i + 1], alone.ab, atol=0.01, rtol=1e-3)
    assert torch.equal(both.ab, colorizer.colorize(L, size=64).ab)


def test_what_it_does_not_take_is_refused(colorizer):
    with pytest.raises(ValueError, match="knows these conditions: none; got global"):
        colorizer.colorize(torch.zeros(1, 1, 8, 8), Conditions(color=torch.zeros(1, 512)))
    with pytest.raises(ValueError, match="has no temperature"):
        colorizer.colorize(torch.zeros(1, 1, 8, 8), temperature=0.4)


def test_half_the_bits_say_nearly_the_same(colorizer, load):
    narrow = load(dtype=torch.bfloat16)
    assert narrow.dtype == torch.bfloat16
    L = rand(1, 1, 64, 64) * 100
    difference = (narrow.colorize(L, size=64).ab - colorizer.colorize(L, size=64).ab).abs()
    assert difference.mean() < 1 and difference.max() < 10


# ---------------------------------------------------------------- as published


@pytest.mark.parametrize(("shape", "side"), [((60, 90), None), ((75, 41), 96), ((40, 40), 48)])
def test_as_published_step_by_step(colorizer, shape, side):
    cv2 = pytest.importorskip("cv2")
    u8 = picture(*shape)
    original = Image.fromarray(u8.permute(1, 2, 0).numpy())
    square = original.resize((side or 560,) * 2, Image.Resampling.BILINEAR).convert("LA").convert("RGB")
    x = torch.from_numpy(np.array(square).astype(np.float32)).permute(2, 0, 1) / 255
    with torch.inference_mode():
        y = colorizer.network(((x - MEAN) / DEVIATION)[None])
    rgb = (y * DEVIATION + MEAN).clamp(0, 1)
    coloured = Image.fromarray((rgb[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    coloured = coloured.resize(original.size, Image.Resampling.BILINEAR)
    yuv = cv2.cvtColor(np.array(original), cv2.COLOR_BGR2YUV)
    yuv[:, :, 1:] = cv2.cvtColor(np.array(coloured), cv2.COLOR_BGR2YUV)[:, :, 1:]
    wanted = cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR)
    found = colorizer.as_published(u8, size=side)
    assert found.rgb.shape == u8.shape and found.rgb.dtype == torch.float32
    assert np.array_equal((found.rgb * 255).round().permute(1, 2, 0).numpy(), wanted)
    torch.testing.assert_close(found.ab, rgb_to_lab(rgb)[:, 1:])
    assert torch.equal(colorizer.as_published(u8.double() / 255, size=side).rgb, found.rgb)


def test_grey_is_pillows():
    u8 = (rand(3, 300, 400) * 255).to(torch.uint8)
    wanted = Image.fromarray(u8.permute(1, 2, 0).numpy()).convert("LA").convert("RGB")
    assert np.array_equal(pillow_grey(u8).expand(3, -1, -1).permute(1, 2, 0).numpy(), np.array(wanted))


def test_an_odd_square_is_refused(colorizer):
    with pytest.raises(ValueError, match="side of the published square must be even, got 97"):
        colorizer.as_published(picture(20, 20), size=97)


def test_an_overflow_is_no_picture(colorizer, monkeypatch):
    monkeypatch.setattr(colorizer.network, "forward", lambda x: x * float("nan"))
    with pytest.raises(FloatingPointError, match=r"overflowed in torch\.float32"):
        colorizer.as_published(picture(20, 20), size=32)
    with pytest.raises(FloatingPointError, match=r"overflowed in torch\.float32"):
        colorizer.colorize(rand(1, 1, 8, 8), size=32)
