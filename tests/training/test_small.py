"""Small networks on thumbnails: runs repeat, a resumed run is the same run, and both recipes learn."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage import data
from torch import nn

from chrominance.models.colorhouse.illumination import SIZE, IlluminationPredictor
from chrominance.models.colorhouse.load import load_illumination_predictor, load_palette_extractor
from chrominance.models.colorhouse.palette_extractor import PaletteExtractor
from chrominance.pipelines.photo_set import PhotoSet
from chrominance.training.__main__ import main
from chrominance.training.illumination import illumination_loss
from chrominance.training.palette_extractor import palette_loss
from chrominance.training.small import SmallRecipe, SmallTrainer
from chrominance.training.thumbnails import SIDE, draw_batch, load_thumbnails

RECIPE = SmallRecipe(samples=48, batch=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(data, name)()).resize((120, 96)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def thumbnails(folder):
    return load_thumbnails(PhotoSet([folder]))


@pytest.fixture(autouse=True)
def one_thread():
    # Two runs are alike to the last bit only where sums are taken in one order.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(state, recipe=RECIPE, kind="palette"):
    torch.manual_seed(0)
    if kind == "palette":
        return SmallTrainer("palette_extractor", PaletteExtractor(), palette_loss, SIZE, recipe, state)
    return SmallTrainer("illumination", IlluminationPredictor(), illumination_loss, SIZE, recipe, state)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_thumbnails_are_the_photos_scaled(folder, thumbnails):
    assert thumbnails.shape == (4, SIDE, SIDE, 3) and thumbnails.dtype == np.uint8
    with Image.open(folder / "astronaut.png") as picture:
        mean = np.asarray(picture.convert("RGB"), float).mean((0, 1))
    assert np.allclose(thumbnails[0].mean((0, 1)), mean, atol=1)


def test_a_batch_is_parts_of_thumbnails_by_seed(thumbnails):
    one, two = (draw_batch(thumbnails, SIZE, 6, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, two) and one.shape == (6, 3, SIZE, SIZE)
    whole = torch.from_numpy(thumbnails).permute(0, 3, 1, 2).float() / 255
    windows = whole.unfold(2, SIZE, 1).unfold(3, SIZE, 1)  # [4,3,17,17,64,64]
    for part in one:
        apart = [(windows - x[None, :, None, None]).abs().amax((1, 4, 5)).min() for x in (part, part.flip(2))]
        assert min(apart) == 0


def test_the_same_seed_gives_the_same_weights(thumbnails, tmp_path):
    runs = [trainer(tmp_path / name) for name in ("a", "b")]
    for run in runs:
        run.run(partial(draw_batch, thumbnails))
    assert same(runs[0].network, runs[1].network) and same(runs[0].averaged.network, runs[1].averaged.network)
    # Not byte by byte: safetensors writes its metadata in any order.
    one, two = (load_file(tmp_path / name / "palette_extractor.safetensors") for name in ("a", "b"))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_a_resumed_run_is_the_same_run(thumbnails, tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.run(partial(draw_batch, thumbnails))
    first = trainer(tmp_path / "parts")
    first.run(partial(draw_batch, thumbnails), stop_after=0)  # saves before its first step
    assert first.samples == 0
    steps = 0

    def loss(network, rgb, rng):
        nonlocal steps
        steps += 1
        if steps > 3:
            raise KeyboardInterrupt
        return palette_loss(network, rgb, rng)

    first.loss = loss
    with pytest.raises(KeyboardInterrupt):
        first.run(partial(draw_batch, thumbnails))
    first.save()
    second = trainer(tmp_path / "parts")
    second.resume()
    assert second.samples == 24
    second.run(partial(draw_batch, thumbnails))
    assert same(second.network, whole.network) and same(second.averaged.network, whole.averaged.network)


@pytest.mark.parametrize(("kind", "load"), [("palette", load_palette_extractor), ("light", None)])
def test_it_learns_and_what_it_writes_can_be_loaded(kind, load, thumbnails, tmp_path):
    run = trainer(tmp_path, replace(RECIPE, samples=480, rate=5e-3, average=0.9), kind)

    @torch.no_grad()
    def loss():
        seen = draw_batch(thumbnails, SIZE, 32, np.random.default_rng(99))
        return run.loss(run.network.eval(), seen, np.random.default_rng(99)).item()

    before = loss()
    run.network.train()
    run.run(partial(draw_batch, thumbnails))
    assert loss() < (0.85 if kind == "palette" else 0.97) * before
    name = "palette_extractor" if kind == "palette" else "illumination"
    network = (load or load_illumination_predictor)(tmp_path / f"{name}.safetensors")
    for key, value in run.averaged.network.state_dict().items():
        assert torch.allclose(network.state_dict()[key], value, rtol=2e-3, atol=1e-4)


def test_a_loss_that_is_none_stops_the_run(thumbnails, tmp_path):
    run = trainer(tmp_path)
    run.loss = lambda network, rgb, rng: torch.tensor(float("nan"))
    with pytest.raises(FloatingPointError, match="lower --rate"):
        run.run(partial(draw_batch, thumbnails))


def test_the_command(folder, tmp_path, capsys):
    state = tmp_path / "state"
    command = ["palette_extractor", "--data", str(folder), "--state", str(state), "--threads", "1"]
    assert main([*command, "--samples", "16", "--batch", "8"]) == 0
    tensors = load_file(state / "palette_extractor.safetensors")
    assert main([*command, "--samples", "16", "--batch", "8"]) == 1
    assert "add --resume" in capsys.readouterr().err
    assert main([*command, "--samples", "32", "--batch", "8", "--resume"]) == 0
    more = load_file(state / "palette_extractor.safetensors")
    assert any(not torch.equal(tensors[key], more[key]) for key in tensors)
    assert main(["illumination", "--data", str(tmp_path / "none"), "--state", str(tmp_path)]) == 1
    assert "no such file" in capsys.readouterr().err


def test_the_log_has_lines_of_numbers(thumbnails, tmp_path, monkeypatch):
    times = iter(np.arange(0, 1e6, 31.0))
    monkeypatch.setattr("chrominance.training.small.time.monotonic", lambda: next(times))
    trainer(tmp_path).run(partial(draw_batch, thumbnails))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) >= 4 and all(set(line) == {"samples", "loss", "rate", "speed"} for line in lines)
    assert [line["samples"] for line in lines] == sorted(line["samples"] for line in lines)
