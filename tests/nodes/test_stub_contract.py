"""The stand-in API against a real ComfyUI, when COMFYUI_PATH names one.

COMFYUI_PYTHON: the interpreter of that ComfyUI's environment, by default the one that runs the tests.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.utils
import comfy_api.latest
import folder_paths
import pytest

import chrominance
from chrominance.nodes import host

ROOT = Path(__file__).parents[2]
NODES = asyncio.run(asyncio.run(chrominance.comfy_entrypoint()).get_node_list())
CORE = json.loads((ROOT / "tests" / "nodes_api_stubs" / "core_nodes.json").read_text(encoding="utf-8"))
COMFYUI = os.environ.get("COMFYUI_PATH")
PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)
needs_comfyui = pytest.mark.skipif(not COMFYUI, reason="COMFYUI_PATH names no ComfyUI")

MODULES = {
    "comfy.model_management": comfy.model_management,
    "comfy.model_patcher": comfy.model_patcher,
    "comfy.utils": comfy.utils,
    "comfy_api.latest": comfy_api.latest,
    "comfy_api.latest.io": comfy_api.latest.io,
    "folder_paths": folder_paths,
}
OURS = {name.split(".")[0] for name in MODULES}
# What only the stand-in has: switches for tests, and bases of its own making.
OWN = {
    "comfy.model_management": {"OutOfMemoryError"},
    "comfy_api.latest.io": {"WidgetInput.__init__"},
}

# Runs in the real ComfyUI's interpreter: prints the parameters of every name asked for, or null.
PROBE = """
import importlib, inspect, json, sys
sys.argv = ["main.py", "--cpu"]
sys.path.insert(0, {path!r})
import comfy.options
comfy.options.enable_args_parsing()

def find(module, name):
    if module == "comfy_api.latest.io":
        value = importlib.import_module("comfy_api.latest").io
    else:
        value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value

def describe(module, name):
    try:
        value = find(module, name)
    except AttributeError:
        return None
    if not callable(value):
        return {{}}
    parameters = inspect.signature(value).parameters.values()
    return {{p.name: None if p.default is p.empty else repr(p.default) for p in parameters}}

asked = json.loads(sys.stdin.read())
found = {{module: {{name: describe(module, name) for name in names}} for module, names in asked.items()}}
print("FOUND" + json.dumps(found))
"""


def described(value):
    parameters = inspect.signature(value).parameters.values()
    return {p.name: None if p.default is p.empty else repr(p.default) for p in parameters}


def callables(holder, prefix=""):
    """Return every function and method of the stand-in that a node could call, by dotted name."""
    found = {}
    for name, value in vars(holder).items():
        if name.startswith("_") and name != "__init__":
            continue
        if not prefix and getattr(value, "__module__", "").split(".")[0] not in OURS:
            continue
        if inspect.isclass(value):
            found |= callables(value, f"{prefix}{name}.")
        elif callable(value) or isinstance(value, classmethod):
            found[prefix + name] = getattr(holder, name)
    return found


def stand_in():
    return {
        module: {
            name: described(value)
            for name, value in callables(holder).items()
            if not any(name.startswith(own) for own in OWN.get(module, ()))
        }
        for module, holder in MODULES.items()
    }


def probe(asked):
    code = PROBE.format(path=COMFYUI)
    done = subprocess.run(
        [PYTHON, "-c", code],
        input=json.dumps({module: list(names) for module, names in asked.items()}),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=COMFYUI,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, f"the probe failed in {COMFYUI}:\n{done.stderr[-2000:]}"
    return json.loads(lines[0].removeprefix("FOUND"))


def test_the_stand_in_has_something_to_compare():
    names = stand_in()
    assert "load_models_gpu" in names["comfy.model_management"]
    assert "Float.Input.__init__" in names["comfy_api.latest.io"]


@needs_comfyui
def test_names_parameters_and_defaults_are_the_real_ones():
    expected = stand_in()
    real = probe(expected)
    wrong = []
    for module, names in expected.items():
        for name, parameters in names.items():
            there = real[module][name]
            if there is None:
                wrong.append(f"{module}.{name} is not there")
                continue
            wrong += [
                f"{module}.{name}({parameter}={default}) is {there.get(parameter, 'not there')}"
                for parameter, default in parameters.items()
                if there.get(parameter, "not there") != default
            ]
    assert not wrong, "\n".join(wrong)


@needs_comfyui
def test_every_name_that_host_uses_is_real():
    attributes = [n for n in ast.walk(ast.parse(inspect.getsource(host))) if isinstance(n, ast.Attribute)]
    asked = {
        module: sorted({n.attr for n in attributes if ast.unparse(n.value) == module})
        for module in ("comfy.model_management", "comfy.model_patcher", "comfy.utils", "folder_paths")
    }
    assert all(asked.values())
    real = probe(asked)
    missing = [
        f"{module}.{name}" for module, names in real.items() for name, it in names.items() if it is None
    ]
    assert not missing


# Loads this pack as ComfyUI does, and the nodes of the core that the workflows use.
LOAD = """
import asyncio, json, sys
sys.argv = ["main.py", "--cpu"]
sys.path.insert(0, {path!r})
import comfy.options
comfy.options.enable_args_parsing()
import nodes

async def load():
    await nodes.init_builtin_extra_nodes()
    return await nodes.load_custom_node({pack!r}, module_parent="custom_nodes")

assert asyncio.run(load()), "the pack was not loaded"
found = {{}}
for name in json.loads(sys.stdin.read()):
    node = nodes.NODE_CLASS_MAPPINGS[name]
    inputs = node.INPUT_TYPES()
    kinds = {{k: v[0] for part in ("required", "optional") for k, v in inputs.get(part, {{}}).items()}}
    names = getattr(node, "RETURN_NAMES", None) or node.RETURN_TYPES
    found[name] = [kinds, dict(zip(names, node.RETURN_TYPES))]
print("FOUND" + json.dumps(found))
"""


@needs_comfyui
def test_the_pack_loads_and_the_core_has_what_the_workflows_use():
    ours = {node.define_schema().node_id: node.GET_SCHEMA() for node in NODES}
    done = subprocess.run(
        [PYTHON, "-c", LOAD.format(path=COMFYUI, pack=str(ROOT))],
        input=json.dumps([*ours, *CORE]),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=COMFYUI,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, done.stderr[-2000:]
    real = json.loads(lines[0].removeprefix("FOUND"))
    for name, schema in ours.items():
        assert real[name][0] == {i.id: i.get_io_type() for i in schema.inputs}
        assert list(real[name][1].values()) == [o.get_io_type() for o in schema.outputs]
    for name, (inputs, outputs) in CORE.items():
        assert inputs.items() <= real[name][0].items()
        assert real[name][1] == outputs
