"""What a wheel holds: every package of the tree, and the files that are no code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import chrominance

#: Tables of pyproject.toml.
NAMES = ("project", "tool.comfy")
ROOT = Path(__file__).parents[1]
#: Folders at the top that are no part of the installed package.
APART = {"tests", "docs", "samples", "web", "workflows", "locales", "subgraphs", "build", "dist"}


def listed():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (block,) = re.findall(r"^packages = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    return set(re.findall(r'"([\w.]+)"', block))


def test_every_folder_of_code_is_listed():
    found = {"chrominance"}
    for init in ROOT.rglob("__init__.py"):
        parts = init.parent.relative_to(ROOT).parts
        if parts and parts[0] not in APART and not any(part.startswith((".", "_")) for part in parts):
            found.add(".".join(("chrominance", *parts)))
    assert listed() == found


def test_weights_go_along():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"chrominance.models.weights" = ["*.safetensors"]' in text
    names = {path.name for path in (ROOT / "models" / "weights").glob("*.safetensors")}
    assert {"embedded.safetensors", "illumination.safetensors", "palette_extractor.safetensors"} <= names


def test_what_is_no_code_goes_along():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^chrominance = \[(.*)\]$", text, re.MULTILINE)
    folders = {pattern.split("/")[0] for pattern in re.findall(r'"(.*?)"', line)}
    assert folders == {"web", "locales", "subgraphs", "workflows", "samples"}
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_the_registrys_archive_has_all_that_the_nodes_need():
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone: Git tells which files are the project's")
    left_out = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-from=.comfyignore"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {name.split("/")[0] for name in left_out} == {
        *(".ci", ".gitignore", ".pre-commit-config.yaml", "CONTRIBUTING.md", "docs", "tests"),
    }


def test_the_registry_gets_what_it_asks_for():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project, comfy = (re.search(rf"^\[{name}\]\n(.*?)^\[", text, re.DOTALL | re.MULTILINE) for name in NAMES)
    assert project and comfy
    assert re.search(r'^version = "\d+\.\d+\.\d+"$', project[1], re.MULTILINE)
    (name,) = re.findall(r'^name = "([a-z-]+)"$', project[1], re.MULTILINE)
    assert "comfyui" not in name
    for key in ("PublisherId", "DisplayName", "requires-comfyui"):
        assert re.search(rf'^{key} = "[^"]+"$', comfy[1], re.MULTILINE)
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert requirements and not [line for line in requirements if line.startswith("torch")]


def test_the_version_is_one():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.*)"$', text, re.MULTILINE)
    assert chrominance.__version__ == version
    for path in (ROOT / "workflows").glob("*.json"):
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        ours = [node for node in nodes if node["properties"].get("cnr_id") == "chrominance"]
        assert {node["properties"]["ver"] for node in ours} == {version}, path.name


def test_the_readme_shows_every_node_with_its_picture():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = r'^\| <img src="web/docs/(\w+)\.jpg" width="\d+" alt=""> \| \*\*(.+?)\*\* \|'
    shown = re.findall(row, text, re.MULTILINE)
    nodes = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    assert dict(shown) == {name: node["display_name"] for name, node in nodes.items()}


def test_the_readmes_pictures_and_files_are_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r'\]\(((?!http)[^)#]+)\)|src="([^"]+)"', text)
    files = [one or other for one, other in named]
    assert len(files) > 30
    assert not [file for file in files if not (ROOT / file).exists()]
