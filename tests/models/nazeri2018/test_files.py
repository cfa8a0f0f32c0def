"""The published files of Nazeri 2018 and its ports: which system they are, and that nothing gets lost."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from chrominance.models import (
    REGISTRY,
    KeyMismatchError,
    UnknownSystemError,
    WrongShapeError,
    detect_system,
    get_published,
    get_system,
    load_colorizer,
    resolve_source,
)
from chrominance.models.nazeri2018 import SYSTEMS, GanUNet, ResNetUNet, TutorialUNet
from chrominance.models.nazeri2018.files import bundle_patterns, resnet_patterns, unet_patterns
from chrominance.models.nazeri2018.network import CIFAR10, PLACES365

from .conftest import SHUFFLES, shapes_of

NETWORKS = {
    "gan_places365": GanUNet,
    "gan_cifar10": GanUNet,
    "gan_unet": TutorialUNet,
    "gan_unet_generator": TutorialUNet,
    "gan_res18": ResNetUNet,
    "gan_res18_generator": ResNetUNet,
}


@pytest.fixture(scope="module", params=[system.name for system in SYSTEMS])
def system(request):
    return get_system(request.param)


@pytest.fixture(scope="module")
def state(system, random_weights):
    return random_weights(shapes_of(system.name))


def test_how_many_tensors_there_are():
    """As the key lists count them: 115, 79, 106, 205, 181."""
    discriminator_tf, step = 24 - 2, 1
    assert len(shapes_of("gan_places365")) == 115 - discriminator_tf - step
    assert len(shapes_of("gan_cifar10")) == 79 - discriminator_tf - step
    discriminator, labels = 22, 2
    assert len(shapes_of("gan_unet")) == 106 - discriminator - labels
    assert len(shapes_of("gan_res18")) == 205 - discriminator - labels
    assert len(shapes_of("gan_res18_generator")) == 181
    assert {s.name for s in SYSTEMS} == NETWORKS.keys()


@pytest.mark.parametrize(
    ("patterns", "listed"),
    [
        (bundle_patterns(*PLACES365), "gan_tf_places365"),
        (bundle_patterns(*CIFAR10), "gan_tf_cifar10"),
        (unet_patterns("net_G."), "gan_moein_mainmodel_unet"),
        (resnet_patterns("net_G."), "gan_moein_res18"),
        (resnet_patterns(""), "gan_moein_res18_unet_only"),
    ],
)
def test_the_published_names_and_shapes(patterns, listed):
    folder = os.environ.get("CHROMINANCE_REFERENCE")
    if not folder:
        pytest.skip("CHROMINANCE_REFERENCE does not name the folder with the key lists")
    keys = json.loads((Path(folder) / "keys" / f"{listed}.json").read_text())["keys"]
    assert patterns == {key: tuple(keys[key][0]) for key in patterns}
    # What is not required: judges and counters, what has two forms, what has no effect.
    rest = [k for k in keys if k not in patterns and not k.startswith(("net_D.", "GANcriterion.", "dis/"))]
    endings = ("num_batches_tracked", "moving_mean", "moving_variance", "global_step")
    assert all(key.endswith(endings) or ".shuf." in key or "layers.8." in key for key in rest)


def test_each_is_recognised_with_and_without_what_judges_it(system):
    shapes = shapes_of(system.name)
    assert detect_system(shapes) is system
    judges = {"dis/conv0/kernel": (4, 4, 4, 64), "net_D.model.0.0.weight": (64, 3, 4, 4), "global_step": ()}
    assert detect_system(shapes | judges) is system
    assert system in REGISTRY


def test_every_value_that_has_an_effect_arrives(system, random_weights):
    """A change of any tensor changes the network, apart from those that cannot matter."""
    # The names decide: one value each will do.
    state = random_weights({key: (1,) * len(shape) for key, shape in shapes_of(system.name).items()})
    before = system.remap(state)
    for key, tensor in state.items():
        after = system.remap({**state, key: tensor + 1})
        changed = any(
            not torch.equal(after[k], t) for k, t in before.items() if not k.endswith("num_batches_tracked")
        )
        ignored = key.endswith(("/moving_mean", "/moving_variance", "num_batches_tracked"))
        ignored |= key.endswith("/bias") and key != "gen/conv_last/bias"
        assert changed != ignored, key


def test_a_file_of_the_whole_model(random_weights, tmp_path):
    whole, alone = get_system("gan_res18"), get_system("gan_res18_generator")
    state = random_weights(shapes_of(whole.name))
    labels = {"GANcriterion.real_label": torch.tensor(1.0), "GANcriterion.fake_label": torch.tensor(0.0)}
    torch.save(state | labels | {"net_D.model.0.0.bias": torch.ones(64)}, tmp_path / "main-model.pt")
    torch.save({k.removeprefix("net_G."): t for k, t in state.items()}, tmp_path / "res18-unet.pt")
    loaded = [load_colorizer(tmp_path / name) for name in ("main-model.pt", "res18-unet.pt")]
    assert [c.spec.system for c in loaded] == [whole.name, alone.name]
    for a, b in zip(*(c.network.state_dict().values() for c in loaded), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("length", "direction"),
    [
        ("weight_g", "weight_v"),
        ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    ],
)
def test_weights_that_are_kept_as_length_and_direction(length, direction, random_weights, tmp_path):
    state = random_weights(shapes_of("gan_res18_generator"))
    split = dict(state)
    for module in SHUFFLES:
        v = split.pop(f"{module}.weight")
        split[f"{module}.{direction}"] = v * torch.rand(len(v), 1, 1, 1).add(0.5)
        split[f"{module}.{length}"] = v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.save(split, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.pth")
    got, wanted = (load_colorizer(tmp_path / name).network.state_dict() for name in ("a.pth", "b.pth"))
    for key, tensor in wanted.items():
        torch.testing.assert_close(got[key], tensor)
    del split[f"layers.8.0.0.{length}"]
    torch.save(split, tmp_path / "a.pth")
    with pytest.raises(KeyMismatchError, match=re.escape(f"lacks layers.8.0.0.{length}")):
        load_colorizer(tmp_path / "a.pth")


def test_half_precision_is_folded_in_single(random_weights):
    system = get_system("gan_unet_generator")
    state = {
        k: t.half() if t.is_floating_point() else t for k, t in random_weights(shapes_of(system.name)).items()
    }
    single = system.remap({k: t.float() if t.is_floating_point() else t for k, t in state.items()})
    for key, tensor in system.remap(state).items():
        torch.testing.assert_close(tensor.float(), single[key], atol=0, rtol=0)


# ---------------------------------------------------------------- files that do not fit


def test_a_wrong_shape_is_named_as_in_the_file(system):
    shapes = shapes_of(system.name)
    for key in list(system.signature)[:: max(1, len(system.signature) // 12)]:
        shape = (*shapes[key][:-1], shapes[key][-1] + 1)
        with pytest.raises(WrongShapeError) as error:
            detect_system({**shapes, key: shape})
        assert (error.value.tensor, error.value.got) == (key, shape)


def test_a_missing_tensor_is_named(system):
    shapes = shapes_of(system.name)
    key = list(system.signature)[len(system.signature) // 2]
    del shapes[key]
    with pytest.raises(UnknownSystemError) as error:
        detect_system(shapes)
    assert (error.value.closest, error.value.missing) == (system.name, (key,))


def test_an_unknown_tensor_is_named(system, state, tmp_path):
    stranger = "gen/conv9/kernel/more" if "/" in next(iter(state)) else "stranger.weight"
    save_file({**state, stranger: torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(KeyMismatchError, match=f"has {stranger}, unknown to the network"):
        load_colorizer(tmp_path / "a.safetensors")
    save_file(state, tmp_path / "b.safetensors")
    assert isinstance(load_colorizer(tmp_path / "b.safetensors").network, NETWORKS[system.name])


# ---------------------------------------------------------------- where the user puts them


def test_names_and_folders_lead_to_the_index(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path))
    index = tmp_path / "CGAN_places365.index"
    index.write_bytes(b"x")
    (tmp_path / "CGAN_places365.data-00000-of-00001").write_bytes(b"x")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "CGAN_places365"\n')
    assert resolve_source("gan-places365") == index
    assert resolve_source(tmp_path) == index
    for name in ("gan-places365", "gan-cifar10", "gan-tutorial", "gan-res18", "gan-res18-unet"):
        assert get_published(name).system in NETWORKS
