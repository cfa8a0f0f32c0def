"""The blueprints that ship: a subgraph each, in the page's format, checked against the nodes' schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_workflows import CORE, load, schemas, sockets

FOLDER = Path(__file__).parents[2] / "subgraphs"
FILES = sorted(FOLDER.glob("*.json"))
each_blueprint = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
# The subgraph's own sockets, in the page's format.
INPUT, OUTPUT = -10, -20


def inside(path):
    """Return the node that stands for the subgraph, and the subgraph."""
    blueprint = load(path)
    (outer,) = blueprint["nodes"]
    (graph,) = blueprint["definitions"]["subgraphs"]
    assert outer["type"] == graph["id"]
    return outer, graph


def test_there_are_blueprints():
    assert len(FILES) >= 4
    assert {path.suffix for path in FOLDER.iterdir()} == {".json"}


@each_blueprint
def test_it_is_named_as_its_file(path):
    outer, graph = inside(path)
    assert outer["title"] == graph["name"] == path.stem
    assert graph["category"] == "Chrominance"


@each_blueprint
def test_every_link_joins_sockets_of_one_type(path):
    _, graph = inside(path)
    known = schemas()
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in nodes.values():
        assert node["type"] in known or node["type"] in CORE
    for link in graph["links"]:
        kind = link["type"]
        if link["origin_id"] == INPUT:
            given = graph["inputs"][link["origin_slot"]]
            assert given["type"] == kind and link["id"] in given["linkIds"]
        else:
            output = nodes[link["origin_id"]]["outputs"][link["origin_slot"]]
            assert sockets(nodes[link["origin_id"]]["type"], known)[1][output["name"]] == kind
            assert link["id"] in output["links"]
        if link["target_id"] == OUTPUT:
            made = graph["outputs"][link["target_slot"]]
            assert made["type"] == kind and made["linkIds"] == [link["id"]]
        else:
            given = nodes[link["target_id"]]["inputs"][link["target_slot"]]
            assert given["link"] == link["id"]
            assert kind in sockets(nodes[link["target_id"]]["type"], known)[0][given["name"]].split(",")
    ids = [link["id"] for link in graph["links"]]
    assert len(set(ids)) == len(ids)
    assert graph["state"]["lastLinkId"] == max(ids)


@each_blueprint
def test_its_sockets_and_widgets_are_those_of_what_is_inside(path):
    outer, graph = inside(path)
    for side in ("inputs", "outputs"):
        assert [(s["name"], s["type"]) for s in outer[side]] == [(s["name"], s["type"]) for s in graph[side]]
        assert all(socket["linkIds"] for socket in graph[side])
    known = schemas()
    types = {str(node["id"]): node["type"] for node in graph["nodes"]}
    for node, name in outer["properties"]["proxyWidgets"]:
        assert name in {i.id for i in known[types[node]].inputs if hasattr(i, "default")}


@each_blueprint
def test_nothing_that_is_required_is_left_open(path):
    _, graph = inside(path)
    known = schemas()
    for node in graph["nodes"]:
        linked = {i["name"] for i in node["inputs"] if i["link"] is not None}
        for given in known[node["type"]].inputs:
            if not given.optional and not hasattr(given, "default"):
                name = f"{given.id}.{given.template.prefix}0" if hasattr(given, "template") else given.id
                assert name in linked, (node["type"], name)
