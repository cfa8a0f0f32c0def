"""Pictures and clips as a system's authors colour them, with stand-ins that show what they were given."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from chrominance.models.contract import Chroma, Colorizer, ModelSpec, Published
from chrominance.pipelines.colorize import ColorizeSettings, colorize
from chrominance.pipelines.exemplar import colorize_with_references
from chrominance.pipelines.published import color_as_published, color_frames_as_published, published_way
from chrominance.pipelines.video_types import Frame


class Stretcher(Colorizer):
    """Gives squares whose red is the reference's mean and whose blue counts the frames."""

    def __init__(self, *required: str) -> None:
        needed = frozenset(required)
        known = needed | {"local"}
        self.spec = ModelSpec("stretcher", "Stretcher", "", "", "", conditions=known, required=needed)
        self.network = torch.nn.Linear(1, 1)

    def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
        raise AssertionError("the other way")

    def _as_published(self, rgb, reference, size, state) -> Published:
        assert rgb.dtype == torch.uint8 and not rgb.is_cuda
        count = 0 if state is None else state + 1
        out = torch.full((3, size or 8, size or 8), rgb.float().mean() / 255)
        if reference is not None:
            out[0] = reference.float().mean() / 255
        out[2] = count / 10
        return Published(out, torch.full((1, 2, 4, 4), 7.0), count)


class Own(Stretcher):
    _as_published = Colorizer._as_published


RGB = torch.rand(2, 3, 6, 10, generator=torch.Generator().manual_seed(0))


def test_pictures_come_in_the_size_that_the_authors_write():
    done = colorize(RGB, Stretcher(), ColorizeSettings(as_published=True))
    assert done.rgb.shape == (2, 3, 8, 8) and done.ab.shape == (2, 2, 4, 4)
    assert torch.equal(done.confidence, torch.ones(2, 1, 4, 4))
    eight_bits = (RGB * 255).round() / 255
    for picture, given in zip(done.rgb, eight_bits, strict=True):
        torch.testing.assert_close(picture[0], given.mean().expand(8, 8))
        assert torch.equal(picture[2], torch.zeros(8, 8))  # each by itself, not a frame after the other
    larger = colorize(RGB, Stretcher(), ColorizeSettings(as_published=True, size=32))
    assert larger.rgb.shape == (2, 3, 32, 32)


def test_progress_and_reference():
    counts = []
    way = published_way(Stretcher("exemplar"), reference=torch.full((1, 3, 5, 5), 0.2))
    rgb, ab = color_as_published(RGB, way, progress=counts.append)
    assert counts == [1, 1] and ab.shape == (2, 2, 4, 4)
    torch.testing.assert_close(rgb[:, 0], torch.full((2, 8, 8), 0.2))


def test_a_clip_hands_its_state_on():
    frames = [Frame(i, Fraction(i, 10), RGB[0], RGB[0][:1]) for i in range(3)]
    done = list(color_frames_as_published(iter(frames), published_way(Stretcher())))
    assert [frame.time for frame in done] == [frame.time for frame in frames]
    assert [round(float(frame.rgb[2, 0, 0]), 3) for frame in done] == [0, 0.1, 0.2]
    assert done[0].alpha is None  # of another size
    (same,) = color_frames_as_published(iter([Frame(0, Fraction(0), RGB[0, :, :, :6], RGB[0, :1, :, :6])]),
        published_way(Stretcher(), size=16))  # fmt: skip
    assert same.rgb.shape == (3, 16, 16)


@pytest.mark.parametrize(
    "settings",
    [{"strength": 0.5}, {"saturation": 1.2}, {"temperature": 0.5}, {"gamut": "clip"}],
)
def test_nothing_else_can_be_set(settings):
    with pytest.raises(ValueError, match="as_published leaves strength, saturation"):
        ColorizeSettings(as_published=True, **settings)


def test_what_a_published_way_does_not_know():
    settings = ColorizeSettings(as_published=True)
    with pytest.raises(ValueError, match="knows no mask"):
        colorize(RGB, Stretcher(), settings, mask=torch.ones(1, 1, 6, 10))
    with pytest.raises(ValueError, match="no published way of its own"):
        colorize(RGB, Own(), settings)
    with pytest.raises(ValueError, match="one reference, got 2"):
        published_way(Stretcher("exemplar"), reference=RGB)
    with pytest.raises(ValueError, match="cannot colour without a reference picture"):
        colorize(RGB, Stretcher("exemplar"), settings)
    with pytest.raises(ValueError, match="takes no reference"):
        color_as_published(RGB, published_way(Stretcher(), reference=RGB[0]))
    with pytest.raises(ValueError, match=r"working size must be 16\.\.4096, got 5000"):
        Stretcher().as_published(RGB[0], size=5000)
    with pytest.raises(ValueError, match="without NaN"):
        Stretcher().as_published(RGB[0] * torch.nan)
    with pytest.raises(ValueError, match="no blend of several references"):
        colorize_with_references(RGB, None, settings)  # pyright: ignore[reportArgumentType]
