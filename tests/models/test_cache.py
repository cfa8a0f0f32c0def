"""One copy per (file, time of change, type): bounded, evictable, safe among threads."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref

import pytest
import safetensors.torch
import torch

from chrominance.models import ModelCache, NotAFileError, WrongShapeError, load_colorizer


class Model:
    def __init__(self, path, dtype):
        self.path, self.dtype = path, dtype


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.safetensors" for name in "abcd"]
    for path in paths:
        safetensors.torch.save_file({"w": torch.ones(1)}, path)
    return paths


def test_the_same_file_is_one_copy_however_it_is_named(files, tmp_path, monkeypatch):
    cache = ModelCache(4, Model)
    first = cache.get(files[0])
    monkeypatch.chdir(tmp_path)
    assert cache.get("a.safetensors") is first
    (tmp_path / "x").mkdir()
    assert cache.get(tmp_path / "x" / ".." / "a.safetensors") is first
    assert cache.loads == 1
    assert len(cache) == 1
    assert first.path == files[0].resolve()


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="symbolic links")
def test_a_link_is_the_file_it_names(files, tmp_path):
    (tmp_path / "link.safetensors").symlink_to(files[0])
    cache = ModelCache(4, Model)
    assert cache.get(tmp_path / "link.safetensors") is cache.get(files[0])


def test_another_type_is_another_copy(files):
    cache = ModelCache(4, Model)
    assert cache.get(files[0], torch.float16) is not cache.get(files[0])
    assert cache.get(files[0], torch.float16).dtype == torch.float16
    assert cache.loads == 2


def test_the_least_recently_used_goes_first_and_is_freed(files):
    cache = ModelCache(2, Model)
    a, b = cache.get(files[0]), weakref.ref(cache.get(files[1]))
    assert cache.get(files[0]) is a
    cache.get(files[2])
    gc.collect()
    assert b() is None
    assert len(cache) == 2
    assert cache.get(files[0]) is a
    assert cache.loads == 3
    cache.get(files[1])
    assert cache.loads == 4


def test_a_changed_file_is_loaded_anew_and_its_old_copy_dropped(files):
    cache = ModelCache(4, Model)
    old = weakref.ref(cache.get(files[0]))
    other = cache.get(files[1])
    changed = files[0].stat().st_mtime_ns + 1_000_000
    os.utime(files[0], ns=(changed, changed))
    new = cache.get(files[0])
    gc.collect()
    assert old() is None
    assert cache.get(files[0]) is new
    assert cache.get(files[1]) is other
    assert (cache.loads, len(cache)) == (3, 2)


def test_evict_and_clear(files):
    cache = ModelCache(4, Model)
    for path in files[:2]:
        cache.get(path)
        cache.get(path, torch.float16)
    assert cache.evict(files[0]) == 2
    assert cache.evict(files[0]) == 0
    files[1].unlink()
    assert cache.evict(files[1]) == 2
    assert len(cache) == 0
    cache.get(files[2])
    cache.clear()
    assert len(cache) == 0
    cache.get(files[2])
    assert cache.loads == 6


def test_wrap_makes_the_entry_once(files):
    wrapped = []

    def wrap(model):
        wrapped.append(model)
        return {"patcher of": model}

    cache = ModelCache(2, Model, wrap=wrap)
    entry = cache.get(files[0])
    assert cache.get(files[0]) is entry
    assert entry["patcher of"] is wrapped[0]
    assert len(wrapped) == 1


def test_threads_that_ask_for_one_model_get_one_load(files):
    started = threading.Barrier(8)

    def slow(path, dtype):
        time.sleep(0.05)
        return Model(path, dtype)

    cache, got = ModelCache(2, slow), []

    def ask():
        started.wait()
        got.append(cache.get(files[0]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.loads == 1
    assert len(got) == 8
    assert all(model is got[0] for model in got)


def test_a_load_under_way_does_not_hold_up_other_models_nor_leave_for_them(files):
    proceed, entered = threading.Event(), threading.Event()

    def load(path, dtype):
        if path.name == "a.safetensors":
            entered.set()
            assert proceed.wait(10)
        return Model(path, dtype)

    cache, got = ModelCache(1, load), []
    thread = threading.Thread(target=lambda: got.append(cache.get(files[0])))
    thread.start()
    assert entered.wait(10)
    cache.get(files[1])  # would hang if the lock were held
    second = threading.Thread(target=lambda: got.append(cache.get(files[0])))
    second.start()
    proceed.set()
    thread.join()
    second.join()
    assert got[0] is got[1]
    assert cache.loads == 2
    assert len(cache) == 1


def test_what_is_evicted_while_it_loads_is_not_kept(files):
    cache = ModelCache(2, lambda path, dtype: (cache.clear(), Model(path, dtype))[1])
    model = cache.get(files[0])
    assert isinstance(model, Model)
    assert len(cache) == 0


@pytest.mark.parametrize("failure", [WrongShapeError("w", (1,), (2,)), KeyboardInterrupt()])
def test_a_failure_reaches_the_asker_and_is_not_kept(files, failure):
    outcomes = [failure, None]

    def load(path, dtype):
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return Model(path, dtype)

    cache = ModelCache(2, load)
    with pytest.raises(type(failure)):
        cache.get(files[0])
    assert len(cache) == 0
    assert isinstance(cache.get(files[0]), Model)
    assert cache.loads == 2


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="capacity must be at least 1"):
        ModelCache(0, Model)
    with pytest.raises(NotAFileError):
        ModelCache(1, Model).get(tmp_path / "none.safetensors")


def test_with_a_real_loader(tmp_path, tiny):
    path = tmp_path / "tiny.safetensors"
    safetensors.torch.save_file(tiny.state(), path)
    cache = ModelCache(1, lambda path, dtype: load_colorizer(path, dtype=dtype, systems=(tiny.system(),)))
    assert cache.get(path) is cache.get(path)
    assert cache.get(path, torch.bfloat16).dtype == torch.bfloat16
