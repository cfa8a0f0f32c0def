"""The house's import rules, read from the source: downward only, relative inside, hosts kept out."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "chrominance"

#: What each part may import of the others.
ALLOWED: dict[str, set[str]] = {
    "color": set(),
    "models": {"color"},
    "pipelines": {"models", "color"},
    "nodes": {"pipelines", "models", "color"},
    "training": {"pipelines", "models", "color"},
    "benchmarks": {"pipelines", "models", "color", "training"},
    "commands": {"pipelines", "models", "color"},
    "__main__.py": {"commands", "pipelines", "models", "color"},
    "__init__.py": {"nodes"},
    "install.py": set(),
}

#: ComfyUI's own modules, and the files that may name them.
COMFY = {"comfy", "folder_paths", "server", "execution", "comfy_execution", "comfy_extras", "nodes"}
COMFY_API = "comfy_api"
HOST = Path("nodes") / "host.py"

HEAVY = {"torch", "torchvision", "av", "PIL", "numpy", "safetensors", "comfy_api"}


def sources() -> list[Path]:
    """The package's own files, relative to the root."""
    folders = [name for name in ALLOWED if not name.endswith(".py")]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / name for name in ALLOWED if name.endswith(".py") and (ROOT / name).is_file()]
    return sorted(path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts)


class Import:
    """One import: where it stands, what it names (absolute: a dotted name; relative: parts from the root)."""

    def __init__(self, line: int, name: str, *, relative: bool):
        self.line, self.name, self.relative = line, name, relative

    @property
    def top(self) -> str:
        return self.name.split(".")[0]


def imports(source: str, path: Path) -> Iterator[Import]:
    """Every import statement of a file, wherever it stands, and import_module("…") with a fixed name."""
    package = list(path.parts[:-1])
    for node in ast.walk(ast.parse(source, str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, relative=False)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(node.lineno, node.module or "", relative=False)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - 1
            if up > len(package):
                yield Import(node.lineno, "<above the package>", relative=True)
                continue
            base = package[: len(package) - up] + (node.module.split(".") if node.module else [])
            if base:
                yield Import(node.lineno, ".".join(base), relative=True)
            else:  # from .. import models
                for alias in node.names:
                    yield Import(node.lineno, alias.name, relative=True)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0].value
            if (
                called in ("import_module", "__import__")
                and isinstance(name, str)
                and not name.startswith(".")
            ):
                yield Import(node.lineno, name, relative=False)


def faults(source: str, path: Path) -> list[str]:
    """What is wrong with a file's imports; ``path`` relative to the root."""
    part = path.parts[0]
    found = []
    for imported in imports(source, path):
        where = f"{path.as_posix()}:{imported.line}"
        if imported.relative:
            if imported.top == part or (part == "__init__.py" and imported.top in ALLOWED[part]):
                continue
            known = imported.top in ALLOWED or imported.top in ("__main__", "install", "<above the package>")
            if known and imported.top not in ALLOWED[part]:
                found.append(f"{where}: {part} may not import {imported.top}")
            continue
        if imported.top == PACKAGE:
            found.append(f"{where}: import {imported.name} by a relative import")
        if imported.top in COMFY and path != HOST:
            found.append(f"{where}: only nodes/host.py may import {imported.top}")
        if imported.top == COMFY_API and part != "nodes":
            found.append(f"{where}: only nodes/ may import {COMFY_API}")
        if part == "install.py" and imported.top not in sys.stdlib_module_names:
            found.append(f"{where}: install.py may import the standard library only, not {imported.top}")
        if part == "__init__.py" and imported.top in HEAVY:
            found.append(f"{where}: the root __init__ may not import {imported.top}")
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.as_posix())
def test_imports_run_downward_and_hosts_stay_outside(path):
    assert not faults((ROOT / path).read_text(encoding="utf-8"), path)


def test_the_walk_sees_the_tree():
    parts = {path.parts[0] for path in sources()}
    assert {"color", "models", "pipelines", "__init__.py"} <= parts


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("color/lab.py", "from ..models import load_colorizer"),
        ("color/lab.py", "from .. import models"),
        ("models/a/b.py", "from ...pipelines.merge import merge"),
        ("models/a/b.py", "def f():\n    from ... import pipelines"),
        ("models/a/b.py", "from .... import x"),
        ("pipelines/a.py", "from ..nodes.host import x"),
        ("pipelines/a.py", "if True:\n    from ..training import x"),
        ("training/a.py", "from ..nodes import x"),
        ("nodes/a.py", "from ..training import x"),
        ("pipelines/a.py", "from ..__main__ import main"),
        ("models/a.py", "import chrominance.color"),
        ("models/a.py", "from chrominance import color"),
        ("models/a.py", "import importlib\nimportlib.import_module('chrominance.color')"),
        ("nodes/a.py", "import comfy.model_management"),
        ("nodes/a.py", "import folder_paths"),
        ("nodes/a.py", "def f():\n    from server import PromptServer"),
        ("nodes/sub/host.py", "import comfy"),
        ("pipelines/a.py", "from comfy_api.latest import io"),
        ("__init__.py", "import torch"),
        ("__init__.py", "from .models import x"),
        ("install.py", "import requests"),
    ],
)
def test_each_fault_is_found(path, source):
    assert faults(source, Path(path))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("models/a/b.py", "from ...color import rgb_to_lab\nfrom ..system import System\nfrom . import c"),
        ("models/a.py", "from .color import x"),  # models/color.py, not the part
        ("nodes/host.py", "import comfy.utils, folder_paths"),
        (
            "nodes/a.py",
            "from comfy_api.latest import io\nfrom .host import x\nfrom ..pipelines import y",
        ),
        (
            "benchmarks/a.py",
            "import importlib\nimportlib.import_module('.a', 'b')",
        ),
        ("__init__.py", "async def comfy_entrypoint():\n    from .nodes import X"),
        ("install.py", "import hashlib, urllib.request"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert not faults(source, Path(path))


def test_the_root_imports_nothing_when_it_is_imported():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    code = f"import sys, {PACKAGE}; print(*(set({sorted(HEAVY)}) & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
