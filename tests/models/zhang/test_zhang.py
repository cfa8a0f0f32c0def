"""Zhang 2016 and 2017: the published layouts, the temperature that is folded in, hints."""

from __future__ import annotations

import pytest
import torch

from chrominance.color.ab_bins import ab_bins
from chrominance.models import Conditions, WrongShapeError, load_colorizer
from chrominance.models.zhang import Eccv16, Siggraph17

L = torch.rand(2, 1, 41, 60, generator=torch.Generator().manual_seed(0)) * 100


def published(network, random_weights, **more):
    return random_weights({name: tuple(t.shape) for name, t in network.state_dict().items()} | more)


@pytest.fixture(scope="module")
def eccv16_file(random_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("eccv16") / "colorization_release_v2-9b330a0b.pth"
    state = published(Eccv16(), random_weights)
    state["model_out.weight"] = (ab_bins() / 110).T[:, :, None, None].contiguous()
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def siggraph17(random_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("siggraph17") / "siggraph17-df00044c.pth"
    classes = {"model_class.0.weight": (529, 256, 1, 1), "model_class.0.bias": (529,)}
    torch.save(published(Siggraph17(), random_weights, **classes), path)
    return load_colorizer(path)


def test_the_published_files_have_so_many_tensors():
    assert len(Eccv16().state_dict()) == 82
    assert len(Siggraph17().state_dict()) == 107 - 2


def test_the_mean_at_the_folded_temperature_is_the_networks_own(eccv16_file):
    colorizer = load_colorizer(eccv16_file)
    assert colorizer.spec.system == "eccv16" and colorizer.spec.temperature == 0.38
    plain = colorizer.colorize(L, size=64)
    assert plain.ab.shape == (2, 2, 16, 24)
    nearly = colorizer.colorize(L, size=64, temperature=0.380001)
    torch.testing.assert_close(plain.ab, nearly.ab, atol=0.01, rtol=0)
    # Lower is nearer to the likeliest colour, higher to the mean of all.
    cold, hot = (colorizer.colorize(L, size=64, temperature=t).ab for t in (0.05, 5.0))
    logits = colorizer.distribution(L, size=64)
    likeliest = ab_bins()[logits.argmax(1)].movedim(-1, 1)
    assert (cold - likeliest).abs().mean() < (plain.ab - likeliest).abs().mean()
    mean = ab_bins().mean(0).view(2, 1, 1)
    assert (hot - mean).abs().mean() < (plain.ab - mean).abs().mean()
    assert plain.confidence.min() >= 0 and plain.confidence.max() <= 1


def test_another_last_layer_has_no_temperature(eccv16_file, tmp_path):
    state = torch.load(eccv16_file, weights_only=True)
    state["model_out.weight"] = state["model_out.weight"] * 1.1
    torch.save(state, tmp_path / "other.pth")
    colorizer = load_colorizer(tmp_path / "other.pth")
    assert colorizer.spec.temperature is None
    assert colorizer.colorize(L, size=64).ab.shape == (2, 2, 16, 24)
    with pytest.raises(ValueError, match="has no temperature"):
        colorizer.colorize(L, temperature=0.5)
    with pytest.raises(ValueError, match="not a distribution"):
        colorizer.distribution(L)


def test_a_hint_changes_the_colour_there_most(siggraph17):
    assert siggraph17.spec.system == "siggraph17"
    ab, confidence = torch.zeros(1, 2, 41, 60), torch.zeros(1, 1, 41, 60)
    ab[:, 0, 20, 30], confidence[:, :, 20, 30] = 80, 1
    plain = siggraph17.colorize(L, size=64)
    hinted = siggraph17.colorize(L, Conditions(local_ab=ab, local_confidence=confidence), size=64)
    assert plain.ab.shape == (2, 2, 64, 96)
    assert not torch.allclose(plain.ab, hinted.ab, atol=1e-3)
    nothing = Conditions(local_ab=ab, local_confidence=confidence * 0)
    assert torch.equal(siggraph17.colorize(L, nothing, size=64).ab, plain.ab)


def test_a_tensor_of_another_shape_is_named(eccv16_file, tmp_path):
    state = torch.load(eccv16_file, weights_only=True)
    state["model3.2.weight"] = torch.zeros(256, 255, 3, 3)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(WrongShapeError, match=r"model3\.2\.weight"):
        load_colorizer(tmp_path / "odd.pth")


def test_as_published_takes_a_square_and_gives_the_pictures_size(eccv16_file, siggraph17):
    u8 = (torch.rand(3, 41, 60, generator=torch.Generator().manual_seed(1)) * 255).byte()
    for colorizer in (load_colorizer(eccv16_file), siggraph17):
        done = colorizer.as_published(u8, size=64)
        assert done.rgb.shape == u8.shape and done.ab.shape == (1, 2, 64, 64)
        torch.testing.assert_close(colorizer.as_published(u8 / 255, size=64).rgb, done.rgb)
        with pytest.raises(ValueError, match="multiple of 8, got 60"):
            colorizer.as_published(u8, size=60)
        with pytest.raises(ValueError, match="takes no reference"):
            colorizer.as_published(u8, reference=u8)
