"""He 2018 from two pictures to one, with numbers for weights."""

from __future__ import annotations

import pytest
import torch

from chrominance.models.features_load import load_features
from chrominance.models.he2018 import SPEC, He2018Colorizer
from chrominance.models.he2018.gray_vgg import GrayVGG19, GrayVGGFeatures
from chrominance.models.he2018.network import build_he2018
from chrominance.pipelines.he2018 import he2018_way, pixel_maps


@pytest.fixture(scope="module")
def extractor():
    torch.manual_seed(0)
    return GrayVGGFeatures(GrayVGG19().eval())


class Echo(torch.nn.Module):
    """Gives the warped chroma back; remembers its input."""

    def __init__(self):
        super().__init__()
        self.some = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        self.seen = x
        return x[:, 1:3]


def picture(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    return torch.nn.functional.interpolate(small, (height, width), mode="bicubic")[0].clamp(0, 1)


def test_a_picture_after_itself_gets_its_colours(extractor):
    network = Echo()
    rgb = picture(96, 120)
    done = he2018_way(He2018Colorizer(network, SPEC), extractor, rgb, size=64)(rgb, None)
    assert network.seen.shape == (1, 13, 64, 80)
    assert done.rgb.shape == (3, 96, 120)
    # Nothing differs: all ten maps are 0, which the network is told as -63.5.
    assert (network.seen[:, 3:] == -63.5).float().mean() > 0.95
    assert (done.rgb - rgb).abs().mean() < 0.05
    other = he2018_way(He2018Colorizer(network, SPEC), extractor, picture(80, 80, 5), size=64)(rgb, None)
    assert (network.seen[:, 3:] == -63.5).float().mean() < 0.5
    assert (other.rgb - rgb).abs().mean() > (done.rgb - rgb).abs().mean()


def test_with_the_network_itself_and_another_extractor(extractor):
    torch.manual_seed(0)
    network = build_he2018()
    colorizer = He2018Colorizer(network.eval(), SPEC)
    done = he2018_way(colorizer, extractor, picture(70, 64, 1), size=64)(picture(64, 72), None)
    assert torch.isfinite(done.rgb).all() and done.ab.shape == (1, 2, 64, 72)
    with pytest.raises(ValueError, match="compares pictures by its gray VGG19"):
        he2018_way(colorizer, load_features(), picture(70, 64, 1))


def test_maps_reach_every_pixel():
    noise = torch.Generator().manual_seed(0)
    levels = [torch.rand(1, 3, 40 // s, 56 // s, generator=noise) for s in (1, 2, 4, 8, 16)]
    there, back = pixel_maps(levels, levels, (40, 56), (40, 56))
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(56), indexing="ij")
    assert torch.equal(there, torch.stack([columns, rows])) and torch.equal(back, there)
