"""A lattice over Lab on which colour maps are tabulated, and pictures placed in it.

Between nodes a map is interpolated in tetrahedra: J. Kasson, S. Nin, W. Plouffe, J. Hafner, "Performing color
space conversions with three-dimensional linear interpolation", J. Electronic Imaging 4 (1995). What is
interpolated is the displacement in Lab, never the colour: what a map leaves alone stays exact, and the way
back to sRGB with its gamut is each pixel's own. Nodes are made as colours need them: a photo touches a tenth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import lab_to_rgb_in_gamut, rgb_to_lab
from .color_map import ColorMap, check_picture

#: Distance of nodes along L, a and b.
STEPS = (1.0, 1.0, 1.0)
# Where the lattice begins and ends: sRGB lies within; colours beyond are taken at its border.
_LOW, _HIGH = (0.0, -90.0, -110.0), (100.0, 100.0, 96.0)
# Pixels at a time: what is computed of them stays in the cache.
_CHUNK = 32768


@dataclass(frozen=True)
class Places:
    """Where pixels lie between nodes: rows [P,4] int32 of a table, and each row's share [P,4], sum 1."""

    rows: Tensor
    shares: Tensor


class Lattice:
    """The nodes that colours were found between: ``lab`` [3,K] float32, which grows and never changes."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._low, high, self._step = (
            torch.tensor(values, device=self.device)[:, None] for values in (_LOW, _HIGH, STEPS)
        )
        self._most = ((high - self._low) / self._step).round()
        self._sides = [int(most) + 1 for most in self._most.flatten().tolist()]
        self._strides = (self._sides[1] * self._sides[2], self._sides[2], 1)
        count = self._sides[0] * self._strides[0]
        self._row = torch.full((count,), -1, dtype=torch.int32, device=self.device)
        self.lab = torch.empty(3, 0, device=self.device)

    def place(self, lab: Tensor) -> Places:
        """Find the tetrahedra that colours [3,P] lie in, and make their nodes."""
        rows = torch.empty(lab.shape[1], 4, dtype=torch.int32, device=self.device)
        shares = torch.empty(lab.shape[1], 4, device=self.device)
        for begin in range(0, lab.shape[1], _CHUNK):
            here = slice(begin, begin + _CHUNK)
            at = torch.minimum(((lab[:, here] - self._low) / self._step).clamp_(min=0), self._most)
            tetrahedra(at, self._most, self._strides, rows[here], shares[here])
        self._make(rows)
        for begin in range(0, len(rows), _CHUNK):
            part = rows[begin : begin + _CHUNK]
            part.copy_(self._row.index_select(0, part.flatten()).view_as(part))
        return Places(rows, shares)

    def _make(self, nodes: Tensor) -> None:
        """Give a row to each node that has none yet."""
        wanted = torch.zeros(len(self._row), dtype=torch.bool, device=self.device)
        wanted[nodes.flatten()] = True
        new = (wanted & (self._row < 0)).nonzero().squeeze(1)
        if not len(new):
            return
        count = self.lab.shape[1]
        self._row[new] = torch.arange(count, count + len(new), dtype=torch.int32, device=self.device)
        grid = torch.stack(
            (new // self._strides[0], new // self._strides[1] % self._sides[1], new % self._sides[2])
        )
        self.lab = torch.cat([self.lab, self._low + grid * self._step], 1)


def tetrahedra(
    at: Tensor, most: Tensor, strides: tuple[int, int, int], nodes: Tensor, shares: Tensor
) -> None:
    """Write which nodes [P,4] colours lie between, as numbers in the whole lattice, and their shares [P,4].

    ``at``: [3,P] in steps of the lattice, 0 to ``most`` [3,1] on each axis; it is lost.
    """
    base = torch.minimum(at.floor(), most - 1)
    x, y, z = part = at.sub_(base)
    dx, dy, dz = strides
    # Whole numbers up to 2^24 are exact in float32, and its arithmetic is faster.
    first = base[0] * dx + base[1] * dy + base[2] * dz
    largest, least = part.amax(0), part.amin(0)
    # From the first node along the largest part, then the middle one, then the smallest. Of equal parts any
    # may come first: the node between them has no share.
    longest = torch.where(x == largest, dx, torch.where(y == largest, dy, dz))
    shortest = torch.where(z == least, dz, torch.where(y == least, dy, dx))
    total = dx + dy + dz
    nodes[:, 0] = first
    nodes[:, 1] = first + longest
    nodes[:, 2] = first + (total - shortest)
    nodes[:, 3] = first + total
    middle = part.sum(0) - largest - least
    torch.sub(1, largest, out=shares[:, 0])
    torch.sub(largest, middle, out=shares[:, 1])
    torch.sub(middle, least, out=shares[:, 2])
    shares[:, 3] = least


class Table:
    """Values [C,K] at a lattice's nodes, each computed once.

    ``compute``: from the number of the first node that is wanted to the values of all from there on.
    """

    def __init__(self, lattice: Lattice, compute: Callable[[int], Tensor]) -> None:
        self.lattice, self._compute = lattice, compute
        self._values: Tensor | None = None

    def values(self) -> Tensor:
        """Return the values at all nodes that there are by now."""
        known = 0 if self._values is None else self._values.shape[1]
        if self._values is None:
            self._values = self._compute(0)
        elif known < self.lattice.lab.shape[1]:
            self._values = torch.cat([self._values, self._compute(known)], 1)
        return self._values


def tabulate(color_map: ColorMap, lattice: Lattice) -> Table:
    """Return the table of a map's displacements [3,K]."""
    return Table(lattice, lambda first: color_map.displacement(lattice.lab[:, first:]))


def interpolate(table: Tensor, places: Places, part: slice = slice(None)) -> Tensor:
    """Return values [P,C] at a ``part`` of places, of a table whose rows [K,C] are nodes."""
    rows, shares = places.rows[part], places.shares[part]
    if table.device.type == "cpu":
        return F.embedding_bag(rows, table, mode="sum", per_sample_weights=shares)
    # Not every device has weights for a bag.
    picked = table.index_select(0, rows.flatten().long()).view(*rows.shape, table.shape[1])
    return (picked * shares[:, :, None]).sum(1)


class Placed:
    """A picture whose colours are placed in a lattice, so that changing them again is fast.

    ``rgb``: [B,3,H,W] sRGB 0..1; ``mask``: [1 or B,1,H,W] 0..1, where to change. Raises ValueError as
    ``check_picture``.
    """

    def __init__(self, rgb: Tensor, lattice: Lattice, mask: Tensor | None = None) -> None:
        check_picture(rgb, mask)
        self.rgb, self.mask, self.lattice = rgb, mask, lattice
        self._lab = rgb_to_lab(rgb.to(lattice.device, torch.float32)).flatten(2)
        self._places = [lattice.place(lab) for lab in self._lab]

    def change(self, table: Table, strength: float = 1.0) -> Tensor:
        """Return the picture with a table's displacements added, in rgb's type; strength 0..1."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be 0..1, got {strength}")
        if strength == 0:
            return self.rgb.clone()
        values = (table.values() * strength).T.contiguous()
        out = torch.empty_like(self._lab)
        amount = None
        if self.mask is not None:
            amount = self.mask.to(self._lab).clamp(0, 1).expand(len(out), -1, -1, -1).flatten(1)
        for number, places in enumerate(self._places):
            lab, result = self._lab[number], out[number]
            for begin in range(0, lab.shape[1], _CHUNK):
                here = slice(begin, begin + _CHUNK)
                moved = interpolate(values, places, here).T
                if amount is not None:
                    moved = moved * amount[number, here]
                torch.add(lab[:, here], moved, out=result[:, here])
        # All pixels at once: those outside of the gamut are then brought back together.
        lab_to_rgb_in_gamut(out, dim=1, out=out)
        changed = out.view(self.rgb.shape).to(self.rgb)
        if amount is None:
            return changed
        return torch.where(
            (amount == 0).view(len(out), 1, *self.rgb.shape[2:]).to(self.rgb.device), self.rgb, changed
        )


class Tabulated:
    """A map applied by its table: the same for pictures and for all frames of a clip."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def apply(self, rgb: Tensor, *, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """Change pictures [B,3,H,W]; see ``Placed``."""
        return Placed(rgb, self.table.lattice, mask).change(self.table, strength)
