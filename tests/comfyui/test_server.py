"""Every workflow run by a real ComfyUI on small input, and its memory and settings."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from PIL import Image

from .conftest import ROOT, Server

WORKFLOWS = sorted((ROOT / "tests" / "api_workflows").glob("*.json"))


def prompt_of(name):
    return json.loads((ROOT / "tests" / "api_workflows" / f"{name}.json").read_text(encoding="utf-8"))


def files_of(server, outputs):
    """Return the files that a run told of."""
    found = []
    for output in outputs.values():
        for told in output.values():
            found += [one for one in told if isinstance(one, dict) and "filename" in one]
    return [server.folder / one["type"] / one["subfolder"] / one["filename"] for one in found]


def test_the_pack_is_loaded_without_a_word(server):
    log = server.log.read_text()
    assert "IMPORT FAILED" not in log
    mentions = [line for line in log.splitlines() if "chrominance" in line.lower()]
    assert not [line for line in mentions if re.search("error|warning", line, re.IGNORECASE)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_runs(server, path):
    outputs = server.run(json.loads(path.read_text(encoding="utf-8")))
    files = files_of(server, outputs)
    assert files
    for file in files:
        assert file.stat().st_size > 0
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert picture.size[0] > 1


def test_after_everything_was_freed_it_runs_again(server):
    prompt = prompt_of("colorize_a_photo")
    prompt["4"]["inputs"]["saturation"] = 1.01
    (first,) = [f for f in files_of(server, server.run(prompt)) if f.parent.name == "Chrominance"]
    server.post("/free", {"unload_models": True, "free_memory": True})
    time.sleep(2)  # ComfyUI frees when its worker wakes; a prompt that comes first is answered from its cache
    (again,) = [f for f in files_of(server, server.run(prompt)) if f.parent.name == "Chrominance"]
    with Image.open(first) as one, Image.open(again) as other:
        assert one.tobytes() == other.tobytes()


def test_the_page_is_told_of_everything(server):
    told = server.get("/workflow_templates")["chrominance"]
    assert set(told) == {path.stem for path in WORKFLOWS}
    blueprints = server.get("/global_subgraphs").values()
    ours = {b["name"] for b in blueprints if b["info"]["node_pack"].endswith(".chrominance")}
    assert ours == {p.stem for p in (ROOT / "subgraphs").glob("*.json")}
    words = server.get("/i18n")
    assert words["de"]["nodeDefs"]["ChrominanceAutoColorize"]["display_name"]
    ours = {name for name in server.get("/object_info") if name.startswith("Chrominance")}
    assert ours == set(words["en"]["nodeDefs"])
    code = {f"/extensions/chrominance/{name}.js" for name in ("compare", "hints", "palette")}
    assert code <= set(server.get("/extensions"))


def test_intermediate_results_may_be_half_precision(tmp_path, server):
    """The same pictures come out, within what half precision holds."""
    half = Server(tmp_path, "--fp16-intermediates")
    try:
        for name in ("colorize_a_photo", "recolor_an_illustration", "colorize_with_hints"):
            pair = [_result(one, prompt_of(name)) for one in (server, half)]
            with Image.open(pair[0]) as full, Image.open(pair[1]) as rounded:
                differences = [abs(a - b) for a, b in zip(full.tobytes(), rounded.tobytes(), strict=True)]
            assert max(differences) <= 3, name
    finally:
        half.stop()


def _result(server: Server, prompt: dict) -> Path:
    return next(f for f in files_of(server, server.run(prompt)) if f.parent.name == "Chrominance")
