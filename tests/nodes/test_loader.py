from __future__ import annotations

import os

import pytest
import torch

from chrominance.models import ModelCache
from chrominance.nodes import host
from chrominance.nodes.loader import LoadColorizer


@pytest.fixture
def cache(plain, tmp_path, monkeypatch):
    """A cache whose files are empty and whose every model is the plain one."""
    folder = tmp_path / "models" / "colorization"
    folder.mkdir(parents=True)
    (folder / "one.pth").write_bytes(b"PK\x03\x04 a checkpoint as far as the cache looks")
    cache = ModelCache(2, lambda path, dtype: plain, wrap=host._host)
    monkeypatch.setattr(host, "model_cache", lambda: cache)
    return cache


def test_a_model_is_loaded_once_a_type(cache):
    first = LoadColorizer.execute("one.pth", "fp32")[0]
    assert LoadColorizer.execute("one.pth", "fp32")[0] is first
    assert cache.loads == 1
    LoadColorizer.execute("one.pth", "bf16")
    assert cache.loads == 2


def test_a_replaced_file_is_loaded_again(cache, tmp_path):
    path = tmp_path / "models" / "colorization" / "one.pth"
    before = LoadColorizer.fingerprint_inputs("one.pth", "auto")
    LoadColorizer.execute("one.pth", "auto")
    os.utime(path, (1, 1))
    assert LoadColorizer.fingerprint_inputs("one.pth", "auto") != before
    LoadColorizer.execute("one.pth", "auto")
    assert cache.loads == 2


def test_the_embedded_network_has_a_fingerprint():
    assert LoadColorizer.fingerprint_inputs("embedded", "auto") == ("embedded", 0.0)


def test_one_cache_serves_all_nodes():
    assert host.model_cache() is host.model_cache()
    assert host.model_cache().capacity == host.CACHED_COLORIZERS


def test_a_bad_checkpoint_is_one_clear_line(tmp_path):
    path = tmp_path / "models" / "colorization" / "text.pth"
    path.parent.mkdir(parents=True)
    path.write_text("this is no checkpoint, it is only called one")
    with pytest.raises(ValueError, match=r"text\.pth.*text file") as caught:
        LoadColorizer.execute("text.pth", "auto")
    assert "\n" not in str(caught.value)


def test_dtype_names_are_those_of_the_cache():
    assert set(host.DTYPES.values()) == {torch.float32, torch.bfloat16, torch.float16}


def test_what_is_published_and_not_here_is_marked(tmp_path):
    folder = tmp_path / "models" / "colorization"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "siggraph17-df00044c.pth").write_bytes(b"here")
    options = {i.id: i for i in LoadColorizer.define_schema().inputs}["model_name"].options
    assert "siggraph17-df00044c.pth" in options
    marked = [name for name in options if "chrominance models fetch" in name]
    assert "eccv16 (not here: chrominance models fetch eccv16)" in marked
    assert not any(name.startswith("siggraph17 ") for name in marked)
    assert options.index(marked[0]) > options.index("siggraph17-df00044c.pth")
    with pytest.raises(FileNotFoundError, match=r"chrominance models fetch eccv16` \(129 MB, weights: BSD-2"):
        LoadColorizer.execute(marked[0], "auto")


def test_what_the_command_line_fetched_is_found(tmp_path):
    import folder_paths

    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "own.pth").write_bytes(b"here")
    (folders, _) = folder_paths.folder_names_and_paths["colorization"]
    assert folders == [str(tmp_path / "models" / "colorization"), str(tmp_path / "fetched")]
    assert "own.pth" in host.colorizer_names()


def test_the_loader_tells_the_licences():
    about = LoadColorizer.execute("embedded", "fp32")[1].splitlines()
    assert about[-1] == "weights: Apache-2.0" and len(about) >= 3
