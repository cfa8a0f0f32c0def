"""A real ComfyUI with this pack in it, in folders of its own, when COMFYUI_PATH names one.

COMFYUI_PYTHON: the interpreter of its environment, by default the one that runs the tests. It runs on the
processor; its pictures and clips are small.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage.data import coffee

ROOT = Path(__file__).parents[2]
COMFYUI = os.environ.get("COMFYUI_PATH")
PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)
START_SECONDS, RUN_SECONDS = 180, 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if not COMFYUI and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="COMFYUI_PATH names no ComfyUI"))


class Server:
    """A running ComfyUI."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        for name in ("custom_nodes", "input", "output", "models/checkpoints", "temp", "user"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        pack = folder / "custom_nodes" / "chrominance"
        if not pack.exists():
            pack.symlink_to(ROOT, target_is_directory=True)
            # As ComfyUI's own example, a colour picture: some workflows take colours from it.
            Image.fromarray(coffee()).resize((96, 80)).save(folder / "input" / "example.png")
            _small_clip(folder / "input" / "clip.mp4")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "log.txt"
        command = [PYTHON, "main.py", "--cpu", "--port", str(port), "--base-directory", str(folder)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*command, *arguments], cwd=COMFYUI, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.5)

    def _answers(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            self.get("/system_stats")
            return True
        return False

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def post(self, path: str, data: object) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def run(self, prompt: dict[str, Any]) -> dict[str, Any]:
        """Run a workflow in the API's form; return its outputs by node."""
        number = self.post("/prompt", {"prompt": prompt})["prompt_id"]
        end = time.monotonic() + RUN_SECONDS
        while number not in (done := self.get(f"/history/{number}")):
            assert time.monotonic() < end, "the run does not end"
            time.sleep(0.2)
        status = done[number]["status"]
        errors = [told.get("exception_message") for _, told in status["messages"]]
        assert status["status_str"] == "success", [error for error in errors if error]
        return done[number]["outputs"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def _small_clip(path: Path) -> None:
    """Write the first frames of the sample clip, small: enough for the keyframes that a workflow names."""
    import av

    with av.open(str(ROOT / "samples" / "clip.mp4")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number == 50:
                break
            small = frame.reformat(96, 64, "yuv420p")
            small.pts = None
            target.mux(stream.encode(small))
        target.mux(stream.encode(None))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("comfyui"))
    yield started
    started.stop()
