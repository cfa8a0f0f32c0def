"""`chrominance colorize`, as a user calls it: mostly in this process, with a stand-in for the network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chrominance

from .conftest import names, run, shell

ROOT = Path(chrominance.__file__).parent


def test_a_picture(tint, photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "out.png") == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGB" and image.size == (14, 10)
    assert capsys.readouterr() == ("", f"chrominance: 1 coloured: {tmp_path / 'out.png'}\n")


def test_a_folder_and_a_rerun(tint, photos, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run(photos, "-o", out) == 0
    assert names(out) == names(photos)
    before = {name: (out / name).stat().st_mtime_ns for name in names(out)}
    (out / "sub" / "c.tif").unlink()
    assert run(photos, "-o", out) == 0
    said = capsys.readouterr().err
    assert "1 coloured, 2 there already" in said and said.endswith(f": {out / 'sub' / 'c.tif'}\n")
    assert len(tint.asked) == 4
    assert before["a.png"] == (out / "a.png").stat().st_mtime_ns
    assert run(photos, "-o", out, "--overwrite", "--quiet") == 0
    assert len(tint.asked) == 7
    assert capsys.readouterr() == ("", "")


def test_a_changed_input_does_not_replace_its_old_result(tint, photos, tmp_path, capsys) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    os.utime(out, (1000, 1000))
    assert run(photos / "a.png", "-o", out) == 1
    assert out.read_bytes() == b"precious"
    assert "--overwrite" in capsys.readouterr().err
    assert run(photos / "a.png", "-o", out, "--overwrite") == 0
    assert out.read_bytes() != b"precious"


def test_settings_reach_the_model(tint, photos, tmp_path) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "1.png", "--size", 32, "--temperature", 0.7) == 0
    assert tint.asked == [(1, 32, 0.7)]
    assert run(photos / "a.png", "-o", tmp_path / "2.png", "--strength", 0) == 0
    with Image.open(tmp_path / "2.png") as grey, Image.open(photos / "a.png") as source:
        assert np.array_equal(np.asarray(grey)[:, :, 1], np.asarray(source))
    assert run(photos / "a.png", "-o", tmp_path / "3.png", "--saturation", 0) == 0
    with Image.open(tmp_path / "3.png") as grey:
        assert np.ptp(np.asarray(grey).astype(int), axis=2).max() == 0


def test_a_clip_of_frames(tint, tmp_path, capsys) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for n in range(5):
        Image.new("L", (16, 12), 40 * n).save(frames / f"{n}.png")
    assert run("--clip", frames, "-o", tmp_path / "out", "--batch", 2) == 0
    assert len(names(tmp_path / "out")) == 5
    assert [asked[0] for asked in tint.asked] == [2, 2, 1]
    assert run(frames, "--clip", "-o", tmp_path / "out.mkv", "--codec", "ffv1", "--fps", 10) == 0
    import av

    with av.open(str(tmp_path / "out.mkv")) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == 10 and stream.codec_context.name == "ffv1"
        assert sum(1 for _ in film.decode(stream)) == 5
    assert run("--clip", frames, "-o", tmp_path / "out") == 0
    assert "there already" in capsys.readouterr().err


def test_the_embedded_network_colours_a_picture_and_frames(tmp_path) -> None:
    photo = ROOT / "samples" / "photo.jpg"
    frames = tmp_path / "frames"
    frames.mkdir()
    with Image.open(photo) as image:
        for n in range(3):
            image.convert("L").resize((65, 49)).save(frames / f"{n}.png")
    done = shell("colorize", "--clip", photo, frames, "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "",
        f"chrominance: 2 coloured: {Path('out', 'photo.jpg')}, {Path('out', 'frames')}\n",
    )
    assert names(tmp_path / "out") == [
        "frames/000000.png",
        "frames/000001.png",
        "frames/000002.png",
        "photo.jpg",
    ]
    with Image.open(tmp_path / "out/photo.jpg") as after, Image.open(photo) as before:
        assert after.size == before.size
        assert np.ptp(np.asarray(after).astype(int), axis=2).mean() > 5


def test_a_palette_for_a_picture_and_frames(tmp_path, capsys) -> None:
    with Image.open(ROOT / "samples" / "photo.jpg") as image:
        small = image.convert("L").resize((96, 72))
    (tmp_path / "frames").mkdir()
    for n in range(2):
        small.save(tmp_path / "frames" / f"{n}.png")
    small.save(tmp_path / "photo.png")
    blue = []
    for name, colors in (("warm", "#803020,#c08040"), ("cold", "#203060,#5080c0")):
        given = ("--clip", tmp_path / "photo.png", tmp_path / "frames", "-o", tmp_path / name)
        assert run(*given, "--palette", colors) == 0, capsys.readouterr().err
        assert names(tmp_path / name) == ["frames/000000.png", "frames/000001.png", "photo.png"]
        for one in names(tmp_path / name):
            with Image.open(tmp_path / name / one) as image:
                pixels = np.asarray(image.convert("RGB")).astype(float)
            blue.append((pixels[..., 2] - pixels[..., 0]).mean())
    assert min(blue[3:]) > max(blue[:3]) + 15


def test_shots_reach_the_stabiliser(tint, tmp_path, monkeypatch) -> None:
    pytest.importorskip("cv2")
    from chrominance.pipelines.stabilize import Stabilizer

    (tmp_path / "frames").mkdir()
    for n in range(6):
        Image.new("L", (20, 16), 90).save(tmp_path / "frames" / f"{n}.png")
    (tmp_path / "shots.json").write_text('{"shots": [{"start": 0, "end": 4}, {"start": 4, "end": 6}]}')
    begun = []
    monkeypatch.setattr(Stabilizer, "begin_shot", lambda self: begun.append(1))
    given = ("--clip", tmp_path / "frames", "-o", tmp_path / "out", "--stabilize")
    assert run(*given, "--shots", tmp_path / "shots.json") == 0
    assert len(begun) == 2 and len(names(tmp_path / "out")) == 6


def test_some_frames_of_a_clip_anew(tint, tmp_path, capsys) -> None:
    (tmp_path / "frames").mkdir()
    for n in range(6):
        Image.new("L", (20, 16), 60 + 10 * n).save(tmp_path / "frames" / f"{n}.png")
    given = ("--clip", tmp_path / "frames", "-o", tmp_path / "out")
    assert run(*given, "--frames", "2-3") == 1
    assert "redo frames of a clip that is finished" in capsys.readouterr().err
    assert run(*given) == 0
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")}
    assert run(*given, "--frames", "2-3", "--saturation", "0") == 0
    after = {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")}
    assert sorted(name for name in after if after[name] != before[name]) == ["000002.png", "000003.png"]
    with Image.open(tmp_path / "out" / "000002.png") as image:
        assert image.convert("RGB").getpixel((3, 3)) == (80, 80, 80)
    assert run(*given, "--frames", "4") == 0 and run(*given, "--frames", "4-6") == 1
    for wrong in ("3-2", "-1", "a", "1-"):
        with pytest.raises(SystemExit):
            run(*given, f"--frames={wrong}")
    assert run(tmp_path / "frames" / "0.png", "-o", tmp_path / "o.png", "--frames", "0") == 2
