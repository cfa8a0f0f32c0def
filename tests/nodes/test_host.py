from __future__ import annotations

import ast
from pathlib import Path

import folder_paths
import pytest
import torch

from chrominance.nodes import host

ROOT = Path(__file__).parents[2]
COMFYUI = {"comfy", "folder_paths", "server", "execution", "nodes", "comfy_execution"}


def imported(path):
    """Return the top-level names of everything that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", sorted((ROOT / "nodes").glob("*.py")), ids=lambda path: path.name)
def test_only_host_touches_comfyui(path):
    assert path.name == "host.py" or not COMFYUI & set(imported(path))


def test_the_model_folder_joins_what_extra_model_paths_set(tmp_path):
    folder_paths.folder_names_and_paths.clear()
    folder_paths.add_model_folder_path("colorization", str(tmp_path / "mine"))
    host.register_model_folder()
    host.register_model_folder()
    paths, extensions = folder_paths.folder_names_and_paths["colorization"]
    own = str(tmp_path / "models" / "colorization")
    assert paths == [str(tmp_path / "mine"), own, str(tmp_path / "fetched")]
    assert {".safetensors", ".pth"} <= extensions


def test_names_are_the_embedded_network_then_the_files(tmp_path):
    folder = tmp_path / "models" / "colorization" / "deep"
    folder.mkdir(parents=True)
    for name in ("b.safetensors", "a.pth", "readme.txt"):
        (folder / name).touch()
    names = host.colorizer_names()
    assert names[0] == "embedded"
    assert [Path(name).as_posix() for name in names[1:]] == ["deep/a.pth", "deep/b.safetensors"]
    assert host.colorizer_source(names[1]) == folder / "a.pth"
    with pytest.raises(FileNotFoundError, match=r"gone\.pth"):
        host.colorizer_source("gone.pth")


@pytest.mark.parametrize(
    ("fp16", "bf16", "expected"),
    [(True, True, torch.float16), (False, True, torch.bfloat16), (False, False, torch.float32)],
)
def test_auto_takes_what_the_device_is_good_at(monkeypatch, fp16, bf16, expected):
    import comfy.model_management as management

    monkeypatch.setattr(management, "FP16", fp16)
    monkeypatch.setattr(management, "BF16", bf16)
    assert host.choose_dtype("auto") == expected
    assert host.choose_dtype("fp32") == torch.float32


def test_the_network_comes_back_after_everything_was_unloaded(hosted):
    import comfy.model_management as management

    assert hosted.ready() is hosted.colorizer
    management.unload_all_models()
    hosted.ready()
    assert management.current_loaded_models == [hosted.patcher]


def test_the_patcher_class_is_looked_up_when_it_is_needed(plain, monkeypatch):
    import comfy.model_patcher

    class Rebound(comfy.model_patcher.ModelPatcher):
        pass

    monkeypatch.setattr(comfy.model_patcher, "CoreModelPatcher", Rebound)
    assert isinstance(host._host(plain).patcher, Rebound)


def test_a_network_that_comfyui_left_behind_is_brought_along(hosted, monkeypatch):
    import comfy.model_management as management

    monkeypatch.setattr(management, "load_models_gpu", lambda *args, **kwargs: None)
    hosted.patcher.load_device = torch.device("meta")
    assert hosted.ready().device.type == "meta"


def test_temporary_files_never_meet(tmp_path):
    paths = {host.temporary_file(".mp4") for _ in range(20)}
    assert len(paths) == 20
    assert {path.parent for path in paths} == {tmp_path / "temp"}


def test_interrupt_is_no_ordinary_exception():
    import comfy.model_management as management

    report = host.progress(3)
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        try:
            report(1)
        except Exception:
            pytest.fail("an interrupt has to pass by this")
