from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from chrominance.benchmarks import illumination
from chrominance.benchmarks.__main__ import BENCHMARKS
from chrominance.color import delta_e76, linear_rgb_to_rgb, rgb_to_lab, rgb_to_linear_rgb
from chrominance.pipelines.choices import LIGHT_METHODS
from chrominance.pipelines.palette import Palette


def photo(name: str = "coffee") -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)()[::6, ::6].copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("largest", illumination.RANGES)
def test_lights_stay_within_their_range_and_fill_it(largest):
    lights = torch.stack([illumination.draw_light(largest, np.random.default_rng(n)) for n in range(400)])
    ratios = torch.cat([lights[:, 0] / lights[:, 1], lights[:, 2] / lights[:, 1]])
    assert ratios.max() <= largest * 1.001 and ratios.min() >= 0.999 / largest
    assert ratios.max() > largest**0.9 and ratios.min() < largest**-0.9
    assert torch.allclose(lights @ torch.tensor([0.2126, 0.7152, 0.0722]), torch.ones(400), atol=1e-5)


def test_lit_is_gained_in_8_bits_and_nothing_is_cut_off():
    rgb, light = photo(), torch.tensor([1.4, 0.95, 0.6])
    lit, exposure = illumination.lit_by(rgb, light, clip=False)
    assert exposure == pytest.approx(1 / 1.4)
    assert torch.equal((lit * 255).round() / 255, lit) and lit.max() <= 1
    expected = linear_rgb_to_rgb(rgb_to_linear_rgb(rgb) * (light / 1.4)[:, None, None])
    assert (lit - expected).abs().max() <= 0.51 / 255
    cut, exposure = illumination.lit_by(torch.ones_like(rgb), light, clip=True)
    assert exposure == 1 and cut[0, :, 0, 0].tolist() == pytest.approx([1, 0.976, 0.796], abs=0.01)


def test_the_known_light_brings_a_photo_back():
    rgb, light = photo(), torch.tensor([1.4, 0.95, 0.6])
    lit, exposure = illumination.lit_by(rgb, light, clip=False)
    back = illumination.brought_back(lit, light, exposure)
    assert delta_e76(rgb_to_lab(back), rgb_to_lab(rgb)).mean() < 1


def test_the_angle_between_lights():
    one = torch.tensor([1.0, 0, 0])
    assert illumination.angle_between(one, torch.tensor([1.0, 1, 0])) == pytest.approx(45)
    assert illumination.angle_between(one, one * 3) == 0


def test_every_way_is_measured():
    photos = [photo("coffee"), photo("chelsea"), photo("astronaut")]
    errors = illumination.measure(photos, 1.6, clip=False)
    assert list(errors) == ["nothing done", *LIGHT_METHODS, "the light known"]
    means = {way: np.mean(found.delta_e) for way, found in errors.items()}
    assert means["the light known"] < 1 < means["learned"] < means["nothing done"]
    assert np.mean(errors["the light known"].angle) == pytest.approx(0, abs=1e-3)
    again = illumination.measure(photos, 1.6, clip=False)
    assert again == errors and illumination.measure(photos, 1.6, clip=False, seed=1) != errors
    rows = illumination.table(errors).splitlines()
    assert len(rows) == 2 + len(errors) and f"{means['learned']:.2f}" in illumination.table(errors)


def test_palettes_are_measured():
    rgb = torch.cat([torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)], 3)
    assert illumination.palette_error(rgb, Palette.from_hex(["#000000", "#ffffff"])) < 0.01
    assert illumination.palette_error(rgb, Palette.from_hex(["#000000"])) == pytest.approx(50, abs=0.1)
    errors = illumination.measure_palettes([photo("coffee"), photo("chelsea")])
    assert all(len(values) == 2 for values in errors.values())
    assert np.mean(errors["k-means"]) < np.mean(errors["learned"])


def test_the_command(tmp_path, capsys, monkeypatch):
    assert "illumination" in BENCHMARKS
    for name in ("coffee", "chelsea"):
        Image.fromarray(getattr(data, name)()[::3, ::3]).save(tmp_path / f"{name}.png")
    sheet = tmp_path / "out" / "sheet.png"
    sheet.parent.mkdir()
    command = ["--photos", str(tmp_path), "--sheet", str(sheet)]
    for bar, code in ((100.0, 0), (0.0, 1)):
        monkeypatch.setattr(illumination, "BAR", bar)
        assert illumination.main(command) == code
        printed = capsys.readouterr().out
        assert printed.count("2 photos") == len(illumination.RANGES) and "| k-means |" in printed
        assert ("met: **no**" in printed) == bool(code)
        sheet_size = Image.open(sheet).size
        assert sheet_size == (6 * illumination._SHEET_HEIGHT, illumination._SHEET_HEIGHT)
        sheet.unlink()
    for wrong in (["--limit", "0"], ["--seed", "-1"]):
        with pytest.raises(SystemExit):
            illumination.main([*command, *wrong])
        assert "must be" in capsys.readouterr().err


def test_large_photos_are_scaled(tmp_path):
    Image.fromarray(data.astronaut()).save(tmp_path / "one.png")
    (one,) = illumination.load_photos([tmp_path], None)
    assert one.shape == (1, 3, illumination.SIDE, illumination.SIDE)
    assert math.isclose(float(one.mean()), data.astronaut().mean() / 255, abs_tol=2e-3)
