from __future__ import annotations

import os
import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.pipelines import retrieval_folder
from chrominance.pipelines.retrieval_features import SIDE
from chrominance.pipelines.retrieval_file import RetrievalError
from chrominance.pipelines.retrieval_folder import Changes, folder_pictures, load_references


@pytest.fixture
def folder(tmp_path):
    for number in range(7):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 9, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def test_the_order_of_reading_is_a_shuffle_that_stays(folder):
    names = [f"{number:03d}.jpg" for number in range(400)]
    changes = Changes(dict.fromkeys(names[:300], (1, 1)), dict.fromkeys(names[300:], (2, 2)), ("gone.jpg",))
    order = list(changes.to_read)
    assert sorted(order) == names and list(changes.to_read) == order
    again = Changes(dict.fromkeys(reversed(names), (1, 1)), {}, ())
    assert list(again.to_read) == order
    # A fair sample: of the first half, about half is of the first half of the names.
    assert 80 < sum(name < "200.jpg" for name in order[:200]) < 120
    assert changes.to_read["350.jpg"] == (2, 2)


def test_changes_in_words():
    stamp = {"a": (1, 1)}
    assert str(Changes(stamp, stamp, ("b", "c"))) == "1 new, 1 changed, 2 gone"
    assert not Changes({}, {}, ()) and str(Changes({}, {}, ())) == "nothing changed"
    assert Changes({}, {}, ("b",)) and Changes({}, stamp, ()) and Changes(stamp, {}, ())


def test_pictures_of_a_folder_with_their_stamps(folder):
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "0.png").rename(folder / "sub" / "deep" / "0.PNG")
    (folder / "folder.png").mkdir()
    (folder / "notes.txt").touch()
    os.utime(folder / "1.png", ns=(5, 7_000))
    there = dict(folder_pictures(folder))
    assert set(there) == {"sub/deep/0.PNG", *(f"{number}.png" for number in range(1, 7))}
    assert there["1.png"] == ((folder / "1.png").stat().st_size, 7_000)


@pytest.mark.skipif(os.name == "nt", reason="links take a privilege there")
def test_links_to_files_count_and_links_to_folders_do_not(folder):
    (folder / "link.png").symlink_to(folder / "1.png")
    (folder / "dead.png").symlink_to(folder / "none.png")
    (folder / "loop").symlink_to(folder)
    assert set(dict(folder_pictures(folder))) == {"link.png", *(f"{number}.png" for number in range(7))}


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(RetrievalError, match="cannot be read"):
        list(folder_pictures(tmp_path / "none"))


def test_batches_are_full_and_in_order_and_each_file_counts_once(folder):
    (folder / "2.png").write_text("no picture")
    Image.new("L", (9, 9), 60).save(folder / "4.png")
    names = [f"{number}.png" for number in range(7)]
    done, skipped = [], {}
    batches = list(load_references(folder, names, done.append, skipped.__setitem__, batch=2))
    assert [group for group, _ in batches] == [["0.png", "1.png"], ["3.png", "5.png"], ["6.png"]]
    assert [rgb.shape for _, rgb in batches] == [(2, 3, SIDE, SIDE)] * 2 + [(1, 3, SIDE, SIDE)]
    assert done == [1] * 7
    assert set(skipped) == {"2.png", "4.png"} and skipped["4.png"] == retrieval_folder.COLORLESS
    assert str(folder) not in skipped["2.png"]


def test_reading_ahead_is_bounded_and_ends_with_the_caller(folder, monkeypatch):
    read, lock = [], threading.Lock()

    def load(path, side):
        with lock:
            read.append(path.name)
        return torch.rand(3, side, side)

    monkeypatch.setattr(retrieval_folder, "load_small", load)
    names = [f"{number}.png" for number in range(1000)]
    with closing(load_references(folder, names, lambda n: None, lambda *a: None, batch=3)) as batches:
        next(batches)
        next(batches)
    assert 6 <= len(read) <= 12
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("references")]
