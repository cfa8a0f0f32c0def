"""The workflows that ship, checked against the nodes' schemas and against what they use of ComfyUI's core."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pack_loading import load_nodes
from PIL import Image

import chrominance
from chrominance.models import PUBLISHED

FOLDER = Path(__file__).parents[2] / "workflows"
FILES = sorted(FOLDER.glob("*.json"))
each_workflow = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)

# What the workflows use of ComfyUI's core: sockets in, sockets out. test_stub_contract.py compares it with a
# real ComfyUI.
CORE = json.loads(
    (Path(__file__).parents[1] / "nodes_api_stubs" / "core_nodes.json").read_text(encoding="utf-8")
)
# Drawn by the page alone: they are not in the prompt that ComfyUI runs.
NOTES = {"MarkdownNote", "Note"}
# Nodes that a run leaves out: switched off, or passed by.
OFF_MODES = {2, 4}
# Published checkpoints, by the names that they have in models/colorization.
OFF = {entry.local_name for entry in PUBLISHED}
# Where the page lets models be fetched from, and what it takes for one.
HOSTS, ENDINGS = ("https://huggingface.co/", "https://civitai.com/"), (".safetensors", ".sft", ".pth", ".pt")
AFTER_A_RUN = {"fixed", "increment", "decrement", "randomize"}


def schemas():
    return {schema.node_id: schema for schema in (node.GET_SCHEMA() for node in load_nodes(chrominance))}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sockets(node_type, known):
    """Return a node type's input and output sockets as {name: type}."""
    if node_type in CORE:
        return CORE[node_type]
    schema = known[node_type]
    inputs = {}
    for given in schema.inputs:
        if hasattr(given, "template"):
            inputs |= grown(given, given.template.max)
        elif not hasattr(given, "default"):
            inputs[given.id] = given.get_io_type()
    return inputs, {o.display_name: o.get_io_type() for o in schema.outputs}


def grown(given, count):
    """Return the first sockets that an input grows, as {name: type}."""
    template = given.template
    names = [f"{given.id}.{template.prefix}{number}" for number in range(count)]
    return dict.fromkeys(names, template.input.get_io_type())


def test_there_are_workflows():
    assert {path.stem for path in FILES} >= {"colorize_a_photo", "colorize_a_clip"}


@each_workflow
def test_it_is_in_the_pages_own_format(path):
    workflow = load(path)
    assert isinstance(workflow["nodes"], list)
    assert isinstance(workflow["links"], list)
    assert not any("class_type" in str(value) for value in workflow.values())


@each_workflow
def test_every_node_is_known_and_says_where_it_is_from(path):
    known = schemas()
    for node in load(path)["nodes"]:
        if node["type"] in NOTES:
            continue
        assert node["type"] in known or node["type"] in CORE
        expected = "chrominance" if node["type"] in known else "comfy-core"
        assert node["properties"]["cnr_id"] == expected
    assert any(node["type"] in known for node in load(path)["nodes"])


@each_workflow
def test_every_link_joins_sockets_of_one_type(path):
    workflow, known = load(path), schemas()
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for number, start, out, end, into, kind in workflow["links"]:
        output = nodes[start]["outputs"][out]
        given = nodes[end]["inputs"][into]
        assert number in output["links"]
        assert given["link"] == number
        assert sockets(nodes[start]["type"], known)[1][output["name"]] == kind
        assert {kind, "*"} & set(sockets(nodes[end]["type"], known)[0][given["name"]].split(","))
    linked = {link[0] for link in workflow["links"]}
    for node in workflow["nodes"]:
        for given in node.get("inputs", []):
            assert given["link"] is None or given["link"] in linked


@each_workflow
def test_nothing_that_is_required_is_left_open(path):
    known = schemas()
    for node in load(path)["nodes"]:
        given = {i["name"]: i["link"] for i in node.get("inputs", [])}
        if node["type"] in known:
            open_ones = [
                i for i in known[node["type"]].inputs if not i.optional and not hasattr(i, "default")
            ]
            required = [
                name
                for i in open_ones
                for name in (grown(i, i.template.min) if hasattr(i, "template") else [i.id])
            ]
        else:
            required = list(CORE.get(node["type"], ({},))[0])
        assert all(given[name] is not None for name in required), node["type"]


@each_workflow
def test_widget_values_are_in_range(path):
    known = schemas()
    for node in load(path)["nodes"]:
        if node["type"] not in known:
            continue
        widgets = [i for i in known[node["type"]].inputs if hasattr(i, "default")]
        values = list(node.get("widgets_values", []))
        for place, widget in enumerate(widgets):
            # The page saves what happens to a seed after each run as one more value.
            if getattr(widget, "control_after_generate", None):
                assert values.pop(place + 1) in AFTER_A_RUN, node["type"]
        assert len(values) == len(widgets), node["type"]
        for widget, value in zip(widgets, values, strict=True):
            if hasattr(widget, "options"):
                # What is not here is offered by the page, and must not stand in the way of a run.
                assert value in {*widget.options, *(OFF if node["mode"] in OFF_MODES else ())}
            elif widget.get_io_type() == "STRING":
                assert isinstance(value, str)
            elif widget.get_io_type() == "BOOLEAN":
                assert isinstance(value, bool)
            elif widget.get_io_type() == "COLOR":
                assert re.fullmatch("#[0-9a-f]{6}", value)
            else:
                assert widget.min <= value <= widget.max


@each_workflow
def test_loaders_tell_the_page_where_missing_weights_are(path):
    addresses = {entry.local_name: entry.addresses for entry in PUBLISHED}
    for node in load(path)["nodes"]:
        if node["type"] != "ChrominanceLoadColorizer":
            continue
        assert node["properties"]["models"]
        for model in node["properties"]["models"]:
            assert model["directory"] == "colorization"
            assert model["url"] in addresses[model["name"]]
            assert model["url"].startswith(HOSTS)
            assert model["name"].endswith(ENDINGS)


@each_workflow
def test_a_note_explains_it(path):
    notes = [node for node in load(path)["nodes"] if node["type"] in NOTES]
    assert notes
    assert all(len(note["widgets_values"][0]) > 200 for note in notes)


@each_workflow
def test_it_has_a_thumbnail(path):
    with Image.open(path.with_suffix(".jpg")) as picture:
        assert picture.format == "JPEG"
        assert min(picture.size) >= 256
    assert path.with_suffix(".jpg").stat().st_size < 200_000


def test_nothing_else_is_in_the_folder():
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {path.with_suffix(end).name for path in FILES for end in (".json", ".jpg")}


def test_what_people_come_for_has_a_workflow():
    assert {path.stem for path in FILES} >= {
        "colorize_a_photo",
        "colorize_with_hints",
        "colorize_from_a_reference",
        "colorize_a_clip_from_keyframes",
        "colorize_a_film_by_shots",
        "recolor_an_illustration",
        "hold_a_clip_to_a_palette",
        "colors_of_a_diffusion_model",
        "compare_colorizers",
    }
