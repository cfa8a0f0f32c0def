"""What a wheel holds: every package of the tree, and the files that are no code."""

from __future__ import annotations

import re
from pathlib import Path

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
