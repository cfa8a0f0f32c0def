"""Color Match: the colours of a picture or a whole clip brought to those of a reference.

A match is a map of colours, fitted once to samples of both sides, so that it cannot flicker. Methods: means
and spreads of each channel (E. Reinhard et al., "Color Transfer between Images", 2001, in Lab instead of its
lαβ); the linear map between Gaussians (F. Pitié, A. Kokaram, "The linear Monge-Kantorovitch linear colour
mapping for example-based colour transfer", CVMP 2007); sliced optimal transport (F. Pitié et al., "Automated
colour grading using colour distribution transfer", CVIU 2007).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lab
from .color_lattice import Lattice, Tabulated, tabulate
from .color_map import ColorMap, check_picture

MatchMethod = Literal["reinhard", "monge_kantorovich", "sliced"]

#: Colours that a match is fitted to, of all pictures or frames together.
SAMPLE = 65536

# A spread below this, in Lab units, is none: what is flat is not stretched into noise.
_FLAT = 0.5
# Channels are stretched at most so many times.
_MOST_STRETCH = 4.0
# Turns of the sliced transport, and the quantiles that each direction is matched at.
_TURNS, _QUANTILES = 16, 65
# Grid that its displacements are kept on, in Lab: step, first and last node. Ranges that they are averaged
# over, in Lab units, and how many samples make half of a range's say.
_STEP, _LOW, _HIGH = 4.0, (0.0, -100.0, -112.0), (100.0, 100.0, 100.0)
_WIDTHS, _FEW = (40.0, 20.0, 10.0, 6.0), 8.0


class ColorSampler:
    """Colours of pictures that come one by one: ``frames`` of them are expected, and share the sample."""

    def __init__(self, seed: int = 0, frames: int = 1) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._each = max(512, SAMPLE // max(1, frames))
        self._lab: list[Tensor] = []

    def add(self, rgb: Tensor, mask: Tensor | None = None) -> None:
        """Take colours of rgb [3,H,W] 0..1, where ``mask`` [1,H,W] is above a half.

        Raises ValueError for shapes that do not fit, NaN, and a mask that leaves nothing.
        """
        check_picture(rgb[None], None if mask is None else mask[None])
        pixels = rgb.flatten(1)
        if mask is not None:
            pixels = pixels[:, (mask.flatten() > 0.5).to(rgb.device)]
            if not pixels.shape[1]:
                raise ValueError("the mask leaves no pixel to match: make some of it white")
        if pixels.shape[1] > self._each:
            chosen = torch.randint(pixels.shape[1], (self._each,), generator=self._generator)
            pixels = pixels[:, chosen.to(rgb.device)]
        self._lab.append(rgb_to_lab(pixels.float(), dim=0).cpu())

    @property
    def lab(self) -> Tensor:
        """What was taken, [3,K]. Raises ValueError where that is nothing."""
        if not self._lab:
            raise ValueError("there is no picture to match")
        return torch.cat(self._lab, 1)


def sample_colors(pictures: Tensor, mask: Tensor | None = None, *, seed: int = 0) -> Tensor:
    """Return colours [3,K] of pictures [B,3,H,W]; ``mask`` [1 or B,1,H,W]: see ``ColorSampler.add``."""
    sampler = ColorSampler(seed, len(pictures))
    for number, picture in enumerate(pictures):
        sampler.add(picture, None if mask is None else mask[number if len(mask) > 1 else 0])
    return sampler.lab


class LinearMatch:
    """``matrix`` [C,C] about ``center`` [C,1], which goes to ``goal`` [C,1]; a ``ColorMap`` of C channels."""

    def __init__(self, matrix: Tensor, center: Tensor, goal: Tensor) -> None:
        self.matrix, self.center, self.goal = matrix, center, goal

    def displacement(self, lab: Tensor) -> Tensor:
        """Return what is added to [C,K]."""
        center = self.center.to(lab)
        return self.matrix.to(lab) @ (lab - center) + self.goal.to(lab) - lab


def fit_reinhard(source: Tensor, reference: Tensor, seed: int = 0) -> LinearMatch:
    """Match mean and standard deviation of each channel: samples [C,K] and [C,M]."""
    spread, wanted = (x.double().std(1, correction=0) for x in (source, reference))
    gain = torch.where(spread < _FLAT, 1.0, wanted / spread.clamp(min=1e-9)).clamp(max=_MOST_STRETCH)
    return LinearMatch(torch.diag(gain), *_means(source, reference))


def fit_monge_kantorovich(source: Tensor, reference: Tensor, seed: int = 0) -> LinearMatch:
    """Match mean and covariance by the linear map that moves colours least: samples [C,K] and [C,M]."""
    flat = _FLAT**2 * torch.eye(len(source), dtype=torch.float64)
    ours, theirs = (torch.cov(x.double(), correction=0).view_as(flat) + flat for x in (source, reference))
    root = _power(ours, 0.5)
    inverse = _power(ours, -0.5)
    return LinearMatch(inverse @ _power(root @ theirs @ root, 0.5) @ inverse, *_means(source, reference))


class GridMatch:
    """Displacements on a wide grid, linear between its nodes; a ``ColorMap`` of C channels.

    ``moves``: [C,...] with C axes in the order of the channels, from ``low`` [C,1] on in steps of _STEP.
    """

    def __init__(self, moves: Tensor, low: Tensor) -> None:
        self.moves, self.low = moves, low

    def displacement(self, lab: Tensor) -> Tensor:
        """Return what is added to [C,K]."""
        moves = self.moves.to(lab)
        most = lab.new_tensor(moves.shape[1:])[:, None] - 1
        at = torch.minimum(((lab - self.low.to(lab)) / _STEP).clamp(min=0), most)
        # grid_sample counts the axes from the last.
        place = (at / most * 2 - 1).flip(0).T.reshape(1, *[1] * (len(lab) - 1), -1, len(lab))
        return F.grid_sample(moves[None], place, align_corners=True).view(len(lab), -1)


def fit_sliced(source: Tensor, reference: Tensor, seed: int = 0) -> GridMatch:
    """Match the distributions along random directions, again and again: samples [C,K] and [C,M].

    The displacements of the samples are then averaged over their neighbours in colour: the transport alone
    would tear near colours apart, and amplify grain, which Pitié 2007 repairs in the picture.
    """
    generator = torch.Generator().manual_seed(seed)
    channels = len(source)
    begin, reference = source.double(), reference.double()
    at = begin
    ranks = torch.linspace(0, 1, _QUANTILES, dtype=torch.float64)
    for _ in range(_TURNS):
        random = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        axes, _ = torch.linalg.qr(random)
        along = axes @ at
        knots, goals = (torch.quantile(x, ranks, dim=1).T.contiguous() for x in (along, axes @ reference))
        at = at + axes.T @ _curve(along, knots, goals - knots)
    return _spread(begin, at - begin)


def _spread(places: Tensor, moves: Tensor) -> GridMatch:
    """Average displacements [C,K] of colours [C,K] onto a grid, over wider ranges where there are none."""
    channels = len(places)
    low = places.new_tensor(_LOW[3 - channels :])[:, None]
    sides = [round((high - start) / _STEP) + 1 for start, high in zip(_LOW, _HIGH, strict=True)][-channels:]
    most = places.new_tensor(sides)[:, None] - 1
    cell = torch.minimum(((places - low) / _STEP).round().clamp(min=0), most).long()
    number = cell[0]
    for axis in range(1, channels):
        number = number * sides[axis] + cell[axis]
    sums = torch.zeros(channels + 1, int(torch.tensor(sides).prod()), dtype=torch.float64)
    sums.index_add_(1, number, torch.cat([moves, torch.ones_like(moves[:1])]))
    sums = sums.view(-1, *sides)
    # From the whole to the near: each range takes over as far as it has samples.
    field = moves.mean(1).view(-1, *[1] * channels).expand(-1, *sides)
    for width in _WIDTHS:
        total = sums
        for axis, side in enumerate(sides, 1):
            line = torch.arange(side, dtype=torch.float64) * (_STEP / width)
            blur = torch.exp(-(line[:, None] - line).square() / 2)
            # The blur is symmetric.
            total = torch.movedim(torch.movedim(total, axis, -1) @ blur, -1, axis)
        count = total[-1:]
        share = count / (count + _FEW)
        field = field + share * (total[:-1] / count.clamp(min=1e-12) - field)
    return GridMatch(field, low)


#: Methods by name: from samples [C,K] and [C,M] and a seed to a map of C channels.
METHODS: dict[str, Callable[[Tensor, Tensor, int], ColorMap]] = {
    "reinhard": fit_reinhard,
    "monge_kantorovich": fit_monge_kantorovich,
    "sliced": fit_sliced,
}


class ColorMatch(Tabulated):
    """A match of colours [3,K] of pictures to those of a reference [3,M], a ``ColorMap`` and a ``Change``.

    ``method``: of METHODS. ``lightness``: match L too, else a and b alone. ``seed``: of "sliced".
    ``device``: where pictures are changed. Raises ValueError for an unknown method.
    """

    def __init__(
        self,
        source: Tensor,
        reference: Tensor,
        method: str = "monge_kantorovich",
        *,
        lightness: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"the method must be one of {', '.join(METHODS)}, got {method!r}")
        self.first = 0 if lightness else 1
        self.map = METHODS[method](source[self.first :], reference[self.first :], seed)
        super().__init__(tabulate(self, Lattice(device)))

    def displacement(self, lab: Tensor) -> Tensor:
        """Return what is added to colours [3,K]: [3,K]."""
        moved = torch.zeros_like(lab)
        moved[self.first :] = self.map.displacement(lab[self.first :])
        return moved


def match_colors(
    rgb: Tensor,
    reference: Tensor,
    method: str = "monge_kantorovich",
    *,
    lightness: bool = False,
    mask: Tensor | None = None,
    strength: float = 1.0,
    seed: int = 0,
) -> Tensor:
    """Bring pictures [B,3,H,W], all by one match, to the colours of ``reference`` [B',3,H',W'].

    ``mask``: [1 or B,1,H,W] 0..1, where to look and where to change. ``strength``: 0..1. The rest as in
    ``ColorMatch``. Raises ValueError for what does not fit, and NaN.
    """
    source = sample_colors(rgb, mask, seed=seed)
    goal = sample_colors(reference, seed=seed)
    match = ColorMatch(source, goal, method, lightness=lightness, seed=seed, device=rgb.device)
    return match.apply(rgb, mask=mask, strength=strength)


def _means(source: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    return source.double().mean(1, keepdim=True), reference.double().mean(1, keepdim=True)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Return a power of a symmetric positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=1e-12).pow(exponent) @ vectors.T


def _curve(along: Tensor, knots: Tensor, moves: Tensor) -> Tensor:
    """Interpolate ``moves`` [C,Q] at knots [C,Q] for values [C,K]; beyond the ends it is theirs."""
    right = torch.searchsorted(knots, along.contiguous()).clamp(1, knots.shape[1] - 1)
    k0, k1 = knots.gather(1, right - 1), knots.gather(1, right)
    # Where two knots are one, many colours share a value.
    share = ((along - k0) / (k1 - k0).clamp(min=1e-6)).clamp(0, 1)
    return torch.lerp(moves.gather(1, right - 1), moves.gather(1, right), share)
