"""Palettes in files: JSON, GIMP's .gpl, Adobe's .ase, CSS and lists of colours.

Formats: the GIMP palette as GIMP 2.10 writes it (also Krita's and Inkscape's); Adobe Swatch Exchange as
Adobe's programs write it: blocks of big-endian numbers, names in UTF-16 (Adobe describes it nowhere).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..color import rgb_to_lab
from .palette import MOST_COLORS, Palette, PaletteError, Swatch
from .replacing import replacing

_HEX = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})(?![0-9a-zA-Z])")
_BARE = re.compile(r"(?<![0-9a-zA-Z#])[0-9a-fA-F]{6}(?![0-9a-zA-Z])")
_VARIABLE = re.compile(r"--([\w-]+)\s*:\s*(#[0-9a-fA-F]{3,6})(?![0-9a-zA-Z])")

# Kinds of blocks in an .ase file, its colour models and how many numbers each has.
_GROUP_START, _GROUP_END, _COLOR = 0xC001, 0xC002, 0x0001
_MODELS = {b"RGB ": 3, b"CMYK": 4, b"LAB ": 3, b"Gray": 1}


def load_palette(path: str | Path) -> Palette:
    """Read a palette from a file: .json, .gpl, .ase, or colours written #rrggbb in any other text.

    Only JSON has shares and locks; the others' colours weigh alike. Raises PaletteError, naming the file, for
    one that cannot be read, holds no colour, or more than 16.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PaletteError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        read = _READERS.get(path.suffix.lower())
        if read is not None:
            return read(data)
        # What a file is says its content, where its name does not.
        return _from_ase(data) if data[:4] == b"ASEF" else _from_text(_decoded(data))
    except PaletteError as error:
        raise PaletteError(f"{path}: {error}") from None


def save_palette(path: str | Path, palette: Palette) -> None:
    """Write a palette, whole or not at all, in the format of the file's suffix, one of FORMATS.

    .json is exact; the others hold colours of 8 bits, and names but for .hex and .txt. Raises PaletteError
    for another suffix and a file that cannot be written.
    """
    path = Path(path)
    write = FORMATS.get(path.suffix.lower())
    if write is None:
        raise PaletteError(f"{path}: a palette can be written as {', '.join(FORMATS)}, got {path.suffix!r}")
    _write(path, palette, write)


def write_json(path: str | Path, palette: Palette) -> None:
    """Write a palette as JSON, whatever the file is called; the rest as in ``save_palette``."""
    _write(Path(path), palette, _to_json)


def _write(path: Path, palette: Palette, write: Callable[[Palette], bytes]) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(write(palette))
    except OSError as error:
        raise PaletteError(f"{path}: cannot be written ({error.strerror or error})") from error


def parse_colors(text: str) -> Palette:
    """Read colours from a text, in order: #rrggbb or #rgb, or six digits alone; CSS variables name theirs."""
    return _from_text(text)


def _made(swatches: list[Swatch], name: str = "") -> Palette:
    if not swatches:
        raise PaletteError("holds no colour: a palette needs at least one, such as #c04030")
    if len(swatches) > MOST_COLORS:
        raise PaletteError(
            f"holds {len(swatches)} colours, and a palette has at most {MOST_COLORS}: keep those that matter"
        )
    return Palette(tuple(swatches), name=name)


def _swatch(red: float, green: float, blue: float, name: str) -> Swatch:
    """Make a swatch of sRGB 0..1."""
    rgb = torch.tensor([red, green, blue], dtype=torch.float64)
    L, a, b = rgb_to_lab(rgb, dim=0).tolist()
    return Swatch((L, a, b), name=name)


def _decoded(data: bytes) -> str:
    if b"\0" in data:
        raise PaletteError(
            "is no text and no palette that is known here: .json, .gpl, .ase, .css, .hex, .txt"
        )
    return data.decode("utf-8-sig", errors="replace")


def _from_json(data: bytes) -> Palette:
    return Palette.from_json(_decoded(data))


def _from_text(text: str) -> Palette:
    found = list(_HEX.finditer(text))
    texts = [match[0] for match in found] or ["#" + match[0] for match in _BARE.finditer(text)]
    names = {match.start(2): match[1].replace("-", " ") for match in _VARIABLE.finditer(text)}
    named = [names.get(match.start(), "") for match in found] or [""] * len(texts)
    return _made([Swatch.from_hex(color, name=name) for color, name in zip(texts, named, strict=True)])


def _from_gpl(data: bytes) -> Palette:
    lines = _decoded(data).splitlines()
    if not lines or lines[0].strip() != "GIMP Palette":
        raise PaletteError('is no GIMP palette: its first line must be "GIMP Palette"')
    name, swatches = "", []
    for number, raw in enumerate(lines[1:], 2):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if colon and key in ("Name", "Columns", "Channels"):
            name = value.strip() if key == "Name" else name
            continue
        parts = line.split(None, 3)
        numbers = parts[:3]
        if len(numbers) < 3 or not all(n.isdecimal() and int(n) <= 255 for n in numbers):
            raise PaletteError(
                f"line {number} must begin with three numbers from 0 to 255, got {line[:40]!r}"
            )
        red, green, blue = (int(n) / 255 for n in numbers)
        label = parts[3].strip() if len(parts) > 3 else ""
        swatches.append(_swatch(red, green, blue, "" if label == "Untitled" else label))
    return _made(swatches, name)


def _to_gpl(palette: Palette) -> bytes:
    lines = ["GIMP Palette", f"Name: {_one_line(palette.name) or 'Chrominance'}", "Columns: 0", "#"]
    for one in palette.swatches:
        red, green, blue = _bytes_of(one)
        lines.append(f"{red:3d} {green:3d} {blue:3d}\t{_one_line(one.name) or one.hex}")
    return ("\n".join(lines) + "\n").encode()


def _from_ase(data: bytes) -> Palette:
    if data[:4] != b"ASEF":
        raise PaletteError("is no Adobe Swatch Exchange file: it must begin with ASEF")
    name, swatches = "", []
    for kind, block in _blocks(data):
        if kind == _GROUP_START:
            name = name or _ase_name(block)[0]
        elif kind == _COLOR:
            swatches.append(_ase_color(block))
    return _made(swatches, name)


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    try:
        (count,) = struct.unpack_from(">I", data, 8)
        at = 12
        for _ in range(count):
            kind, length = struct.unpack_from(">HI", data, at)
            block = data[at + 6 : at + 6 + length]
            if len(block) != length:
                raise PaletteError(_cut_off(len(data)))
            yield kind, block
            at += 6 + length
    except struct.error:
        raise PaletteError(_cut_off(len(data))) from None


def _cut_off(size: int) -> str:
    return f"ends too early, after {size} bytes: export or fetch it again"


def _ase_name(block: bytes) -> tuple[str, int]:
    """Return a block's name and where it ends."""
    (length,) = struct.unpack_from(">H", block)
    end = 2 + 2 * length
    if len(block) < end:
        raise PaletteError(_cut_off(len(block)))
    return block[2:end].decode("utf-16-be", errors="replace").rstrip("\0"), end


def _ase_color(block: bytes) -> Swatch:
    try:
        name, at = _ase_name(block)
        model = block[at : at + 4]
        if model not in _MODELS:
            raise PaletteError(f"has a colour in the model {model!r}: RGB, CMYK, LAB and Gray are known")
        values = struct.unpack_from(f">{_MODELS[model]}f", block, at + 4)
    except struct.error:
        raise PaletteError(_cut_off(len(block))) from None
    if model == b"LAB ":
        # Adobe's L is 0..1, and its white D50; the difference in Lab is small, and is left.
        L, a, b = values
        return Swatch((L * 100, a, b), name=name)
    if model == b"Gray":
        return _swatch(values[0], values[0], values[0], name)
    if model == b"CMYK":
        # Without the printer's profile there is no right answer; this is what most programs show.
        c, m, y, k = values
        values = tuple((1 - ink) * (1 - k) for ink in (c, m, y))
    red, green, blue = values
    return _swatch(red, green, blue, name)


def _to_ase(palette: Palette) -> bytes:
    blocks = []
    for one in palette.swatches:
        text = (one.name or one.hex).encode("utf-16-be") + b"\0\0"
        color = b"RGB " + struct.pack(">3f", *(value / 255 for value in _bytes_of(one)))
        # 2: a colour of its own, neither global nor a spot colour.
        block = struct.pack(">H", len(text) // 2) + text + color + struct.pack(">H", 2)
        blocks.append(struct.pack(">HI", _COLOR, len(block)) + block)
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(blocks)) + b"".join(blocks)


def _to_css(palette: Palette) -> bytes:
    used: set[str] = set()
    lines = [":root {"]
    for number, one in enumerate(palette.swatches, 1):
        name = re.sub(r"[^\w-]+", "-", one.name).strip("-").lower()
        name = name if name and name not in used else f"color-{number}"
        used.add(name)
        lines.append(f"  --{name}: {one.hex};")
    return ("\n".join([*lines, "}"]) + "\n").encode()


def _to_list(palette: Palette) -> bytes:
    return ("\n".join(palette.hex_list()) + "\n").encode()


def _to_json(palette: Palette) -> bytes:
    return (palette.to_json() + "\n").encode()


def _bytes_of(swatch: Swatch) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(swatch.hex[1:])
    return red, green, blue


def _one_line(text: str) -> str:
    return " ".join(text.split())


_READERS: dict[str, Callable[[bytes], Palette]] = {
    ".json": _from_json,
    ".gpl": _from_gpl,
    ".ase": _from_ase,
}

#: Suffixes that palettes are written with, and how.
FORMATS: dict[str, Callable[[Palette], bytes]] = {
    ".json": _to_json,
    ".gpl": _to_gpl,
    ".ase": _to_ase,
    ".css": _to_css,
    ".hex": _to_list,
    ".txt": _to_list,
}
