from __future__ import annotations

from pathlib import Path

from PIL import Image

from chrominance.benchmarks import workflow_pictures

WORKFLOWS = Path(__file__).parents[2] / "workflows"


def test_each_picture_is_a_workflows_and_of_its_size():
    for name in workflow_pictures.MAKERS:
        assert (WORKFLOWS / f"{name}.json").exists()
        with Image.open(WORKFLOWS / f"{name}.jpg") as picture:
            assert 510 <= picture.width <= 512 and 510 <= picture.height <= 512


def test_a_picture_is_written(tmp_path):
    assert workflow_pictures.main(["-o", str(tmp_path), "--only", "colorize_a_clip"]) == 0
    with Image.open(tmp_path / "colorize_a_clip.jpg") as picture:
        assert picture.size == (512, 512)
        left, right = (picture.crop((x, 100, x + 150, 400)).convert("HSV") for x in (50, 300))
    # In grey at the left, in colour at the right.
    assert left.getextrema()[1][1] < 60 < right.getextrema()[1][1]
