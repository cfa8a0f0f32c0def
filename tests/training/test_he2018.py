from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from skimage import data

from chrominance.color import rgb_to_lab
from chrominance.models import load_features, shipped_weights
from chrominance.models.embedded.local import AB_SCALE
from chrominance.pipelines.merge import merge
from chrominance.training.embedded import Places, Recipe
from chrominance.training.he2018 import ExemplarTrainer, matched_chroma
from chrominance.training.perceptual import EncoderDistance
from chrominance.training.photos import ReferenceMix, batches

from .test_training import one_thread, photos  # noqa: F401

RECIPE = Recipe(samples=8, batch=4, size=32, warmup=4, dtype="float32", automatic=0.0, itself=1.0)


@pytest.fixture(scope="module")
def extractor():
    return load_features("embedded")


@pytest.fixture(autouse=True)
def encoder(monkeypatch, extractor):
    """Let the shipped encoder, whose first layers are the pretrained one's, stand in for that."""
    weights = extractor.network.encoder.state_dict()
    monkeypatch.setattr("chrominance.training.perceptual.load_pretrained_encoder", lambda: weights)


@pytest.fixture(scope="module")
def pictures():
    made = []
    for photo in (data.coffee(), data.chelsea()):
        whole = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
        made.append(torch.nn.functional.interpolate(whole, (128, 128), mode="area"))
    return torch.cat(made)


def error(known, lab):
    """Return the mean distance of known chroma from the true one, where anything is known."""
    sure = known[:, 2:]
    ab = torch.nn.functional.avg_pool2d(lab[:, 1:], 4)
    apart = (known[:, :2] / sure.clamp(min=1e-6) * AB_SCALE - ab).norm(dim=1, keepdim=True)
    return float((apart * sure).sum() / sure.sum())


def test_a_picture_is_its_own_reference(extractor, pictures):
    lab = rgb_to_lab(pictures)
    known = matched_chroma(lab[:1, :1], pictures[0], extractor)
    assert known.shape == (1, 3, 32, 32)
    assert float(known[:, 2].mean()) > 0.8 and error(known, lab[:1]) < 6


def test_the_fake_reference_has_the_matchs_errors_and_not_the_references_colors(extractor, pictures):
    lab = rgb_to_lab(pictures)
    # The picture itself in colours that are turned: what is alike is found, its colours are wrong.
    turned = merge(pictures[:1], -lab[:1, 1:])[0]
    warped = matched_chroma(lab[:1, :1], turned, extractor)
    fake = matched_chroma(lab[:1, :1], turned, extractor, lab[:1, 1:])
    assert float(fake[:, 2].mean()) > 0.8
    assert error(fake, lab[:1]) < 6 < 30 < error(warped, lab[:1])
    # How far to follow is told by the reference alone; the true colours do not leak into it.
    assert torch.equal(fake[:, 2:], warped[:, 2:])


def test_an_unrelated_reference_says_little_and_a_grey_one_nothing(extractor, pictures):
    lab = rgb_to_lab(pictures)
    assert float(matched_chroma(lab[:1, :1], pictures[1], extractor)[:, 2].mean()) < 0.3
    grey = pictures[0].mean(0, keepdim=True).expand(3, -1, -1)
    assert not matched_chroma(lab[:1, :1], grey, extractor).any()


def test_the_encoders_distance_sees_color(pictures):
    distance = EncoderDistance()
    grey = merge(pictures, torch.zeros(2, 2, 1, 1))
    made = grey.clone().requires_grad_(True)
    value = distance(made, pictures)
    value.backward()
    assert float(distance(pictures, pictures)) == 0
    assert 0.02 < value.item() < float(distance(pictures.flip(0), pictures))
    assert made.grad is not None and bool((made.grad.abs().sum((2, 3)) > 0).all())


def made_trainer(photos, folder, alpha, recipe=RECIPE):  # noqa: F811
    trainer = ExemplarTrainer(photos, recipe, Places(folder / "state"), EncoderDistance(), alpha)
    trainer.start_from(load_file(shipped_weights("embedded")))
    return trainer


def one_batch(photos):  # noqa: F811
    return next(batches(photos, size=32, batch=4, seed=0, mix=ReferenceMix.with_itself(1.0)))


def test_both_branches_teach(photos, tmp_path):  # noqa: F811
    trainer = made_trainer(photos, tmp_path, 2.0)
    with_look = trainer.loss(one_batch(photos), torch.float32)
    trainer.alpha = 0.0
    without = trainer.loss(one_batch(photos), torch.float32)
    assert with_look.item() > without.item() > 0
    before = {name: value.clone() for name, value in trainer.network.local.state_dict().items()}
    trainer.run()
    assert trainer.samples == RECIPE.samples
    assert any(not torch.equal(before[n], v) for n, v in trainer.network.local.state_dict().items())


def test_some_get_no_reference(photos, tmp_path):  # noqa: F811
    told = []
    trainer = made_trainer(photos, tmp_path, 2.0)
    trainer.network.register_forward_pre_hook(lambda _, given: told.append(given[1:]))
    trainer.loss(one_batch(photos), torch.float32)
    trainer.loss(next(batches(photos, size=32, batch=4, seed=0, alone=1.0)), torch.float32)
    # Of pictures this small the match is seldom sure: that they were looked at counts.
    assert len(told[0]) == 1 and told[1] == ()
