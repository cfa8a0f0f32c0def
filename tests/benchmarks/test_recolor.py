from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.benchmarks import recolor
from chrominance.benchmarks.__main__ import BENCHMARKS


def cost(later=30.0, error=0.5, flat=2.0, steep=3.0):
    return recolor.Cost(300.0, later, error, flat, steep)


def test_the_measure_tells_steps_from_gradients():
    line = torch.linspace(0.2, 0.8, 2048).expand(1, 3, 1, 2048)
    assert recolor.ramp_measure(line, line) == pytest.approx((1.0, 1.0), abs=0.1)
    flat, steep = recolor.ramp_measure(line, (line * 8).round() / 8)
    assert flat > 8 and steep > 8


def test_every_way_is_measured():
    costs = recolor.measure(32, 3, 1)
    assert list(costs) == list(recolor.WAYS)
    assert costs["soft mixtures, pixel by pixel"].error == 0
    assert costs["soft mixtures (Recolorer)"].error <= recolor.BAR_ERROR
    assert costs["nearest swatch"].flat > 2 * costs["soft mixtures (Recolorer)"].flat


@pytest.mark.parametrize(
    ("changed", "missed"),
    [({}, 0), ({"later": 46.0}, 1), ({"error": 2.5}, 1), ({"flat": 9.0, "steep": 9.0}, 2)],
)
def test_a_figure_over_the_bar_fails(changed, missed, monkeypatch, capsys):
    assert "recolor" in BENCHMARKS
    costs = {way: cost() for way in recolor.WAYS}
    costs["soft mixtures (Recolorer)"] = cost(**changed)
    costs["nearest swatch"] = cost(1e3, 200, 50, 50)  # how others do is nobody's promise
    monkeypatch.setattr(recolor, "measure", lambda *args: costs)
    assert recolor.main([]) == int(missed > 0)
    printed = capsys.readouterr().out
    assert printed.count("**no**") == missed and all(f"| {way} |" in printed for way in recolor.WAYS)


def test_photos_of_the_user_count_too(tmp_path, monkeypatch, capsys):
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:, 10:] = (200, 40, 40)
    pixels[:, 25:] = (40, 40, 200)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo = recolor.load_photos([tmp_path / "a.png"])[0]
    assert np.array_equal(np.asarray(photo), pixels)
    # The middle 30 of 50 columns: black is cut away.
    assert torch.equal(
        recolor.middle(photo, 30)[0].mul(255).byte(), torch.from_numpy(pixels[:, 10:40]).movedim(2, 0)
    )
    seen = []
    fixed = iter([cost(20.0, 0.5, 2.0, 5.0), cost(40.0, 0.3, 3.0, 4.0)])
    monkeypatch.setattr(
        recolor, "measure_one", lambda rgb, *args: seen.append(rgb.shape) or {"nearest swatch": next(fixed)}
    )
    costs = recolor.measure(32, 3, 1, [photo], ways=["nearest swatch"])
    assert costs == {"nearest swatch": recolor.Cost(300.0, 30.0, 0.5, 3.0, 5.0)}
    assert seen == [(1, 3, 32, 32)] * 2
    assert recolor.main([str(tmp_path / "none.png")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_it_refuses_numbers_that_it_cannot_measure(capsys):
    for arguments in (["--side", "3"], ["--colors", "17"], ["--runs", "0"]):
        with pytest.raises(SystemExit):
            recolor.main(arguments)
        assert "must be" in capsys.readouterr().err
