"""From files to colorizers: the same numbers in every layout, and nothing half-loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from chrominance.models import (
    CheckpointError,
    KeyMismatchError,
    NonFiniteError,
    NotAFileError,
    UnfilledError,
    UnknownSystemError,
    WrongShapeError,
    WrongTypeError,
    load,
    load_checkpoint,
    load_colorizer,
)
from chrominance.models.load import assemble, usable_device

L = torch.linspace(0, 100, 64).reshape(1, 1, 8, 8)


@pytest.fixture
def saved(tmp_path, tiny):
    """Write a state dict; give back the loader of that file."""

    def save(state=None, name="a.safetensors", system=None, **options):
        path = tmp_path / name
        state = tiny.state() if state is None else state
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(state, path, metadata={"made": "here"})
        else:
            torch.save(state, path)
        return load_colorizer(path, systems=(system or tiny.system(),), **options)

    return save


def expected_output(tiny, width=4, seed=0):
    network = tiny.Network(width)
    network.load_state_dict(tiny.state(width, seed))
    network.scale.fill_(110.0)
    with torch.no_grad():
        return network.eval()(L / 100)


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_a_loaded_network_computes_what_the_saved_one_did(saved, tiny, name, width):
    colorizer = saved(tiny.state(width), name)
    assert torch.equal(colorizer.colorize(L).ab, expected_output(tiny, width))
    assert not colorizer.network.training
    assert not any(p.requires_grad for p in colorizer.network.parameters())
    assert not any(t.is_meta for t in [*colorizer.network.parameters(), *colorizer.network.buffers()])
    assert dict(colorizer.metadata) == ({"made": "here"} if name == "a.safetensors" else {})


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("asked", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_type_is_the_one_asked_for(saved, tiny, stored, asked):
    state = {k: t.to(stored) if t.is_floating_point() else t for k, t in tiny.state().items()}
    colorizer = saved(state, dtype=asked)
    assert colorizer.dtype == asked
    assert colorizer.network.norm.num_batches_tracked.dtype == torch.int64
    assert torch.equal(colorizer.network.stem.weight, state["stem.weight"].to(asked))
    if asked in (torch.float32, torch.float64):
        torch.testing.assert_close(colorizer.colorize(L).ab, expected_output(tiny), atol=0.6, rtol=0.02)


def test_where_the_type_is_right_no_copy_is_made(tmp_path, tiny):
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(tiny.state(), path)
    checkpoint = load_checkpoint(path)
    network = assemble(checkpoint, systems=(tiny.system(),)).network
    for name, parameter in network.named_parameters():
        assert parameter.data_ptr() == checkpoint.tensors[name].data_ptr()


def test_channels_last_where_the_system_says_so(saved, tiny):
    colorizer = saved(tiny.state(), system=tiny.system(channels_last=True))
    assert colorizer.network.head.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(colorizer.colorize(L).ab, expected_output(tiny))


def test_a_model_loaded_under_inference_mode_is_an_ordinary_one(saved):
    with torch.inference_mode():
        colorizer = saved()
    assert not colorizer.network.stem.weight.is_inference()


def test_a_batch_norm_of_old_has_no_counter(saved, tiny):
    state = tiny.state()
    del state["norm.num_batches_tracked"]
    assert torch.equal(saved(state).colorize(L).ab, expected_output(tiny))


def test_random_initialisation_is_left_out(saved, tiny):
    state = tiny.state()
    before = torch.get_rng_state()
    saved(state)
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------- files that do not fit


def test_missing_tensor(saved, tiny):
    state = tiny.state()
    del state["head.bias"]
    with pytest.raises(KeyMismatchError, match=r"read as Tiny, the file lacks head\.bias") as error:
        saved(state)
    assert error.value.missing == ("head.bias",)
    assert str(error.value).startswith(str(error.value.path))


def test_unexpected_tensors(saved, tiny):
    with pytest.raises(KeyMismatchError, match=r"has a0, a1, a2 and 2 more, unknown") as error:
        saved({**tiny.state(), **{f"a{i}": torch.ones(1) for i in range(5)}})
    assert error.value.unexpected == ("a0", "a1", "a2", "a3", "a4")


@pytest.mark.parametrize(
    "key", ["head.bias", "norm.running_mean", "norm.weight", "head.weight", "stem.weight"]
)
def test_one_wrong_shape(saved, tiny, key):
    state = tiny.state()
    state[key] = torch.ones(*state[key].shape[:-1], state[key].shape[-1] + 1)
    with pytest.raises(WrongShapeError) as error:
        saved(state)
    assert error.value.tensor == key
    assert error.value.got == tuple(state[key].shape)
    assert key in str(error.value)
    assert "\n" not in str(error.value)


def test_a_size_that_the_architecture_does_not_have(saved, tiny):
    with pytest.raises(
        WrongShapeError, match=r"stem.weight should be 4 or 8 along axis 0, got \[5, 1, 3, 3\]"
    ):
        saved(tiny.state(5))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool, torch.complex64])
def test_wrong_element_type(saved, tiny, dtype):
    state = tiny.state()
    state["head.bias"] = state["head.bias"].to(dtype)
    with pytest.raises(WrongTypeError, match=r"head\.bias should be floating"):
        saved(state, "a.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_nan_in_weights(saved, tiny, value, name):
    state = tiny.state()
    state["norm.running_var"][2] = value
    with pytest.raises(NonFiniteError, match=r"tensor norm.running_var holds NaN or infinity"):
        saved(state, name)


def test_nan_in_a_large_mapped_file_is_found_before_the_first_picture(saved, tiny, monkeypatch):
    monkeypatch.setattr(load, "_CHECK_AT_ONCE", 64)
    state = tiny.state()
    state["stem.weight"][1, 0, 2, 2] = float("nan")
    colorizer = saved(state)
    for _ in range(2):
        with pytest.raises(NonFiniteError, match=r"tensor stem\.weight holds NaN") as error:
            colorizer.colorize(L)
        assert error.value.path.name == "a.safetensors"
    with pytest.raises(NonFiniteError):  # converted values are in hand: no reason to wait
        saved(state, dtype=torch.float16)
    with pytest.raises(NonFiniteError):
        saved(state, "a.pth")
    good = saved(tiny.state())
    assert good.before_first_use is not None
    assert torch.equal(good.colorize(L).ab, expected_output(tiny))
    assert good.before_first_use is None


def test_values_beyond_half_precision(saved, tiny):
    state = tiny.state()
    state["head.bias"][0] = 1e6
    with pytest.raises(NonFiniteError, match=r"beyond the range of torch\.float16: load it as float32"):
        saved(state, dtype=torch.float16)
    saved(state, dtype=torch.bfloat16)


def test_a_sum_that_overflows_is_not_taken_for_damage(saved, tiny):
    state = tiny.state()
    state["head.bias"] = torch.full((2,), 3e38)
    saved(state)


def test_a_parameter_or_buffer_that_nothing_fills(saved, tiny):
    with pytest.raises(UnfilledError, match="scale got no value"):
        saved(system=tiny.system(remap=dict))


def test_a_remap_that_misses_a_tensor(saved, tiny):
    with pytest.raises(KeyMismatchError, match=r"lacks gone\.weight"):
        saved(system=tiny.system(remap=lambda state: {"x": state["gone.weight"]}))


def test_a_remap_that_trips_over_a_shape(saved, tiny):
    with pytest.raises(CheckpointError, match="cannot be read as Tiny"):
        saved(system=tiny.system(remap=lambda state: {"x": state["stem.weight"] @ state["head.bias"]}))


def test_an_unknown_system_names_the_file(saved, tiny):
    with pytest.raises(UnknownSystemError) as error:
        saved({"lora_unet_x.lora_up.weight": torch.ones(2, 2)})
    assert Path(error.value.path).name == "a.safetensors"


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.bool])
def test_a_type_that_networks_do_not_compute_in(saved, dtype):
    with pytest.raises(ValueError, match="dtype must be one of float32"):
        saved(dtype=dtype)


@pytest.mark.parametrize("device", ["meta", "no-such-device", "cuda:77"])
def test_a_device_that_is_not_here(saved, device):
    with pytest.raises(ValueError, match=f"{device}.*try cpu"):
        saved(device=device)
    assert usable_device("cpu") == torch.device("cpu")


def test_an_absent_file(tmp_path):
    with pytest.raises(NotAFileError, match="no such file"):
        load_colorizer(tmp_path / "none.pth")


def test_building_makes_no_random_numbers_and_imports_no_algebra():
    """Random numbers on the meta device would import sympy: seconds, on every start of the program."""
    code = """
import sys, torch
from torch import nn
from chrominance.models.load import _OnMeta
with _OnMeta():
    made = [nn.Parameter(torch.randn(3, 4)), torch.rand((2, 2), dtype=torch.float16), nn.Linear(3, 4).weight]
    made += [nn.init.trunc_normal_(torch.empty(3)), nn.init.normal_(torch.empty(3))]
    made += [nn.LSTM(2, 2).weight_hh_l0]
    made += [nn.Conv2d(1, 2, 3).weight, nn.init.xavier_uniform_(torch.empty(3, 3)), nn.Embedding(2, 2).weight]
    made += [nn.MultiheadAttention(4, 2).in_proj_weight, nn.BatchNorm2d(3).running_var]
assert all(t.is_meta for t in made), made
assert [tuple(t.shape) for t in made[:2]] == [(3, 4), (2, 2)] and made[1].dtype == torch.float16
print("sympy" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "False", result.stderr
