"""Motion: fetching against shifts that are known, blur against SciPy, cuts on real photos."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from chrominance.pipelines.optical_flow import (
    blur,
    compose,
    fetch,
    is_cut,
    make_flow,
    make_guided_flow,
    mismatch,
    to_flow,
    to_grey,
    to_motion,
    visible,
)


def shift(x: float, y: float, height: int = 20, width: int = 30) -> torch.Tensor:
    """A motion that is the same everywhere."""
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


def photo(pixels: np.ndarray, left: int, top: int) -> np.ndarray:
    """A grey crop of a photo: another one at another place."""
    return pixels[top : top + 160, left : left + 200].mean(2).round().astype(np.uint8)


def test_fetching_along_a_shift_is_shifting():
    x = torch.rand(1, 3, 20, 30)
    fetched, inside = fetch(x, shift(4, -2))
    assert torch.allclose(fetched[..., 2:, :-4], x[..., :-2, 4:], atol=1e-5)
    expected = torch.zeros(1, 20, 30, dtype=torch.bool)
    expected[:, 2:, :-4] = True
    assert torch.equal(inside, expected)


def test_edges_go_on_outside():
    x = torch.rand(1, 1, 20, 30)
    assert torch.allclose(fetch(x, shift(100, 0))[0], x[..., -1:].expand_as(x), atol=1e-5)


def test_shifts_add_up():
    assert torch.allclose(compose(shift(4, -2), shift(1.5, 3)), shift(5.5, 1))


def test_what_is_visible_comes_back():
    seen = visible(shift(4, -2), shift(-4, 2))
    assert torch.equal(seen, fetch(torch.zeros(1, 1, 20, 30), shift(4, -2))[1])
    assert not visible(shift(4, -2), shift(4, -2)).any()
    assert is_cut(visible(shift(4, -2), shift(4, -2)))
    assert not is_cut(seen)


def test_nothing_differs_along_the_true_motion():
    L = torch.rand(1, 1, 20, 30) * 100
    moved = fetch(L, shift(-3, 0))[0]
    assert mismatch(L, moved, shift(3, 0))[..., :-10].abs().max() < 1e-3
    assert mismatch(L, moved, shift(0, 0)).mean() > 5


def test_blur_is_a_gaussian():
    x = torch.rand(1, 2, 40, 30, dtype=torch.float64)
    expected = [gaussian_filter(plane.numpy(), 2, mode="nearest", truncate=3) for plane in x[0]]
    assert np.allclose(blur(x, 2)[0].numpy(), expected, atol=1e-6)
    assert blur(x[..., :1, :1], 4).allclose(x[..., :1, :1])


def test_a_real_motion_is_found_and_its_guess_stays():
    pixels = data.astronaut()
    first, second = photo(pixels, 100, 60), photo(pixels, 97, 62)
    guess = np.full((160, 200, 2), (2.0, -1.0), np.float32)
    kept = guess.copy()
    flow = make_guided_flow()
    for motion in (flow(first, second, guess), make_flow()(first, second)):
        error = np.abs(motion[20:-20, 20:-20] - (3, -2))
        assert np.median(error) < 0.1
    assert (guess == kept).all()


def test_a_guess_is_forgotten():
    pixels = data.astronaut()
    first, second = photo(pixels, 100, 60), photo(pixels, 97, 62)
    flow = make_guided_flow()
    before = flow(first, second, None)
    flow(second, first, np.full((160, 200, 2), 60.0, np.float32))
    assert np.array_equal(flow(first, second, None), before)


def test_cuts_between_real_photos():
    flow, pixels = make_flow(), data.astronaut()
    near, far = photo(pixels, 100, 60), photo(data.coffee(), 100, 60)
    start = photo(pixels, 92, 63)

    def seen(first: np.ndarray, second: np.ndarray) -> torch.Tensor:
        return visible(to_motion(flow(first, second)), to_motion(flow(second, first)))

    assert not is_cut(seen(start, near))
    assert is_cut(seen(start, far))


def test_flows_and_motions_are_one():
    flow = np.random.default_rng(0).random((5, 7, 2), np.float32)
    assert (to_flow(to_motion(flow)) == flow).all()
    assert to_grey(torch.tensor([0.0, 50.0, 100.0]).view(1, 1, 1, 3)).tolist() == [[0, 128, 255]]


def test_without_opencv_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModuleNotFoundError, match="pip install opencv-python-headless"):
        make_guided_flow()
