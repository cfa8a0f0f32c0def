"""He 2018 as its authors run it, but for the matcher: any may take the place of theirs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.contract import Published, to_8_bits
from ..models.features import FeatureExtractor
from ..models.he2018 import He2018Colorizer
from ..models.he2018.gray_vgg import GrayVGGFeatures
from ..models.he2018.similarity import error_levels, follow, warp_mean
from ..models.resize import pillow_resize
from ..models.scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb
from .correspondence import match, normalise
from .published import Way

_SHORT_EDGE = 256
# Of the network's sides; the least that leaves VGG19's last block something to see.
_MULTIPLE, _LEAST = 8, 32
# Any: the nearest alone counts.
_TEMPERATURE = 0.01


def he2018_way(
    colorizer: He2018Colorizer, extractor: FeatureExtractor, reference: Tensor, *, size: int | None = None
) -> Way:
    """Return how a picture is coloured after ``reference`` [3,H,W] as published.

    Both are brought to a short edge of 256 pixels (``size``), matched, and compared by the gray VGG19, which
    ``extractor`` must be. Chroma comes back bicubic under the picture's own lightness. Raises ValueError for
    another extractor.
    """
    if not isinstance(extractor, GrayVGGFeatures):
        raise ValueError(
            "He 2018 as published compares pictures by its gray VGG19: name "
            "vgg19_bn_gray_ft_iter_150000.caffemodel as the features"
        )
    edge = size or _SHORT_EDGE
    other = _at_edge(to_8_bits(reference).cpu(), edge)
    seen = extractor.compare(other)
    other_ab = (rgb_to_scikit_lab(other.double() / 255)[1:] + 128).clamp(0, 255).to(torch.uint8)

    @torch.inference_mode()
    def way(rgb: Tensor, state: object) -> Published:
        picture = to_8_bits(rgb).cpu()
        small = _at_edge(picture, edge)
        own = extractor.compare(small)
        there, back = pixel_maps(own, seen, small.shape[1:], other.shape[1:])
        ab = warp_mean(other_ab.to(there.device), there).float() - 128
        forth = error_levels(own, seen, there)
        errors = torch.cat([forth.flip(0), follow(error_levels(seen, own, back), there).flip(0)])
        L = rgb_to_scikit_lab(small.double() / 255)[:1].float() - 50
        x = torch.cat([L.to(ab.device), ab, (errors.float() - 127) / 2])[None]
        found = colorizer.network(x.to(colorizer.device, colorizer.dtype)).float()
        large = F.interpolate(found, picture.shape[1:], mode="bicubic", align_corners=False)[0].cpu()
        lightness = rgb_to_scikit_lab(picture.double() / 255)[:1].float()
        coloured = scikit_lab_to_rgb(torch.cat([lightness, large])).float()
        return Published(coloured.to(colorizer.device), found)

    return way


def pixel_maps(
    first: list[Tensor], second: list[Tensor], size: tuple[int, ...], other: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Match two pictures by the levels at 1/4 to 1/16 of their size: column and row of each pixel, both ways.

    The authors match by Deep Image Analogy; here each position of 4 x 4 pixels takes its nearest, in all
    three levels together, and its pixels go along.
    """
    rows, shapes = [], []
    for levels in (first, second):
        height, width = levels[2].shape[2:]
        maps = [F.interpolate(level, (height, width), mode="bilinear") for level in levels[2:]]
        rows.append(torch.cat([normalise(m[0].flatten(1).T) for m in maps], 1) / len(maps) ** 0.5)
        shapes.append((height, width))
    nothing = rows[1].new_zeros(len(rows[1]), 2)
    found = match(rows[0], rows[1], nothing, temperature=_TEMPERATURE)
    assert found.back_index is not None
    there = _to_pixels(found.index, shapes[0], shapes[1], size, other)
    return there, _to_pixels(found.back_index, shapes[1], shapes[0], other, size)


def _to_pixels(
    index: Tensor,
    here: tuple[int, int],
    there: tuple[int, int],
    size: tuple[int, ...],
    other: tuple[int, ...],
) -> Tensor:
    """Return, of the match of each position, the match of each pixel [2,H,W]."""
    step = size[0] // here[0]
    grid = index.view(here)
    place = torch.stack([grid % there[1], grid // there[1]]) * step
    rows, columns = (torch.arange(side, device=index.device) for side in size)
    large = place[:, (rows // step)[:, None], columns // step]
    within = torch.stack([(columns % step).expand(size[0], -1), (rows % step)[:, None].expand(-1, size[1])])
    limit = torch.tensor([other[1] - 1, other[0] - 1], device=index.device).view(2, 1, 1)
    return torch.minimum(large + within, limit)


def _at_edge(rgb: Tensor, edge: int) -> Tensor:
    """Bring a picture uint8 [3,H,W] to a short edge of ``edge``, then its sides down to multiples of 8."""
    scale = edge / min(rgb.shape[1:])
    height, width = (max(_LEAST, round(side * scale)) for side in rgb.shape[1:])
    sides = (height, width)
    small = pillow_resize(rgb, height, width, "bilinear")
    cut = tuple(side // _MULTIPLE * _MULTIPLE for side in sides)
    if cut == sides:
        return small
    sampled = F.interpolate(small[None].float(), cut, mode="bilinear", align_corners=False)[0]
    return sampled.round().to(torch.uint8)
