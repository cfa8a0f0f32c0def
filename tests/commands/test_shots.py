"""The command that finds shots."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from chrominance.__main__ import main


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    number = 0
    for seed in (0, 1):
        small = torch.rand(1, 1, 9, 16, generator=torch.Generator().manual_seed(seed))
        picture = F.interpolate(small, (90, 160), mode="bicubic")[0, 0].clamp(0, 1)
        for _ in range(12):
            Image.fromarray((picture * 255).byte().numpy()).save(folder / f"{number:03}.png")
            number += 1
    return folder


def test_a_table_and_a_file(frames, tmp_path, capsys):
    out = tmp_path / "shots.json"
    assert main(["shots", str(frames), "--json", str(out), "--fps", "12"]) == 0
    assert json.loads(out.read_text()) == {"shots": [{"start": 0, "end": 12}, {"start": 12, "end": 24}]}
    said = capsys.readouterr().out.splitlines()
    assert said[1].split() == ["1", "0", "to", "11", "0:00:00.00"]
    assert said[2].split() == ["2", "12", "to", "23", "0:00:01.00"]


def test_what_cannot_be_read(tmp_path, capsys):
    assert main(["shots", str(tmp_path / "none.mp4")]) == 1
    (tmp_path / "text.mp4").write_text("no clip")
    assert main(["shots", str(tmp_path / "text.mp4"), "-q"]) == 1
    assert capsys.readouterr().err.count("\n") == 2
