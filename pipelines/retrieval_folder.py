"""A folder of pictures that may become references: what has changed in it, and the pictures themselves."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from .pictures import READABLE
from .retrieval_features import LEAST_COLOR, SIDE, color_beyond_lightness
from .retrieval_file import RetrievalError, Stamp
from .samples import PictureError
from .small_pictures import load_small

logger = logging.getLogger(__name__)

#: Why a picture without colours is no reference.
COLORLESS = "grey or toned: no colours to take"


@dataclass(frozen=True)
class Changes:
    """How a folder differs from its index: names relative to it, with the new ones' stamps."""

    new: dict[str, Stamp]
    changed: dict[str, Stamp]
    gone: tuple[str, ...]

    @property
    def to_read(self) -> dict[str, Stamp]:
        """What has to be read, in an order that depends on the names but follows none of their patterns.

        So the first of them are a fair sample, to which the basis is fitted.
        """
        every = {**self.new, **self.changed}
        order = sorted(every, key=lambda name: hashlib.sha1(os.fsencode(name)).digest())
        return {name: every[name] for name in order}

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    def __str__(self) -> str:
        parts = ((self.new, "new"), (self.changed, "changed"), (self.gone, "gone"))
        return ", ".join(f"{len(names)} {word}" for names, word in parts if names) or "nothing changed"


def folder_pictures(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Give the pictures of a folder and below, without hidden ones: names relative to it, and stamps.

    Raises RetrievalError where the folder, or one in it, cannot be read.
    """
    stack = [(str(folder), "")]
    while stack:
        here, prefix = stack.pop()
        try:
            with os.scandir(here) as opened:
                entries = [entry for entry in opened if not entry.name.startswith(".")]
        except OSError as error:
            raise RetrievalError(f"{here}: the folder cannot be read ({error.strerror or error})") from error
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                stack.append((entry.path, f"{prefix}{entry.name}/"))
            elif entry.name.lower().endswith(READABLE) and entry.is_file():
                with suppress(FileNotFoundError):  # gone since
                    found = entry.stat()
                    yield f"{prefix}{entry.name}", (found.st_size, found.st_mtime_ns)


def load_references(
    folder: Path,
    names: Iterable[str],
    progress: Callable[[int], object],
    skip: Callable[[str, str], object],
    *,
    batch: int,
) -> Generator[tuple[list[str], Tensor]]:
    """Give those of a folder's pictures that have colours, some at a time: names, and rgb [B,3,224,224].

    Two threads read ahead. ``progress`` is called with 1 after each file. ``skip`` takes the name of one that
    is no reference, and why: not of one that the system would not let us read, which may change.
    """
    ready: list[str] = []
    pictures: list[Tensor] = []
    waiting: deque[tuple[str, Future[Tensor]]] = deque()
    todo = iter(names)
    with ThreadPoolExecutor(2, "references") as pool:
        try:
            while True:
                for name in islice(todo, 2 * batch - len(waiting)):
                    waiting.append((name, pool.submit(load_small, folder / name, SIDE)))
                if not waiting:
                    break
                name, future = waiting.popleft()
                rgb = _usable(folder, name, future, skip)
                if rgb is not None:
                    ready.append(name)
                    pictures.append(rgb)
                if len(ready) == batch:
                    yield ready, torch.stack(pictures)
                    ready, pictures = [], []
                progress(1)
            if ready:
                yield ready, torch.stack(pictures)
        finally:
            for _, future in waiting:
                future.cancel()


def _usable(
    folder: Path, name: str, future: Future[Tensor], skip: Callable[[str, str], object]
) -> Tensor | None:
    path = folder / name
    try:
        rgb = future.result()
    except PictureError as error:
        reason = str(error).removeprefix(f"{path}: ")
        logger.warning("%s is no reference: %s", path, reason)
        # What the system refuses may be there next time; a damaged file stays damaged.
        if not (isinstance(error.__cause__, OSError) and error.__cause__.errno):
            skip(name, reason)
        return None
    if float(color_beyond_lightness(rgb[None])) >= LEAST_COLOR:
        return rgb
    logger.info("%s is no reference: %s", path, COLORLESS)
    skip(name, COLORLESS)
    return None
