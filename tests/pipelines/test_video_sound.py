from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from chrominance.pipelines.video import VideoError, VideoReader, process_video


def same(frames, info):
    return frames


def tone(path):
    """Decoded sound as (start in seconds, mono samples, rate)."""
    with av.open(str(path)) as container:
        mono = av.AudioResampler(format="fltp", layout="mono")
        frames = [f for frame in container.decode(audio=0) for f in mono.resample(frame)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return float(frames[0].time), samples.astype(np.float64), frames[0].sample_rate


@pytest.mark.parametrize(
    ("source_name", "target_name", "codec"),
    [
        ("in.mp4", "out.mp4", "aac"),
        ("in.mp4", "out.mkv", "aac"),
        ("in.mkv", "out.mp4", "aac"),
        ("in.mov", "out.mov", "pcm_s16le"),
        ("in.mkv", "out.mkv", "flac"),
        ("in.mkv", "out.mp4", "libopus"),
        ("in.mkv", "out.mp4", "pcm_s16le"),
        ("in.ts", "out.mkv", "aac"),
        ("in.mkv", "out.avi", "libmp3lame"),
        ("in.mkv", "out.avi", "flac"),
    ],
)
def test_sound_is_copied_packet_for_packet(clips, tmp_path, source_name, target_name, codec):
    source = clips.make(tmp_path / source_name, frames=40, sound=codec)
    target = tmp_path / target_name
    result = process_video(source, target, same)
    assert result.frames == 40
    before, after = clips.sound(source), clips.sound(target)
    assert len(after) == len(before)
    if not source_name.endswith(".ts"):  # whose packets have headers that others have not
        assert [content for _, content in after] == [content for _, content in before]
    with av.open(str(source)) as one, av.open(str(target)) as two:
        apart = [float(v.start_time * v.time_base) - a for v, a in _starts((one, before), (two, after))]
    tolerance = 0.03 if target_name.endswith("avi") else 0.0015  # AVI counts packets, it has no times
    assert apart[1] == pytest.approx(apart[0], abs=tolerance)
    spacing = np.diff([t for t, _ in after]) - np.diff([t for t, _ in before])
    assert np.abs(spacing).max() < tolerance


def _starts(*clips_and_sounds):
    return [(container.streams.video[0], sound[0][0]) for container, sound in clips_and_sounds]


@pytest.mark.parametrize(
    ("codec", "name"), [("flac", "out.mov"), ("libopus", "out.mov"), ("libopus", "out.avi")]
)
@pytest.mark.parametrize("rate", [48000, 22050])
def test_sound_that_does_not_fit_is_encoded_again(clips, tmp_path, codec, name, rate):
    if codec == "libopus":
        rate = 48000  # the only one it has
    source = clips.make(tmp_path / "in.mkv", frames=50, sound=codec, sound_rate=rate)
    process_video(source, tmp_path / name, same)
    start, samples, found = tone(tmp_path / name)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * found / len(middle) == pytest.approx(440, abs=3)
    assert abs(start - tone(source)[0]) < 0.06
    assert len(samples) / found == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_trimmed_sound_stays_in_step(clips, tmp_path, name):
    """A click in the sound lies where it lay beside the pictures."""
    source = clips.make(tmp_path / "in.mkv", frames=75, sound="pcm_s16le", options={"g": "10"})
    process_video(source, tmp_path / name, same, trim=(1.2, 1.0))
    before, after = clips.sound(source), clips.sound(tmp_path / name)
    contents = [content for _, content in before]
    first = contents.index(after[0][1])
    with VideoReader(tmp_path / name) as reader:
        assert len(list(reader)) == 25
    shift = before[first][0] - after[0][0]
    assert 1.2 - 0.03 < before[first][0] <= 1.2 + 0.0015
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert shift + float(stream.start_time * stream.time_base) == pytest.approx(1.2, abs=0.0015)
    assert 2.2 - 0.03 < after[-1][0] + shift < 2.2


def test_sound_can_be_left_out(clips, tmp_path):
    source = clips.make(tmp_path / "in.mp4", sound="aac")
    process_video(source, tmp_path / "out.mp4", same, sound=False)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [s.type for s in container.streams] == ["video"]


def test_every_track_comes_along(tmp_path):
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as output:
        video = output.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        tracks = [output.add_stream("aac", rate=48000) for _ in range(2)]
        for track, language in zip(tracks, ("ger", "fre"), strict=True):
            track.metadata["language"] = language
        for n in range(10):
            output.mux(video.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), n * 20, np.uint8))))
        output.mux(video.encode(None))
        for track in tracks:
            block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            block.sample_rate, block.pts = 48000, 0
            output.mux(track.encode(block))
            output.mux(track.encode(None))
    for name in ("out.mkv", "out.mp4"):
        process_video(source, tmp_path / name, same)
        with av.open(str(tmp_path / name)) as container:
            assert [s.language for s in container.streams.audio] == ["ger", "fre"]


def test_subtitles_come_along_where_they_fit(clips, tmp_path, caplog):
    (tmp_path / "lines.srt").write_text("1\n00:00:00,200 --> 00:00:01,000\nAll aboard\n")
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as output, av.open(str(tmp_path / "lines.srt")) as lines:
        video = output.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        text = output.add_stream_from_template(lines.streams.subtitles[0])
        for n in range(50):
            output.mux(video.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), n * 5, np.uint8))))
        output.mux(video.encode(None))
        for packet in lines.demux():
            if packet.pts is not None:
                packet.stream = text
                output.mux(packet)
    process_video(source, tmp_path / "out.mkv", same)
    with av.open(str(tmp_path / "out.mkv")) as container:
        packets = [p for p in container.demux(container.streams.subtitles[0]) if p.size]
        assert [(float(p.pts * p.time_base), bytes(p)) for p in packets] == [(0.2, b"All aboard")]
    process_video(source, tmp_path / "out.mp4", same)
    assert "subtitles" in caplog.text


def test_early_sound_keeps_its_lead(tmp_path, clips):
    """Sound that begins half a second before the pictures still does."""
    ticks = [6400 + 512 * n for n in range(20)]
    source = clips.make(tmp_path / "in.mkv", frames=20, ticks=ticks, sound="pcm_s16le")
    process_video(source, tmp_path / "out.mkv", same)
    with VideoReader(tmp_path / "out.mkv") as reader:
        assert float(next(iter(reader)).time) == pytest.approx(0.5, abs=0.002)
    assert clips.sound(tmp_path / "out.mkv")[0][0] == pytest.approx(0, abs=0.002)


def test_sound_no_one_can_encode_is_a_clear_error(clips, tmp_path, monkeypatch):
    from chrominance.pipelines import video_sound

    def refuse(self, *_):
        raise ValueError("no such encoder")

    monkeypatch.setattr(video_sound._Transcoded, "__init__", refuse)
    source = clips.make(tmp_path / "in.mkv", frames=3, sound="libopus")
    with pytest.raises(VideoError, match=r"out\.avi cannot hold sound of the kind \w*opus.*choose \.mkv"):
        process_video(source, tmp_path / "out.avi", same)
    assert [p.name for p in tmp_path.iterdir()] == ["in.mkv"]


def test_frame_rate_of_the_sound_does_not_matter(clips, tmp_path):
    source = clips.make(
        tmp_path / "in.mp4", frames=30, rate=Fraction(24000, 1001), time_base=Fraction(1, 24000), sound="aac"
    )
    process_video(source, tmp_path / "out.mp4", same)
    with VideoReader(source) as one, VideoReader(tmp_path / "out.mp4") as two:
        assert [f.time for f in one] == [f.time for f in two]
    with av.open(str(source)) as one, av.open(str(tmp_path / "out.mp4")) as two:
        assert abs(two.streams.audio[0].duration - one.streams.audio[0].duration) <= 48
        assert abs(two.duration - one.duration) < 2000
