"""Colour from references: for each pixel, the chroma of what is like it in one of the reference pictures.

Papers: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018: similarity there and back; Zhang et al.,
"Deep Exemplar-based Video Colorization", CVPR 2019: chroma by a softmax over all positions. Reference source:
none. All references are searched at once, so that each pixel finds the best match in any of them; how wrong
its chroma may be is told by how much the chroma of the matches varies, and by how many of the ways there and
back end where they began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color import rgb_to_lightness
from ..models.contract import Colorizer, Conditions, Exemplar
from ..models.resize import resize_lightness, working_size
from .colorize import Colorized, ColorizeSettings, propose
from .correspondence import Matches, cycle_distance, match
from .guided_enlarge import enlarge_guided
from .merge import merge, resize_chroma
from .optical_flow import blur
from .references import STRIDE, Grid, References, see, size_for, to_rows

#: Of the softmax over cosines.
TEMPERATURE = 0.03
#: Expected squared distance from the true chroma, in CIE units², of a perfect match: a position is 8 pixels.
LEAST_ERROR = 12.0
#: What each position by which the way there and back misses its start adds to it, up to so many.
ERROR_PER_POSITION, _MOST_MISSED = 5.0, 10.0
#: The same of a match in a picture that shows something else.
UNRELATED_ERROR = 6000.0
#: The same of what the embedded network proposes by itself: at least, and for each unit of squared chroma. In
#: clips it is 63 where the reference is nearly grey, 440 at a chroma of 33, 990 at 45; but what is expected
#: of matches is cautious, and following them further measures better.
AUTOMATIC_ERROR = (600.0, 0.4)
#: Share of ways there and back that end near their start, from which on a reference is taken to show the same
#: scene: frames of one shot have 0.38 or more, those of another film at most 0.18.
CONSISTENT, _CONSISTENT_SPREAD = 0.24, 0.02
# Of a small picture more ways end near their start by chance: the share asked for grows with this over the
# number of positions. Of 100 photos of 160 to 190 pixels, 19 in 20 have 0.38 (361 positions) to 0.47 (864)
# with a warped copy of themselves, at most 0.33 to 0.24 with a photo of something else.
_CONSISTENT_BASE, _CONSISTENT_BY_CHANCE = 0.223, 52.0
# The whole picture may have so much less than what is asked of a place and the whole together: by chance one
# place agrees well with a picture of something else, but not most places.
_WHOLE_LESS = 0.08

# A way there and back ends near its start within about so many positions.
_NEAR = 2.0
# Standard deviation, in positions, of the window in which those ways are counted.
_WINDOW = 4.0
# Share of a picture that is known, from which on a network is told of it, and from which on fully.
_TELLING = (0.25, 0.5)
# Pairs of levels that He 2018 is told the similarities of.
_TOLD_LEVELS = 5


@dataclass(frozen=True)
class Warped:
    """What references say about pictures.

    ``ab``: [B,2,h,w] CIE units, at the working size. ``error``: [B,1,h,w], its expected squared distance from
    the true one. ``source``: [B,1,h/8,w/8] int64, the reference that each place is most like.
    ``cosine``: [B,1,h/8,w/8], how like: -1..1. ``similarity``: as in ``Conditions``, at h/8 x w/8.
    ``agreed``: [B,R], how many places' ways to each of R references and back end near their start.
    """

    ab: Tensor
    error: Tensor
    source: Tensor
    cosine: Tensor
    similarity: Tensor
    agreed: Tensor

    def confidence(self, trust: float = 0.5) -> Tensor:
        """Return how far to follow ``ab``: [B,1,h,w] 0..1. ``trust``: see ``sureness``."""
        return sureness(self.ab, self.error, trust)

    def best(self) -> list[int]:
        """Return the reference that most places of each picture agree with, there and back."""
        return self.agreed.argmax(1).tolist()


def sureness(ab: Tensor, error: Tensor, trust: float = 0.5) -> Tensor:
    """Turn chroma [B,2,h,w] and its expected squared error [B,1,h,w] into a confidence 0..1.

    ``trust``: 0.5 follows a reference where it is likely to be nearer to the truth than automatic colour; a
    higher one also where less is alike, 1 everywhere; 0 nowhere.
    """
    check_trust(trust)
    if trust in (0, 1):
        return torch.full_like(error, trust)
    least, share = AUTOMATIC_ERROR
    automatic = least + share * ab.square().sum(1, keepdim=True)
    return 1 / (1 + (error / automatic * (1 - trust) / trust).square())


def check_trust(trust: float) -> None:
    """Raise ValueError where trust is outside 0..1."""
    if not 0 <= trust <= 1:
        raise ValueError(f"trust must be 0..1, got {trust}")


@torch.inference_mode()
def warp(L: Tensor, references: References) -> Warped:
    """Find pictures in the references and fetch chroma from there.

    ``L``: [B,1,H,W] 0..100, any size. Runs on the extractor's device; results are there, float32.
    Raises ValueError for L of another shape, and NaN or infinity in it.
    """
    check_lightness(L)
    size = size_for(L.shape[2], L.shape[3])
    small = working_lightness(L, size, references)
    return _stack([warp_small(one[None], references.at(size), references)[0] for one in small])


def check_lightness(L: Tensor) -> None:
    """Raise ValueError where L is not [B,1,H,W] with finite values."""
    if L.ndim != 4 or L.shape[1] != 1 or 0 in L.shape:
        raise ValueError(f"L must be [B,1,H,W] with no empty side, got {list(L.shape)}")
    if not bool(torch.isfinite(L).all()):
        raise ValueError("L holds NaN or infinite values: repair the picture before colouring it")


def working_lightness(L: Tensor, size: int, references: References) -> Tensor:
    """Bring L [B,1,H,W] to the size at which pictures are compared, on the extractor's device."""
    height, width = working_size(L.shape[2], L.shape[3], size, multiple=STRIDE)
    return resize_lightness(L.to(references.extractor.device, torch.float32), height, width)


def warp_small(L: Tensor, grid: Grid, references: References) -> tuple[Warped, Tensor]:
    """Warp for one picture [1,1,h,w] at the working size; return its features [h/8*w/8,C] too."""
    found, rows = find(L, grid, references)
    return warped_by(found, rows, L, grid), rows


def find(L: Tensor, grid: Grid, references: References) -> tuple[Matches, Tensor]:
    """Match one picture [1,1,h,w] at the working size; return its features [h/8*w/8,C] too."""
    rows = to_rows(see(L, references.extractor), grid.means)
    return match(rows, grid.features, grid.values, temperature=TEMPERATURE), rows


def warped_by(found: Matches, rows: Tensor, L: Tensor, grid: Grid) -> Warped:
    """Fetch chroma for L [1,1,h,w] from where ``find`` found it, and say how far to trust it."""
    height, width = L.shape[2] // STRIDE, L.shape[3] // STRIDE

    def to_map(values: Tensor) -> Tensor:
        return values.reshape(height, width, -1).permute(2, 0, 1)[None]

    ab = to_map(found.values[:, :2])
    varies = (to_map(found.values[:, 2]) - ab.square().sum(1, keepdim=True)).clamp(min=0)
    missed = ways_back(found, (height, width))
    error = LEAST_ERROR + varies + ERROR_PER_POSITION * missed.clamp(max=_MOST_MISSED)
    error = error + UNRELATED_ERROR * (1 - relatedness(missed))
    return Warped(
        enlarge_guided(ab, L),
        F.interpolate(error, L.shape[2:], mode="bilinear", align_corners=False),
        to_map(grid.owner[found.index]),
        to_map(found.similarity),
        to_map(level_similarity(rows, grid, found)).clamp(0, 1),
        agreement(grid, found, missed),
    )


def ways_back(found: Matches, shape: tuple[int, int]) -> Tensor:
    """Return how many positions from its start the way there and back ends: [1,1,h,w]."""
    assert found.back_index is not None
    return cycle_distance(found.index, found.back_index, shape).view(1, 1, *shape)


def relatedness(missed: Tensor) -> Tensor:
    """Return how likely each place of a picture is in the references at all: [1,1,h,w] 0..1.

    Counts the ways there and back, from ``ways_back``, that end near their start, around the place and in the
    whole picture, and asks for enough of both: He 2018's bidirectional similarity, in positions instead of
    cosines, which differ from network to network.
    """
    close = closeness(missed)
    whole = close.mean()
    around = (blur(close, _WINDOW) + whole) / 2
    asked = max(CONSISTENT, _CONSISTENT_BASE + _CONSISTENT_BY_CHANCE / missed[0].numel())
    enough = torch.sigmoid((whole - asked + _WHOLE_LESS) / _CONSISTENT_SPREAD)
    return enough * torch.sigmoid((around - asked) / _CONSISTENT_SPREAD)


def agreement(grid: Grid, found: Matches, missed: Tensor) -> Tensor:
    """Sum up, for each reference, how near the ways to it and back end to their start: [1,R]."""
    sums = torch.zeros(len(grid.shapes), device=missed.device)
    return sums.index_add_(0, grid.owner[found.index], closeness(missed).flatten())[None]


def closeness(missed: Tensor) -> Tensor:
    """Return how near to their start ways there and back end: 1 there, 0 some positions away."""
    return torch.exp(-(missed / _NEAR).square())


def level_similarity(rows: Tensor, grid: Grid, found: Matches) -> Tensor:
    """Return the cosines of each level there and back: [N,10], the deepest level first, repeated to five."""
    assert found.back_index is not None
    there = grid.features[found.index]
    pairs = ((rows, there), (there, rows[found.back_index[found.index]]))
    # The levels are of one length, so that a level's part of the product is its cosine over their number.
    count = len(grid.channels)
    chosen = [count - 1 - number * count // _TOLD_LEVELS for number in range(_TOLD_LEVELS)]
    told = []
    for first, second in pairs:
        parts = (first * second).split(grid.channels, 1)
        cosines = [part.sum(1) * count for part in parts]
        told.extend(cosines[level] for level in chosen)
    return torch.stack(told, 1)


class Guide:
    """What references tell a colorizer, in the form that it understands; each is encoded once.

    The embedded network and He 2018 get the warped chroma; Zhang 2019 and Color2Embed the reference that most
    of the picture is like. ``trust``: see ``sureness``. Raises ValueError for a colorizer that takes none.
    """

    def __init__(
        self, colorizer: Colorizer, references: References, *, trust: float = 0.5, size: int | None = None
    ) -> None:
        check_trust(trust)
        known = colorizer.spec.conditions
        if not known & {"local", "exemplar", "global"}:
            raise ValueError(
                f"{colorizer.spec.title} takes no reference: choose the embedded network, he2018, "
                "exemplar_video or color2embed"
            )
        self.colorizer, self.references, self.trust, self.size = colorizer, references, trust, size
        self._encoded: dict[int, Exemplar | Tensor] = {}

    @property
    def imposes(self) -> bool:
        """Whether the warped chroma stays where it is sure, instead of being the network's to judge."""
        return "local" in self.colorizer.spec.conditions and "similarity" not in self.colorizer.spec.required

    def conditions(self, warped: Warped, number: int = 0) -> Conditions:
        """Return the conditions of picture ``number`` of those that were warped for, for one that judges."""
        known = self.colorizer.spec.conditions
        here = slice(number, number + 1)
        if "local" in known:
            similarity = warped.similarity[here] if "similarity" in known else None
            return Conditions(warped.ab[here], warped.confidence(self.trust)[here], similarity=similarity)
        best = warped.best()[number]
        if best not in self._encoded:
            rgb = self.references.pictures[best].to(self.colorizer.device)
            self._encoded[best] = (
                self.colorizer.encode_exemplar(rgb, size=self.size)
                if "exemplar" in known
                else self.colorizer.encode_reference(rgb)
            )
        encoded = self._encoded[best]
        return Conditions(color=encoded) if isinstance(encoded, Tensor) else Conditions(exemplar=encoded)

    def propose(self, L: Tensor, settings: ColorizeSettings, ab: Tensor, sure: Tensor) -> Tensor:
        """Let a network that takes hints colour lightness [1,1,H,W] around what is known.

        ``ab``: [1,2,h,w] CIE units, known as far as ``sure`` [1,1,h,w] says. A few known pixels would colour
        all of the picture, as a user's hints do: it is told of them as far as much of the picture is known.
        """
        low, high = _TELLING
        share = min(max((float(sure.mean()) - low) / (high - low), 0.0), 1.0)
        alone = guided = None
        if share < 1:
            alone = propose(L, self.colorizer, settings).ab
        if share > 0:
            known = Conditions(ab, (2 * sure - 1).clamp(min=0))
            guided = propose(L, self.colorizer, settings, known).ab
        if alone is None or guided is None:
            chosen = guided if alone is None else alone
            assert chosen is not None
            return chosen
        return torch.lerp(alone, guided, share)


@torch.inference_mode()
def colorize_with_references(
    rgb: Tensor,
    guide: Guide,
    settings: ColorizeSettings | None = None,
    *,
    mask: Tensor | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Colorized, Warped]:
    """Colour pictures from references, and by themselves where those have nothing like it.

    ``rgb``: [B,3,H,W] sRGB 0..1; ``mask`` and ``progress`` as in ``colorize``. The confidence is that in the
    references. Raises ValueError for shapes, values or settings that do not fit.
    """
    settings = settings or ColorizeSettings()
    settings.check_own_way("blend of several references: see color_as_published")
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ValueError(f"rgb must be [B,3,H,W] with no empty side, got {list(rgb.shape)}")
    if mask is not None and len(mask) not in (1, len(rgb)):
        raise ValueError(f"{len(mask)} masks were given for {len(rgb)} pictures: give one, or as many")
    out = torch.empty_like(rgb)
    warps: list[Warped] = []
    chroma: list[Tensor] = []
    for number in range(len(rgb)):
        here = slice(number, number + 1)
        picture = rgb[here].to(guide.colorizer.device)
        L = rgb_to_lightness(picture.float())
        warped = warp(L, guide.references)
        sure = warped.confidence(guide.trust)
        if guide.imposes:
            ab = blend(warped.ab, sure, guide.propose(L, settings, warped.ab, sure))
        else:
            ab = propose(L, guide.colorizer, settings, guide.conditions(warped)).ab
        out[here] = merge(
            picture,
            ab,
            mask=mask if mask is None or len(mask) == 1 else mask[here],
            strength=settings.strength,
            saturation=settings.saturation,
            gamut=settings.gamut,
            lightness=L,
        )
        chroma.append(ab.to(rgb.device))
        warps.append(warped)
        if progress is not None:
            progress(1)
    warped = _stack(warps)
    return Colorized(out, torch.cat(chroma), warped.confidence(guide.trust).to(rgb.device)), warped


def blend(ab: Tensor, confidence: Tensor, proposed: Tensor) -> Tensor:
    """Mix ``ab`` [B,2,h,w], where ``confidence`` [B,1,h,w] is 1, with a network's proposal, where it is 0."""
    proposed = resize_chroma(proposed.to(ab), *ab.shape[2:])
    return proposed + confidence.to(ab) * (ab - proposed)


def _stack(warps: list[Warped]) -> Warped:
    return Warped(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in warps), strict=True)))
