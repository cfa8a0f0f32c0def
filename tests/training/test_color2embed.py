from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data

from chrominance.color import rgb_to_lab
from chrominance.models import CheckpointError, load_colorizer
from chrominance.models.color2embed.network import Color2Embed
from chrominance.models.vgg19.network import VGG19
from chrominance.training.__main__ import main
from chrominance.training.color2embed import color2embed_loss
from chrominance.training.conditions import make_reference
from chrominance.training.perceptual import PerceptualDistance


@pytest.fixture
def pictures():
    photo = torch.from_numpy(data.coffee()[:256, :256].copy()).permute(2, 0, 1)[None].float() / 255
    small = torch.nn.functional.interpolate(photo, (32, 32), mode="area")
    return torch.cat([small, small.flip(3)])


def test_a_reference_is_the_picture_warped_and_noised(pictures):
    made = make_reference(pictures, np.random.default_rng(1))
    assert torch.equal(made, make_reference(pictures, np.random.default_rng(1)))
    assert float(made.min()) >= 0 and float(made.max()) <= 1
    # Other places, the same colours.
    assert float((made - pictures).abs().mean()) > 0.02
    apart = rgb_to_lab(made).mean((2, 3)) - rgb_to_lab(pictures).mean((2, 3))
    assert float(apart.abs().max()) < 8


def test_it_learns_chroma(pictures):
    torch.manual_seed(0)
    network, loss = Color2Embed(), color2embed_loss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.9, 0.99))
    values = []
    for step in range(6):
        value = loss(network, pictures, np.random.default_rng(step))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]


def test_the_perceptual_distance_counts(pictures, tmp_path):
    torch.manual_seed(0)
    weights = {k: v.clone() for k, v in VGG19("conv5_4").state_dict().items()}
    save_file(weights, tmp_path / "vgg19_conv.safetensors")
    distance = PerceptualDistance(tmp_path / "vgg19_conv.safetensors")
    assert float(distance(pictures, pictures)) == 0
    first = pictures.clone().requires_grad_(True)
    value = distance(first, pictures.flip(2))
    value.backward()
    assert value.item() > 0 and bool((first.grad != 0).any())
    network = Color2Embed()
    plain, both = (
        color2embed_loss(one)(network, pictures, np.random.default_rng(1)).item() for one in (None, distance)
    )
    assert both > plain


def test_another_file_is_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="is no VGG19"):
        PerceptualDistance(tmp_path / "other.safetensors")


def test_what_the_command_writes_is_loaded_as_color2embed(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("astronaut", "coffee"):
        Image.fromarray(getattr(data, name)()).resize((120, 96)).save(folder / f"{name}.png")
    given = ["color2embed", "--data", str(folder), "--state", str(tmp_path / "state"), "--threads", "1"]
    # Larger than what is kept in memory: cut from the photos.
    assert main([*given, "--samples", "2", "--batch", "2", "--size", "96"]) == 0
    colorizer = load_colorizer(tmp_path / "state" / "color2embed.safetensors")
    assert colorizer.spec.system == "color2embed_own"
