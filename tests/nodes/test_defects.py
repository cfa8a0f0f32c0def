"""Defects that packs for the same purpose have had, each shown to be absent.

Elsewhere: inputs that do nothing, results that a seed does not fix, pictures held after a run
(test_every_node.py); models loaded or anything heavy imported at the start (test_schemas.py); a palette
fitted anew for each frame, hard assignment, posterised ramps (test_recolor.py, here and in tests/pipelines).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch

from chrominance.color import rgb_to_lab, rgb_to_lightness
from chrominance.models.contract import Chroma
from chrominance.nodes import host
from chrominance.nodes.colorize import AutoColorize
from chrominance.nodes.loader import LoadColorizer
from chrominance.nodes.video import ColorizeVideo

ROOT = Path(__file__).parents[2]
SETTINGS = {"strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 0}
CODE = [
    path
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] not in ("tests", "build", ".venv", "node_modules")
]


def grey_image(height, width):
    ramp = torch.linspace(0.2, 0.8, width).view(1, 1, width, 1)
    return ramp.expand(1, height, width, 3).contiguous()


def test_the_network_sees_the_pictures_own_aspect(plain, hosted, monkeypatch):
    """Defect: the picture squashed into a square."""
    seen = []

    def look(L, conditions, *, size, temperature):
        seen.append(L.shape)
        return Chroma(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4))

    monkeypatch.setattr(plain, "_colorize", look)
    AutoColorize.execute(grey_image(60, 240), **SETTINGS, colorizer=hosted)
    height, width = seen[0][2:]
    assert width / height == pytest.approx(4, rel=0.1)


def test_colours_are_enlarged_without_steps(plain, hosted, monkeypatch):
    """Defect: chroma enlarged by its nearest neighbour, in blocks."""
    ramp = torch.linspace(-20, 20, 8).view(1, 1, 1, 8).expand(1, 2, 8, 8).contiguous()
    chroma = Chroma(ramp, torch.ones(1, 1, 8, 8))
    monkeypatch.setattr(plain, "_colorize", lambda L, conditions, *, size, temperature: chroma)
    gray = torch.full((1, 64, 512, 3), 0.5)
    image = AutoColorize.execute(gray, **SETTINGS, colorizer=hosted)[0]
    a = rgb_to_lab(image.movedim(-1, 1))[0, 1, 32]
    # 40 units over 512 pixels; in blocks, the steps would be of almost 6.
    assert float(a.diff().abs().max()) < 0.3
    assert len(a.unique()) > 300


def test_the_networks_colour_is_not_strengthened_in_secret(plain, hosted, monkeypatch):
    """Defect: ab times 1.25 behind the user's back."""
    chroma = Chroma(torch.full((1, 2, 8, 8), 12.0), torch.ones(1, 1, 8, 8))
    monkeypatch.setattr(plain, "_colorize", lambda L, conditions, *, size, temperature: chroma)
    image = AutoColorize.execute(torch.full((1, 32, 32, 3), 0.5), **SETTINGS, colorizer=hosted)[0]
    ab = rgb_to_lab(image.movedim(-1, 1))[:, 1:]
    torch.testing.assert_close(ab, torch.full_like(ab, 12.0), atol=0.02, rtol=0)


def test_no_step_of_eight_bits_in_between(hosted):
    """Defect: frames through OpenCV or Pillow, with 256 levels left."""
    image = grey_image(16, 4096)
    made = AutoColorize.execute(image, **SETTINGS, colorizer=hosted)[0]
    before, now = (rgb_to_lightness(one.movedim(-1, 1)) for one in (image, made))
    assert float((now - before).abs().max()) < 0.01
    assert len(now[0, 0, 8].unique()) > 4000


def test_an_error_in_a_frame_ends_the_clip(hosted, plain, monkeypatch, clip_over, tmp_path):
    """Defect: the exception logged, and the uncoloured frame returned."""
    calls = []

    def fail(L, conditions, *, size, temperature):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("the third frame is odd")
        return Chroma(torch.zeros(len(L), 2, 4, 4), torch.ones(len(L), 1, 4, 4))

    monkeypatch.setattr(plain, "_colorize", fail)
    clip = clip_over(torch.rand(1, 128, 172, 3, generator=torch.Generator().manual_seed(1)))
    with pytest.raises(RuntimeError, match="the third frame is odd"):
        ColorizeVideo.execute(clip, **SETTINGS, codec="h264", crf=20, stabilize=0.0, colorizer=hosted)
    assert not list((tmp_path / "temp").glob("*"))


def test_an_error_in_a_picture_is_an_error(hosted, plain, monkeypatch):
    def fail(L, conditions, *, size, temperature):
        raise RuntimeError("no")

    monkeypatch.setattr(plain, "_colorize", fail)
    with pytest.raises(RuntimeError, match="no"):
        AutoColorize.execute(grey_image(16, 16), **SETTINGS, colorizer=hosted)


def test_a_loader_has_loaded_the_files_own_weights(tmp_path):
    """Defect: a network with random weights, and "loaded successfully"."""
    import folder_paths
    import safetensors.torch

    from chrominance.models import shipped_weights

    weights = safetensors.torch.load_file(shipped_weights("embedded"))
    name = max(weights, key=lambda one: weights[one].numel())
    weights[name] = torch.full_like(weights[name], 0.0625)
    folder = Path(folder_paths.models_dir) / "colorization"
    folder.mkdir(parents=True)
    safetensors.torch.save_file(weights, folder / "mine.safetensors")
    made = LoadColorizer.execute(model_name="mine.safetensors", dtype="fp32")[0]
    assert (made.colorizer.network.state_dict()[name] == 0.0625).all()
    (folder / "bad.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match=r"bad\.safetensors"):
        LoadColorizer.execute(model_name="bad.safetensors", dtype="fp32")


def test_a_model_is_not_built_again_for_every_run(monkeypatch):
    """Defect: rebuilt and reloaded at each run."""
    first = LoadColorizer.execute(model_name="embedded", dtype="fp32")[0]
    assert LoadColorizer.execute(model_name="embedded", dtype="fp32")[0] is first
    assert host.hosted(None).colorizer.network is host.hosted(None).colorizer.network


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_does_none_of_what_code_must_not(path):
    """Defects: .cuda() written into it, pip run by it, torch.load patched or unsafe, text evaluated."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\.cuda\(|device\s*=\s*[\"']cuda", text)
    assert not re.search(r"torch\.load\s*=|setattr\(torch", text)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in ("eval", "exec", "os.system"), name
        if name == "torch.load":
            given = {word.arg: word.value for word in node.keywords}
            assert isinstance(given["weights_only"], ast.Constant) and given["weights_only"].value is True
        if name.startswith("subprocess."):
            assert path.relative_to(ROOT).parts[0] not in ("nodes", "models", "__init__.py"), name
            assert "pip" not in ast.unparse(node)
