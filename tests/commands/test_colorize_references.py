"""`chrominance colorize --reference`, and results as published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from chrominance import models
from chrominance.__main__ import main
from chrominance.models.contract import Published

from .conftest import Tint, names, run


class Square(Tint):
    """Published in squares of 8, its blue the reference's mean."""

    def _as_published(self, rgb, reference, size, state) -> Published:
        out = torch.full((3, size or 8, size or 8), 0.5)
        out[2] = 0.25 if reference is None else reference.float().mean() / 255
        return Published(out, torch.zeros(1, 2, 4, 4))


@pytest.fixture
def astronauts(tmp_path: Path) -> Path:
    """A colour photo, part of it in grey, and the whole as a clip of two frames."""
    photo = Image.fromarray(data.astronaut()).resize((192, 192))
    photo.save(tmp_path / "photo.png")
    photo.crop((16, 8, 176, 188)).convert("L").save(tmp_path / "grey.png")
    (tmp_path / "clip").mkdir()
    for number in (0, 1):
        photo.convert("L").save(tmp_path / "clip" / f"{number}.png")
    return tmp_path


def psnr_to(path: Path, true: Image.Image) -> float:
    pair = (np.asarray(image.convert("RGB"), float) for image in (Image.open(path), true))
    return peak_signal_noise_ratio(*pair, data_range=255)


def test_colour_from_a_reference(astronauts, capsys):
    photo = astronauts / "photo.png"
    true = Image.open(photo).crop((16, 8, 176, 188))
    for name, more in (("auto.png", ()), ("ours.png", ("--reference", str(photo)))):
        assert (
            main(["colorize", str(astronauts / "grey.png"), "-o", str(astronauts / name), "-q", *more]) == 0
        )
    assert psnr_to(astronauts / "ours.png", true) > psnr_to(astronauts / "auto.png", true) + 4


def test_the_warp_alone(astronauts):
    photo, out = astronauts / "photo.png", astronauts / "warp.png"
    assert (
        main(
            [
                "colorize",
                str(astronauts / "grey.png"),
                "--reference",
                str(photo),
                "--warp",
                "-o",
                str(out),
                "-q",
            ]
        )
        == 0
    )
    image = Image.open(out)
    assert image.mode == "RGBA"
    sure = np.asarray(image)[..., 3]
    assert sure.mean() > 170 and sure.min() < 128
    assert psnr_to(out, Image.open(photo).crop((16, 8, 176, 188))) > 24


def test_a_keyframe_of_a_clip(astronauts):
    photo = astronauts / "photo.png"
    command = ["colorize", str(astronauts / "clip"), "--clip", "-o", str(astronauts / "out"), "-q"]
    assert main([*command, "--reference", f"1:{photo}"]) == 0
    results = sorted((astronauts / "out").iterdir())
    assert len(results) == 2
    assert all(psnr_to(path, Image.open(photo)) > 30 for path in results)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--reference", "{0}/none.png"], 2, "none.png: no such file"),
        (["--reference", "{0}/grey.png"], 1, "grey.png has no colours to give: it is grey"),
        (["--reference", "3:{0}/photo.png"], 2, "bound to frame 3, and a picture has no frames"),
        (["--reference", "{0}/photo.png", "--variants", "2"], 2, "--reference goes without --hints and"),
        (["--trust", "0.5"], 2, "--features, --trust and --warp are for --reference"),
        (["--reference", "{0}/photo.png", "--features", "{0}/none.pth"], 1, "none.pth"),
    ],
)
def test_references_that_do_not_fit(astronauts, capsys, more, code, message):
    out = astronauts / "out.png"
    given = [one.format(astronauts) for one in more]
    assert main(["colorize", str(astronauts / "grey.png"), "-o", str(out), *given]) == code
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_model_that_takes_no_reference(astronauts, tint, capsys):
    given = ["--reference", str(astronauts / "photo.png"), "-o", str(astronauts / "out.png")]
    assert main(["colorize", str(astronauts / "grey.png"), *given]) == 1
    assert "Tint takes no reference: choose the embedded network" in capsys.readouterr().err


def test_as_published(monkeypatch, photos, tmp_path, capsys) -> None:
    square = Square()
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: square)
    out = tmp_path / "out.png"
    assert run(photos / "a.png", "-o", out, "--as-published") == 0
    with Image.open(out) as image:
        assert image.size == (8, 8) and image.getpixel((0, 0)) == (128, 128, 64)
    assert run(photos / "a.png", "-o", out, "--as-published", "--size", 16, "--overwrite") == 0
    with Image.open(out) as image:
        assert image.size == (16, 16)
    Image.new("RGB", (20, 20), (200, 200, 200)).save(tmp_path / "like.png")
    square.spec = replace(square.spec, conditions=frozenset({"global"}), required=frozenset({"global"}))
    like = ("--reference", tmp_path / "like.png")
    assert run(photos / "a.png", "-o", out, "--as-published", *like, "--overwrite") == 0
    with Image.open(out) as image:
        assert image.getpixel((0, 0)) == (128, 128, 200)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        Image.new("L", (12, 10), 60 * number).save(frames / f"{number}.png")
    assert run(frames, "-o", tmp_path / "done", "--clip", "--as-published", *like) == 0
    with Image.open(tmp_path / "done" / names(tmp_path / "done")[0]) as image:
        assert image.size == (8, 8)
    capsys.readouterr()
    for more, reason in (
        (("--strength", 0.5), "leaves strength"),
        (("--variants", 2), "goes with --size and --reference alone"),
        ((*like, "--trust", 1), "goes with --size and --reference alone"),
        ((*like, tmp_path / "like.png"), "takes one --reference"),
    ):
        assert run(photos / "a.png", "-o", tmp_path / "no.png", "--as-published", *more) == 2
        assert reason in capsys.readouterr().err
    tint = Tint()
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: tint)
    assert run(photos / "a.png", "-o", tmp_path / "no.png", "--as-published") == 2
    assert "no published way of its own" in capsys.readouterr().err
