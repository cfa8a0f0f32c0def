from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage import data

from chrominance.models import shipped_weights
from chrominance.training.__main__ import main
from chrominance.training.embedded import EmbeddedTrainer, Places, Recipe
from chrominance.training.palettes import PaletteTrainer, patched
from chrominance.training.photos import Batch, batches

from .test_training import one_thread, photos  # noqa: F401

RECIPE = Recipe(samples=64, batch=4, size=32, warmup=4, dtype="float32", parts="conditions", rate=1e-3)


@pytest.fixture
def trainer(photos, tmp_path):  # noqa: F811
    made = PaletteTrainer(photos, RECIPE, Places(tmp_path / "state"))
    shipped = load_file(shipped_weights("embedded"))
    # What palettes do is still to be learned.
    made.start_from(
        {n: v for n, v in shipped.items() if not n.startswith("color_head") and ".style" not in n}
    )
    return made


def _batch(photos, seed=1):  # noqa: F811
    return next(batches(photos, size=32, batch=4, seed=seed))


def _distance(trainer, photos):  # noqa: F811
    batch = _batch(photos)
    with torch.no_grad():
        return trainer.distance(
            Batch(batch.pixels, batch.references, np.random.default_rng(7)), torch.float32
        )


def test_other_palettes_are_met_better_and_automatic_colour_stays(trainer, photos):  # noqa: F811
    own = {id(p) for p in trainer.network.automatic_parameters()}
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    distance = _distance(trainer, photos)
    trainer.run()
    assert _distance(trainer, photos) < 0.6 * distance
    moved = {n for n, p in trainer.network.named_parameters() if not torch.equal(before[n], p)}
    assert any(n.startswith("palette_encoder") for n in moved)
    assert not any(id(p) in own for n, p in trainer.network.named_parameters() if n in moved)


def test_half_the_batches_are_the_usual_ones(trainer, photos, monkeypatch):  # noqa: F811
    monkeypatch.setattr(trainer, "distance", lambda *_: torch.tensor(110.0))
    monkeypatch.setattr(EmbeddedTrainer, "loss", lambda *_: torch.tensor(0.5))
    values = [trainer.loss(_batch(photos, seed), torch.float32).item() for seed in range(60)]
    assert set(values) == {trainer.weight, 0.5}
    assert 15 < values.count(0.5) < 45


def test_without_references_pictures_get_no_palette(trainer, monkeypatch):
    monkeypatch.setattr(trainer, "distance", lambda *_: pytest.fail("a palette was given"))
    pixels = np.full((2, 32, 32, 3), 128, np.uint8)
    for seed in range(8):
        loss = trainer.loss(Batch(pixels, None, np.random.default_rng(seed)), torch.float32)
        assert torch.isfinite(loss)


def test_patches_are_changes_that_end_where_nothing_does():
    before = torch.full((1, 3, 8, 8), 50.0)
    assert patched(torch.full_like(before, 20.0), before) == 0
    moved = torch.zeros_like(before)
    moved[:, 1, :, 4:] = 30
    # One of seven steps to the side is 30 units.
    assert patched(moved, before).item() == pytest.approx((901**0.5 - 1) / 7, rel=1e-5)
    edge = before.clone()
    edge[:, 0, :, 4:] = 90
    assert patched(moved, edge) < 1e-3


@pytest.mark.parametrize(
    "chosen",
    list(itertools.combinations((["--adversarial", "0.3"], ["--exemplars", "2"], ["--palettes", "4"]), 2)),
)
def test_two_recipes_at_once_are_refused(tmp_path, capsys, chosen):
    Image.fromarray(data.coffee()[:64, :64]).save(tmp_path / "photo.png")
    arguments = ["embedded", "--data", str(tmp_path), "--state", str(tmp_path / "s")]
    assert main([*arguments, *chosen[0], *chosen[1]]) == 1
    assert "choose one" in capsys.readouterr().err
