"""The table of carried colours, on a small clip of a moving photo."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from chrominance.benchmarks import exemplar
from chrominance.color import rgb_to_lab
from chrominance.models import load_colorizer
from chrominance.pipelines.video import Encoding, Frame, VideoInfo, VideoWriter


def write_clip(path: Path, pictures: list[np.ndarray]) -> Path:
    height, width = pictures[0].shape[:2]
    info = VideoInfo(path.name, width, height, Fraction(25), Fraction(1, 25))
    writer = VideoWriter(path, info, Encoding("ffv1"))
    for number, pixels in enumerate(pictures):
        rgb = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        writer.write(Frame(number, Fraction(number, 25), rgb))
    writer.finish()
    writer.commit()
    return path


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """A camera that moves over a photo, and the same with a cut to another."""
    over, other = data.astronaut()[::2, ::2], data.coffee()[::2, ::2]
    moving = [over[10 + n : 138 + n, 3 * n : 160 + 3 * n] for n in range(4)]
    still = [other[10:138, 3 * n : 160 + 3 * n] for n in range(3)]
    return [
        write_clip(tmp_path / "moving.mkv", moving),
        write_clip(tmp_path / "cut.mkv", [*moving[:3], *still]),
    ]


def test_grey_is_measured_as_scikit_image_does(clips):
    found = exemplar.mean_psnr(clips[0], lambda frames, info: frames)
    pairs = zip(exemplar.grey_frames(clips[0]), exemplar.true_frames(clips[0]), strict=True)
    expected = [
        peak_signal_noise_ratio(
            np.round(true.rgb.numpy() * 255) / 255, np.round(grey.rgb.numpy() * 255) / 255, data_range=1
        )
        for grey, true in pairs
        if true.index
    ]
    assert len(expected) == 3
    assert found == pytest.approx(np.mean(expected), abs=1e-3)
    assert rgb_to_lab(next(exemplar.grey_frames(clips[0])).rgb[None])[:, 1:].abs().max() < 0.01


def test_ours_is_best_and_cuts_stand_apart(clips, capsys):
    colorizer = load_colorizer()
    rows = [exemplar.measure_clip(one, other, colorizer) for one, other in (clips, clips[::-1])]
    moving, cut = rows
    assert moving.cuts == () and moving.own is None
    assert moving.psnr["ours"] > moving.psnr["automatic"] + 5
    assert moving.psnr["both_ends"] > moving.psnr["ours"] > moving.psnr["warped"]
    assert cut.cuts == (3,)
    assert cut.own == 100
    assert cut.shots is not None and cut.shots > cut.psnr["ours"]
    lines = exemplar.table(rows).splitlines()
    assert lines[2].startswith(f"| moving | {moving.psnr['grey']:.2f} |")
    assert lines[3].startswith("| **mean** |")
    assert lines[4].startswith("| cut, cuts at 3 |")
    assert "one reference for each of 2 shots" in lines[6]


def test_what_is_promised_is_the_worst_of_the_clips():
    figures = dict.fromkeys((key for key, _ in exemplar.COLUMNS), 20.0)
    good = exemplar.ClipRow("a", {**figures, "ours": 25.0, "carried": 21.0, "both_ends": 26.0})
    bad = exemplar.ClipRow("b", {**figures, "ours": 19.0, "unrelated": 18.0, "both_ends": 19.5})
    cut = exemplar.ClipRow("c", {**figures, "automatic": 30.0, "unrelated": 29.0}, (4,), 90.0, 22.0)
    found = [(value, bar) for _, value, bar in exemplar.promised([good, bad, cut])]
    assert found == [(1.5, 2.5), (-1.0, -0.3), (0.75, 0.0), (-2.0, -0.5), (90.0, 95.0)]
    assert list(exemplar.promised([])) == []


def test_one_clip_is_not_enough(clips, capsys):
    with pytest.raises(SystemExit):
        exemplar.main(["--clips", str(clips[0])])
    assert "two clips at least" in capsys.readouterr().err
