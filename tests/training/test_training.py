"""The trainer on a handful of pictures: determinism, resuming, what it refuses."""

import io
import json
import tarfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from skimage import data

from chrominance.models.embedded import EmbeddedNetwork
from chrominance.pipelines.photo_set import PhotoSet
from chrominance.training import embedded as training
from chrominance.training.embedded import EmbeddedTrainer, Places, Recipe
from chrominance.training.photos import batches, degrade_lightness, random_crop

RECIPE = Recipe(samples=16, batch=4, size=32, warmup=4, dtype="float32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea"):
        picture = Image.fromarray(getattr(data, name)())
        picture.resize((72, 64)).save(folder / f"{name}.png")
    Image.fromarray(np.full((20, 20), 99, np.uint8)).save(folder / "grey.png")
    (folder / "broken.jpg").write_text("not a picture")
    with tarfile.open(folder / "more.tar", "w") as tar:
        buffer = io.BytesIO()
        Image.fromarray(data.rocket()).resize((64, 48)).save(buffer, "JPEG")
        info = tarfile.TarInfo("rocket.jpg")
        info.size = buffer.tell()
        buffer.seek(0)
        tar.addfile(info, buffer)
    found = PhotoSet([folder])
    assert found.drop_unusable() == 2
    return found


@pytest.fixture
def fresh(photos, tmp_path, monkeypatch):
    """Return a function that makes a started trainer; random weights stand in for the pretrained encoder."""

    def encoder():
        torch.manual_seed(7)
        return EmbeddedNetwork().encoder.state_dict()

    monkeypatch.setattr(training, "load_pretrained_encoder", encoder)

    def make(name, recipe=RECIPE):
        trainer = EmbeddedTrainer(photos, recipe, Places(tmp_path / name))
        trainer.start_fresh()
        return trainer

    return make


@pytest.fixture(autouse=True)
def one_thread():
    # Two runs are alike to the last bit only where sums are taken in one order.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_photo_set_reads_folders_and_tars_and_drops_grey_and_broken(photos):
    assert sorted(photos.names) == ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"]


def test_batches_depend_on_the_seed_and_the_start_alone(photos):
    def take(count, **kwargs):
        source = batches(photos, size=16, batch=3, **kwargs)
        return [next(source).pixels for _ in range(count)]

    first = take(5, seed=1, workers=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, take(5, seed=1, workers=3), strict=True))
    assert np.array_equal(first[4], take(1, seed=1, start=4)[0])
    assert not np.array_equal(first[0], take(1, seed=2)[0])


def test_a_share_of_batches_stands_alone(photos):
    def take(alone):
        source = batches(photos, size=16, batch=2, seed=4, reference_size=16, alone=alone)
        return [next(source) for _ in range(40)]

    mixed, none = take(0.75), take(0.0)
    assert 22 <= sum(batch.references is None for batch in mixed) <= 36
    # The photos are those of a run without: only what goes with them is left out.
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(mixed, none, strict=True))
    assert all(batch.references is not None for batch in none)


def test_a_batch_alone_takes_the_automatic_path(fresh, photos):
    trainer = fresh("alone")
    met = []
    for part in (trainer.network.local, trainer.network.color_head):
        part.register_forward_pre_hook(lambda *_: met.append(1))
    alone, told = (next(batches(photos, size=32, batch=2, seed=1, alone=share)) for share in (1.0, 0.0))
    made = trainer.predict(alone, torch.float32)
    assert not met and not made.given.any() and made.logits.shape == (2, 313, 8, 8)
    trainer.predict(told, torch.float32)
    assert met


def test_a_crop_is_part_of_the_photo():
    ramp = np.zeros((60, 90, 3), np.uint8)
    ramp[..., 0] = np.arange(90)[None] * 2
    for seed in range(20):
        crop = random_crop(Image.fromarray(ramp), 24, np.random.default_rng(seed))
        assert crop.shape == (24, 24, 3)
        slope = np.diff(crop[12, :, 0].astype(int))
        assert (slope >= 0).all() or (slope <= 0).all()
        assert abs(int(crop[12, 0, 0]) - int(crop[12, -1, 0])) > 60


def test_degraded_lightness_stays_in_range_and_repeats():
    L = torch.linspace(0, 100, 8 * 256).view(8, 1, 16, 16)
    one, two = (degrade_lightness(L, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, two) and not torch.equal(one, L)
    assert one.min() >= 0 and one.max() <= 100


def test_training_repeats_and_learns(fresh):
    recipe = replace(RECIPE, samples=120, rate=2e-3)
    runs = []
    for name in ("one", "two"):
        trainer = fresh(name, recipe)
        trainer.run()
        runs.append(trainer)
    a, b = (r.network.state_dict() for r in runs)
    assert all(torch.equal(a[k], b[k]) for k in a)
    source = batches(runs[0].photos, size=32, batch=4, seed=5)
    seen = [next(source) for _ in range(8)]

    @torch.no_grad()
    def loss(trainer):
        # One batch alone says little: conditions and faults differ from one to the next.
        each = (replace(batch, rng=np.random.default_rng(i)) for i, batch in enumerate(seen))
        return sum(trainer.loss(batch, torch.float32).item() for batch in each) / len(seen)

    assert loss(runs[0]) < loss(fresh("three")) - 0.05


def losses(trainer, monkeypatch):
    """Run a trainer; return the loss of each of its steps."""
    found, whole = [], trainer.loss

    def loss(*args):
        value = whole(*args)
        found.append(value.item())
        return value

    monkeypatch.setattr(trainer, "loss", loss)
    trainer.run()
    return found


def test_the_same_seed_gives_the_same_losses(fresh, monkeypatch):
    recipe = replace(RECIPE, samples=50 * 4)
    one, two = (losses(fresh(name, recipe), monkeypatch) for name in ("one", "two"))
    assert len(one) == 50
    assert one == two
    assert losses(fresh("other", replace(recipe, seed=1)), monkeypatch) != one


class Killed(BaseException):
    """Ends a run as a signal would."""


def test_a_killed_run_goes_on_from_its_checkpoint(fresh, photos, tmp_path, monkeypatch):
    recipe = replace(RECIPE, samples=32)
    whole = fresh("whole", recipe)
    expected = losses(whole, monkeypatch)
    part = fresh("part", recipe)
    part.places.minutes = 0  # a checkpoint after every step

    def die(network, samples):
        if samples >= 16:
            raise Killed
        return {}

    part.places.review = die
    with pytest.raises(Killed):
        part.run()
    half = EmbeddedTrainer(photos, recipe, Places(tmp_path / "part"))
    half.resume(tmp_path / "part" / "state.pt")
    assert half.samples == 16
    assert losses(half, monkeypatch) == expected[4:]
    a, b = whole.network.state_dict(), half.network.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    a, b = whole.averaged.network.state_dict(), half.averaged.network.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_what_is_exported_loads_and_says_what_it_is(fresh, tmp_path):
    fresh("export").run()
    path = tmp_path / "export" / "embedded.safetensors"
    with safe_open(path, "pt") as f:
        assert f.metadata()["system"] == "embedded"
        assert f.metadata()["samples"] == "16"
        names = set(f.keys())
        assert all(f.get_tensor(k).dtype == torch.float16 for k in names)
    assert names == set(EmbeddedNetwork().state_dict())
    lines = tmp_path / "export" / "log.jsonl"
    assert not lines.exists() or all(json.loads(x)["samples"] >= 0 for x in lines.read_text().splitlines())


def test_frozen_parts_stay_and_the_rest_moves(fresh):
    trainer = fresh("frozen")
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    trainer.run()
    after = trainer.network.state_dict()
    same = {k for k in before if torch.equal(before[k], after[k])}
    assert {"encoder.stem.weight", "encoder.stages.1.1.project.weight"} <= same
    assert not {"encoder.stages.3.0.project.weight", "head.weight", "context.0.qkv.weight"} & same


def test_conditions_are_trained_without_touching_automatic_colour(fresh):
    trainer = fresh("conditions", replace(RECIPE, parts="conditions"))
    L = torch.rand(1, 1, 64, 64) * 100
    before = trainer.network(L)
    trainer.run()
    assert torch.equal(trainer.network(L), before)
    assert torch.equal(trainer.averaged.network(L), before)
    moved = {
        k for k, v in trainer.network.state_dict().items() if k.startswith("conditions") and v.abs().sum() > 0
    }
    assert "conditions.3.leave.weight" in moved


def test_weights_from_before_the_conditions_can_be_started_from(fresh, photos, tmp_path):
    old = {
        k: v
        for k, v in fresh("old").network.state_dict().items()
        if not k.startswith(training._CONDITION_KEYS) and "style" not in k
    }
    trainer = EmbeddedTrainer(photos, RECIPE, Places(tmp_path / "new"))
    trainer.start_from(old)
    L = torch.rand(1, 1, 32, 32)
    assert torch.equal(trainer.network(L), fresh("old").network(L))
    with pytest.raises(ValueError, match="not weights of the embedded network"):
        trainer.start_from({**old, "stranger": torch.zeros(1)})
    del old["head.weight"]
    with pytest.raises(ValueError, match=r"head\.weight"):
        trainer.start_from(old)


@pytest.mark.parametrize("wrong", [{"parts": "half"}, {"automatic": 1.0}])
def test_a_recipe_that_cannot_be_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PhotoSet([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="no pictures"):
        PhotoSet([tmp_path])


def test_schedule_warms_up_and_decays():
    recipe = Recipe(samples=1000, batch=10, warmup=100)
    rates = [recipe.rate_at(s) for s in range(0, 1001, 10)]
    assert rates[0] < 0.2 and max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates[-1] == pytest.approx(recipe.final_rate)
    assert all(x >= y for x, y in pairwise(rates[11:]))
