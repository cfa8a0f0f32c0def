"""A run's log as curves and as a figure; the sheet and the figures of a review."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from chrominance.models.embedded import EmbeddedNetwork
from chrominance.pipelines.photo_set import PhotoSet
from chrominance.training.plot import plot_log, read_log
from chrominance.training.review import Review


def write_log(folder, *lines):
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_log_becomes_curves(tmp_path):
    write_log(
        tmp_path,
        *(json.dumps({"samples": 10 * i, "time": i, "loss": 3 - i, "rate": 1}) for i in range(3)),
        json.dumps({"samples": 20, "time": 9, "psnr": 24}),
    )
    curves = read_log(tmp_path)
    assert curves == {
        "loss": ([0, 10, 20], [3, 2, 1]),
        "rate": ([0, 10, 20], [1, 1, 1]),
        "psnr": ([20], [24]),
    }
    pytest.importorskip("matplotlib")
    plot_log(tmp_path, tmp_path / "log.png")
    with Image.open(tmp_path / "log.png") as figure:
        assert figure.width > figure.height > 100
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "log.png"}


def test_what_is_no_log_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no log"):
        read_log(tmp_path)
    write_log(tmp_path, '{"samples": 1}', "half a li")
    with pytest.raises(ValueError, match="line 2"):
        read_log(tmp_path)
    write_log(tmp_path, "")
    with pytest.raises(ValueError, match=r"line 1|empty"):
        plot_log(tmp_path, tmp_path / "log.png")


def test_a_review_scores_and_shows_every_condition(tmp_path):
    for name in ("coffee", "chelsea"):
        Image.fromarray(getattr(data, name)()[:96, :128]).save(tmp_path / f"{name}.png")
    torch.manual_seed(0)
    network = EmbeddedNetwork().eval().requires_grad_(False)
    review = Review(PhotoSet([tmp_path]), tmp_path / "state", shown=2, size=64)
    figures = review(network, 7)
    assert {"psnr", "auc_rebalanced", "psnr_hints", "psnr_reference"} <= set(figures)
    assert all(np.isfinite(value) for value in figures.values())
    with Image.open(tmp_path / "state" / "samples-00000007.jpg") as sheet:
        assert sheet.size == (2 * 5 * 64, 64)
