"""`chrominance recolor`, `match` and `lut` as users run them."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from chrominance.__main__ import main
from chrominance.pipelines.lut import load_cube
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.pictures import Picture, load_picture, save_picture

PALETTES = ["--from", "#c06030,#203040,#e0e0e0", "--to", "#3060c0,#203040,#e0e0e0"]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "coffee.png"
    Image.fromarray(data.coffee()[::4, ::4]).save(path)
    return path


@pytest.fixture
def clip(tmp_path):
    """Six times the same frame, lossless."""
    path = tmp_path / "still.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(data.coffee()[:48, :64]), "rgb24")
            frame = frame.reformat(format="bgr0")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def frames(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def run(*arguments):
    return main([str(one) for one in arguments])


def test_pictures_and_clips_go_into_a_folder(photo, clip, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("recolor", photo, clip, "-o", out, "--codec", "ffv1", *PALETTES) == 0
    assert sorted(path.name for path in out.iterdir()) == ["coffee.png", "still.mkv"]
    assert "2 changed" in capsys.readouterr().err
    made = frames(out / "still.mkv")
    assert len(made) == 6 and all(np.array_equal(made[0], one) for one in made)
    assert not np.array_equal(made[0], frames(clip)[0])
    assert run("recolor", photo, clip, "-o", out, "--codec", "ffv1", *PALETTES) == 0
    assert "2 there already" in capsys.readouterr().err


def test_one_bad_file_stops_no_others(photo, tmp_path, capsys):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    out = tmp_path / "out"
    for command in (["recolor", *PALETTES], ["match", "--to", str(photo)]):
        assert run(command[0], bad, photo, "-o", out / command[0], *command[1:]) == 1
        assert "bad.png" in capsys.readouterr().err
        assert [path.name for path in (out / command[0]).iterdir()] == ["coffee.png"]


def test_sixteen_bits_and_alpha_stay(tmp_path):
    generator = torch.Generator().manual_seed(0)
    rgb = (torch.rand(3, 20, 30, generator=generator) * 65535).round() / 65535
    alpha = torch.rand(1, 20, 30, generator=generator)
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    save_picture(source, Picture(rgb, alpha, bits=16))
    before = load_picture(source)
    colors = "#c06030,#203040,#e0e0e0"
    assert run("recolor", source, "-o", target, "--from", colors, "--to", colors) == 0
    after = load_picture(target)
    assert after.bits == 16 and torch.equal(after.rgb, before.rgb)
    assert run("recolor", source, "-o", target, *PALETTES, "--overwrite") == 0
    after = load_picture(target)
    assert after.bits == 16 and not torch.equal(after.rgb, before.rgb)
    assert after.alpha is not None and before.alpha is not None and torch.equal(after.alpha, before.alpha)


def test_the_written_cube_does_what_the_command_did(photo, tmp_path, capsys):
    cube, first, second = tmp_path / "a.cube", tmp_path / "1.png", tmp_path / "2.png"
    assert run("recolor", photo, "-o", first, *PALETTES, "--cube", cube, "--cube-size", 65) == 0
    assert load_cube(cube).size == 65 and load_cube(cube).title == "a"
    assert run("lut", photo, "-o", second, "--cube", cube) == 0
    apart = (load_picture(first).rgb - load_picture(second).rgb).abs()
    assert apart.mean() < 0.5 / 255
    # Each picture has its own match.
    assert run("match", photo, first, "-o", tmp_path / "o", "--to", photo, "--cube", cube) == 2
    assert "give one input" in capsys.readouterr().err


def test_palettes_come_from_files_with_their_locks(photo, tmp_path):
    old = Palette.from_hex(["#c06030", "#203040", "#e0e0e0"])
    file = tmp_path / "old.json"
    file.write_text(old.with_locks([True, True, True]).to_json(), encoding="utf-8")
    out = tmp_path / "o.png"
    assert run("recolor", photo, "-o", out, "--from", file, "--to", "#000000,#ffffff,#00ff00") == 0
    assert torch.equal(load_picture(out).rgb, load_picture(photo).rgb)


@pytest.mark.parametrize("lightness", ["keep", "transfer"])
def test_without_a_source_each_picture_has_its_own(photo, tmp_path, lightness):
    other = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()[::4, ::4]).save(other)
    out = tmp_path / "out"
    assert run("recolor", photo, other, "-o", out, "--to", "#102040,#e0c090", "--lightness", lightness) == 0
    assert len(list(out.iterdir())) == 2


def test_a_mask_holds_and_must_fit(photo, tmp_path, capsys):
    mask, out = tmp_path / "mask.png", tmp_path / "o.png"
    samples = np.zeros((100, 150), np.uint8)
    samples[:, 75:] = 255
    Image.fromarray(samples).save(mask)
    assert run("match", photo, "-o", out, "--to", photo.parent / "coffee.png", "--mask", mask) == 0
    assert run("recolor", photo, "-o", out, *PALETTES, "--mask", mask, "--overwrite") == 0
    before, after = load_picture(photo).rgb, load_picture(out).rgb
    assert torch.equal(after[..., :75], before[..., :75]) and not torch.equal(after, before)
    Image.fromarray(samples[:50]).save(mask)
    assert run("recolor", photo, "-o", out, *PALETTES, "--mask", mask, "--overwrite") == 1
    assert "they must be of one size" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["reinhard", "monge-kantorovich", "sliced"])
def test_a_clip_is_matched_as_one(clip, photo, tmp_path, method):
    out = tmp_path / "o.mkv"
    command = ["match", clip, "-o", out, "--to", photo, "--method", method, "--codec", "ffv1"]
    assert run(*command, "--lightness", "transfer") == 0
    made = frames(out)
    assert len(made) == 6 and all(np.array_equal(made[0], one) for one in made)


def test_the_network_recolours_pictures_and_clips(photo, clip, tmp_path):
    out, other = tmp_path / "out", tmp_path / "rocket.png"
    Image.fromarray(data.rocket()[::8, ::8]).save(other)
    asked = ["--to", "#14213d,#2a6f97,#89c2d9", "--method", "neural"]
    assert run("recolor", photo, clip, "-o", out, "--codec", "ffv1", *asked) == 0
    before, made = load_picture(photo).rgb, load_picture(out / "coffee.png").rgb
    assert (made[2] - made[0]).mean() > (before[2] - before[0]).mean() + 0.1
    assert len(frames(out / "still.mkv")) == 6
    assert run("match", photo, "-o", tmp_path / "m.png", "--to", other, "--method", "neural") == 0
    matched = load_picture(tmp_path / "m.png").rgb
    assert (matched[2] - matched[0]).mean() > (before[2] - before[0]).mean() + 0.05


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["recolor", "--from", "#fff", "--to", "#000,#111"], 2, "equally many"),
        (["recolor", "--from", "#fff,#fff", "--to", "#000,#111"], 2, "are the same"),
        (["recolor", "--to", "red"], 2, "#rrggbb"),
        (["recolor", "--to", "none.json"], 2, "no such file"),
        (["match", "--to", "none.png"], 1, "no such file"),
        (["lut", "--cube", "none.cube"], 1, "cannot be read"),
        (["recolor", "--to", "#fff", "--mask", "none.png"], 1, "no such file"),
        (["recolor", "--to", "#fff", "--codec", "ffv1"], 2, "--codec is for clips"),
        (["recolor", "--to", "#fff", "--method", "neural", "--from", "#000"], 2, "needs no --from"),
        (["recolor", "--to", "#fff", "--method", "neural", "--cube", "o.cube"], 2, "no LUT holds it"),
        (["match", "--to", "none.png", "--method", "neural", "--cube", "o.cube"], 2, "no LUT holds it"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(arguments, code, message, photo, tmp_path, capsys):
    out = tmp_path / "o.png"
    assert run(arguments[0], photo, "-o", out, *arguments[1:]) == code
    printed = capsys.readouterr().err
    assert message in printed and "Traceback" not in printed and not out.exists()


def test_help_needs_no_torch():
    code = "import sys, chrominance.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for command in ("recolor", "match", "lut"):
        with pytest.raises(SystemExit) as caught:
            run(command, "--help")
        assert caught.value.code == 0
