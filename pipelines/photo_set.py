"""Many small pictures in memory, as encoded bytes: from tars, folders, files and frames of clips."""

from __future__ import annotations

import csv
import io
import logging
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from .jobs import CLIPS

logger = logging.getLogger(__name__)

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
#: Photos of which no part (of 16x16) has channels further apart than this, of 255, teach only grey.
_GREY_BELOW = 12
#: Frames of clips are kept at this shorter side.
CLIP_SIDE = 256


class PhotoSet:
    """Encoded photos in memory: 18,600 of 192 px take about 170 MB.

    Photos of one group show the same kind of thing: those of one category where a table says so, else those
    of one folder; the frames of a clip are a group. Frames are named ``clip#number``.
    """

    def __init__(self, sources: Sequence[str | Path], *, categories: Mapping[str, str] | None = None) -> None:
        """Read every picture of the given tars, folders, files and clips, in sorted order.

        ``categories``: from a file's name to what it shows (``read_categories``).
        Raises FileNotFoundError for a source that does not exist, ValueError where no picture is found.
        """
        self.names: list[str] = []
        self._data: list[bytes] = []
        self._categories = categories or {}
        self._groups: dict[str, np.ndarray] | None = None
        for source in map(Path, sources):
            if not source.exists():
                raise FileNotFoundError(f"no such file or folder of photos: {source}")
            if source.is_dir():
                for path in sorted(source.rglob("*")):
                    if path.suffix.lower() in _SUFFIXES:
                        self._add(str(path.relative_to(source)), path.read_bytes())
                    elif path.suffix.lower() == ".tar":
                        self._add_tar(path)
                    elif path.suffix.lower() in CLIPS:
                        self._add_clip(path)
            elif source.suffix.lower() == ".tar":
                self._add_tar(source)
            elif source.suffix.lower() in CLIPS:
                self._add_clip(source)
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

    def _add_clip(self, path: Path) -> None:
        # PyAV is loaded for clips alone.
        from .video_read import VideoReader

        with VideoReader(path, copy=False) as reader:
            for number, frame in enumerate(reader):
                pixels = frame.rgb.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
                picture = Image.fromarray(pixels)
                scale = CLIP_SIDE / min(picture.size)
                if scale < 1:
                    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
                data = io.BytesIO()
                picture.save(data, "JPEG", quality=95)
                self._add(f"{path.name}#{number:06d}", data.getvalue())

    def group_name(self, index: int) -> str:
        """Return what a photo's group is called: its clip, its category, or its folder."""
        name = self.names[index]
        if "#" in name:
            return name.rpartition("#")[0]
        path = PurePosixPath(name.replace("\\", "/"))
        return self._categories.get(path.name, str(path.parent))

    def group_of(self, index: int) -> np.ndarray:
        """Return the indices of a photo's group, itself among them."""
        if self._groups is None:
            found: dict[str, list[int]] = {}
            for i in range(len(self)):
                found.setdefault(self.group_name(i), []).append(i)
            self._groups = {name: np.array(members) for name, members in found.items()}
        return self._groups[self.group_name(index)]

    def neighbours(self, index: int, reach: int) -> np.ndarray:
        """Return the frames of a clip at most ``reach`` from one, itself among them; of a photo, itself."""
        if "#" not in self.names[index]:
            return np.array([index])
        members = self.group_of(index)
        return members[np.abs(members - index) <= reach]

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
        self._groups = None

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


def read_categories(path: str | Path) -> dict[str, str]:
    """Read what photos show from a CSV table with the columns ``file`` and ``category``.

    Raises ValueError where a column is missing.
    """
    with Path(path).open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table)
        if not {"file", "category"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{path} needs the columns file and category, got {rows.fieldnames}")
        return {row["file"]: row["category"] for row in rows}
