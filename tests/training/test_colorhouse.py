"""ColorHouse's recipe: what its losses measure, by known cases and scikit-image, and that they teach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage import data
from skimage.metrics import structural_similarity

from chrominance.color import rgb_to_lab
from chrominance.models import shipped_weights
from chrominance.models.colorhouse.system import load_colorhouse
from chrominance.training import colorhouse
from chrominance.training.__main__ import main


@pytest.fixture(scope="module")
def pictures():
    """Four photos, [4,3,64,64]."""
    parts = []
    for photo in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()):
        picture = torch.from_numpy(photo[:256, :256].copy()).permute(2, 0, 1)[None].float() / 255
        parts.append(torch.nn.functional.interpolate(picture, (64, 64), mode="area"))
    return torch.cat(parts)


def rng():
    return np.random.default_rng(3)


def test_similarity_agrees_with_scikit_image(pictures):
    first, second = (rgb_to_lab(pictures[n : n + 1])[:, :1] / 100 for n in (0, 1))
    for one, other in ((first, second), (first, first * 0.8 + 0.1)):
        _, expected = structural_similarity(
            one[0, 0].numpy(),
            other[0, 0].numpy(),
            win_size=7,
            data_range=1,
            use_sample_covariance=False,
            full=True,
        )
        got = colorhouse.similarity(one, other)[0, 0]
        np.testing.assert_allclose(got.numpy(), expected[3:-3, 3:-3], atol=1e-3)


def test_the_sliced_distance_of_a_shift_is_the_shift(pictures):
    lab = rgb_to_lab(pictures)
    moved = lab + torch.tensor([0.0, 10.0, 0.0]).view(1, 3, 1, 1)
    distances = [float(colorhouse.sliced_distance(lab, moved, np.random.default_rng(n))) for n in range(20)]
    assert np.mean(distances) == pytest.approx(10, rel=0.2)


def test_the_sliced_distance_sees_colours_and_not_places(pictures):
    lab = rgb_to_lab(pictures)
    assert float(colorhouse.sliced_distance(lab, lab.flip(3), rng())) < 2
    assert float(colorhouse.sliced_distance(lab, lab.roll(1, 0), rng())) > 8


def test_a_picture_of_a_palettes_colours_is_near_it():
    palette = torch.tensor([[[60.0, 40, 20], [30, -20, -30], [80, 0, 40], [50, 0, 0]]])
    share = torch.full((1, 4), 0.25)
    picture = palette[0].T.reshape(1, 3, 4, 1).expand(1, 3, 4, 64).repeat_interleave(16, 2)
    near = float(colorhouse.palette_distance(picture, palette, share, rng()))
    assert near == pytest.approx(1, abs=0.05)  # the distance is smooth at zero
    # One of the colours is not used.
    unused = torch.tensor([[[60.0, 40, 20], [30, -20, -30], [80, 0, 40], [50, 60, -60]]])
    assert float(colorhouse.palette_distance(picture, unused, share, rng())) > near + 10
    # One is padding.
    padded = torch.cat([palette, torch.full((1, 1, 3), 500.0)], 1)
    shares = torch.cat([share, torch.zeros(1, 1)], 1)
    assert float(colorhouse.palette_distance(picture, padded, shares, rng())) == pytest.approx(near, abs=0.05)


def test_nothing_is_lost_where_nothing_changes(pictures):
    assert float(colorhouse.kept(pictures, rgb_to_lab(pictures), rgb_to_lab(pictures))) < 1e-3
    blurred = torch.nn.functional.avg_pool2d(pictures, 5, 1, 2)
    assert float(colorhouse.kept(blurred, rgb_to_lab(blurred), rgb_to_lab(pictures))) > 1
    outside = pictures + 0.5
    assert float(colorhouse.kept(outside, rgb_to_lab(outside.clamp(0, 1)), rgb_to_lab(pictures))) > 1


def test_changed_colours_are_colours(pictures):
    many = pictures.repeat(16, 1, 1, 1)
    changed = colorhouse.change_colors(many, rng())
    assert changed.shape == many.shape
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1
    apart = (rgb_to_lab(changed) - rgb_to_lab(many)).square().sum(1).sqrt().mean((1, 2))
    assert 1 <= int((apart < 0.5).sum()) < 20  # about a tenth stays
    assert float(apart.mean()) > 10
    assert torch.equal(changed, colorhouse.change_colors(many, rng()))


def test_encoders_begin_as_the_embedded_networks():
    network = colorhouse.build_network()
    weights = load_file(shipped_weights("embedded"))
    assert torch.equal(network.reference.out.weight, weights["color_encoder.out.weight"].float())
    assert torch.equal(network.palette.out.weight, weights["palette_encoder.out.weight"].float())


@pytest.mark.parametrize("loss", [colorhouse.exemplar_loss, colorhouse.palette_loss, colorhouse.both_loss])
def test_a_few_steps_bring_colours_nearer(pictures, loss):
    torch.manual_seed(0)
    network = colorhouse.build_network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    values = []
    for _ in range(12):
        value = loss(network, pictures, rng())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert np.mean(values[-3:]) < 0.95 * values[0]


def test_the_command_trains_the_stages_in_turn(tmp_path, pictures):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for number, one in enumerate(pictures):
        pixels = (one.permute(1, 2, 0) * 255).byte().numpy()
        Image.fromarray(pixels).resize((96, 96)).save(folder / f"{number}.png")
    given = ["colorhouse", "--data", str(folder), "--samples", "16", "--batch", "4", "--threads", "1"]
    assert main([*given, "--state", str(tmp_path / "one"), "--stage", "exemplar"]) == 0
    first = tmp_path / "one" / "colorhouse.safetensors"
    second = [*given, "--state", str(tmp_path / "two"), "--stage", "palette", "--from", str(first)]
    assert main(second) == 0
    before, after = (load_file(tmp_path / name / "colorhouse.safetensors") for name in ("one", "two"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("palette.") for name in changed)
    assert load_colorhouse(tmp_path / "two" / "colorhouse.safetensors").network is not None


def test_alike_colours_must_change_alike():
    before = torch.full((1, 3, 16, 16), 50.0)
    whole = torch.full_like(before, 20)
    patch = torch.zeros_like(before)
    patch[..., :8, :8] = 20
    assert float(colorhouse.parted(whole, before)) == 0
    assert float(colorhouse.parted(patch, before)) > 5
    # What was of another colour may change in another way.
    other = before.clone()
    other[:, 1, :8, :8] = 90
    assert float(colorhouse.parted(patch, other)) < 0.01
    assert float(colorhouse.parted(patch[..., :1, :1], before[..., :1, :1])) == 0
