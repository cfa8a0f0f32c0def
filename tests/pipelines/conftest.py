"""Tiny clips for the video tests, made on the spot; photos and the shipped network for references."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data

from chrominance.models import load_colorizer
from chrominance.models.contract import Chroma, Colorizer, Conditions, ModelSpec
from chrominance.models.embedded.features import EmbeddedFeatures
from chrominance.pipelines.merge import merge


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a frame as [rows, columns], writable where the frame is fresh."""
    deep = frame.format.components[0].bits > 8
    size = 2 if deep else 1
    arrays = []
    for plane in frame.planes:
        stride = plane.line_size // size
        values = np.frombuffer(memoryview(plane), "<u2" if deep else "u1", stride * plane.height)
        arrays.append(values.reshape(plane.height, stride)[:, : plane.width])
    return arrays


def picture(number: int, plane: int, shape: tuple[int, int], bits: int) -> np.ndarray:
    """A moving pattern whose colours all exist in RGB, different in each plane."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    wave = np.sin(rows / 7 + number / 3 + plane) + np.cos(columns / 9 - number / 5 + 2 * plane)
    return np.round((128 + wave * (25 if plane == 0 else 12)) * 2 ** (bits - 8))


def make_clip(
    path: Path,
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 12,
    rate: Fraction | int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    ticks: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    aspect: Fraction = Fraction(1),
    rotation: int = 0,
    grey: bool = False,
    sound: str | None = None,
    sound_rate: int = 48000,
    container: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a clip whose pictures are known; ``sound`` names the codec of a 440 Hz tone beside it."""
    with av.open(str(path), "w", options=container or {}) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        context = stream.codec_context
        context.time_base = time_base
        context.options = {"crf": "0", "preset": "ultrafast"} if options is None else options
        context.sample_aspect_ratio = aspect
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = tags
        if rotation:
            stream.set_display_rotation(rotation)
        output.metadata.update(metadata or {})
        audio = output.add_stream(sound, rate=sound_rate) if sound else None
        if audio is not None:
            audio.codec_context.layout = "stereo"
        if not frames:
            output.start_encoding()
        for number in range(frames):
            frame = av.VideoFrame(*size, pix_fmt)
            bits = frame.format.components[0].bits
            for plane, values in enumerate(planes_of(frame)):
                values[...] = picture(number, plane, values.shape, bits)
                if grey and plane:
                    values[...] = 128 * 2 ** (bits - 8)
            frame.pts = ticks[number] if ticks else round(number / Fraction(rate) / time_base)
            frame.time_base = time_base
            frame.color_range, frame.colorspace = tags[0], tags[3]
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if audio is not None:
            total = round(frames / Fraction(rate) * sound_rate)
            for start in range(0, total, 1024):
                count = min(1024, total - start)
                tone = np.sin(2 * np.pi * 440 * np.arange(start, start + count) / sound_rate) * 0.3
                block = av.AudioFrame.from_ndarray(np.tile(tone, (2, 1)).astype(np.float32), "fltp", "stereo")
                block.sample_rate, block.pts, block.time_base = sound_rate, start, Fraction(1, sound_rate)
                output.mux(audio.encode(block))
            output.mux(audio.encode(None))
    return path


def decode_planes(path: Path) -> list[list[np.ndarray]]:
    """All planes of all frames of a clip."""
    with av.open(str(path)) as container:
        return [[plane.copy() for plane in planes_of(f)] for f in container.decode(video=0)]


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    """Time and content of every packet of the sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


class ClipTools:
    """What the video tests share."""

    make = staticmethod(make_clip)
    planes = staticmethod(decode_planes)
    planes_of = staticmethod(planes_of)
    picture = staticmethod(picture)
    sound = staticmethod(sound_packets)


class WarmColorizer(Colorizer):
    """Gives every pixel the same chroma, at an eighth of the size; counts what it is shown."""

    spec = ModelSpec("warm", "Warm", "", "", "", size=64)

    def __init__(self) -> None:
        self.network = torch.nn.Linear(1, 1)
        self.batches: list[int] = []

    def _colorize(
        self, L: torch.Tensor, conditions: Conditions, *, size: int, temperature: float | None
    ) -> Chroma:
        self.batches.append(len(L))
        height, width = max(1, L.shape[-2] // 8), max(1, L.shape[-1] // 8)
        ab = torch.tensor([20.0, 30.0]).view(1, 2, 1, 1).expand(len(L), 2, height, width)
        return Chroma(ab.contiguous(), torch.ones(len(L), 1, height, width))


@pytest.fixture
def clips() -> type[ClipTools]:
    return ClipTools


@pytest.fixture
def colorizer() -> WarmColorizer:
    return WarmColorizer()


class CountingFeatures(EmbeddedFeatures):
    """The embedded features, with a count of the pictures that were looked at."""

    def __init__(self) -> None:
        super().__init__(embedded().network)
        self.calls = 0

    def features(self, L: torch.Tensor) -> list[torch.Tensor]:
        self.calls += len(L)
        return super().features(L)


@functools.cache
def embedded() -> Colorizer:
    """The network that ships with the package; never changed."""
    return load_colorizer()


def photo(name: str, height: int = 144, width: int = 192) -> torch.Tensor:
    """A colour photo of scikit-image's as rgb [3,height,width], shrunk."""
    rgb = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(rgb, (height, width), mode="bilinear", antialias=True, align_corners=False)[0]


def greyed(rgb: torch.Tensor) -> torch.Tensor:
    """Pictures [B,3,H,W] without their colours."""
    return merge(rgb, torch.zeros(1, 2, 1, 1))
