"""What clips can be written as: codecs, their settings and pixel formats, containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .video_types import VideoError

# x265 writes outside its memory for smaller pictures, and leaves the decoding times of clips of fewer frames
# uninitialised (they have no frames out of order).
X265_LEAST_SIDE = 32
X265_REORDERS = 3


PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)


@dataclass(frozen=True)
class Encoding:
    """How to write a clip.

    ``codec``: "h264" (also where it is None), "h265", "ffv1" (lossless RGB) or "prores". ``crf``: constant
    quality of h264 and h265, lower is better, 0 is lossless, None for 18 and 20. ``preset``: their speed.
    ``bits``: per sample, None for the source's where the codec has it.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise VideoError(f"codec must be one of {', '.join(CODECS)}, got {self.codec!r}")
        if self.bits not in (None, 8, 10, 12, 16):
            raise VideoError(f"bits must be 8, 10, 12 or 16, got {self.bits}")
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise VideoError(f"crf must be 0 (best) to 51, got {self.crf}")
        if self.preset is not None and self.preset not in PRESETS:
            raise VideoError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset!r}")
        if (self.crf is not None or self.preset is not None) and self.codec not in (None, "h264", "h265"):
            raise VideoError(f"crf and preset are settings of h264 and h265, not of {self.codec}")


@dataclass(frozen=True)
class Codec:
    """An encoder: the depths it has, its pixel format for (size is odd, bits, alpha), its options.

    ``holds_alpha``: whether that format keeps transparency.
    """

    encoder: str
    depths: tuple[int, ...]
    pixel_format: Callable[[bool, int, bool], str]
    options: Callable[[Encoding, bool], dict[str, str]]
    holds_alpha: bool = False

    def depth(self, asked: int | None, source: int) -> int:
        """Bits to write: those asked for, or the fewest that hold the source's, or all there are."""
        if asked is not None and asked not in self.depths:
            raise VideoError(
                f"{self.encoder} writes {' or '.join(map(str, self.depths))} bits a sample, got {asked}"
            )
        return asked or next((bits for bits in self.depths if bits >= source), self.depths[-1])


def _video_format(odd: bool, bits: int, alpha: bool) -> str:
    # Half-size chroma cannot cover an odd side exactly: these clips keep chroma at full size.
    return f"yuv{'444' if odd else '420'}p" + ("" if bits == 8 else f"{bits}le")


def _lossless_format(odd: bool, bits: int, alpha: bool) -> str:
    if bits == 8:
        return "bgra" if alpha else "bgr0"
    return f"gbr{'a' if alpha else ''}p{bits}le"


def _prores_format(odd: bool, bits: int, alpha: bool) -> str:
    return "yuva444p10le" if alpha else "yuv422p10le"


def _x264_options(encoding: Encoding, alpha: bool) -> dict[str, str]:
    # With more than 8 bits crf 0 is not lossless, qp 0 is.
    quality = {"qp": "0"} if encoding.crf == 0 else {"crf": str(encoding.crf or 18)}
    options = {**quality, "preset": encoding.preset or "veryfast"}
    if torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        # Its macroblock tree (mbtree) is not the same each time there: clips of less than 200 pixels came out
        # with other bytes. What it does with AVX2 is.
        options["x264-params"] = "asm=avx2"
    return options


def _x265_options(encoding: Encoding, alpha: bool) -> dict[str, str]:
    extra = "log-level=error" + (":lossless=1" if encoding.crf == 0 else "")
    return {"crf": str(encoding.crf or 20), "preset": encoding.preset or "veryfast", "x265-params": extra}


def _ffv1_options(encoding: Encoding, alpha: bool) -> dict[str, str]:
    return {"level": "3", "slicecrc": "1", "g": "1"}  # every frame by itself, with a checksum


def _prores_options(encoding: Encoding, alpha: bool) -> dict[str, str]:
    return {"profile": "4" if alpha else "3"}  # 4444, 422 HQ


CONTAINERS = (".mp4", ".mkv", ".mov", ".m4v", ".avi")

CODECS = {
    "h264": Codec("libx264", (8, 10), _video_format, _x264_options),
    "h265": Codec("libx265", (8, 10, 12), _video_format, _x265_options),
    "ffv1": Codec("ffv1", (8, 10, 12, 16), _lossless_format, _ffv1_options, holds_alpha=True),
    "prores": Codec("prores_ks", (10,), _prores_format, _prores_options, holds_alpha=True),
}
