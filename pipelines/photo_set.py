"""Many small pictures in memory, as encoded bytes: from tars, folders and files."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

logger = logging.getLogger(__name__)

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
#: Photos of which no part (of 16x16) has channels further apart than this, of 255, teach only grey.
_GREY_BELOW = 12


class PhotoSet:
    """Encoded photos in memory: 18,600 of 192 px take about 170 MB."""

    def __init__(self, sources: Sequence[str | Path]) -> None:
        """Read every picture of the given tars, folders and files, in sorted order.

        Raises FileNotFoundError for a source that does not exist, ValueError where no picture is found.
        """
        self.names: list[str] = []
        self._data: list[bytes] = []
        for source in map(Path, sources):
            if not source.exists():
                raise FileNotFoundError(f"no such file or folder of photos: {source}")
            if source.is_dir():
                for path in sorted(source.rglob("*")):
                    if path.suffix.lower() in _SUFFIXES:
                        self._add(str(path.relative_to(source)), path.read_bytes())
                    elif path.suffix.lower() == ".tar":
                        self._add_tar(path)
            elif source.suffix.lower() == ".tar":
                self._add_tar(source)
            else:
                self._add(source.name, source.read_bytes())
        if not self._data:
            raise ValueError(f"no pictures found in {', '.join(map(str, sources))}")

    def _add(self, name: str, data: bytes) -> None:
        self.names.append(name)
        self._data.append(data)

    def _add_tar(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and Path(member.name).suffix.lower() in _SUFFIXES:
                    handle = tar.extractfile(member)
                    if handle is not None:
                        self._add(member.name, handle.read())

    def __len__(self) -> int:
        return len(self._data)

    def load(self, index: int) -> Image.Image:
        """Decode one photo as RGB."""
        with Image.open(io.BytesIO(self._data[index])) as picture:
            return picture.convert("RGB")

    def drop(self, indices: set[int]) -> None:
        """Forget the photos at ``indices``."""
        keep = [i for i in range(len(self)) if i not in indices]
        self.names = [self.names[i] for i in keep]
        self._data = [self._data[i] for i in keep]

    def drop_unusable(self) -> int:
        """Forget photos that are broken or grey; return how many."""

        def usable(index: int) -> bool:
            try:
                small = np.asarray(self.load(index).resize((16, 16), Image.Resampling.BOX), np.int16)
            except (OSError, ValueError) as error:
                logger.warning("skipping %s: %s", self.names[index], error)
                return False
            return bool((small.max(2) - small.min(2)).max() >= _GREY_BELOW)

        with ThreadPoolExecutor(2) as pool:
            flags = list(pool.map(usable, range(len(self))))
        dropped = {i for i, ok in enumerate(flags) if not ok}
        self.drop(dropped)
        return len(dropped)
