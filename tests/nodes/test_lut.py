from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chrominance.nodes.lut import ApplyLUT, LoadLUT, SaveLUT
from chrominance.pipelines.lut import Cube, save_cube
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.recolor import PaletteModel


@pytest.fixture
def edit():
    old = Palette.from_hex(["#c04030", "#204060", "#f0f0f0"])
    return PaletteModel(old).edit(Palette.from_hex(["#30a040", "#204060", "#f0f0f0"]))


def test_a_change_is_saved_and_read_back(edit, pictures):
    path = Path(SaveLUT.execute(edit, "looks/green", "65")[0])
    assert path.is_file() and path.parent.name == "looks" and path.suffix == ".cube"
    import folder_paths

    inside = Path(folder_paths.input_directory) / "a.cube"
    inside.parent.mkdir()
    inside.write_bytes(path.read_bytes())
    first = LoadLUT.fingerprint_inputs(file="a.cube")
    read = LoadLUT.execute("a.cube")[0]
    applied = ApplyLUT.execute(pictures, read, 1.0)[0]
    table = ApplyLUT.execute(pictures, Cube.of(edit, 65), 1.0)[0]
    torch.testing.assert_close(applied, table, atol=1e-5, rtol=0)
    assert (applied - ApplyLUT.execute(pictures, edit, 1.0)[0]).abs().mean() < 0.5 / 255
    # Another one gets another number, and a table from a file keeps its size.
    other = Path(SaveLUT.execute(read, "looks/green", "17")[0])
    assert other != path and "LUT_3D_SIZE 65" in other.read_text()
    inside.write_bytes(b"nothing")
    assert LoadLUT.fingerprint_inputs(file="a.cube") != first


def test_strength_and_mask(edit, pictures):
    mask = torch.zeros(3, 33, 47)
    mask[:, :10] = 1
    out = ApplyLUT.execute(pictures, edit, 1.0, mask)[0]
    assert torch.equal(out[:, 10:], pictures[:, 10:])
    assert not torch.equal(out[:, :10], pictures[:, :10])
    assert torch.equal(ApplyLUT.execute(pictures, edit, 0.0)[0], pictures)


def test_what_does_not_fit_is_said(edit, pictures, tmp_path):
    with pytest.raises(ValueError, match="file is empty"):
        LoadLUT.execute(" ")
    with pytest.raises(ValueError, match="leads out of ComfyUI's input folder"):
        LoadLUT.execute("../a.cube")
    with pytest.raises(ValueError, match=r"lut must come from Load LUT, .* got str"):
        ApplyLUT.execute(pictures, "a.cube", 1.0)
    with pytest.raises(ValueError, match=r"in ComfyUI's output folder, got '\.\./out'"):
        SaveLUT.execute(edit, "../out", "33")
    curve = tmp_path / "quoted name.cube"
    save_cube(curve, Cube(torch.linspace(0, 1, 4)[:, None].expand(4, 3)))
    assert LoadLUT.execute(f'"{curve}"')[0].size == 4
