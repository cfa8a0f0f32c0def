"""A stand-in for the network, and what else the tests of `chrominance colorize` share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chrominance import models
from chrominance.__main__ import main
from chrominance.models.contract import Chroma, Colorizer, ModelSpec


class Tint(Colorizer):
    """One colour for everything; remembers what it was asked."""

    def __init__(self, temperature: float | None = 0.4) -> None:
        self.spec = ModelSpec("tint", "Tint", "", "", "", size=16, multiple=1, temperature=temperature)
        self.network = torch.nn.Linear(1, 1)
        self.asked: list[tuple] = []

    def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
        self.asked.append((len(L), size, temperature))
        ab = torch.tensor([12.0, 25.0]).reshape(1, 2, 1, 1).expand(len(L), 2, 4, 4)
        return Chroma(ab, torch.ones(len(L), 1, 4, 4))


@pytest.fixture
def tint(monkeypatch) -> Tint:
    """Put a stand-in where models are loaded."""
    colorizer = Tint()
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: colorizer)
    return colorizer


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for n, name in enumerate(("a.png", "b.jpg", "sub/c.tif")):
        values = np.random.default_rng(n).integers(0, 256, (10 + n, 14)).astype(np.uint8)
        Image.fromarray(values).save(folder / name)
    return folder


def run(*arguments: object) -> int:
    return main(["colorize", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def shell(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chrominance", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
