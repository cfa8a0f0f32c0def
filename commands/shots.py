"""`chrominance shots`: where the shots of a clip begin."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .screen import CommandError, Screen, within

_Commands = argparse._SubParsersAction

HELP = """\
Cuts, fades and dissolves, seen in lightness alone. --json writes {"shots": [{"start": 0, "end": 30}, ...]}:
frame numbers from 0, the end being the next one's start.

exit codes: 0 done, 1 the clip cannot be read, 2 wrong usage, 130 interrupted"""


def add_shots(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Describe `chrominance shots`."""
    parser = commands.add_parser(
        "shots",
        help="find the shots of a clip",
        description="Print where the shots of a clip begin and end.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", type=Path, metavar="FILE", help="a video, or a folder of frames")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write them to this file too")
    parser.add_argument("--fps", type=within(float, 0.01, 1000), help="of a folder of frames (default 24)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(run=run_shots)


def run_shots(arguments: argparse.Namespace) -> int:
    """Do `chrominance shots`."""
    from ..pipelines.shots import ShotDetector, write_shots
    from ..pipelines.video import VideoError, open_reader

    detector = ShotDetector()
    times = []
    if not arguments.clip.exists():
        raise CommandError(f"{arguments.clip}: no such file")
    try:
        with (
            open_reader(arguments.clip, rate=arguments.fps, sound=False) as reader,
            Screen(reader.info.frames or 0, quiet=arguments.quiet) as screen,
        ):
            for frame in reader:
                detector.add(frame.rgb)
                times.append(frame.time)
                screen.files.update(1)
    except VideoError as error:
        raise CommandError(str(error)) from error
    shots = detector.finish()
    if arguments.json:
        try:
            write_shots(arguments.json, shots)
        except OSError as error:
            raise CommandError(f"{arguments.json}: cannot be written ({error.strerror or error})") from error
    if not arguments.quiet:
        sys.stdout.write(f"{'shot':>4} {'frames':>15} {'begins':>10}\n")
        for number, shot in enumerate(shots, 1):
            frames = f"{shot.start} to {shot.end - 1}"
            sys.stdout.write(f"{number:>4} {frames:>15} {_clock(float(times[shot.start])):>10}\n")
    return 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}"
