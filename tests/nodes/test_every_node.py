"""What holds for all nodes: no input without effect, half precision, one device, nothing kept."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import comfy.model_management as management
import pytest
import torch

from .every_node import NODES, Inputs, fingerprint, picture

each_node = pytest.mark.parametrize("name", NODES)

#: Inputs that a run with the network inside the pack does not use, and why that is right.
ELSEWHERE = {
    "colorizer": "another network; test_loader.py",
    "features": "another network; test_exemplar.py",
    "model_name": "another network; test_loader.py",
    "meta_batch": "chunks of VideoHelperSuite's; test_meta_batch.py",
}


@pytest.fixture
def inputs(tmp_path, clip_over):
    """Every node's inputs, with a clip of four frames that move."""
    large = picture().repeat(1, 3, 3, 1)
    other = clip_over(large.flip(1))
    kept = tmp_path / "other.mp4"
    Path(other.get_stream_source()).rename(kept)
    return Inputs(tmp_path, clip_over(large), type(other)(str(kept)))


def run(name, given):
    return NODES[name].execute(**given)


def outcome(name, given):
    """Return what tells one run from another, a refusal included."""
    try:
        return [fingerprint(value) for value in run(name, given).args]
    except ValueError as error:
        return str(error)


EVERY_INPUT = [(name, given.id) for name, node in NODES.items() for given in node.GET_SCHEMA().inputs]


@each_node
def test_it_runs_on_these_inputs(name, inputs):
    made = run(name, inputs.of(name))
    assert len(made.args) == len(NODES[name].GET_SCHEMA().outputs)


@pytest.mark.parametrize(("name", "given"), EVERY_INPUT)
def test_every_input_does_something(name, given, inputs):
    """Defect of other packs: inputs that do nothing."""
    if given in ELSEWHERE:
        pytest.skip(ELSEWHERE[given])
    before = inputs.of(name) | inputs.needed(name, given)
    now = before.get(given)
    wanted = inputs.another(name, given, now)
    schema = next(i for i in NODES[name].GET_SCHEMA().inputs if i.id == given)
    if wanted is None:
        options = getattr(schema, "options", None)
        others = [option for option in options or [] if option != now and "(not here" not in option]
        if others:
            wanted = others[0]
        elif schema.get_io_type() == "COLOR":
            wanted = "#80ff40"
        elif schema.get_io_type() == "BOOLEAN":
            wanted = True
        elif schema.get_io_type() == "STRING":
            wanted = "another"
        elif given in ("palette", "other", "source", "target"):
            wanted = inputs.target if now is not inputs.target else inputs.palette
        elif given == "lut":
            wanted = run("ChrominanceLoadLUT", {"file": str(inputs.folder / "two.cube")})[0]
        elif given == "references":
            wanted = {"reference0": inputs.other}
    changed = {**before, given: wanted}
    if given in ("a", "b"):
        del before["chroma"], changed["chroma"]
    assert wanted is not None
    assert outcome(name, changed) != outcome(name, before), f"{given} does nothing"


@each_node
def test_the_same_seed_and_inputs_give_the_same(name, inputs):
    if name.startswith("ChrominanceSave"):
        pytest.skip("each run writes another file")
    assert outcome(name, inputs.of(name)) == outcome(name, inputs.of(name))


@each_node
def test_half_precision_between_nodes(name, inputs, monkeypatch):
    """ComfyUI may keep pictures in half precision: they come and go in it, nearly the same."""
    given = inputs.of(name)
    exact = run(name, given).args
    monkeypatch.setattr(management, "intermediate_dtype", lambda: torch.float16)

    def halved(value):
        if isinstance(value, dict):
            return {key: halved(one) for key, one in value.items()}
        return value.half() if isinstance(value, torch.Tensor) else value

    made = run(name, halved(given)).args
    outputs = NODES[name].GET_SCHEMA().outputs
    for output, value, before in zip(outputs, made, exact, strict=True):
        if output.get_io_type() in ("IMAGE", "MASK"):
            assert value.dtype == torch.float16, output.display_name
            assert torch.isfinite(value).all()
            assert float((value.float() - before).abs().mean()) < 2e-3, output.display_name


@each_node
def test_it_runs_as_comfyui_runs_it(name, inputs):
    with torch.inference_mode():
        run(name, inputs.of(name))


@each_node
def test_it_changes_none_of_its_inputs(name, inputs):
    given = inputs.of(name)
    before = {key: value.clone() for key, value in given.items() if isinstance(value, torch.Tensor)}
    run(name, given)
    for key, value in before.items():
        assert torch.equal(given[key], value), key


@each_node
def test_it_keeps_nothing_of_what_it_was_given(name, inputs):
    """After a run no picture is held: what may stay are networks, which the cache bounds."""
    given = inputs.of(name)
    held = [weakref.ref(value) for value in given.values() if isinstance(value, torch.Tensor)]
    made = run(name, given)
    held += [weakref.ref(value) for value in made.args if isinstance(value, torch.Tensor)]
    own = {id(value) for value in vars(inputs).values()}
    del made, given
    gc.collect()
    left = [one() for one in held if one() is not None and id(one()) not in own]
    assert left == []
