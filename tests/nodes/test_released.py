"""Files made with any release still open: nothing that they refer to is gone without a migration."""

from __future__ import annotations

import asyncio
import copy
import json

import comfy_api.latest
import pytest
from comfy_api.latest import io

import chrominance
from chrominance.nodes import migrations

from .released import FOLDER, schemas

RELEASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
NOW = schemas()


def broken(old, new, replaced):
    """Return what is wrong for a file made with the nodes ``old``, as lines; ``replaced``: migrations."""
    wrong = []
    for name, node in old.items():
        if name in new:
            wrong += [f"{name}: {line}" for line in changed(node, new[name])]
            continue
        migration = next((one for one in replaced if one.old_node_id == name), None)
        if migration is None:
            wrong.append(f"{name} is gone, and no migration tells what took its place")
        else:
            wrong += [f"{name}: {line}" for line in lost(node, migration, new)]
    return wrong


def changed(old, new):
    inputs = {given: (kind, widget) for given, kind, widget in new["inputs"]}
    for given, kind, widget in old["inputs"]:
        if given not in inputs:
            yield f"input {given} is gone"
            continue
        now, widget_now = inputs[given]
        if not set(kind.split(",")) <= set(now.split(",")):
            yield f"input {given} took {kind}, takes {now}"
        if (widget == "socket") != (widget_now == "socket"):
            yield f"input {given} is no longer a {'socket' if widget == 'socket' else 'widget'}"
        if isinstance(widget, list) and not set(widget) <= set(widget_now):
            yield f"input {given} lost {sorted(set(widget) - set(widget_now))}"
    # Files hold the values of widgets by their place, and links by the place of an output.
    if widgets(new)[: len(widgets(old))] != widgets(old):
        yield "its widgets are in another order: new ones go behind"
    kinds = [kind for _, kind in new["outputs"]]
    before = [kind for _, kind in old["outputs"]]
    if kinds[: len(before)] != before:
        yield f"its outputs were {before}, are {kinds}"


def widgets(node):
    return [given for given, _, widget in node["inputs"] if widget != "socket"]


def lost(old, migration, new):
    if migration.new_node_id not in new:
        yield f"{migration.new_node_id} should take its place, and is not there"
        return
    if (migration.old_widget_ids or []) != widgets(old):
        yield "old_widget_ids are not its widgets in their order"
    told = {entry["old_id"] for entry in migration.input_mapping or [] if "old_id" in entry}
    names = {given for given, _, _ in new[migration.new_node_id]["inputs"]}
    unknown = [entry["new_id"] for entry in migration.input_mapping or [] if entry["new_id"] not in names]
    if unknown:
        yield f"{migration.new_node_id} has no input {unknown}"
    left = [given for given, _, _ in old["inputs"] if given not in told]
    if left:
        yield f"nothing is said of its inputs {left}"
    places = {entry["old_idx"] for entry in migration.output_mapping or []}
    if places != set(range(len(old["outputs"]))):
        yield "not every output is mapped"


def test_this_version_is_written_down():
    assert RELEASES[chrominance.__version__] == NOW, "run python tests/nodes/released.py, and read the diff"


@pytest.mark.parametrize("release", RELEASES)
def test_files_of_every_release_still_open(release):
    assert broken(RELEASES[release], NOW, migrations.MIGRATIONS) == []


def test_migrations_lead_from_what_is_gone_to_what_is_there():
    for migration in migrations.MIGRATIONS:
        assert migration.old_node_id not in NOW
        assert migration.new_node_id in NOW


def test_comfyui_is_told_of_each_migration(monkeypatch):
    told = []
    monkeypatch.setattr(comfy_api.latest.ComfyAPI.NodeReplacement, "registered", told)
    one = io.NodeReplace("ChrominanceLabMerge", "ChrominanceOld", ["strength"])
    asyncio.run(migrations.register([one]))
    assert told == [one]


def edited(work):
    new = copy.deepcopy(NOW)
    work(new)
    return broken(NOW, new, ())


def rename_input(new):
    new["ChrominanceLabMerge"]["inputs"][0][0] = "light"


def retype_input(new):
    new["ChrominanceLabMerge"]["inputs"][0][1] = "MASK"


def turn_into_socket(new):
    node = new["ChrominanceLabMerge"]["inputs"]
    next(one for one in node if one[0] == "strength")[2] = "socket"


def add_in_the_middle(new):
    new["ChrominanceAutoColorize"]["inputs"].insert(4, ["vivid", "FLOAT", "widget"])


def drop_choice(new):
    node = new["ChrominanceColorMatch"]["inputs"]
    next(one for one in node if one[0] == "method")[2].pop()


def swap_outputs(new):
    new["ChrominanceAutoColorize"]["outputs"].reverse()


def drop_node(new):
    del new["ChrominanceLabMerge"]


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (rename_input, "input lightness is gone"),
        (retype_input, "took IMAGE, takes MASK"),
        (turn_into_socket, "no longer a widget"),
        (add_in_the_middle, "another order"),
        (drop_choice, "lost"),
        (swap_outputs, "its outputs were"),
        (drop_node, "no migration"),
    ],
)
def test_a_change_that_breaks_files_is_seen(work, words):
    assert words in " ".join(edited(work))


def test_what_is_added_behind_breaks_nothing():
    def add(new):
        new["ChrominanceAutoColorize"]["inputs"].append(["vivid", "FLOAT", "widget"])
        new["ChrominanceAutoColorize"]["outputs"].append(["more", "MASK"])
        new["ChrominanceNew"] = {"inputs": [], "outputs": []}

    assert edited(add) == []


def test_a_migration_must_tell_of_everything():
    new = copy.deepcopy(NOW)
    old = {
        "ChrominanceOld": {
            "inputs": [["image", "IMAGE", "socket"], ["amount", "FLOAT", "widget"]],
            "outputs": [["image", "IMAGE"]],
        }
    }
    whole = io.NodeReplace(
        "ChrominanceLabMerge",
        "ChrominanceOld",
        ["amount"],
        [{"new_id": "lightness", "old_id": "image"}, {"new_id": "strength", "old_id": "amount"}],
        [{"new_idx": 0, "old_idx": 0}],
    )
    assert broken(old, new, [whole]) == []
    partly = io.NodeReplace(
        "ChrominanceLabMerge", "ChrominanceOld", None, [{"new_id": "picture", "old_id": "image"}]
    )
    words = " ".join(broken(old, new, [partly]))
    for part in ("old_widget_ids", "has no input ['picture']", "['amount']", "output"):
        assert part in words
