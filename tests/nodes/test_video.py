from __future__ import annotations

import io as files
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl

from chrominance.nodes.video import ColorizeVideo
from chrominance.pipelines.palette import Palette

SETTINGS = {
    "strength": 1.0,
    "saturation": 1.0,
    "temperature": 0.0,
    "size": 0,
    "codec": "h264",
    "crf": 4,
}


def write_clip(target, frames=12, **container):
    """Write a grey clip with a bright bar that moves by four pixels a frame."""
    with av.open(target, "w", **container) as out:
        stream = out.add_stream("h264", rate=10, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            picture = np.full((64, 96, 3), 90, np.uint8)
            picture[:, number * 4 : number * 4 + 8] = 180
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())


@pytest.fixture
def clip(tmp_path):
    write_clip(str(tmp_path / "clip.mp4"))
    return str(tmp_path / "clip.mp4")


def decode(path):
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def left_behind(tmp_path):
    return [path.name for path in (tmp_path / "temp").glob("*")]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_clip_is_coloured_frame_by_frame(clip, hosted, plain, tmp_path, codec):
    import comfy.utils

    video = InputImpl.VideoFromFile(clip)
    done = ColorizeVideo.execute(video, **{**SETTINGS, "codec": codec}, colorizer=hosted)[0]
    path = Path(done.get_stream_source())
    assert path.parent == tmp_path / "temp"
    assert left_behind(tmp_path) == [path.name]
    frames = decode(str(path))
    assert len(frames) == 12
    assert frames[0].shape == (64, 96, 3)
    red, green, blue = frames[3][32, 60].astype(int)
    assert blue > red > green  # a = 20, b = -30 is a violet
    assert max(plain.calls) == 1
    (bar,) = comfy.utils.ProgressBar.made
    assert (bar.current, bar.total) == (12, 12)


def test_a_clip_in_memory_and_a_trim_window(hosted):
    memory = files.BytesIO()
    write_clip(memory, format="mp4")
    video = InputImpl.VideoFromFile(memory, start_time=0.5, duration=0.4)
    done = ColorizeVideo.execute(video, **SETTINGS, colorizer=hosted)[0]
    frames = decode(done.get_stream_source())
    assert len(frames) == 4
    assert frames[0][32, 24].mean() > frames[0][32, 60].mean()  # the bar as it is at the fifth frame


def test_cancel_in_the_middle_leaves_nothing_behind(clip, hosted, plain, tmp_path, monkeypatch):
    import comfy.model_management as management

    work = plain._colorize

    def cancel_at_the_third(*args, **kwargs):
        if len(plain.calls) == 2:
            management.interrupt_current_processing()
        return work(*args, **kwargs)

    monkeypatch.setattr(plain, "_colorize", cancel_at_the_third)
    with pytest.raises(management.InterruptProcessingException):
        ColorizeVideo.execute(InputImpl.VideoFromFile(clip), **SETTINGS, colorizer=hosted)
    assert plain.calls == [1, 1, 1]
    assert left_behind(tmp_path) == []
    ColorizeVideo.execute(InputImpl.VideoFromFile(clip), **SETTINGS, colorizer=hosted)
    assert len(left_behind(tmp_path)) == 1


def test_out_of_memory_halves_the_batch_for_the_rest_of_the_clip(clip, hosted, plain, monkeypatch):
    monkeypatch.setattr("chrominance.nodes.host.start_batch", lambda height, width: 4)
    plain.out_of_memory_above = 2
    done = ColorizeVideo.execute(InputImpl.VideoFromFile(clip), **SETTINGS, colorizer=hosted)[0]
    assert plain.calls == [4, 2, 2, 2, 2, 2, 2]
    frames = decode(done.get_stream_source())
    bright = [frame[32].mean(-1).argmax() for frame in frames]
    assert bright == sorted(bright)
    assert len(frames) == 12


def test_what_is_no_clip_is_one_clear_line(hosted, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no clip")
    with pytest.raises(ValueError, match=r"text\.mp4") as caught:
        ColorizeVideo.execute(InputImpl.VideoFromFile(str(path)), **SETTINGS, colorizer=hosted)
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path) == []


def test_runs_inside_inference_mode_as_comfyui_does(clip, hosted):
    with torch.inference_mode():
        done = ColorizeVideo.execute(InputImpl.VideoFromFile(clip), **SETTINGS, colorizer=hosted)[0]
    assert len(decode(done.get_stream_source())) == 12


def test_a_palette_and_shots(clip):
    pytest.importorskip("cv2")
    video = InputImpl.VideoFromFile(clip)
    warm, cold = (Palette.from_hex(colors) for colors in (["#803020", "#c08040"], ["#203060", "#5080c0"]))
    blue = []
    for palette, stabilize in ((warm, 0.0), (cold, 0.0), (warm, 1.0), (cold, 1.0)):
        done = ColorizeVideo.execute(video, **SETTINGS, palette=palette, stabilize=stabilize)[0]
        frames = np.stack(decode(done.get_stream_source())).astype(float)
        assert len(frames) == 12
        blue.append((frames[..., 2] - frames[..., 0]).mean())
    assert blue[1] > blue[0] + 10 and blue[3] > blue[2] + 10


def test_a_given_cut_is_one_for_the_stage(clip, hosted, monkeypatch):
    pytest.importorskip("cv2")
    from chrominance.pipelines.stabilize import Stabilizer

    begun = []
    monkeypatch.setattr(Stabilizer, "begin_shot", lambda self: begun.append(1))
    video = InputImpl.VideoFromFile(clip)
    shots = '{"shots": [{"start": 0, "end": 5}, {"start": 5, "end": 12}]}'
    ColorizeVideo.execute(video, **SETTINGS, colorizer=hosted, stabilize=1.0, shots=shots)
    assert len(begun) == 2
    with pytest.raises(ValueError, match="shots are for stabilize"):
        ColorizeVideo.execute(video, **SETTINGS, colorizer=hosted, shots=shots)
    with pytest.raises(ValueError, match="shots: "):
        ColorizeVideo.execute(video, **SETTINGS, colorizer=hosted, stabilize=1.0, shots="[]")
    with pytest.raises(ValueError, match="takes no palette"):
        ColorizeVideo.execute(
            video, **SETTINGS, colorizer=hosted, palette=Palette.from_hex(["#ff0000", "#0000ff"])
        )


def test_the_page_sees_frames_and_the_time_left(clip, hosted, monkeypatch):
    import comfy.utils
    import comfy_execution.utils
    import server

    page = server.PromptServer()
    monkeypatch.setattr(server.PromptServer, "instance", page)
    monkeypatch.setattr(comfy_execution.utils, "current", comfy_execution.utils.ExecutionContext("p", "17"))
    monkeypatch.setattr("chrominance.nodes.host.SHOW_SECONDS", 0.0)
    ColorizeVideo.execute(InputImpl.VideoFromFile(clip), **SETTINGS, colorizer=hosted)
    (bar,) = comfy.utils.ProgressBar.made
    assert len(bar.previews) == 12 and bar.current == 12
    kind, picture, largest = bar.previews[3]
    assert (kind, picture.size, largest) == ("JPEG", (96, 64), 512)
    red, green, blue = picture.getpixel((60, 32))
    assert blue > red > green
    assert len(page.shown) == 12 and page.shown[-1] == ("17", "12 of 12 frames, 0:00:00 left")
