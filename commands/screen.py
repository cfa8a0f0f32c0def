"""What the commands share: the screen, their errors, kinds of arguments."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from ..pipelines.batch import Outcome
    from ..pipelines.jobs import Job

FAILED, USAGE, INTERRUPTED = 1, 2, 130

CODECS = ("h264", "h265", "ffv1", "prores")
#: The types that networks compute in.
DTYPES = ("float32", "float16", "bfloat16")

# All loggers of the package are below this one.
_LOGGER = __name__.partition(".")[0]


class CommandError(Exception):
    """What stops a command, in one line, with its exit code."""

    def __init__(self, message: str, code: int = FAILED):
        super().__init__(message)
        self.code = code


def within(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    """Make an argument type: a number from ``least`` to ``most``."""

    def parse(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least:g} to {most:g}, got {text}")
        return value

    parse.__name__ = kind.__name__  # argparse names the type where the text is no number
    return parse


def choose_device(name: str) -> str:
    """Return a device's name; "auto" is the fastest kind that is here."""
    import torch

    backends = (("cuda", torch.cuda), ("xpu", torch.xpu), ("mps", torch.mps))
    if name == "auto":
        return next((kind for kind, backend in backends if backend.is_available()), "cpu")
    return name


class Screen:
    """What the user sees while work is done: errors and warnings, and bars where stderr is a terminal.

    ``total``: how many files there are. ``quiet``: no bars, no warnings, no summary. ``done``: what the files
    are afterwards.
    """

    def __init__(self, total: int, *, quiet: bool, done: str = "coloured"):
        self.quiet, self.done = quiet, done
        self.bars = not quiet and sys.stderr.isatty()
        self.files = tqdm(total=total, unit="file", disable=not self.bars or total < 2, file=sys.stderr)
        self.frames: tqdm | None = None
        self.handler = ScreenHandler(logging.WARNING)

    def __enter__(self) -> Screen:
        if not self.quiet:
            logging.getLogger(_LOGGER).addHandler(self.handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(_LOGGER).removeHandler(self.handler)
        self.end_clip()
        self.files.close()

    def clip(self, job: Job, frames: int | None) -> Callable[[int], object]:
        """Open a bar for a clip; return what takes the number of frames done."""
        self.end_clip()
        self.frames = tqdm(
            total=frames,
            unit="frame",
            desc=job.source.name,
            disable=not self.bars,
            leave=False,
            file=sys.stderr,
        )
        return self.frames.update

    def end_clip(self) -> None:
        """Take the bar of a clip away."""
        if self.frames is not None:
            self.frames.close()
            self.frames = None

    def settle(self, outcome: Outcome) -> Outcome:
        """Show what became of one file; return it."""
        self.end_clip()
        self.files.update(1)
        if outcome.status == "failed":
            self.error(outcome.message)
        return outcome

    def error(self, message: str) -> None:
        """Show an error above the bars."""
        tqdm.write(f"chrominance: error: {message}", file=sys.stderr)

    def summary(self, outcomes: Sequence[Outcome], failed: Sequence[str]) -> None:
        """Close with how many were done, and once more with those that failed."""
        done, skipped = (
            sum(outcome.status == status for outcome in outcomes) for status in ("done", "skipped")
        )
        if len(failed) > 1:
            print(f"chrominance: error: {len(failed)} failed:", file=sys.stderr)
            for message in failed:
                print(f"  {message}", file=sys.stderr)
        if not self.quiet and (done or skipped):
            there = f", {skipped} there already (--overwrite redoes them)" if skipped else ""
            print(f"chrominance: {done} {self.done}{there}{where(outcomes)}", file=sys.stderr)


def where(outcomes: Sequence[Outcome]) -> str:
    """Name the new files where they are few, else the folder that holds them all."""
    targets = [str(outcome.job.target) for outcome in outcomes if outcome.status == "done"]
    if not targets:
        return ""
    return ": " + (", ".join(targets) if len(targets) <= 3 else f"in {os.path.commonpath(targets)}")


class ScreenHandler(logging.Handler):
    """Shows the library's warnings above the bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one."""
        tqdm.write(f"chrominance: {record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


def complain(message: str) -> None:
    """Say on stderr what went wrong, in one line."""
    print(f"chrominance: error: {message}", file=sys.stderr)
