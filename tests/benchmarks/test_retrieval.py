from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from chrominance.benchmarks import retrieval, scorecard
from chrominance.benchmarks.__main__ import BENCHMARKS
from chrominance.models.features_load import load_features
from chrominance.pipelines.retrieval import ReferenceIndex
from chrominance.pipelines.retrieval_features import LEVELS, PLACES, Description


@pytest.fixture(scope="module")
def extractor():
    return load_features()


@pytest.fixture(scope="module")
def described(extractor):
    pictures = retrieval.noise_pictures(8)
    return retrieval.describe_all(lambda i: pictures[i, None], 8, extractor, batch=3)


def kinds(count, each):
    """Describe ``count`` kinds of ``each`` pictures: those of a kind are alike, and no others."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(count, 1, 1, 320, generator=generator)
    features = centres + 0.1 * torch.randn(count, each, PLACES, 320, generator=generator)
    lightness = F.normalize(torch.randn(count * each, PLACES, LEVELS, generator=generator), dim=2)
    return Description(features.flatten(0, 1), lightness), [str(i // each) for i in range(count * each)]


def test_pictures_that_repeat_are_not_copies(described):
    many = retrieval.enlarge(described, 20)
    assert many.features.shape == (20, PLACES, 320) and many.lightness.shape == (20, PLACES, LEVELS)
    assert torch.equal(many.features[:8], described.features)
    torch.testing.assert_close(many.lightness.norm(dim=2), torch.ones(20, PLACES))
    assert not torch.equal(many.features[8], many.features[0])
    nearest = torch.cdist(many.features[8:16].mean(1), described.features.mean(1)).argmin(1)
    assert nearest.tolist() == list(range(8))
    assert len(retrieval.enlarge(described, 5).features) == 5


def test_an_index_of_descriptions_is_one_of_pictures(described, extractor, tmp_path):
    file = tmp_path / "mine.safetensors"
    retrieval.write_described(file, described, extractor)
    index = ReferenceIndex.load(tmp_path, file)
    pictures = retrieval.noise_pictures(8)
    assert [index.find(pictures[i, None], extractor, 1)[0].path.stem for i in range(8)] == [
        f"{i:06d}" for i in range(8)
    ]


def test_times_are_measured(described, extractor):
    times = retrieval.measure(described, retrieval.noise_pictures(1), extractor, count=40, repeats=2)
    assert times.pictures == 40 and 0 < times.search_ms < times.find_ms
    assert times.load_ms > 0 and times.described > 0 and 0.3 < times.megabytes < 2


def test_agreement_of_kinds_that_are_plain(extractor):
    described, groups = kinds(5, 8)
    same = retrieval.measure_agreement(described, groups, extractor)
    assert (same.targets, same.best, same.five) == (40, 100, 100)
    assert same.chance == pytest.approx(100 * 7 / 39)
    # The histograms are noise here.
    assert same.histogram < 50
    assert retrieval.measure_agreement(described, groups, extractor, limit=3).targets == 3


def test_agreement_where_the_groups_mean_nothing(extractor):
    described, _ = kinds(1, 60)
    groups = [str(number) for number in np.random.default_rng(0).integers(0, 2, 60)]
    same = retrieval.measure_agreement(described, groups, extractor)
    assert 25 < same.best < 75 and 35 < same.five < 65 and 40 < same.chance < 60
    with pytest.raises(ValueError, match="two pictures"):
        retrieval.measure_agreement(described, groups[:1], extractor)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    with (tmp_path / "photos.csv").open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["file", "category"])
        for number, picture in enumerate(retrieval.noise_pictures(6)):
            pixels = picture.mul(255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
            writer.writerow([f"{number}.png", "even" if number % 2 == 0 else "odd"])
    return tmp_path


def test_the_command_prints_times_and_agreement(photos, capsys):
    assert "retrieval" in BENCHMARKS
    threads = torch.get_num_threads()
    arguments = ["--photos", photos / "photos", "--categories", photos / "photos.csv"]
    code = retrieval.main([*map(str, arguments), "--pictures", "30", "--repeats", "1", "--targets", "4"])
    printed = capsys.readouterr().out
    assert code in (0, 1) and "30 pictures" in printed and "1 thread" in printed
    assert "4 targets among 6 photos of 2 categories" in printed
    assert "| chance | 40.0 % | |" in printed
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("milliseconds", "code"), [(49.0, 0), (51.0, 1)])
def test_a_slow_search_fails(milliseconds, code, monkeypatch, capsys):
    times = retrieval.RetrievalTimes(10_000, 5.0, milliseconds, 100.0, 80.0, 40.0)
    monkeypatch.setattr(retrieval, "measure", lambda *a, **k: times)
    monkeypatch.setattr(retrieval, "noise_pictures", lambda count=2: torch.rand(2, 3, 224, 224))
    assert retrieval.main([]) == code
    assert [row.met for row in scorecard.retrieval_rows(None)] == [code == 0]
    assert f"{milliseconds:.1f} ms (bar 50)" in capsys.readouterr().out


def test_wrong_arguments(capsys):
    for arguments in (
        ["--categories", "x.csv"],
        ["--pictures", "0"],
        ["--repeats", "-1"],
        ["--targets", "0"],
    ):
        with pytest.raises(SystemExit) as caught:
            retrieval.main(arguments)
        assert caught.value.code == 2
