from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data, metrics
from torch import nn

from chrominance.benchmarks import quality, quality_clips, quality_hints
from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.models.contract import Chroma, Colorizer, ModelSpec
from chrominance.pipelines.photo_set import PhotoSet

GREY_HEADINGS = ("AuC rebal.", "PSNR dB", "within 2 %")


class HintColorizer(Colorizer):
    """Gives the mean of its hints everywhere, and exactly the hint where there is one."""

    spec = ModelSpec("hints", "Hints", "none", "Apache-2.0", "Apache-2.0", conditions=frozenset({"local"}))

    def __init__(self):
        self.network = nn.Linear(1, 1)
        self.seen = []

    def _colorize(self, L, conditions, *, size, temperature):
        self.seen.append(conditions)
        ab = torch.zeros(len(L), 2, *L.shape[2:])
        if conditions.local_ab is not None:
            sure = conditions.local_confidence
            mean = (conditions.local_ab * sure).sum((2, 3), keepdim=True) / sure.sum((2, 3), keepdim=True)
            ab = torch.where(sure > 0, conditions.local_ab, mean)
        return Chroma(ab, torch.ones_like(L))


@pytest.fixture
def photos(tmp_path):
    """Three small photos as a set."""
    pictures = (data.coffee(), data.chelsea(), data.astronaut())
    for name, pixels in zip("abc", pictures, strict=True):
        Image.fromarray(pixels).resize((60, 40)).save(tmp_path / f"{name}.png")
    return PhotoSet([tmp_path])


def by_means(rgb):
    means = rgb.mean((2, 3))
    return means, means


def test_grey_keeps_the_lightness_and_scores_as_scikit_image_says(photos):
    truth = quality.photo_tensor(photos, 0)
    grey = quality.grey(truth)
    assert rgb_to_lab(grey)[:, 1:].abs().max() < 0.01
    assert (rgb_to_lightness(grey) - rgb_to_lightness(truth)).abs().max() < 0.01
    expected = [
        metrics.peak_signal_noise_ratio(t.numpy(), (g * 255).round().numpy() / 255, data_range=1)
        for t, g in ((t, quality.grey(t)) for t in (quality.photo_tensor(photos, i) for i in range(3)))
    ]
    figures = quality.score(photos, None)
    assert figures["psnr"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert all(np.isfinite(figures[key]) for key, _ in quality.COLUMNS)


def test_the_originals_score_full_and_the_limit_counts(photos):
    seen = []

    def perfect(given, truth, index):
        seen.append(index)
        return truth

    figures = quality.measure(photos, perfect, limit=2, classify=by_means)
    assert seen == [0, 1]
    assert figures["auc"] == figures["top1"] == 100
    assert figures["frechet"] == pytest.approx(0, abs=1e-9)


def test_the_table_shows_what_was_measured(photos):
    grey = quality.measure(photos, quality.colour_grey)
    lines = quality.table([("grey", grey)]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "Fréchet" not in lines[0]
    assert lines[-1].startswith("| originals | 100.00 | 100.00 |  | 0.00 |")
    assert "nan" not in "".join(lines)
    seen = quality.measure(photos, quality.colour_grey, classify=by_means)
    assert "Fréchet" in quality.table([("grey", grey), ("again", seen)])


def test_hints_are_patches_of_the_true_mean_colour(photos):
    truth = quality.photo_tensor(photos, 0)
    ab = rgb_to_lab(truth)[0, 1:]
    hints = quality_hints.true_hints(truth, 1, torch.Generator().manual_seed(3))
    rows, columns = np.nonzero(hints.local_confidence[0, 0].numpy())
    patch = (slice(None), slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    assert len(rows) == 9
    assert torch.allclose(
        hints.local_ab[0][patch], ab[patch].mean((1, 2), keepdim=True).expand(2, 3, 3), atol=1e-4
    )
    assert hints.local_ab[0][:, hints.local_confidence[0, 0] == 0].abs().max() == 0


def test_hints_at_the_edge_are_the_mean_of_what_is_inside():
    truth = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    hints = quality_hints.true_hints(truth, 1, torch.Generator())
    mean = rgb_to_lab(truth)[0, 1:].mean((1, 2), keepdim=True)
    assert torch.allclose(hints.local_ab[0], mean.expand(2, 2, 2), atol=1e-4)
    assert hints.local_confidence.min() == 1


def test_more_hints_keep_those_that_were_there(photos):
    truth = quality.photo_tensor(photos, 1)
    few, many = (quality_hints.true_hints(truth, n, torch.Generator().manual_seed(5)) for n in (3, 30))
    assert (many.local_confidence >= few.local_confidence).all()
    assert few.local_confidence.sum() < many.local_confidence.sum()
    with pytest.raises(ValueError, match="got -1"):
        quality_hints.true_hints(truth, -1, torch.Generator())


def test_psnr_rises_with_hints_that_are_taken(photos):
    colorizer = HintColorizer()
    values = [
        quality.measure(photos, quality_hints.colour_by_hints(colorizer, None, n))["psnr"]
        for n in (0, 1, 500)
    ]
    assert values[0] == pytest.approx(quality.score(photos, None)["psnr"], abs=1e-3)
    assert values[2] > values[0] + 1
    assert colorizer.seen[0].names() == frozenset()
    assert colorizer.seen[3].names() == {"local"}
    # The same points again for the same seed, others for another photo.
    quality.measure(photos, quality_hints.colour_by_hints(colorizer, None, 1))
    assert torch.equal(colorizer.seen[-3].local_ab, colorizer.seen[3].local_ab)
    assert not torch.equal(colorizer.seen[3].local_confidence, colorizer.seen[4].local_confidence)


def test_hints_for_a_colorizer_that_takes_none_are_refused(photos):
    colorizer = HintColorizer()
    colorizer.spec = ModelSpec("deaf", "Deaf", "none", "Apache-2.0", "Apache-2.0")
    colour = quality_hints.colour_by_hints(colorizer, None, 1)
    with pytest.raises(ValueError, match="Deaf knows these conditions: none"):
        quality.measure(photos, colour)


def test_the_hint_table():
    text = quality_hints.hint_table((0, 10), [("Some", [22.0, 25.5])])
    assert text.splitlines() == ["| hints | 0 | 10 |", "| --- | ---: | ---: |", "| Some | 22.00 | 25.50 |"]


def test_clips_are_measured_beside_originals_and_grey(tmp_path):
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    folder = tmp_path / "clip"
    folder.mkdir()
    for i in range(7):
        Image.fromarray(data.astronaut()[100:180, 100 + 3 * i : 220 + 3 * i]).save(folder / f"{i:03d}.png")
    rows = dict(quality_clips.score_clips([folder], [], limit=6))
    assert rows["grey"]["colorfulness"] == pytest.approx(0, abs=0.05)
    assert np.isnan(rows["grey"]["warp_error"])
    assert rows["originals"]["colorfulness"] > 10
    assert 0 < rows["originals"]["warp_error"] < 0.1
    assert rows["originals"]["cdc"] > 0
    lines = quality_clips.clip_table(list(rows.items())).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1].count("|  |") == 1


def test_the_command_prints_tables(tmp_path, capsys):
    Image.fromarray(data.coffee()).resize((60, 40)).save(tmp_path / "a.png")
    arguments = ["--photos", str(tmp_path), "--model", "--no-classifier"]
    assert quality.main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("1 photos")
    assert all(heading in printed for heading in GREY_HEADINGS)
    for wrong, words in (
        ([], "nothing to measure"),
        (["--clips", "x", "--hints"], "add --photos"),
        ([*arguments, "--limit", "0"], "at least 1, got 0"),
        (["--clips", "x", "--limit", "4"], "from 5 frames up"),
    ):
        with pytest.raises(SystemExit):
            quality.main(wrong)
        assert words in capsys.readouterr().err


def test_without_the_classifier_the_package_and_the_way_round_it_are_named(tmp_path, capsys, monkeypatch):
    def missing():
        raise ModuleNotFoundError("pip install it")

    Image.fromarray(data.coffee()).resize((60, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(quality, "load_classifier", missing)
    with pytest.raises(SystemExit):
        quality.main(["--photos", str(tmp_path), "--model"])
    assert "pip install it; or leave these measures out with --no-classifier" in capsys.readouterr().err
