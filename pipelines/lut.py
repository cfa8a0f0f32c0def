"""Colour look-up tables in .cube files: written of any map, read from any program, applied.

The format: Adobe, "Cube LUT Specification 1.0" (2013); Resolve's LUT_*_INPUT_RANGE is read too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .color_lattice import tetrahedra
from .color_map import ColorMap, change_exactly, check_picture
from .replacing import replacing

#: Nodes along a side that are usual; programs read others too.
SIZES = (17, 33, 65)

_LARGEST = {1: 65536, 3: 256}
# Pixels at a time: what is computed of them stays in the cache.
_CHUNK = 32768


class LutError(ValueError):
    """A .cube file that cannot be read or written; the message is one line for the user."""


@dataclass(frozen=True, eq=False)
class Cube:
    """A look-up table, a ``Change``.

    ``table``: [S,S,S,3], whose axes are blue, green, red, or [S,3], a curve for each channel. ``low``,
    ``high``: the domain of each channel.
    """

    table: Tensor
    low: tuple[float, float, float] = (0.0, 0.0, 0.0)
    high: tuple[float, float, float] = (1.0, 1.0, 1.0)
    title: str = ""
    _nodes: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """Nodes along a side."""
        return self.table.shape[0]

    @classmethod
    def of(cls, color_map: ColorMap, size: int = 33, title: str = "", *, strength: float = 1.0) -> Cube:
        """Tabulate a map over sRGB 0..1; raises LutError for a size below 2 or above 256."""
        if not 2 <= size <= _LARGEST[3]:
            raise LutError(f"a LUT must have 2 to {_LARGEST[3]} nodes a side, got {size}")
        line = torch.linspace(0, 1, size)
        blue, green, red = torch.meshgrid(line, line, line, indexing="ij")
        rgb = torch.stack((red, green, blue)).view(1, 3, size * size, size)
        return cls(
            change_exactly(rgb, color_map, strength=strength)[0]
            .permute(1, 2, 0)
            .reshape(size, size, size, 3),
            title=title,
        )

    def apply(self, rgb: Tensor, *, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """Look pictures [B,3,H,W] up, between nodes in tetrahedra; in rgb's type, on its device.

        Values beyond the domain are taken at its border. ``mask``, ``strength``: 0..1, as in
        ``change_exactly``, mixed in sRGB. Raises ValueError for shapes that do not fit, and NaN.
        """
        check_picture(rgb, mask, strength)
        if strength == 0:
            return rgb.clone()
        source = rgb.float().flatten(2)
        out = torch.empty_like(source)
        look_up = self._in_cube if self.table.ndim == 4 else self._on_curves
        for given, result in zip(source, out, strict=True):
            for here, there in zip(given.split(_CHUNK, 1), result.split(_CHUNK, 1), strict=True):
                there.copy_(look_up(self._at(here)))
        out = out.view(rgb.shape)
        amount = None if mask is None else mask.to(out).clamp(0, 1)
        if amount is not None or strength != 1:
            out = torch.lerp(rgb.float(), out, strength if amount is None else amount * strength)
        out = out.to(rgb.dtype)
        return out if amount is None else torch.where(amount == 0, rgb, out)

    def _at(self, rgb: Tensor) -> Tensor:
        """Return where colours [3,P] lie, in steps of the table."""
        low, high = (rgb.new_tensor(ends)[:, None] for ends in (self.low, self.high))
        return ((rgb - low) / (high - low)).clamp_(0, 1).mul_(self.size - 1)

    def _in_cube(self, at: Tensor) -> Tensor:
        most = at.new_full((3, 1), self.size - 1)
        nodes = torch.empty(at.shape[1], 4, dtype=torch.int32, device=at.device)
        shares = torch.empty(at.shape[1], 4, device=at.device)
        tetrahedra(at, most, (1, self.size, self.size**2), nodes, shares)
        rows = self._rows(at.device)
        if at.device.type == "cpu":
            return F.embedding_bag(nodes, rows, mode="sum", per_sample_weights=shares).T
        picked = rows.index_select(0, nodes.flatten().long()).view(-1, 4, 3)
        return (picked * shares[:, :, None]).sum(1).T

    def _on_curves(self, at: Tensor) -> Tensor:
        curves = self._rows(at.device).T.contiguous()
        below = at.floor().clamp_(max=self.size - 2).long()
        return torch.lerp(curves.gather(1, below), curves.gather(1, below + 1), at - below)

    def _rows(self, device: torch.device) -> Tensor:
        if device not in self._nodes:
            self._nodes[device] = self.table.reshape(-1, 3).to(device, torch.float32).contiguous()
        return self._nodes[device]


def save_cube(path: str | Path, cube: Cube) -> None:
    """Write a .cube file, whole or not at all; raises LutError for one that cannot be written."""
    path = Path(path)
    title = " ".join(cube.title.replace('"', "'").split())
    lines = [f'TITLE "{title}"'] if title else []
    lines.append(f"LUT_{cube.table.ndim - 1}D_SIZE {cube.size}")
    for name, ends in (("DOMAIN_MIN", cube.low), ("DOMAIN_MAX", cube.high)):
        lines.append(f"{name} {' '.join(f'{value:g}' for value in ends)}")
    lines += [f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in cube.table.reshape(-1, 3).tolist()]
    try:
        with replacing(path) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise LutError(f"{path}: cannot be written ({error.strerror or error})") from error


def load_cube(path: str | Path) -> Cube:
    """Read a .cube file, 1D or 3D; raises LutError, with the line where there is one, for anything else."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise LutError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        return _parse(text)
    except LutError as error:
        raise LutError(f"{path}: {error}") from None


def _parse(text: str) -> Cube:
    title, kind, size = "", 0, 0
    low: list[float] = [0.0] * 3
    high: list[float] = [1.0] * 3
    rows: list[list[float]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        word, *rest = line.split()
        if word == "TITLE":
            title = line[len(word) :].strip().strip('"')
        elif word in ("LUT_1D_SIZE", "LUT_3D_SIZE"):
            if kind:
                raise LutError(f"line {number}: a second table: a file must have a curve or a cube, not both")
            kind = int(word[4])
            size = _size(rest, kind, number)
        elif word == "DOMAIN_MIN":
            low = _numbers(rest, 3, number)
        elif word == "DOMAIN_MAX":
            high = _numbers(rest, 3, number)
        elif word in ("LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE"):
            ends = _numbers(rest, 2, number)
            low, high = [ends[0]] * 3, [ends[1]] * 3
        elif word[0].isalpha():
            # Programs add words of their own; "nan" is none of them.
            if word.lower() in ("nan", "inf", "infinity"):
                raise LutError(f"line {number}: a number is missing, got {line[:40]!r}")
        else:
            rows.append(_numbers([word, *rest], 3, number))
    if not kind:
        raise LutError("not a .cube LUT: it has neither LUT_3D_SIZE nor LUT_1D_SIZE")
    if len(rows) != size**kind:
        raise LutError(f"a {kind}D LUT of size {size} must have {size**kind} rows, got {len(rows)}")
    if any(a >= b for a, b in zip(low, high, strict=True)):
        raise LutError(f"its domain must begin below its end, got {low} to {high}")
    table = torch.tensor(rows).view(*[size] * kind, 3)
    return Cube(table, (low[0], low[1], low[2]), (high[0], high[1], high[2]), title)


def _size(words: list[str], kind: int, number: int) -> int:
    if len(words) != 1 or not words[0].isdecimal() or not 2 <= int(words[0]) <= _LARGEST[kind]:
        raise LutError(f"line {number}: the size must be 2 to {_LARGEST[kind]}, got {' '.join(words)[:40]!r}")
    return int(words[0])


def _numbers(words: list[str], count: int, number: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise LutError(f"line {number}: {count} numbers must be there, got {' '.join(words)[:40]!r}")
    return values
