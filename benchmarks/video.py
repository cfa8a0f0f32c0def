"""Video: what a 1080p frame costs besides the network, and whether memory stays flat on a longer clip.

``python -m chrominance.benchmarks video [--clip FILE]``. Without a clip of yours, one is made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
import torch

from ..color import rgb_to_lightness
from ..models import load_colorizer
from ..pipelines.clip import process_clip
from ..pipelines.clip_stage import EachFrame
from ..pipelines.film import SteadyFrames
from ..pipelines.merge import merge
from ..pipelines.video import Encoding, VideoReader, colorize_frames, colorize_video
from ..pipelines.video_planes import planes_to_rgb, rgb_to_planes
from ..pipelines.video_types import ColorTags


@dataclass(frozen=True)
class Growth:
    """One clip and the same ten times as long: peak memory in MB, frames, packets of sound."""

    peak_mb: float
    long_peak_mb: float
    frames_in: int
    frames_out: int
    sound_equal: bool

    @property
    def ratio(self) -> float:
        """Peak memory on the long clip by that on the short one."""
        return self.long_peak_mb / self.peak_mb


@dataclass(frozen=True)
class Costs:
    """Milliseconds a 1080p frame: single steps, then the whole pipeline without a network.

    ``color``: lightness and merge, CPU time of all threads, as ``decode_cpu``; ``cores``: that there are.
    """

    decode: float
    decode_cpu: float
    to_rgb: float
    color: float
    to_planes: float
    encode: float
    pipeline_wall: float
    pipeline_cpu: float
    cores: int

    @property
    def handling(self) -> float:
        """Everything besides network and encoder, on all cores at once: steps of different frames overlap."""
        return (self.decode_cpu + self.to_rgb + self.color + self.to_planes) / self.cores

    @property
    def overlap(self) -> float:
        """Wall time by the larger of the slowest thread's work and half of all CPU time."""
        slowest = max(self.decode + self.to_rgb, self.to_planes + self.encode)
        return self.pipeline_wall / max(slowest, self.pipeline_cpu / 2)


def make_clip(path: Path, size: tuple[int, int] = (640, 360), frames: int = 60, sound: bool = True) -> None:
    """Write a clip of drifting waves in grey, with a tone."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=24, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = output.add_stream("aac", rate=48000) if sound else None
        for number in range(frames):
            wave = np.sin(rows / 31 + number / 6) + np.sin(columns / 47 - number / 9 + rows / 90)
            grey = (126 + 45 * wave).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), "rgb24")
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None:
            for start in range(0, frames * 2000, 1000):
                tone = np.sin(np.arange(start, start + 1000) * (2 * np.pi * 440 / 48000)).astype(np.float32)
                block = av.AudioFrame.from_ndarray(np.stack([tone, tone]) * 0.3, "fltp", "stereo")
                block.sample_rate, block.pts = 48000, start
                output.mux(audio.encode(block))
            output.mux(audio.encode(None))


def repeat_clip(source: Path, target: Path, times: int) -> None:
    """Write ``source`` several times over, packets untouched, with a short gap between."""
    with av.open(str(target), "w") as output:
        streams = {}
        offset = end = Fraction(0)
        for _ in range(times):
            with av.open(str(source)) as container:
                kept = [s for s in container.streams if s.type in ("video", "audio")]
                if not streams:
                    streams = {s.index: output.add_stream_from_template(s) for s in kept}
                for packet in container.demux(*kept):
                    if packet.pts is None:
                        continue
                    shift = round(offset / packet.time_base)
                    packet.pts += shift
                    packet.dts = packet.pts if packet.dts is None else packet.dts + shift
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                    packet.stream = streams[packet.stream.index]
                    output.mux(packet)
            offset = end + Fraction(1, 4)  # room for decoding times that lie before the start


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def count_packets(path: Path, kind: str) -> int:
    """Packets of the first stream of a kind, 0 where there is none."""
    with av.open(str(path)) as container:
        streams = [s for s in container.streams if s.type == kind]
        return sum(bool(p.size) for p in container.demux(streams[0])) if streams else 0


def measure_growth(clip: Path | None = None, times: int = 10) -> Growth:
    """Colour a clip and the same ``times`` as long with the embedded network, each in a fresh process."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if clip is None:
            clip = folder / "clip.mp4"
            make_clip(clip)
        long = folder / f"long{clip.suffix}"
        repeat_clip(clip, long, times)
        peaks = []
        for source in (clip, long):
            arguments = ["--once", str(source), str(folder / "out.mkv")]
            command = [sys.executable, "-m", f"{__package__}.video", *arguments]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(json.loads(answer.stdout.splitlines()[-1]))
        sound = [count_packets(path, "audio") for path in (long, folder / "out.mkv")]
        return Growth(
            peaks[0]["peak_mb"],
            peaks[1]["peak_mb"],
            count_packets(long, "video"),
            count_packets(folder / "out.mkv", "video"),
            sound[0] == sound[1],
        )


def _milliseconds(
    work: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append((clock() - start) * 1e3)
    return median(times)


def measure_costs(frames: int = 48, rounds: int = 9) -> Costs:
    """Time the steps on a 1080p clip whose chroma is not neutral (the slower case)."""
    size = (1920, 1080)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clip, target = folder / "clip.mp4", folder / "out.mp4"
        make_clip(clip, size, frames, sound=False)

        def decode() -> None:
            with av.open(str(clip)) as container:
                container.streams.video[0].thread_type = "AUTO"
                for _ in container.decode(video=0):
                    pass

        decoding = _milliseconds(decode, 3) / frames
        decoding_cpu = _milliseconds(decode, 3, time.process_time) / frames
        frame = av.VideoFrame(*size, "yuv420p")
        rng = np.random.default_rng(0)
        for plane in frame.planes:
            view = np.frombuffer(memoryview(plane), np.uint8)
            view[:] = rng.integers(100, 150, view.size, np.uint8)
        rgb = np.empty((3, size[1], size[0]), np.float32)
        tags = ColorTags()
        to_rgb = _milliseconds(lambda: planes_to_rgb(frame, tags, rgb), rounds)
        # Black-and-white film, 1.3 % of which ends up outside sRGB: more than of any of ten clips that the
        # network coloured (0.1 to 0.8 %).
        with VideoReader(clip, copy=False) as reader:
            picture = next(iter(reader)).rgb[None].clone()
        chroma = 12 * torch.randn(1, 2, 64, 114, generator=torch.Generator().manual_seed(0))

        def color() -> None:
            merge(picture, chroma, lightness=rgb_to_lightness(picture))

        with torch.inference_mode():
            coloring = _milliseconds(color, rounds, time.process_time)
        to_planes = _milliseconds(lambda: rgb_to_planes(rgb, None, tags, frame), rounds)

        def encode(pictures: Sequence[av.VideoFrame]) -> None:
            with av.open(str(target), "w") as output:
                stream = output.add_stream("libx264", rate=24, options={"crf": "18", "preset": "veryfast"})
                stream.width, stream.height = size
                for picture in pictures:
                    picture.pict_type = 0
                    output.mux(stream.encode(picture))
                output.mux(stream.encode(None))

        with av.open(str(clip)) as container:
            pictures = list(container.decode(video=0))
        encoding = _milliseconds(lambda: encode(pictures), 3) / frames
        pictures.clear()
        long = folder / "long.mp4"
        make_clip(long, size, 5 * frames, sound=False)
        walls, cpus = [], []
        for _ in range(3):
            # What four times as many frames more take: without what it takes to begin and to end.
            (wall, cpu), (longer, more) = (_pipeline(one, target) for one in (clip, long))
            walls.append((longer - wall) * 1e3 / (4 * frames))
            cpus.append((more - cpu) * 1e3 / (4 * frames))
        return Costs(
            *(decoding, decoding_cpu, to_rgb, coloring, to_planes, encoding, median(walls), median(cpus)),
            cores=os.cpu_count() or 1,
        )


def _pipeline(clip: Path, target: Path) -> tuple[float, float]:
    """Send a clip through as it is; return seconds of wall and of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    process_clip(clip, target, EachFrame(lambda frames, info: frames), key={}, encoding=Encoding("h264"))
    return time.perf_counter() - wall, time.process_time() - cpu


@dataclass(frozen=True)
class Speed:
    """Frames a second from file to file, and wall time by the least possible: all CPU time on all cores."""

    rate: float
    overlap: float


def measure_speed(frames: int = 150, size: tuple[int, int] = (854, 480)) -> dict[str, Speed]:
    """Colour a clip with sound by the shipped network: "each" frame by itself, and "steady"."""
    colorizer = load_colorizer()
    stages = {
        "each": EachFrame(lambda clip, info: colorize_frames(clip, colorizer)),
        "steady": SteadyFrames(colorizer),
    }
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        clip = Path(scratch) / "clip.mp4"
        make_clip(clip, size, frames)
        for name, stage in stages.items():
            wall, cpu = time.perf_counter(), time.process_time()
            process_clip(clip, Path(scratch) / f"{name}.mp4", stage, key={})
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            found[name] = Speed(frames / wall, wall / (cpu / (os.cpu_count() or 1)))
    return found


def measure(clip: Path | None = None) -> tuple[Growth, Costs]:
    """Run everything: memory on ``clip`` (or one that is made), costs on a made one."""
    return measure_growth(clip), measure_costs()


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures, or colour one clip and print the memory it took."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks video", description=__doc__)
    parser.add_argument("--clip", type=Path, help="clip for the memory figures")
    parser.add_argument("--once", nargs=2, type=Path, metavar=("SOURCE", "TARGET"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.once:
        source, target = arguments.once
        result = colorize_video(source, target, load_colorizer())
        sys.stdout.write(json.dumps({"peak_mb": peak_memory_mb(), "frames": result.frames}) + "\n")
        return 0
    growth, costs = measure(arguments.clip)
    speed = {name: asdict(one) for name, one in measure_speed().items()}
    sys.stdout.write(json.dumps({"480p, shipped network": speed}, indent=1) + "\n")
    sys.stdout.write(json.dumps({"growth": growth.ratio, **asdict(growth)}, indent=1) + "\n")
    sys.stdout.write(
        json.dumps({"overlap": costs.overlap, "handling": costs.handling, **asdict(costs)}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
