from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from chrominance.models import CheckpointError, load_colorizer
from chrominance.nodes import host
from chrominance.nodes import retrieval as node
from chrominance.nodes.retrieval import FindReference
from chrominance.pipelines import retrieval_folder
from chrominance.pipelines.retrieval_file import INDEX_NAME


def picture(number, height=48, width=64):
    """Colourful blobs, different for every number: an IMAGE [1,H,W,3]."""
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(number))
    rgb = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)
    return rgb.mul(255).round().div(255).movedim(1, -1)


def save(image, path):
    Image.fromarray(image[0].mul(255).round().byte().numpy()).save(path)


@pytest.fixture
def folder(tmp_path):
    """Five pictures in ComfyUI's input folder; number 3 is of another size."""
    folder = tmp_path / "input" / "colour"
    (folder / "sub").mkdir(parents=True)
    for number in range(5):
        size = (90, 50) if number == 3 else (48, 64)
        save(picture(number, *size), folder / ("sub" if number == 4 else "") / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def embedded():
    return load_colorizer("embedded")


@pytest.fixture
def colorizer(embedded):
    return host._host(embedded)


def find(image, folder, count=1, **more):
    return FindReference.execute(image, str(folder), count, **more).args


def listed(report):
    """Return the picture's number and the reference's name of every row of the table."""
    rows = [line.split("|") for line in report.splitlines() if line.startswith("|")][2:]
    return [(int(row[1]), row[2].strip()) for row in rows]


def test_each_picture_finds_itself_and_the_best_come_first(folder, colorizer):
    image = torch.cat([picture(1), picture(4), picture(0)])
    best, references, report = find(image, "colour", 3, colorizer=colorizer)
    assert best.shape == (3, 48, 64, 3) and references.shape == (9, 48, 64, 3)
    # The same bytes as the files', though only lightness was looked at.
    torch.testing.assert_close(best, image, atol=1e-6, rtol=0)
    assert torch.equal(references[::3], best)
    assert [number for number, _ in listed(report)] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [name for _, name in listed(report)][::3] == ["1.png", "sub/4.png", "0.png"]
    assert f"{folder}: 5 references" in report


def test_what_is_given_needs_no_colour(folder, colorizer):
    grey = picture(2).mean(-1, keepdim=True)
    for image in (grey, torch.cat([grey.expand(-1, -1, -1, 3), torch.rand(1, 48, 64, 1)], -1), grey.half()):
        best, _, report = find(image, folder, colorizer=colorizer)
        assert listed(report) == [(1, "2.png")]
        torch.testing.assert_close(best, picture(2), atol=1e-6, rtol=0)


def test_references_of_other_sizes_are_cropped_not_squashed(folder, colorizer):
    image = torch.cat([picture(0), F.interpolate(picture(3, 90, 50).movedim(-1, 1), (48, 64)).movedim(1, -1)])
    best, _, report = find(image, folder, colorizer=colorizer)
    assert listed(report) == [(1, "0.png"), (2, "3.png")] and best.shape == (2, 48, 64, 3)
    # 90 x 50 at the aspect of 48 x 64: its 38 middle rows, every column.
    middle = picture(3, 90, 50)[:, 26:64]
    expected = F.interpolate(middle.movedim(-1, 1), (48, 64), mode="bilinear").movedim(1, -1)
    assert (best[1:] - expected).abs().mean() < 0.01
    alone = find(image[1:], folder, colorizer=colorizer)[0]
    torch.testing.assert_close(alone, picture(3, 90, 50), atol=1e-6, rtol=0)


def test_large_references_are_scaled_down(folder, colorizer, monkeypatch):
    monkeypatch.setattr(node, "LONGEST_SIDE", 45)
    best, _, _ = find(picture(3, 90, 50), folder, colorizer=colorizer)
    assert best.shape == (1, 45, 25, 3)


def test_there_may_be_fewer_than_asked_for(folder, colorizer):
    best, references, report = find(picture(0), folder, 16, colorizer=colorizer)
    assert len(best) == 1 and len(references) == 5 and len(listed(report)) == 5


def test_the_folder_is_read_once(folder, colorizer, monkeypatch):
    import comfy.utils

    find(picture(0), folder, colorizer=colorizer)
    assert (folder / INDEX_NAME).is_file()
    read = []
    monkeypatch.setattr(
        retrieval_folder,
        "load_small",
        lambda path, side, load=retrieval_folder.load_small: read.append(path.name) or load(path, side),
    )
    save(picture(7), folder / "7.png")
    (folder / "1.png").unlink()
    report = find(torch.cat([picture(7), picture(1)]), folder, colorizer=colorizer)[2]
    assert read == ["7.png"]
    assert listed(report)[0] == (1, "7.png") and "1.png" not in report
    bars = comfy.utils.ProgressBar.made
    # One for each file that is read and each picture that is looked for.
    assert [(bar.current, bar.total) for bar in bars] == [(6, 6), (3, 3)]


def test_cancel_keeps_what_is_read(folder, colorizer, monkeypatch):
    import comfy.model_management as management

    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        find(picture(0), folder, colorizer=colorizer)
    assert not list(folder.glob("*.part"))
    assert len(listed(find(picture(0), folder, 16, colorizer=colorizer)[2])) == 5


def test_it_runs_again_when_the_folder_changes(folder):
    def mark(name="colour"):
        return FindReference.fingerprint_inputs(folder=name, count=1, image=None)

    first = mark()
    assert isinstance(first, str) and mark() == first == mark(str(folder))
    save(picture(9), folder / "sub" / "9.png")
    more = mark()
    assert more != first
    os.utime(folder / "0.png", ns=(1, 1))
    changed = mark()
    assert changed != more
    (folder / ".hidden").touch()
    assert mark() == changed
    for never in (None, "none", ""):
        assert math.isnan(mark(never))


def test_without_a_colorizer_the_embedded_network_is_used(folder):
    report = find(picture(4), folder)[2]
    assert listed(report) == [(1, "sub/4.png")]
    assert len(host.model_cache()) == 1


@pytest.mark.parametrize(
    ("folder_name", "message"),
    [
        ("", "folder is empty"),
        ("  ", "folder is empty"),
        ("none", "no such folder"),
        ("../outside", "leads out of ComfyUI's input folder"),
        ("colour/0.png", "a file, not a folder"),
        ("empty", "put colour pictures there"),
        ("grey", r"grey\.png: grey or toned"),
    ],
)
def test_wrong_folders_are_refused(folder, colorizer, folder_name, message):
    for name in ("empty", "grey"):
        (folder.parent / name).mkdir()
    Image.new("L", (9, 9), 90).save(folder.parent / "grey" / "grey.png")
    (folder.parents[1] / "outside").mkdir()
    with pytest.raises(ValueError, match=message):
        find(picture(0), folder_name, colorizer=colorizer)


def test_other_networks_are_refused(folder, hosted):
    with pytest.raises(ValueError, match="gives no features"):
        find(picture(0), folder, colorizer=hosted)
    with pytest.raises(ValueError, match="Load Colorizer"):
        find(picture(0), folder, colorizer="a colorizer of another pack")


def test_damaged_weights_are_named_before_anything_is_indexed(folder, embedded):
    def damaged():
        raise CheckpointError("tensor head.weight holds NaN")

    broken = type(embedded)(embedded.network, replace(embedded.spec))
    broken.before_first_use = damaged
    with pytest.raises(CheckpointError, match="holds NaN"):
        find(picture(0), folder, colorizer=host._host(broken))
    assert not (folder / INDEX_NAME).exists()


def test_a_bar_in_a_name_does_not_break_the_table(tmp_path, colorizer):
    if os.name == "nt":
        pytest.skip("no such names")
    (tmp_path / "bars").mkdir()
    save(picture(0), tmp_path / "bars" / "a|b.png")
    report = find(picture(0), Path(tmp_path / "bars"), colorizer=colorizer)[2]
    assert "| 1 | a\\|b.png | " in report
