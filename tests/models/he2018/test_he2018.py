"""He 2018: the published file's layout, what the network is told of matches, the order of the maps."""

from __future__ import annotations

import pytest
import torch

from chrominance.models import Conditions, detect_system, load_colorizer
from chrominance.models.he2018.colorizer import He2018Colorizer, error_maps

L = torch.rand(2, 1, 41, 60, generator=torch.Generator().manual_seed(0)) * 100
AB = torch.rand(2, 2, 10, 15, generator=torch.Generator().manual_seed(1)) * 100 - 50
ONE = torch.ones(2, 1, 10, 15)
SIMILARITY = torch.rand(2, 10, 10, 15, generator=torch.Generator().manual_seed(2))


def published_shapes():
    """Names and shapes as in example_net.pth: 92."""
    widths = {"conv1_1.0": (13, 32), "conv1_1.2": (32, 64), "conv1_2": (64, 64)}
    widths |= {"conv2_1": (64, 128), "conv2_2": (128, 128), "conv3_1": (128, 256)}
    widths |= {"conv3_2": (256, 256), "conv3_3": (256, 256), "conv4_1": (256, 512)}
    widths |= {f"conv{b}_{i}": (512, 512) for b in (4, 5, 6, 7) for i in (1, 2, 3) if (b, i) != (4, 1)}
    widths |= {"conv3_3_short": (256, 256), "conv8_2": (256, 256), "conv8_3": (256, 256)}
    widths |= {"conv2_2_short": (128, 128), "conv9_2": (128, 128)}
    widths |= {"conv1_2_short": (64, 128), "conv10_2": (128, 128)}
    shapes = {}
    for name, (c_in, c_out) in widths.items():
        shapes |= {f"{name}.weight": (c_out, c_in, 3, 3), f"{name}.bias": (c_out,)}
    for name, c_in, c_out in (("conv8_1", 512, 256), ("conv9_1", 256, 128), ("conv10_1", 128, 128)):
        shapes |= {f"{name}.weight": (c_in, c_out, 4, 4), f"{name}.bias": (c_out,)}
    shapes |= {"conv10_ab.weight": (2, 128, 1, 1), "conv10_ab.bias": (2,)}
    norms = {"conv1_2": 64, "conv2_2": 128, "conv3_3": 256, "conv8_3": 256, "conv9_2": 128}
    norms |= dict.fromkeys(("conv4_3", "conv5_3", "conv6_3", "conv7_3"), 512)
    for name, c in norms.items():
        shapes |= {f"{name}norm.running_mean": (c,), f"{name}norm.running_var": (c,)}
        shapes[f"{name}norm.num_batches_tracked"] = ()
    return shapes | {f"{n}norm_ss.weight": (norms[n], 1, 1, 1) for n in ("conv1_2", "conv2_2", "conv3_3")}


@pytest.fixture(scope="module")
def colorizer(random_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("he2018") / "example_net.pth"
    torch.save(random_weights(published_shapes()), path)
    return load_colorizer(path)


@pytest.fixture
def seen(colorizer, monkeypatch):
    """What the network is given; nothing is computed."""
    got = []

    def look(x):
        got.append(x)
        return torch.zeros(len(x), 2, *x.shape[2:])

    monkeypatch.setattr(colorizer.network, "forward", look)
    return got


def test_the_published_names_are_recognised(colorizer):
    assert len(published_shapes()) == 92
    assert detect_system(published_shapes()).name == "he2018"
    assert isinstance(colorizer, He2018Colorizer)


def test_it_colours_any_size_alike_alone_and_in_a_batch(colorizer):
    told = Conditions(local_ab=AB, local_confidence=ONE, similarity=SIMILARITY)
    chroma = colorizer.colorize(L, told, size=32)
    assert chroma.ab.shape == (2, 2, 32, 48) and chroma.confidence.shape == (2, 1, 32, 48)
    assert chroma.ab.abs().max() <= 100
    alone = Conditions(local_ab=AB[1:], local_confidence=ONE[1:], similarity=SIMILARITY[1:])
    torch.testing.assert_close(chroma.ab[1:], colorizer.colorize(L[1:], alone, size=32).ab, atol=0.1, rtol=0)
    assert torch.equal(chroma.ab, colorizer.colorize(L, told, size=32).ab)
    assert colorizer.colorize(torch.full((1, 1, 1, 300), 50.0), size=16).ab.shape == (1, 2, 8, 64)


def test_the_maps_reach_the_network_in_its_order_and_units(colorizer, seen):
    told = Conditions(local_ab=AB, local_confidence=ONE, similarity=SIMILARITY)
    grey = torch.full((2, 1, 64, 96), 70.0)
    colorizer.colorize(grey, told, size=64)
    (x,) = seen
    assert x.shape == (2, 13, 64, 96)
    torch.testing.assert_close(x[:, :1], torch.full_like(x[:, :1], 20.0))
    wanted = torch.nn.functional.interpolate(AB, (64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(x[:, 1:3], wanted, atol=1e-3, rtol=1e-4)
    wanted = torch.nn.functional.interpolate(SIMILARITY, (64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(x[:, 3:], ((1 - wanted) * 255 - 127) / 2, atol=1e-3, rtol=1e-4)
    assert error_maps(torch.tensor([1.0, 0.0])).tolist() == [
        -63.5,
        64.0,
    ]  # a perfect match is the least error


def test_where_nothing_is_known_nothing_matches(colorizer, seen):
    half = ONE.clone()
    half[..., :7] = 0
    colorizer.colorize(L, Conditions(local_ab=AB, local_confidence=half, similarity=SIMILARITY), size=32)
    colorizer.colorize(L, Conditions(local_ab=AB, local_confidence=half), size=32)
    colorizer.colorize(L, size=32)
    for x in seen[:2]:
        assert torch.equal(x[:, 1:3, :, :16], torch.zeros(2, 2, 32, 16))
        assert torch.equal(x[:, 3:, :, :16], torch.full((2, 10, 32, 16), 64.0))
    assert torch.equal(seen[1][:, 3:, :, 40:], torch.full((2, 10, 32, 8), -63.5))  # the confidence stands in
    assert torch.equal(seen[2][:, 3:], torch.full((2, 10, 32, 48), 64.0))


def test_similarity_is_of_the_warped_chroma(colorizer):
    with pytest.raises(ValueError, match="similarity tells how far local_ab can be trusted"):
        colorizer.colorize(L, Conditions(similarity=SIMILARITY))
    with pytest.raises(ValueError, match=r"similarity must be \[1 or 2,10,H,W\]"):
        colorizer.colorize(L, Conditions(AB, ONE, similarity=SIMILARITY[:, :5]))
    with pytest.raises(ValueError, match="similarity holds NaN"):
        colorizer.colorize(L, Conditions(AB, ONE, similarity=SIMILARITY / 0))


# ---------------------------------------------------------------- the authors' numbers


def test_the_authors_numbers(reference, tmp_path):
    reference.save_checkpoint("he2018_examplecolornet", tmp_path / "example_net.pth")
    network = load_colorizer(tmp_path / "example_net.pth").network
    stored = reference.vectors("he2018_examplecolornet")
    for size, given in stored["inputs"].items():
        ab = network(given["x"])
        torch.testing.assert_close(ab, stored["outputs"][size]["ab"], atol=1e-3, rtol=0)
