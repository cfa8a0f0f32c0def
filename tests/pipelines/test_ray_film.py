"""Two local workers give the bytes of one process; killing one loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch

from chrominance.models import load_colorizer
from chrominance.pipelines.clip import process_clip
from chrominance.pipelines.clip_jobs import Film
from chrominance.pipelines.colorize import ColorizeSettings
from chrominance.pipelines.jobs import Job
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.ray_film import ClusterError, RayCluster, Recipe, make_coloring
from chrominance.pipelines.video import Encoding, VideoError

pytest.importorskip("ray")
if sys.platform == "win32":
    pytest.skip("Ray on Windows is not tested", allow_module_level=True)

SETTINGS = ColorizeSettings(size=32, saturation=1.5)


def recipe(**given) -> Recipe:
    palette = Palette.from_hex(["#803020", "#c08040"]).to_json()
    return Recipe(
        **{
            **{"model": "embedded", "device": "cpu", "dtype": "float32", "threads": 1, "settings": SETTINGS},
            **{"film": Film(), "batch": 2, "palette": palette},
            **given,
        }
    )


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_two_workers_and_a_lost_one(clips, tmp_path, one_thread):
    source = clips.make(tmp_path / "in.mp4", frames=40, sound="aac")
    stage = make_coloring(recipe(), load_colorizer()).stage(Job(source, tmp_path / "a.mp4", "clip"))
    given = {"key": {}, "encoding": Encoding(), "chunk": 4}
    process_clip(source, tmp_path / "a.mp4", stage, **given)
    killed: list[int] = []

    def kill_one(count: int) -> None:
        found = subprocess.run(["pgrep", "-f", "ray::work_on"], capture_output=True, text=True).stdout
        if not killed and (workers := found.split()):
            killed.append(int(workers[0]))
            os.kill(killed[0], signal.SIGKILL)

    with RayCluster("local", recipe(), 2) as cluster:
        assert cluster.workers == 2
        process_clip(source, tmp_path / "b.mp4", stage, **given, spread=cluster)
        process_clip(source, tmp_path / "c.mp4", stage, **given, spread=cluster, progress=kill_one)
        gone = clips.make(tmp_path / "gone.mp4", frames=4)

        def vanish(info, done) -> None:
            gone.rename(tmp_path / "elsewhere.mp4")

        with pytest.raises((ClusterError, VideoError), match=r"gone\.mp4"):
            process_clip(gone, tmp_path / "d.mp4", stage, **given, spread=cluster, on_info=vanish)
    assert killed
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()
    assert (tmp_path / "c.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


def test_workers_of_another_version_and_clusters_that_are_not_there(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", frames=4)
    old = recipe(version="0.0.1")
    stage = make_coloring(old, load_colorizer()).stage(Job(source, tmp_path / "a.mp4", "clip"))
    with RayCluster("local", old, 1) as cluster, pytest.raises(ClusterError, match=r"expected 0\.0\.1"):
        process_clip(source, tmp_path / "a.mp4", stage, key={}, spread=cluster)
    assert not (tmp_path / "a.mp4").exists()
    with pytest.raises(ClusterError, match="no Ray cluster at nonsense"):
        RayCluster("nonsense", recipe())
