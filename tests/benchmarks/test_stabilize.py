"""The table of steady colours, on a clip of a few frames."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("cv2")

from chrominance.benchmarks import stabilize
from chrominance.benchmarks.__main__ import BENCHMARKS
from chrominance.pipelines.video import Encoding, Frame, VideoInfo, VideoWriter


def test_the_table(tmp_path, capsys):
    assert "stabilize" in BENCHMARKS
    small = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    picture = F.interpolate(small, (80, 140))[0]
    info = VideoInfo("x", 128, 80, Fraction(24), Fraction(1, 24))
    writer = VideoWriter(tmp_path / "clip.mp4", info, Encoding("h264", crf=4))
    for n in range(7):
        writer.write(Frame(n, Fraction(n, 24), picture[:, :, n : n + 128].contiguous()))
    writer.finish()
    writer.commit()
    assert stabilize.main(["--clips", str(tmp_path), "--size", "64"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split("|")
    assert row[1].strip() == "clip" and 0 < float(row[5]) < 2 and 0.5 < float(row[9]) < 1.5
