"""A folder of numbered pictures as a clip, to read and to write."""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .pictures import Picture, PictureError, load_picture, save_picture
from .video_types import MATRIX_RGB, RANGE_FULL, ColorTags, Frame, Trim, VideoError, VideoInfo, exact_window

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

DEFAULT_RATE = Fraction(24)

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
_FRAME_NAME = re.compile(r"\d{6,}\.png")
# Pictures are turned to sRGB when they are read: BT.709 primaries, IEC 61966-2-1 transfer.
_SRGB = ColorTags(RANGE_FULL, 1, 13, MATRIX_RGB)


def natural_key(path: Path) -> tuple[tuple[int, str], ...]:
    """Sort key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


class FolderReader:
    """Iterate over the pictures of a folder as frames, in natural order of their names.

    ``rate``: frames a second, None for 24. ``trim``: start and duration in seconds. ``begin``: see
    VideoReader, whose interface it has, with no sound. Raises VideoError for a folder without pictures, for a
    picture that cannot be read, and for pictures of different sizes.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        rate: float | Fraction | None = None,
        trim: Trim | None = None,
        begin: tuple[int, Fraction] | None = None,
    ) -> None:
        folder = Path(folder)
        self.copied: Sequence[Stream] = ()
        self.packets: deque[Packet] = deque()
        self.origin = Fraction(0)
        rate = DEFAULT_RATE if rate is None else Fraction(rate).limit_denominator(1001)
        if rate <= 0:
            raise VideoError(f"the frame rate must be above 0, got {float(rate):g}")
        pictures = [p for p in folder.iterdir() if p.suffix.lower() in _PICTURES and p.name[0] != "."]
        self._paths = sorted(pictures, key=natural_key)
        if not self._paths:
            raise VideoError(f"{folder} holds no pictures: expected frames as PNG, JPEG or TIFF")
        if trim is not None:
            start, length = exact_window(trim)
            first = -int(-start * rate // 1)
            last = -int(-(start + length) * rate // 1) if length else None
            self._paths = self._paths[first:last]
            if not self._paths:
                raise VideoError(f"{folder} has no frames from {float(start):g} s on: nothing to read")
        self._begin = 0 if begin is None else begin[0]
        picture = self._load(self._paths[0])
        self.info = VideoInfo(
            name=str(folder),
            width=picture.rgb.shape[-1],
            height=picture.rgb.shape[-2],
            rate=rate,
            time_base=1 / rate,
            frames=len(self._paths),
            codec=self._paths[0].suffix.lower().lstrip("."),
            pixel_format="rgb",
            bits=picture.bits,
            tags=_SRGB,
            alpha=picture.alpha is not None,
        )

    def _load(self, path: Path) -> Picture:
        try:
            return load_picture(path)
        except (PictureError, OSError) as error:
            raise VideoError(str(error)) from error

    def __iter__(self) -> Iterator[Frame]:
        size = (self.info.width, self.info.height)
        for index, path in enumerate(self._paths[self._begin :], self._begin):
            picture = self._load(path)
            found = (picture.rgb.shape[-1], picture.rgb.shape[-2])
            if found != size:
                raise VideoError(
                    f"{path} is {found[0]}x{found[1]}, the clip began as {size[0]}x{size[1]}: "
                    "bring all frames to one size"
                )
            yield Frame(index, index / self.info.rate, picture.rgb, picture.alpha)

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> FolderReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FolderWriter:
    """Write frames as PNG files named by their number, into a folder that appears when all are there.

    ``bits``: 8 or 16, None for 16 where the source has more than 8. ``part``: where the frames gather until
    then, among those that an earlier run left there; by default a new folder. A folder that holds nothing but
    such frames is replaced as a whole; one with anything else in it is refused with VideoError.
    """

    def __init__(
        self, target: str | Path, info: VideoInfo, *, bits: int | None = None, part: Path | None = None
    ) -> None:
        self.target = Path(target)
        self.info = info
        self.frames = 0
        if bits not in (None, 8, 16):
            raise VideoError(f"frames in a folder have 8 or 16 bits, got {bits}")
        self._bits = bits or (16 if info.bits > 8 else 8)
        foreign = self._foreign()
        if foreign is not None:
            raise VideoError(f"{self.target} holds other files ({foreign}): expected a new or empty folder")
        self._part = part or self.target.with_name(f".chrominance-{secrets.token_hex(6)}")
        self._goes_on = part is not None
        try:
            self._part.mkdir(exist_ok=self._goes_on)
        except OSError as error:
            raise VideoError(f"{self.target} cannot be written ({error.strerror})") from error

    def _foreign(self) -> str | None:
        """The name of something in the target that is not a frame of ours."""
        if not self.target.exists():
            return None
        if not self.target.is_dir():
            return self.target.name
        return next((p.name for p in self.target.iterdir() if not _FRAME_NAME.fullmatch(p.name)), None)

    def write(self, frame: Frame) -> None:
        """Save one frame: rgb [3,H,W] 0..1, with its alpha."""
        alpha = None if frame.alpha is None else frame.alpha.detach().cpu()
        picture = Picture(frame.rgb.detach().float().cpu(), alpha, bits=self._bits)
        path = self._part / f"{frame.index:06d}.png"
        if path.exists() and not self._goes_on:
            raise VideoError(f"frame {frame.index} came twice")
        try:
            save_picture(path, picture)
        except (PictureError, OSError) as error:
            raise VideoError(f"frame {frame.index} cannot be written: {error}") from error
        self.frames += 1

    def finish(self) -> None:
        """Check that there is something to put in place."""
        if self.frames == 0:
            raise VideoError(f"{self.info.name}: there were no frames to write")

    def commit(self) -> None:
        """Put the folder in its place."""
        old = self.target.with_name(f".chrominance-{secrets.token_hex(6)}-old")
        try:
            if self.target.exists():
                self.target.rename(old)
            self._part.rename(self.target)
        except OSError as error:
            if old.exists() and not self.target.exists():
                old.rename(self.target)
            raise VideoError(f"{self.target} cannot be replaced ({error.strerror})") from error
        _remove_frames(old)

    def abort(self) -> None:
        """Remove what was written; the target is as it was."""
        _remove_frames(self._part)


def _remove_frames(folder: Path) -> None:
    """Remove a folder and the files in it, where there is one."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
