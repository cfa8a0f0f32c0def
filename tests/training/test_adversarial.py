from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from chrominance.training.adversarial import POSITIVE, AdversarialTrainer, Discriminator
from chrominance.training.embedded import Places, Predicted, Recipe

from .test_training import one_thread, photos  # noqa: F401

RECIPE = Recipe(samples=8, batch=4, size=32, warmup=4, dtype="float32", automatic=0.5)


@pytest.fixture
def trainer(photos, tmp_path):  # noqa: F811
    from safetensors.torch import load_file

    from chrominance.models import shipped_weights

    made = AdversarialTrainer(photos, RECIPE, Places(tmp_path / "state"))
    made.start_from(load_file(shipped_weights("embedded")))
    return made


def test_the_discriminator_is_the_papers():
    network = Discriminator()
    kinds = [type(layer) for layer in network.layers]
    # No normalisation in the first layer, one in the others.
    assert kinds[:3] == [nn.Conv2d, nn.LeakyReLU, nn.Conv2d]
    assert kinds.count(nn.BatchNorm2d) == kinds.count(nn.Conv2d) - 1
    assert all(layer.negative_slope == 0.2 for layer in network.layers if isinstance(layer, nn.LeakyReLU))
    assert all(layer.stride == (2, 2) for layer in network.layers if isinstance(layer, nn.Conv2d))
    assert POSITIVE == 0.9
    assert network(torch.full((2, 1, 32, 32), 50.0), torch.zeros(2, 2, 32, 32)).shape == (2, 1, 4, 4)


def test_the_discriminator_learns_to_tell(trainer):
    torch.manual_seed(1)
    L, ab = 100 * torch.rand(8, 1, 32, 32), 60 * torch.randn(8, 2, 1, 1).expand(8, 2, 32, 32)
    made = Predicted(torch.zeros(0), ab, L, torch.zeros(8))
    losses = [trainer.teach(made, torch.zeros_like(ab)) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert trainer.judge.param_groups[0]["betas"][0] == 0.5


def test_the_network_is_taught_by_both(trainer):
    heard = []
    trainer.discriminator.register_forward_hook(lambda *_: heard.append(1))
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    judge = [value.clone() for value in trainer.discriminator.parameters()]
    trainer.run()
    assert len(heard) == 3 * RECIPE.samples // RECIPE.batch  # true, false, and to fool
    assert any(not torch.equal(before[n], v) for n, v in trainer.network.state_dict().items())
    assert any(not torch.equal(a, b) for a, b in zip(judge, trainer.discriminator.parameters(), strict=True))


def test_the_judgement_counts(trainer, monkeypatch):
    from chrominance.training.photos import batches

    monkeypatch.setattr(trainer, "teach", lambda *_: 0.0)
    values = {}
    for weight in (0.0, 2.0):
        trainer.weight = weight
        batch = next(batches(trainer.photos, size=32, batch=4, seed=1))
        values[weight] = trainer.loss(batch, torch.float32).item()
    assert values[2.0] > values[0.0] + 0.5


def test_a_resumed_run_goes_on_with_its_discriminator(trainer, tmp_path):
    trainer.run()
    longer = replace(RECIPE, samples=16)
    again = AdversarialTrainer(trainer.photos, longer, Places(tmp_path / "state"))
    again.resume(tmp_path / "state" / "state.pt")
    for one, other in zip(trainer.discriminator.parameters(), again.discriminator.parameters(), strict=True):
        assert torch.equal(one, other)
    again.run()
    assert again.samples == 16
