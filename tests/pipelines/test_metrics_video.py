from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from skimage import data

from chrominance.color import lab_to_rgb, rgb_to_lab
from chrominance.pipelines.metrics import colorfulness
from chrominance.pipelines.metrics_video import (
    ClipScores,
    ColorDistributionConsistency,
    FlowWarpError,
)

needs_opencv = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="opencv-python-headless is not installed"
)


def still(first, second):
    return np.zeros((*first.shape, 2), np.float32)


def moving(x, y):
    """A flow that knows: the camera shifts everything by (x, y) from each frame to the next."""
    calls = []

    def flow(first, second):
        calls.append(1)
        sign = -1 if len(calls) % 2 else 1  # asked for the way back first
        return np.broadcast_to(np.float32([sign * x, sign * y]), (*first.shape, 2))

    return flow


def pan(frames, x, y, size=(96, 128)):
    """Frames [3,H,W] cut from a photo, whose content moves by (x, y) pixels each time."""
    photo = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    for i in range(frames):
        top, left = 120 - i * y, 160 - i * x
        yield photo[:, top : top + size[0], left : left + size[1]]


def warp_error(frames, flow=None):
    error = FlowWarpError(flow)
    for frame in frames:
        error.add(frame)
    return error.value()


def test_cdc_agrees_with_scipy():
    g = torch.Generator().manual_seed(0)
    frames = [(torch.rand(3, 20, 30, generator=g) ** (1 + i / 3) * 255).round() / 255 for i in range(9)]
    cdc = ColorDistributionConsistency()
    for frame in frames:
        cdc.add(frame)
    histograms = [
        [np.bincount((c * 255).round().int().flatten().numpy(), minlength=256) for c in f] for f in frames
    ]
    means = []
    for lag in (1, 2, 4):
        pairs = zip(histograms, histograms[lag:], strict=False)
        means.append(np.mean([[jensenshannon(*c) ** 2 for c in zip(*pair, strict=True)] for pair in pairs]))
    assert cdc.value() == pytest.approx(np.mean(means), rel=1e-6)


def test_cdc_of_a_still_clip_and_of_one_without_a_common_level():
    still_clip, flashing = ColorDistributionConsistency(), ColorDistributionConsistency()
    for i in range(12):
        still_clip.add(torch.full((3, 4, 4), 0.3))
        flashing.add(torch.full((3, 4, 4), i / 12))
    assert still_clip.value() == 0
    assert flashing.value() == pytest.approx(math.log(2))


def test_colours_that_move_with_the_picture_have_no_error():
    assert warp_error(pan(4, 5, -3), moving(5, -3)) == pytest.approx(0, abs=1e-4)
    assert warp_error(pan(4, 5, -3), moving(0, 0)) > 0.1


def test_fractions_of_pixels_are_followed():
    ramp = torch.linspace(-40, 40, 64).expand(1, 1, 16, 64)

    def frame(shift):
        lab = torch.cat([torch.full_like(ramp, 60), ramp - shift * 80 / 63, 0 * ramp], 1)
        return lab_to_rgb(lab)[0]

    assert warp_error([frame(0), frame(1.5), frame(3)], moving(1.5, 0)) < 1e-3
    assert warp_error([frame(0), frame(1.5), frame(3)], moving(0, 0)) > 0.05


def test_flicker_counts_by_the_mean_chroma():
    # a of 24 and 16 in turns: each pixel is 8 off, of 20 on the average.
    frames = [
        lab_to_rgb(torch.tensor([50.0, a, 0]).view(1, 3, 1, 1).expand(1, 3, 8, 8))[0]
        for a in (24, 16, 24, 16, 24)
    ]
    assert warp_error(frames, still) == pytest.approx(8 / 20, rel=1e-3)
    faint = [(f + f.mean(0, keepdim=True)) / 2 for f in frames]
    assert warp_error(faint, still) == pytest.approx(8 / 20, rel=0.1)


def test_what_is_hidden_in_one_frame_is_left_out():
    def frame(left):
        picture = torch.tensor([0.1, 0.2, 0.7]).view(3, 1, 1).repeat(1, 40, 60)
        picture[:, 10:30, left : left + 16] = torch.tensor([0.8, 0.2, 0.1]).view(3, 1, 1)
        return picture

    lefts = iter([(18, -8), (10, 8)])  # where the square is in the first of both frames, and its motion

    def flow(first, second):
        left, x = next(lefts)
        motion = np.zeros((*first.shape, 2), np.float32)
        motion[10:30, left : left + 16, 0] = x
        return motion

    assert warp_error([frame(10), frame(18)], flow) == pytest.approx(0, abs=1e-5)


def test_what_comes_in_at_the_edge_is_left_out():
    frames = list(pan(2, 30, 0))
    frames[1] = frames[1].clone()
    frames[1][:, :, :30] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)  # was outside the frame before
    assert warp_error(frames, moving(30, 0)) == pytest.approx(0, abs=1e-4)


@needs_opencv
def test_opencvs_flow_follows_a_moving_photo():
    moved = warp_error(pan(5, 4, 2))
    frames = list(pan(5, 4, 2))
    assert moved < 0.03
    assert moved < warp_error(frames, still) / 5
    swapped = [
        f if i % 2 else lab_to_rgb(rgb_to_lab(f) * torch.tensor([1, 0.6, 0.6]).view(3, 1, 1))
        for i, f in enumerate(frames)
    ]
    # Chroma of 1 and 0.6 in turns: 0.4 of 0.8.
    assert warp_error(swapped) == pytest.approx(0.5, abs=0.05)


@needs_opencv
def test_a_cut_is_left_out():
    g = torch.Generator().manual_seed(0)
    noise = torch.nn.functional.interpolate(torch.rand(1, 3, 24, 32, generator=g), size=(96, 128))[0]
    frames = [*pan(3, 1, 0), noise, noise]
    assert warp_error(frames) < 0.03


@needs_opencv
def test_motion_is_seen_in_the_guide():
    guides = list(pan(4, 4, 2))
    red = torch.tensor([0.6, 0.3, 0.3]).view(3, 1, 1).expand_as(guides[0])
    flat, guided = FlowWarpError(), FlowWarpError()
    for guide in guides:
        flat.add(red)
        guided.add(guide, (guide + guide.mean(0, keepdim=True)) / 2)
    assert flat.value() == pytest.approx(0, abs=1e-6)
    assert guided.value() < 0.03
    with pytest.raises(ValueError, match="its guide 8x8"):
        guided.add(guides[0], torch.rand(3, 8, 8))


@needs_opencv
def test_the_figures_of_a_clip():
    scores = ClipScores()
    frames = list(pan(6, 2, 1))
    for frame in frames:
        scores.add(frame)
    figures = scores.figures()
    assert figures["colorfulness"] == pytest.approx(colorfulness(torch.stack(frames)).mean().item(), abs=0.2)
    assert 0 < figures["cdc"] < 0.01
    assert 0 < figures["warp_error"] < 0.05


def test_grey_is_neither_steady_nor_unsteady():
    grey = torch.linspace(0, 1, 64).expand(3, 8, 64)
    assert math.isnan(warp_error([grey, grey], still))


def test_clips_that_do_not_fit_are_named():
    frame = torch.rand(3, 8, 8)
    cdc = ColorDistributionConsistency()
    for _ in range(4):
        cdc.add(frame)
    with pytest.raises(ValueError, match="at least 5 frames, got 4"):
        cdc.value()
    with pytest.raises(ValueError, match="no pixel could be followed"):
        warp_error([frame], still)
    with pytest.raises(ValueError, match="the frame is 9x8, the one before 8x8"):
        warp_error([frame, torch.rand(3, 8, 9)], still)
    with pytest.raises(ValueError, match=r"must be \[3,H,W\]"):
        cdc.add(frame[None])
    with pytest.raises(ValueError, match="the frame holds NaN"):
        warp_error([frame * float("nan")], still)
