"""DeOldify's published files: which network they hold, and that nothing of them gets lost."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from chrominance.models import (
    PUBLISHED,
    REGISTRY,
    KeyMismatchError,
    UnknownSystemError,
    WrongShapeError,
    detect_system,
    get_system,
    load_colorizer,
)
from chrominance.models.deoldify import ARTISTIC, STABLE, SYSTEMS, make_system
from chrominance.models.deoldify.files import patterns, remap

NAMES = {"deoldify_artistic": ARTISTIC, "deoldify_stable": STABLE}


@pytest.fixture(scope="module")
def small(kind):
    return make_system("small", "Small", kind)


def load(path, system, **settings):
    return load_colorizer(path, systems=(system,), **settings)


def test_how_many_tensors_there_are():
    """As the key lists count them: 378 and 754, counters with them."""
    for kind, count in ((ARTISTIC, 378), (STABLE, 754)):
        found = patterns(kind)
        assert len(found) + sum(key.endswith("running_var") for key in found) == count


@pytest.mark.parametrize(
    ("kind", "listed"), [(ARTISTIC, "deoldify_artistic"), (STABLE, "deoldify_stable_video")]
)
def test_the_published_names_and_shapes(kind, listed):
    folder = os.environ.get("CHROMINANCE_REFERENCE")
    if not folder:
        pytest.skip("CHROMINANCE_REFERENCE does not name the folder with the key lists")
    keys = json.loads((Path(folder) / "keys" / f"{listed}.json").read_text())["keys"]
    assert patterns(kind) == {
        key: tuple(shape) for key, (shape, _) in keys.items() if not key.endswith("num_batches_tracked")
    }


def test_each_is_recognised_and_listed():
    for name, kind in NAMES.items():
        system = get_system(name)
        assert system in REGISTRY and system in SYSTEMS
        assert detect_system(patterns(kind)) is system
        assert any(entry.system == name for entry in PUBLISHED)


def test_every_value_that_has_an_effect_arrives(kind, state):
    before = remap(state, kind)
    kept = {key: tensor.clone() for key, tensor in state.items()}
    for key, tensor in state.items():
        after = remap({**state, key: tensor + 1}, kind)
        changed = any(not torch.equal(after[k], t) for k, t in before.items())
        assert changed != key.endswith("num_batches_tracked"), key
    for key, tensor in kept.items():
        assert torch.equal(state[key], tensor), f"{key} was changed"


def test_every_layout_gives_the_same_network(small, state, tmp_path):
    optimiser = {"param_groups": [{"lr": slice(1e-7, 1e-5), "betas": (0.0, 0.9)}], "state": {}}
    paths = [tmp_path / name for name in ("a.pth", "b.pth", "c.safetensors", "d.pth")]
    torch.save({"model": state, "opt": optimiser}, paths[0], _use_new_zipfile_serialization=False)
    torch.save(state, paths[1])
    save_file(state, paths[2])
    # Batch norms of old files do not count.
    old = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    torch.save({"model": old, "opt": optimiser}, paths[3], _use_new_zipfile_serialization=False)
    first, *others = (load(path, small).network.state_dict() for path in paths)
    for other in others:
        assert first.keys() == other.keys()
        for key, tensor in first.items():
            # Sums may take another order where a file is mapped into memory.
            torch.testing.assert_close(other[key], tensor, atol=1e-6, rtol=1e-6)


def test_half_precision_is_folded_in_single(kind, state):
    half = {k: t.half() if t.is_floating_point() else t for k, t in state.items()}
    single = remap({k: t.float() if t.is_floating_point() else t for k, t in half.items()}, kind)
    for key, tensor in remap(half, kind).items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, single[key], atol=0, rtol=0)


# ---------------------------------------------------------------- files that do not fit


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_shape_is_named_as_in_the_file(name):
    shapes = patterns(NAMES[name])
    for key in list(shapes)[:: len(shapes) // 12]:
        shape = (*shapes[key][:-1], shapes[key][-1] + 1)
        with pytest.raises(WrongShapeError) as error:
            detect_system({**shapes, key: shape})
        assert (error.value.tensor, error.value.got) == (key, shape)


@pytest.mark.parametrize("key", ["layers.8.conv.0.weight_g", "layers.3.0.0.weight_u", "layers.1.bias"])
def test_a_missing_tensor_is_named(key):
    shapes = patterns(ARTISTIC)
    del shapes[key]
    with pytest.raises(UnknownSystemError) as error:
        detect_system(shapes)
    assert (error.value.closest, error.value.missing) == ("deoldify_artistic", (key,))


def test_an_unknown_tensor_is_named(small, state, tmp_path):
    save_file({**state, "layers.13.weight": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(KeyMismatchError, match=re.escape("has layers.13.weight, unknown to the network")):
        load(tmp_path / "a.safetensors", small)
