"""Make the bundled samples from scikit-image's pictures: ``python -m chrominance.benchmarks.samples FOLDER``.

The photo is NASA's portrait of Eileen Collins (public domain), made grey. The clip pans over scikit-image's
rocket (SpaceX, CC0) and cat (CC0), with a hard cut between and a soft chord as its sound.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from skimage import data

_WIDTH, _HEIGHT, _RATE, _SHOT = 384, 256, 24, 30
_AUDIO_RATE = 44100


def _grey(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).convert("L")


def pan(picture: Image.Image, zoom: tuple[float, float], y: float) -> Iterator[Image.Image]:
    """Yield one shot: the camera closes in from ``zoom[0]`` to ``zoom[1]`` while it pans right."""
    for i in range(_SHOT):
        t = i / (_SHOT - 1)
        scale = zoom[0] + t * (zoom[1] - zoom[0])
        w = picture.width / scale
        h = w * _HEIGHT / _WIDTH
        left, top = t * (picture.width - w), y * (picture.height - h)
        box = (left, top, left + w, top + h)
        yield picture.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC, box)


def _chord(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * _AUDIO_RATE)) / _AUDIO_RATE
    tone = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.18, 329.63)) / 3
    fade = np.clip(np.minimum(t, seconds - t) / 0.25, 0, 1)
    return (0.1 * tone * fade).astype(np.float32)[None]


def write_photo(path: Path) -> None:
    """Write the grey portrait."""
    _grey(data.astronaut()).save(path, quality=92)


def write_clip(path: Path) -> None:
    """Write the clip: H.264 with AAC sound, 60 frames of 384x256."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", _RATE, options={"crf": "20", "preset": "slow"})
        video.width, video.height, video.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        audio = container.add_stream("aac", _AUDIO_RATE)
        audio.layout = "mono"
        shots = (pan(_grey(data.rocket()), (1.25, 1.45), 0.35), pan(_grey(data.chelsea()), (1.1, 1.3), 0.4))
        for shot in shots:
            for picture in shot:
                container.mux(video.encode(av.VideoFrame.from_image(picture.convert("RGB"))))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(_chord(2 * _SHOT / _RATE), format="fltp", layout="mono")
        sound.sample_rate, sound.pts = _AUDIO_RATE, 0
        sound.time_base = Fraction(1, _AUDIO_RATE)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def main(argv: list[str] | None = None) -> int:
    """Write photo.jpg and clip.mp4 into the folder."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks.samples", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    write_photo(folder / "photo.jpg")
    write_clip(folder / "clip.mp4")
    sys.stdout.write(f"wrote photo.jpg and clip.mp4 to {folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
