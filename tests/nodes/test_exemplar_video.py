"""The keyframe node on a clip of a moving photo."""

from __future__ import annotations

import io as files
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from skimage import data

from chrominance.nodes.exemplar_video import ExemplarVideo, parse_frames

GIVEN = {
    **{"features": "embedded", "trust": 0.5, "strength": 1.0, "saturation": 1.0, "temperature": 0.0},
    **{"size": 0, "codec": "h264", "crf": 4},
}
PHOTO = data.astronaut()[::2, ::2]


def frame(number: int) -> np.ndarray:
    return PHOTO[20:148, 3 * number : 3 * number + 160]


def write_clip(target, count: int = 6, **container) -> None:
    """A grey clip of a camera that moves over a photo, with a tone."""
    with av.open(target, "w", **container) as out:
        stream = out.add_stream("h264", rate=10, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        sound = out.add_stream("aac", rate=48000)
        for number in range(count):
            grey = np.repeat(frame(number).mean(2, keepdims=True).round().astype(np.uint8), 3, 2)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        out.mux(stream.encode())
        wave = np.sin(np.arange(28672) / 17).astype(np.float32)[None]
        for start in range(0, 28672, 1024):
            samples = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 48000, start
            out.mux(sound.encode(samples))
        out.mux(sound.encode())


@pytest.fixture
def clip(tmp_path: Path) -> str:
    write_clip(str(tmp_path / "clip.mp4"))
    return str(tmp_path / "clip.mp4")


def image(number: int) -> torch.Tensor:
    return torch.from_numpy(frame(number).copy())[None].float() / 255


def closeness(path: str) -> list[float]:
    """Mean distance in RGB of each frame from the true one."""
    with av.open(path) as container:
        found = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    return [float(np.abs(one.astype(float) - frame(n)).mean()) for n, one in enumerate(found)]


def test_a_keyframe_is_carried_and_the_sound_is_kept(clip):
    import comfy.utils

    done = ExemplarVideo.execute(
        InputImpl.VideoFromFile(clip), {"reference0": image(0), "reference1": image(5)}, "0, 5", **GIVEN
    )[0]
    path = done.get_stream_source()
    errors = closeness(path)
    assert len(errors) == 6
    assert max(errors) < 6
    with av.open(path) as container:
        assert len(container.streams.audio) == 1
    (bar,) = comfy.utils.ProgressBar.made
    assert (bar.current, bar.total) == (6, 6)


def test_a_clip_in_memory_is_read_twice():
    memory = files.BytesIO()
    write_clip(memory, format="mp4")
    done = ExemplarVideo.execute(InputImpl.VideoFromFile(memory), {"reference0": image(5)}, "5", **GIVEN)[0]
    assert max(closeness(done.get_stream_source())) < 7


def test_cancel_leaves_nothing(clip, tmp_path):
    import comfy.model_management as management

    management.interrupted = True
    with pytest.raises(management.InterruptProcessingException):
        ExemplarVideo.execute(InputImpl.VideoFromFile(clip), {"reference0": image(0)}, "0", **GIVEN)
    assert list((tmp_path / "temp").glob("*")) == []


def test_without_opencv_it_says_so(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModuleNotFoundError, match="pip install opencv-python-headless"):
        ExemplarVideo.execute(InputImpl.VideoFromFile(clip), {"reference0": image(0)}, "", **GIVEN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", [None, None]), (" 0, 12 ", [0, 12]), ("-,3", [None, 3]), ("-, -", [None, None])],
)
def test_frames(text, expected):
    assert parse_frames(text, 2) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "names 1 references, and 2 are connected"),
        ("0,1,2", "names 3 references, and 2 are connected"),
        ("0, x", "numbers from 0, or -, with commas between, got 'x'"),
        ("0, -1", "got '-1'"),
        ("0,", "got ''"),
    ],
)
def test_frames_that_do_not_fit(text, message):
    with pytest.raises(ValueError, match=message):
        parse_frames(text, 2)


def test_as_published_goes_through_the_clip_in_order(clip, monkeypatch, tmp_path):
    from chrominance.models.contract import Published
    from chrominance.models.embedded import EmbeddedColorizer

    states = []

    def way(self, rgb, reference, size, state):
        states.append(state)
        return Published(torch.full((3, 64, 96), 0.5), torch.zeros(1, 2, 4, 4), len(states))

    monkeypatch.setattr(EmbeddedColorizer, "_as_published", way)
    monkeypatch.setattr(EmbeddedColorizer, "as_published", lambda self, rgb, **k: way(self, rgb, **k))
    done = ExemplarVideo.execute(
        InputImpl.VideoFromFile(clip), {"reference0": image(0)}, "", **GIVEN, as_published=True
    )[0]
    with av.open(str(done.get_stream_source())) as container:
        sizes = [(one.width, one.height) for one in container.decode(video=0)]
    assert sizes == [(96, 64)] * 6 and states == [None, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="knows no frames that references are bound to"):
        ExemplarVideo.execute(
            InputImpl.VideoFromFile(clip), {"reference0": image(0)}, "0", **GIVEN, as_published=True
        )
