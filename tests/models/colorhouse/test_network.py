from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from chrominance.color import rgb_to_lab
from chrominance.models import CheckpointError
from chrominance.models.colorhouse.network import ColorHouseNetwork, PositionalNorm
from chrominance.models.colorhouse.system import ColorHouse, build_colorhouse, load_colorhouse


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def lively():
    """An untrained generator whose last layer is not zero."""
    model = build_colorhouse(1)
    torch.nn.init.normal_(
        model.network.decoder.out.weight, std=0.05, generator=torch.Generator().manual_seed(2)
    )
    return model


def test_positional_normalisation_is_numpys():
    x = rand(2, 7, 3, 5)
    out, mean, spread = PositionalNorm()(x)
    n = x.numpy()
    np.testing.assert_allclose(mean, n.mean(1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(spread, np.sqrt(n.var(1, keepdims=True) + 1e-6), atol=1e-6)
    np.testing.assert_allclose(out * spread + mean, n, atol=1e-6)


def test_an_untrained_one_gives_the_picture_back():
    model = build_colorhouse()
    rgb = rand(2, 3, 40, 64)
    small, made = model.recolor(rgb, model.encode_reference(rgb), size=32)
    assert small.shape == (2, 3, 32, 51)
    torch.testing.assert_close(made, small, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (8, 300), (300, 8)])
def test_any_size(lively, size):
    rgb = rand(1, 3, *size)
    small, made = lively.recolor(rgb, lively.encode_reference(rand(1, 3, 5, 9)), size=32)
    assert made.shape == small.shape and torch.isfinite(made).all()
    assert made.min() >= 0 and made.max() <= 1


def test_a_palettes_order_does_not_count_and_shares_split(lively):
    lab = rgb_to_lab(rand(5, 3), dim=1)[None]
    share = torch.tensor([[0.4, 0.3, 0.15, 0.1, 0.05]])
    order = torch.tensor([3, 0, 4, 1, 2])
    code = lively.encode_palette(lab, share)
    torch.testing.assert_close(
        lively.encode_palette(lab[:, order], share[:, order]), code, atol=1e-4, rtol=1e-4
    )
    light = torch.tensor([[10.0, 20.0]])
    assert (lively.encode_palette(lab, share, light) - code).abs().max() > 0.01
    padded = torch.cat([lab, lab[:, :2]], 1), torch.cat([share, torch.zeros(1, 2)], 1)
    torch.testing.assert_close(lively.encode_palette(*padded), code, atol=1e-4, rtol=1e-4)


def test_it_learns_to_take_over_a_references_colours():
    """Some steps on one picture: what is asked for comes nearer; palettes reach the generator, too."""
    torch.manual_seed(0)
    network = ColorHouseNetwork()
    line = torch.linspace(0.1, 0.9, 32)
    grey = (line[:, None] * line.flip(0)).sqrt().expand(1, 3, -1, -1)
    goal = grey * torch.tensor([1.0, 0.5, 0.3]).view(1, 3, 1, 1)
    optimizer = torch.optim.Adam(network.parameters(), 5e-4)
    known = rgb_to_lab(torch.nn.functional.interpolate(goal, (64, 64)))
    asked = rgb_to_lab(goal).flatten(2).transpose(1, 2)[:, ::200]
    given = (asked, torch.ones(1, 6), torch.zeros(1, 2), torch.ones(1, dtype=torch.bool))
    losses = []
    for _ in range(60):
        code = torch.cat([network.reference(known), network.palette(*given)])
        loss = (network(grey.expand(2, -1, -1, -1), code) - goal).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) / 4 < 0.35 * losses[0]
    for part in (network.palette.hidden.weight, network.reference.out.weight, network.content.first.weight):
        assert part.grad is not None and torch.isfinite(part.grad).all()


def test_weights_come_back_from_a_file(lively, tmp_path):
    path = tmp_path / "colorhouse.safetensors"
    save_file({k: v.contiguous() for k, v in lively.network.state_dict().items()}, path)
    again = load_colorhouse(path)
    rgb, code = rand(1, 3, 32, 32), lively.encode_reference(rand(1, 3, 9, 9))
    assert torch.equal(again.recolor(rgb, code)[1], lively.recolor(rgb, code)[1])
    assert sum(v.numel() for v in again.network.parameters()) * 2 < 16e6


def test_the_weights_that_ship_change_colors():
    rgb = rand(1, 3, 32, 40)
    model = load_colorhouse()
    small, made = model.recolor(rgb, model.encode_palette(rand(1, 3, 3) * 60), size=32)
    assert small.shape == made.shape == (1, 3, 32, 40) and (made - small).abs().mean() > 0.02


def test_what_is_no_colorhouse_is_said(lively, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"other\.safetensors: is no ColorHouse"):
        load_colorhouse(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(CheckpointError, match="fetch it again"):
        load_colorhouse(path)
    rgb = rand(1, 3, 16, 16)
    code = lively.encode_reference(rgb)
    with pytest.raises(ValueError, match="NaN"):
        lively.recolor(rgb * float("nan"), code)
    with pytest.raises(ValueError, match=r"code must be \[1 or 1,448\]"):
        lively.recolor(rgb, code[:, :5])
    with pytest.raises(ValueError, match="at least one colour"):
        lively.encode_palette(torch.zeros(1, 0, 3))
    assert isinstance(lively, ColorHouse)


def test_a_plain_picture_stays_plain_up_to_its_edges():
    """Padded with zeros the generator would know where the edges are, and colour them otherwise."""
    model = load_colorhouse()
    plain = torch.tensor([0.3, 0.5, 0.7]).view(1, 3, 1, 1).expand(1, 3, 40, 56).contiguous()
    _, made = model.recolor(plain, model.encode_palette(rand(1, 4, 3) * 60), size=40)
    assert float(made.flatten(2).std(2).max()) < 1e-3 and (made - plain).abs().mean() > 0.01
