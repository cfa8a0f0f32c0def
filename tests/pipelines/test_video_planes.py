from __future__ import annotations

import av
import numpy as np
import pytest

from chrominance.pipelines.video_planes import planes_to_rgb, rgb_to_planes
from chrominance.pipelines.video_types import ColorTags, VideoError

LIMITED, FULL = 1, 2


def fresh(clips, pix_fmt, width, height):
    frame = av.VideoFrame(width, height, pix_fmt)
    return frame, clips.planes_of(frame)


def to_rgb(frame, tags):
    rgb = np.empty((3, frame.height, frame.width), np.float32)
    planes_to_rgb(frame, tags, rgb)
    return rgb


def h273(y, cb, cr, weights, color_range, bits):
    """The formulas of H.273 (equations 20 to 53), solved for RGB, in float64."""
    kr, kb = weights
    if color_range == FULL:
        y, chroma = y / (2**bits - 1), 2**bits - 1
    else:
        y, chroma = (y - 16 * 2 ** (bits - 8)) / (219 * 2 ** (bits - 8)), 224 * 2 ** (bits - 8)
    cb, cr = (cb - 2 ** (bits - 1)) / chroma, (cr - 2 ** (bits - 1)) / chroma
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return np.clip(np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b]), 0, 1)


@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize(
    ("matrix", "weights"), [(1, (0.2126, 0.0722)), (6, (0.299, 0.114)), (9, (0.2627, 0.0593))]
)
@pytest.mark.parametrize(("pix_fmt", "bits"), [("yuv444p", 8), ("yuv444p10le", 10), ("yuv444p16le", 16)])
def test_matches_h273(clips, pix_fmt, bits, matrix, weights, color_range):
    frame, planes = fresh(clips, pix_fmt, 50, 40)
    rng = np.random.default_rng(0)
    for plane in planes:
        plane[...] = rng.integers(0, 2**bits, plane.shape)
    expected = h273(*(p.astype(np.float64) for p in planes), weights, color_range, bits)
    got = to_rgb(frame, ColorTags(color_range, matrix=matrix))
    np.testing.assert_allclose(got, expected, atol=2e-6)


@pytest.mark.parametrize("matrix", [1, 5, 7, 10])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize(
    ("pix_fmt", "bits"),
    [("yuv420p", 8), ("yuv422p10le", 10), ("yuv444p12le", 12), ("gray", 8), ("gray16le", 16)],
)
def test_grey_comes_back_exactly(clips, pix_fmt, bits, color_range, matrix):
    tags = ColorTags(color_range, matrix=matrix)
    frame, planes = fresh(clips, pix_fmt, 256, 256)
    unit = 2 ** (bits - 8)
    low, high = (0, 2**bits - 1) if color_range == FULL else (16 * unit, 235 * unit)
    planes[0][...] = np.linspace(low, high, 256 * 256).round().reshape(256, 256)
    for plane in planes[1:]:
        plane[...] = 128 * unit
    rgb = to_rgb(frame, tags)
    assert (rgb[0] == rgb[1]).all()
    assert (rgb[0] == rgb[2]).all()
    back, again = fresh(clips, pix_fmt, 256, 256)
    rgb_to_planes(rgb, None, tags, back)
    for before, after in zip(planes, again, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("size", [(33, 17), (64, 48), (1, 1), (2, 3), (641, 359)])
def test_luma_survives_colour(clips, pix_fmt, size):
    frame, planes = fresh(clips, pix_fmt, *size)
    bits = frame.format.components[0].bits
    for number, plane in enumerate(planes):
        plane[...] = clips.picture(3, number, plane.shape, bits)
    tags = ColorTags(LIMITED, matrix=1)
    back, again = fresh(clips, pix_fmt, *size)
    rgb_to_planes(to_rgb(frame, tags), None, tags, back)
    inside = np.abs(again[0].astype(int) - planes[0])
    assert inside.max() <= 1 * 2 ** (bits - 8)
    assert inside.mean() < 0.05
    for before, after in zip(planes[1:], again[1:], strict=True):
        assert np.abs(after.astype(int) - before).mean() < 1.0 * 2 ** (bits - 8)


def test_chroma_sits_left_and_between_the_rows(clips):
    """A linear ramp of chroma is reproduced at every luma pixel, and sampled back to the same codes."""
    frame, (luma, cb, cr) = fresh(clips, "yuv420p", 64, 64)
    luma[...] = 126
    columns, rows = np.arange(32) * 2, np.arange(32) * 2 + 0.5
    cb[...] = 96 + columns[None]
    cr[...] = np.round(96 + rows)[:, None]
    tags = ColorTags(LIMITED, matrix=1)
    rgb = to_rgb(frame, tags).astype(np.float64)
    y = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
    got = (rgb[2] - y) / 1.8556 * 224 + 128
    np.testing.assert_allclose(got[:, :63], np.broadcast_to(96 + np.arange(63), (64, 63)), atol=1e-3)
    back, again = fresh(clips, "yuv420p", 64, 64)
    rgb_to_planes(to_rgb(frame, tags), None, tags, back)
    np.testing.assert_array_equal(again[1][:, 1:-1], cb[:, 1:-1])
    np.testing.assert_array_equal(again[2][1:-1], cr[1:-1])


def test_whole_frame_equals_strips(clips, monkeypatch):
    from chrominance.pipelines import video_planes

    frame, planes = fresh(clips, "yuv420p", 48, 50)
    rng = np.random.default_rng(1)
    for plane in planes:
        plane[...] = rng.integers(0, 256, plane.shape)
    tags = ColorTags()
    whole = to_rgb(frame, tags)
    back, first = fresh(clips, "yuv420p", 48, 50)
    rgb_to_planes(whole, None, tags, back)
    monkeypatch.setattr(video_planes, "_STRIP_PIXELS", 48 * 6)
    np.testing.assert_array_equal(to_rgb(frame, tags), whole)
    other, second = fresh(clips, "yuv420p", 48, 50)
    rgb_to_planes(whole, None, tags, other)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("pix_fmt", "top"), [("gbrp", 255), ("gbrp10le", 1023), ("gbrp16le", 65535)])
def test_rgb_is_rounded_not_cut(clips, pix_fmt, top):
    rgb = np.random.default_rng(2).random((3, 20, 30), np.float32)
    frame, planes = fresh(clips, pix_fmt, 30, 20)
    rgb_to_planes(rgb, None, ColorTags(FULL, matrix=0), frame)
    expected = np.round(rgb.astype(np.float64) * top)
    stored = np.stack([planes[2], planes[0], planes[1]]).astype(np.float64)
    assert np.abs(stored - rgb.astype(np.float64) * top).max() <= 0.51
    assert (stored == expected).mean() > 0.99
    np.testing.assert_allclose(to_rgb(frame, ColorTags(FULL, matrix=0)), rgb, atol=0.51 / top)


def test_values_outside_the_range_are_clipped(clips):
    rgb = np.stack([np.full((4, 4), v, np.float32) for v in (-0.5, 2.0, 0.5)])
    frame, (g, b, r) = fresh(clips, "gbrp", 4, 4)
    rgb_to_planes(rgb, None, ColorTags(FULL, matrix=0), frame)
    assert (r == 0).all()
    assert (g == 255).all()
    assert (b == 128).all()


def test_alpha_goes_through(clips):
    rgb = np.full((3, 6, 8), 0.5, np.float32)
    alpha = np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 6, 8)
    frame, planes = fresh(clips, "yuva444p10le", 8, 6)
    rgb_to_planes(rgb, alpha, ColorTags(), frame)
    np.testing.assert_array_equal(planes[3], np.round(alpha[0].astype(np.float64) * 1023))
    got = np.empty_like(alpha)
    planes_to_rgb(frame, ColorTags(), rgb.copy(), got)
    np.testing.assert_allclose(got, alpha, atol=0.51 / 1023)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_an_error(clips, bad):
    rgb = np.full((3, 8, 8), 0.5, np.float32)
    rgb[1, 3, 3] = bad
    frame, _ = fresh(clips, "yuv420p", 8, 8)
    with pytest.raises(VideoError, match="NaN"):
        rgb_to_planes(rgb, None, ColorTags(), frame)


def test_unknown_matrix_is_an_error(clips):
    frame, _ = fresh(clips, "yuv420p", 8, 8)
    with pytest.raises(VideoError, match="colour matrix 8"):
        to_rgb(frame, ColorTags(matrix=8))
