from __future__ import annotations

from pathlib import Path

import av
import av.filter
import numpy as np
import pytest
import torch
from skimage import data

from chrominance.pipelines.color_map import change_exactly
from chrominance.pipelines.lut import SIZES, Cube, LutError, load_cube, save_cube
from chrominance.pipelines.palette_extract import extract
from chrominance.pipelines.recolor import PaletteModel


class Turn:
    def displacement(self, lab):
        return torch.stack([0 * lab[0], -0.4 * lab[1] - 0.5 * lab[2], 0.5 * lab[1] - 0.4 * lab[2]])


class Still:
    def displacement(self, lab):
        return torch.zeros_like(lab)


def ffmpeg(samples: np.ndarray, path: Path) -> np.ndarray:
    """FFmpeg's own result for [H,W,3] uint16 samples."""
    graph = av.filter.Graph()
    height, width = samples.shape[:2]
    source = graph.add("buffer", f"width={width}:height={height}:pix_fmt=gbrp16le:time_base=1/25")
    lut = graph.add("lut3d", f"file={path.name}:interp=tetrahedral")
    sink = graph.add("buffersink")
    source.link_to(lut)
    lut.link_to(sink)
    graph.configure()
    frame = av.VideoFrame(width, height, "gbrp16le")
    for plane, channel in zip(frame.planes, (1, 2, 0), strict=True):
        rows = np.zeros((height, plane.line_size // 2), np.uint16)
        rows[:, :width] = samples[..., channel]
        plane.update(rows.tobytes())
    frame.pts = 0
    source.push(frame)
    out = sink.pull()
    found = np.empty_like(samples)
    for plane, channel in zip(out.planes, (1, 2, 0), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint16).reshape(height, -1)
        found[..., channel] = rows[:, :width]
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["turn", "recolor"])
def test_ffmpeg_gives_our_result(size, kind, tmp_path, monkeypatch):
    photo = torch.from_numpy(data.coffee()).permute(2, 0, 1)[None].float() / 255
    palette = extract(photo, 6)
    change = Turn() if kind == "turn" else PaletteModel(palette).edit(extract(photo.flip(1), 6))
    samples = np.random.default_rng(0).integers(0, 65536, (64, 96, 3), dtype=np.uint16)
    samples[:8] = samples[:8] // 65535 * 65535
    path = tmp_path / "a.cube"
    save_cube(path, Cube.of(change, size, 'of "tests"'))
    monkeypatch.chdir(tmp_path)  # a filter's argument cannot hold every path
    rgb = torch.from_numpy(samples.astype(np.float32) / 65535).permute(2, 0, 1)[None]
    ours = load_cube(path).apply(rgb)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - ffmpeg(samples, path).astype(np.float64) / 65535).max() <= 2 / 255 / 8


@pytest.mark.parametrize("size", SIZES)
def test_a_cube_comes_back_as_it_was(size, tmp_path):
    cube = Cube.of(Turn(), size, "warm\nevening")
    save_cube(tmp_path / "a.cube", cube)
    text = (tmp_path / "a.cube").read_text(encoding="utf-8")
    assert text.startswith(f'TITLE "warm evening"\nLUT_3D_SIZE {size}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n')
    back = load_cube(tmp_path / "a.cube")
    assert back.title == "warm evening" and back.size == size
    torch.testing.assert_close(back.table, cube.table, atol=1e-6, rtol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.cube"]


def test_the_identity_is_exact_and_a_map_is_near():
    rgb = torch.rand(2, 3, 31, 17, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Cube.of(Still(), 17).apply(rgb), rgb, atol=1e-5, rtol=0)
    apart = (Cube.of(Turn(), 65).apply(rgb) - change_exactly(rgb, Turn())).abs()
    assert apart.mean() < 0.3 / 255
    half = Cube.of(Turn(), 33, strength=0.5).apply(rgb)
    assert (half - change_exactly(rgb, Turn(), strength=0.5)).abs().mean() < 0.5 / 255


def test_mask_strength_and_type():
    rgb, cube = torch.rand(1, 3, 6, 8), Cube.of(Turn(), 17)
    mask = torch.zeros(1, 1, 6, 8)
    mask[..., 4:] = 1
    out = cube.apply(rgb, mask=mask)
    assert torch.equal(out[..., :4], rgb[..., :4])
    torch.testing.assert_close(out[..., 4:], cube.apply(rgb)[..., 4:])
    assert torch.equal(cube.apply(rgb, strength=0), rgb)
    torch.testing.assert_close(cube.apply(rgb, strength=0.25), torch.lerp(rgb, cube.apply(rgb), 0.25))
    assert cube.apply(rgb.half()).dtype == torch.float16
    with pytest.raises(ValueError, match="NaN"):
        cube.apply(rgb * float("nan"))


def test_curves_domains_and_comments(tmp_path):
    path = tmp_path / "a.cube"
    path.write_text(
        '\ufeff# made by hand\nTITLE "x"\nLUT_1D_SIZE 3\nDOMAIN_MIN 0 0 -1\nDOMAIN_MAX 2 1 1\n'
        "SOMETHING new\n0 1 0\n\n0.25 0.5 0.5 \n1 0 1\n",
        encoding="utf-8",
    )
    cube = load_cube(path)
    rgb = torch.tensor([0.5, 0.25, 0.5])[None, :, None, None]
    torch.testing.assert_close(cube.apply(rgb).flatten(), torch.tensor([0.125, 0.75, 0.75]))
    path.write_text("LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0.0 2.0\n" + "0.5 0.5 0.5\n" * 8, encoding="utf-8")
    assert load_cube(path).high == (2.0, 2.0, 2.0)
    torch.testing.assert_close(load_cube(path).apply(rgb), torch.full_like(rgb, 0.5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither LUT_3D_SIZE"),
        ("\x89PNG\r\n\x1a\n", "not a .cube LUT|numbers"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 7, "must have 8 rows, got 7|must have 8 rows for"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 9, "got 9|has 9"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 7 + "0 0\n", "line 9: 3 numbers"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 7 + "0 0 nan\n", "line 9: 3 numbers"),
        ("LUT_3D_SIZE 2\n" + "nan 0 0\n" * 8, "line 2"),
        ("LUT_3D_SIZE 1\n0 0 0\n", "line 1: the size"),
        ("LUT_3D_SIZE 500\n", "line 1: the size must be 2 to 256"),
        ("LUT_3D_SIZE many\n", "line 1: the size"),
        ("LUT_1D_SIZE 2\nLUT_3D_SIZE 2\n", "line 2: a second table"),
        ("LUT_1D_SIZE 2\nDOMAIN_MIN 1 0 0\n0 0 0\n1 1 1\n", "domain"),
        ("LUT_1D_SIZE 2\nDOMAIN_MIN 1\n0 0 0\n1 1 1\n", "line 2: 3 numbers"),
    ],
)
def test_damaged_files_say_what_is_wrong(text, message, tmp_path):
    path = tmp_path / "a.cube"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LutError, match=message) as caught:
        load_cube(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_sizes(tmp_path):
    with pytest.raises(LutError, match="cannot be read"):
        load_cube(tmp_path / "none.cube")
    with pytest.raises(LutError, match="cannot be written"):
        save_cube(tmp_path / "none" / "a.cube", Cube.of(Still(), 2))
    with pytest.raises(LutError, match="2 to 256"):
        Cube.of(Still(), 1)
