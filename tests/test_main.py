"""The command line, as a user calls it: mostly in this process, with a stand-in for the network."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio

import chrominance
from chrominance import models
from chrominance.__main__ import main
from chrominance.color.ab_bins import BIN_COUNT, nearest_ab_bin
from chrominance.models.contract import Chroma, Colorizer, ModelSpec, Published

ROOT = Path(chrominance.__file__).parent


class Tint(Colorizer):
    """One colour for everything; remembers what it was asked."""

    def __init__(self, temperature: float | None = 0.4) -> None:
        self.spec = ModelSpec("tint", "Tint", "", "", "", size=16, multiple=1, temperature=temperature)
        self.network = torch.nn.Linear(1, 1)
        self.asked: list[tuple] = []

    def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
        self.asked.append((len(L), size, temperature))
        ab = torch.tensor([12.0, 25.0]).reshape(1, 2, 1, 1).expand(len(L), 2, 4, 4)
        return Chroma(ab, torch.ones(len(L), 1, 4, 4))


class Dice(Tint):
    """Red or blue."""

    def distribution(self, L, conditions=None, *, size=None) -> torch.Tensor:
        self.asked.append((len(L), size))
        logits = torch.full((1, BIN_COUNT, 6, 8), -9.0)
        for color in ([50.0, 40.0], [20.0, -50.0]):
            logits[:, nearest_ab_bin(torch.tensor(color), dim=0)] = 0
        return logits


@pytest.fixture
def dice(monkeypatch) -> Dice:
    """Put a stand-in with a distribution where models are loaded."""
    colorizer = Dice()
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: colorizer)
    return colorizer


@pytest.fixture
def tint(monkeypatch) -> Tint:
    """Put a stand-in where models are loaded."""
    colorizer = Tint()
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: colorizer)
    return colorizer


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for n, name in enumerate(("a.png", "b.jpg", "sub/c.tif")):
        values = np.random.default_rng(n).integers(0, 256, (10 + n, 14)).astype(np.uint8)
        Image.fromarray(values).save(folder / name)
    return folder


class Square(Tint):
    """Published in squares of 8, its blue the reference's mean."""

    def _as_published(self, rgb, reference, size, state) -> Published:
        out = torch.full((3, size or 8, size or 8), 0.5)
        out[2] = 0.25 if reference is None else reference.float().mean() / 255
        return Published(out, torch.zeros(1, 2, 4, 4))


def run(*arguments: object) -> int:
    return main(["colorize", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


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


def test_bad_files_are_named_and_the_others_done(tint, photos, tmp_path, capsys) -> None:
    (photos / "text.png").write_text("not a picture")
    data = (photos / "b.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(data[: len(data) // 2])
    (photos / "empty.mp4").touch()
    out = tmp_path / "out"
    assert run(photos, tmp_path / "absent.png", "-o", out) == 1
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith(("chrominance: ", "  ")) for line in said)
    for name in ("text.png", "cut.jpg", "empty.mp4", "absent.png"):
        assert sum(name in line for line in said if line.startswith("chrominance: error:")) == 1
        assert sum(name in line for line in said if line.startswith("  ")) == 1
    assert "chrominance: error: 4 failed:" in said and said[-1].startswith("chrominance: 3 coloured: ")
    assert names(out) == ["a.png", "b.jpg", "sub/c.tif"]


def test_versions_go_on_and_a_larger_number_keeps_the_first(dice, photos, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run(photos, "-o", out, "--variants", 3, "--seed", 5) == 0
    assert names(out) == [*(f"a-{n}.png" for n in (1, 2, 3)), *(f"b-{n}.jpg" for n in (1, 2, 3))] + [
        f"sub/c-{n}.tif" for n in (1, 2, 3)
    ]
    assert "9 coloured" in capsys.readouterr().err and len(dice.asked) == 3
    before = {name: (out / name).read_bytes() for name in names(out)}
    assert len(set(before.values())) > 3
    (out / "a-2.png").unlink()
    (out / "sub" / "c-1.tif").unlink()
    assert run(photos, "-o", out, "--variants", 3, "--seed", 5) == 0
    assert "2 coloured, 7 there already" in capsys.readouterr().err
    assert run(photos, "-o", out, "--variants", 4, "--seed", 5, "--overwrite") == 0
    assert {name: (out / name).read_bytes() for name in before} == before and len(names(out)) == 12
    assert run(photos, "-o", out, "--variants", 4, "--seed", 6, "--overwrite") == 0
    assert {name: (out / name).read_bytes() for name in before} != before


def test_versions_of_one_file(dice, photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "new.jpg", "--variants", 2, "--diversity", 0.5) == 0
    there = [tmp_path / "new-1.jpg", tmp_path / "new-2.jpg"]
    assert all(path.is_file() for path in there) and not (tmp_path / "new.jpg").exists()
    assert capsys.readouterr().err == f"chrominance: 2 coloured: {there[0]}, {there[1]}\n"
    os.utime(there[0], (1000, 1000))
    assert run(photos / "a.png", "-o", tmp_path / "new.jpg", "--variants", 2) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_a_bad_file_is_named_once_for_all_its_versions(dice, photos, tmp_path, capsys) -> None:
    (photos / "a.png").write_text("not a picture")
    assert run(photos, "-o", tmp_path / "out", "--variants", 4) == 1
    said = capsys.readouterr().err
    assert said.count("a.png") == 1 and "8 coloured" in said


def test_versions_need_a_distribution(tint, photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--variants", 2) == 2
    assert "choose the embedded network" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


@pytest.fixture
def hinted(tint) -> Tint:
    """The stand-in, taking hints."""
    tint.spec = replace(tint.spec, conditions=frozenset({"local"}))
    return tint


def ab_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return rgb2lab(np.asarray(image.convert("RGB")))[..., 1:]


def test_hints_are_exact_where_they_are(hinted, tmp_path, capsys) -> None:
    Image.new("L", (40, 30), 128).save(tmp_path / "photo.png")
    hints, out = tmp_path / "hints.csv", tmp_path / "out.png"
    hints.write_text("# a coat\n30,20,#8a7070\n3,4,#808080\n")
    assert run(tmp_path / "photo.png", "-o", out, "--hints", hints) == 0
    assert np.abs(ab_of(out)[20, 30] - ab_of_hex("#8a7070")).max() < 1  # 8 bits
    assert np.abs(ab_of(out)[4, 3]).max() < 1
    assert np.abs(ab_of(out)[28, 1]).max() > 2
    painted = Image.new("RGBA", (20, 15))
    painted.putpixel((15, 10), (0x8A, 0x70, 0x70, 255))
    painted.save(tmp_path / "painted.png")
    painted.getchannel("A").save(tmp_path / "mask.png")
    painted.convert("RGB").save(tmp_path / "plain.png")
    for more in (["painted.png"], ["plain.png", "--hints-mask", tmp_path / "mask.png"]):
        given = [tmp_path / more[0], *more[1:]]
        assert run(tmp_path / "photo.png", "-o", out, "--overwrite", "--hints", *given) == 0
        assert np.abs(ab_of(out)[21, 31] - ab_of_hex("#8a7070")).max() < 1
    capsys.readouterr()
    # Hints that were changed since make a result old.
    os.utime(out, (2e9, 2e9))
    os.utime(hints, (3e9, 3e9))
    assert run(tmp_path / "photo.png", "-o", out, "--hints", hints) == 1
    assert "--overwrite" in capsys.readouterr().err


def ab_of_hex(text: str) -> np.ndarray:
    return rgb2lab(np.array([[[int(text[n : n + 2], 16) / 255 for n in (1, 3, 5)]]]))[0, 0, 1:]


def test_a_folder_of_hints(hinted, photos, tmp_path, capsys) -> None:
    hints = tmp_path / "hints"
    (hints / "sub").mkdir(parents=True)
    (hints / "a.csv").write_text("1,1,#808080")
    (hints / "sub" / "c.json").write_text('[{"x": 99, "y": 1, "color": "#808080"}]')
    assert run(photos, "-o", tmp_path / "out", "--hints", hints) == 1
    said = capsys.readouterr().err.splitlines()
    assert any("warning" in line and "b.jpg: no hints" in line for line in said)
    assert any("error" in line and "c.json, point 1: x 99, y 1 is outside" in line for line in said)
    assert names(tmp_path / "out") == ["a.png", "b.jpg"]


def test_hints_need_a_model_that_takes_them(tint, photos, tmp_path, capsys) -> None:
    (tmp_path / "h.csv").write_text("1,1,#808080")
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--hints", tmp_path / "h.csv") == 2
    assert "takes no --hints" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["absent.png", "-o", "out.png"], 1),
        (["empty", "-o", "out"], 1),
        (["photos/a.png", "-o", "photos/a.png"], 1),
        (["photos/a.png", "-o", "photos/b.jpg/out"], 1),
        (["photos/a.png", "-o", "photos/b.jpg/out.png"], 1),
        (["photos", "-o", "photos"], 2),
        (["photos/a.png", "-o", "out.gif"], 2),
        (["photos/a.png", "-o", "out.mp4"], 2),
        (["photos", "-o", "out.png"], 2),
        (["photos/a.png", "-o", "out.png", "--codec", "ffv1"], 2),
        (["photos/a.png", "-o", "out.png", "--fps", "25"], 2),
        (["photos/a.png", "-o", "out.png", "--clip"], 2),
        (["photos/a.png", "-o", "out.png", "--strength", "2"], 2),
        (["photos/a.png", "-o", "out.png", "--strength", "nan"], 2),
        (["photos/a.png", "-o", "out.png", "--saturation", "-1"], 2),
        (["photos/a.png", "-o", "out.png", "--seed", "0"], 2),
        (["photos/a.png", "-o", "out.png", "--diversity", "1"], 2),
        (["photos", "clip.mp4", "-o", "out", "--variants", "2"], 2),
        (["photos", "-o", "out", "--hints", "hints.csv"], 2),
        (["clip.mp4", "-o", "out.mp4", "--hints", "hints.csv"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "absent.csv"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "empty"], 2),
        (["photos/a.png", "-o", "out.png", "--hints-mask", "photos/a.png"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "hints.csv", "--hints-mask", "photos/a.png"], 2),
        (["photos/a.png", "-o", "out.png", "--hints", "hints.csv", "--variants", "2"], 2),
        (["photos/a.png", "-o", "out.png", "--palette", "#808080"], 2),
        (["photos/a.png", "-o", "out.png", "--palette", "absent.gpl"], 2),
        (["photos/a.png", "-o", "out.png", "--palette", "#808080,#201010", "--variants", "2"], 2),
        (["clip.mp4", "-o", "out.mp4", "--shots", "shots.json"], 2),
        (["clip.mp4", "-o", "out.mp4", "--workers", "2"], 2),
        (["clip.mp4", "-o", "out.mp4", "--ray", "local", "--frames", "1-2"], 2),
        (["clip.mp4", "-o", "out.mp4", "--stabilize", "--shots", "absent.json"], 2),
        (["clip.mp4", "-o", "out.mp4", "--stabilize", "--as-published"], 2),
    ],
)
def test_one_clear_line(tint, photos, tmp_path, monkeypatch, capsys, arguments, code) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "hints.csv").write_text("1,1,#808080")
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert run(*arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("chrominance: error: ") and captured.err.count("\n") == 1
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png"],
        ["-o", "out.png"],
        ["a.png", "-o", "out.png", "--size", "3"],
        ["a.png", "-o", "out.png", "--size", "big"],
        ["a.png", "-o", "out.png", "--temperature", "0"],
        ["a.png", "-o", "out.png", "--temperature", "nan"],
        ["a.png", "-o", "out.png", "--batch", "0"],
        ["a.png", "-o", "out.png", "--variants", "0"],
        ["a.png", "-o", "out.png", "--variants", "65"],
        ["a.png", "-o", "out.png", "--variants", "2", "--seed", "-1"],
        ["a.png", "-o", "out.png", "--variants", "2", "--diversity", "0"],
        ["a.png", "-o", "out.png", "--codec", "mpeg1"],
        ["a.png", "-o", "out.png", "--dtype", "int8"],
    ],
)
def test_usage_errors_of_the_parser(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "chrominance colorize: error: " in capsys.readouterr().err


def test_models_that_cannot_be_used(photos, tmp_path, capsys, monkeypatch) -> None:
    fake = tmp_path / "model.safetensors"
    fake.write_text("not a checkpoint")
    for model in (fake, tmp_path / "absent.pth", photos / "a.png"):
        assert run(photos / "a.png", "-o", tmp_path / "out.png", "--model", model) == 1
        err = capsys.readouterr().err
        assert err.startswith("chrominance: error: ") and err.count("\n") == 1
    monkeypatch.setattr(models, "load_colorizer", lambda *a, **k: Tint(temperature=None))
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--temperature", 1) == 2
    assert not (tmp_path / "out.png").exists()


def test_weights_found_damaged_at_their_first_use(tint, photos, tmp_path, capsys, monkeypatch) -> None:
    def damaged() -> None:
        raise models.NonFiniteError("tensor head.weight holds NaN")

    monkeypatch.setattr(tint, "before_first_use", damaged)
    assert run(photos, "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err == "chrominance: error: tensor head.weight holds NaN\n"
    assert names(tmp_path / "out") == []


def test_an_unknown_device(photos, tmp_path, capsys) -> None:
    assert run(photos / "a.png", "-o", tmp_path / "out.png", "--device", "toaster") == 2
    assert "toaster" in capsys.readouterr().err


def test_an_interrupt(tint, photos, tmp_path, capsys, monkeypatch) -> None:
    def interrupted(*_, **__):
        if tint.asked:
            raise KeyboardInterrupt
        return Tint._colorize(tint, *_, **__)

    monkeypatch.setattr(tint, "_colorize", interrupted)
    assert run(photos, "-o", tmp_path / "out") == 130
    assert names(tmp_path / "out") == ["a.png"]
    assert "interrupted" in capsys.readouterr().err


def test_a_warning_of_the_library_is_shown(tint, photos, tmp_path, capsys) -> None:
    Image.new("L", (4, 4)).save(photos / "p.png", icc_profile=b"junk" * 50)
    assert run(photos / "p.png", "-o", tmp_path / "out.png") == 0
    assert "chrominance: warning: " in capsys.readouterr().err


def test_the_models_table(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.safetensors").write_text("junk")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "third.safetensors").write_text("junk")
    assert main(["models", str(tmp_path / "more")]) == 0
    out = capsys.readouterr().out
    for part in (
        "embedded",
        "Apache-2.0",
        "other.safetensors",
        "third.safetensors",
        "siggraph17",
        "MB",
        str(tmp_path),
    ):
        assert part in out


# Real runs, each in a process of its own


def shell(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chrominance", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_version_needs_no_torch(tmp_path) -> None:
    code = "import sys, chrominance.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60).returncode == 0
    done = shell("--version", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.strip() == f"chrominance {chrominance.__version__}"


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
