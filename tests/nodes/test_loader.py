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
