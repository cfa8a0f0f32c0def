from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pack_loading import load_nodes

import chrominance
from chrominance.nodes.sockets import Menu

ROOT = Path(__file__).parents[2]

# What the schemas need of the engine: choices, limits and types of sockets.
LIGHT = {
    "models": {"colorhouse", "colorhouse.illumination", "folders", "published"},
    "pipelines": {
        *("choices", "color_lattice", "color_map", "light_colors", "lut", "metrics_sets", "palette"),
        *("palette_edit", "palette_files", "palette_transport", "replacing", "video_types"),
    },
}


NODES = {node.define_schema().node_id: node for node in load_nodes(chrominance)}
each_node = pytest.mark.parametrize("node", NODES.values(), ids=NODES)


@each_node
def test_schema_is_complete(node):
    schema = node.GET_SCHEMA()
    assert schema.node_id.startswith("Chrominance")
    assert schema.display_name
    assert schema.category in vars(Menu).values()
    assert schema.description
    assert len(schema.search_aliases) >= 3
    assert not schema.is_experimental


@each_node
def test_every_socket_is_explained(node):
    schema = node.GET_SCHEMA()
    for socket in [*schema.inputs, *schema.outputs]:
        assert socket.tooltip, socket.id
        assert socket.tooltip.endswith((".", "it.", "lit")), socket.id


@each_node
def test_widgets_have_a_default_in_range(node):
    for widget in node.GET_SCHEMA().inputs:
        if getattr(widget, "options", None) is not None:
            assert widget.default in widget.options
        elif isinstance(getattr(widget, "default", None), str):
            assert hasattr(widget, "multiline") or re.fullmatch("#[0-9a-f]{6}", widget.default)
        elif isinstance(getattr(widget, "default", None), bool):
            assert widget.get_io_type() == "BOOLEAN"
        elif hasattr(widget, "default"):
            assert widget.min <= widget.default <= widget.max


@each_node
def test_execute_takes_what_the_schema_promises(node):
    parameters = inspect.signature(node.execute).parameters
    inputs = node.GET_SCHEMA().inputs
    assert set(parameters) == {i.id for i in inputs}
    for given in inputs:
        assert (parameters[given.id].default is None) == given.optional, given.id


@each_node
def test_help_page_exists_and_explains_every_input(node):
    schema = node.GET_SCHEMA()
    text = (ROOT / chrominance.WEB_DIRECTORY / "docs" / f"{schema.node_id}.md").read_text(encoding="utf-8")
    for socket in [*schema.inputs, *schema.outputs]:
        name = socket.display_name or socket.id
        assert f"**{name}**" in text, name


@each_node
def test_help_page_shows_a_picture(node):
    folder = ROOT / chrominance.WEB_DIRECTORY / "docs"
    name = node.GET_SCHEMA().node_id
    text = (folder / f"{name}.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
    assert len(shown[0]) > 10
    assert shown[1] == f"{name}.jpg"
    assert (folder / shown[1]).stat().st_size < 80_000


@each_node
def test_no_state_on_the_class(node):
    allowed = {"define_schema", "execute", "fingerprint_inputs", "validate_inputs"}
    own = {name for name in vars(node) if not name.startswith("_")}
    assert own <= allowed


def test_importing_the_package_imports_no_engine():
    code = "import sys, chrominance; print(sorted({'torch', 'av', 'comfy_api'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_nodes_are_listed_without_the_engine():
    """ComfyUI asks for them at every start: what only a run needs is imported by the run."""
    code = (
        "import asyncio, sys, chrominance\n"
        f"sys.path.append({str(ROOT / 'tests' / 'nodes_api_stubs')!r})\n"
        "async def ask():\n"
        "    extension = await chrominance.comfy_entrypoint()\n"
        "    await extension.on_load()\n"
        "    return [node.GET_SCHEMA() for node in await extension.get_node_list()]\n"
        "asyncio.run(ask())\n"
        "print(*sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "chrominance.nodes.colorize" in loaded
    for package in ("models", "pipelines"):
        inside = {name for name in loaded if name.startswith(f"chrominance.{package}.")}
        assert inside <= {f"chrominance.{package}.{name}" for name in LIGHT[package]}
    assert not loaded & {"cv2", "scipy", "skimage", "ray", "PIL.ImageCms"}
