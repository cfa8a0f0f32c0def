"""The workflows as the page sends them to ComfyUI: each must be what its file in workflows/ says.

They were exported by the page (Export (API)), without titles; tests/comfyui/ compares them with a real one's.
"""

from __future__ import annotations

from .test_workflows import CORE, FILES, NOTES, OFF_MODES, each_workflow, load, schemas

FOLDER = FILES[0].parents[1] / "tests" / "api_workflows"


def test_each_workflow_has_one():
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in FILES}


@each_workflow
def test_it_has_the_same_nodes_and_links(path):
    workflow, prompt = load(path), load(FOLDER / path.name)
    on = {n["id"]: n for n in workflow["nodes"] if n["type"] not in NOTES and n["mode"] not in OFF_MODES}
    assert {int(name): node["class_type"] for name, node in prompt.items()} == {
        number: node["type"] for number, node in on.items()
    }
    links = {link[0]: (link[1], link[2]) for link in workflow["links"]}
    for number, node in on.items():
        given = prompt[str(number)]["inputs"]
        wanted = {
            i["name"]: [str(links[i["link"]][0]), links[i["link"]][1]]
            for i in node["inputs"]
            if i["link"] is not None and links[i["link"]][0] in on
        }
        assert {name: value for name, value in given.items() if isinstance(value, list)} == wanted


@each_workflow
def test_it_has_the_same_values_and_all_that_is_required(path):
    known = schemas()
    workflow = {node["id"]: node for node in load(path)["nodes"]}
    for number, node in load(FOLDER / path.name).items():
        given = node["inputs"]
        if node["class_type"] not in known:
            assert set(CORE[node["class_type"]][0]) <= set(given) or not CORE[node["class_type"]][0]
            continue
        values = list(workflow[int(number)].get("widgets_values", []))
        for widget in (i for i in known[node["class_type"]].inputs if hasattr(i, "default")):
            value = values.pop(0)
            if getattr(widget, "control_after_generate", None):
                values.pop(0)
            assert given[widget.id] == value, widget.id
