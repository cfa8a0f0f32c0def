"""What ColorHouse's generator learns: stage one from exemplars, stage two from five colours and a light.

Source: "Neural Image Recolorization for Creative Domains", CVPR Workshops 2022. The paper trains stage one as
style transfer and names no weights of its losses; those here are ours. A picture whose colours were changed
has to get them back from a warped copy of itself; and it has to take those of another picture, as a
distribution, while what it shows stays. Stage two asks for palettes with the generator as it is, or with it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ..color import lab_to_rgb, rgb_to_lab
from ..models import shipped_weights
from ..models.colorhouse.network import ColorHouseNetwork
from ..models.embedded.conditions import REFERENCE_SIZE
from .conditions import asked_palette, draw, simulate_reference

#: Side of the pictures that it is trained on.
SIZE = 64

# Directions and pixels of the sliced Wasserstein distance; of lightness less than of colour.
_DIRECTIONS, _PIXELS, _LIGHTNESS = 24, 512, 0.6
# How much structural similarity of lightness may be lost without a penalty.
_FREE = 0.14
# Weights of the losses beside the distance of colours, and how far a pixel may be from its palette's colours.
_CONTENT, _SMOOTH, _RANGE, _LATENT, _NEAR = 15.0, 4.0, 40.0, 2.0, 5.0

# Weight of how differently alike colours are changed, and how far alike colours are apart.
_ALIKE, _SAME = 0.12, 4.0
# Of a palette's colour's share, the pixels that have to be near it.
_OWN = 0.75
# Of the steps of the end of a run, those with exemplars.
_EXEMPLARS = 0.25


def build_network() -> ColorHouseNetwork:
    """Return an untrained generator with the embedded network's encoders of references and palettes.

    They are of one shape, and know colours and light already; both go on learning here.
    """
    network = ColorHouseNetwork()
    weights = load_file(shipped_weights("embedded"))
    for prefix, part in (("color_encoder.", network.reference), ("palette_encoder.", network.palette)):
        own = {key: value.float() for key, value in weights.items() if key.startswith(prefix)}
        part.load_state_dict({key.removeprefix(prefix): value for key, value in own.items()})
    return network


def exemplar_loss(network: nn.Module, rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Stage one: colours back from an exemplar, and those of another picture; [B,3,S,S] 0..1 to a scalar."""
    assert isinstance(network, ColorHouseNetwork)
    code, before = encode(network, rgb, rng), rgb_to_lab(rgb)
    changed = change_colors(rgb, rng)
    back = rgb_to_lab(network(changed, code).clamp(0, 1))
    restored = smooth_distance(back, before)
    order = np.roll(np.arange(len(rgb)), 1)
    made = network(rgb, code[order])
    lab = rgb_to_lab(made.clamp(0, 1))
    apart = sliced_distance(lab, before[order], rng)
    return restored + apart + kept(made, lab, before)


def palette_loss(network: nn.Module, rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Stage two: the colours of another picture's palette and light; [B,3,S,S] 0..1 to a scalar."""
    assert isinstance(network, ColorHouseNetwork)
    order = np.roll(np.arange(len(rgb)), 1)
    other, before = rgb[order], rgb_to_lab(rgb)
    lab = before[order]
    palette, share, light, lit = asked_palette(other, lab, rng)
    code = network.palette(palette, share, light, lit)
    with torch.no_grad():
        wanted = encode(network, other, rng)
    made = network(rgb, code)
    got = rgb_to_lab(made.clamp(0, 1))
    apart = palette_distance(got, palette, share, rng) + 0.3 * sliced_distance(got, lab, rng)
    return apart + kept(made, got, before) + _LATENT * F.mse_loss(code, wanted)


def both_loss(network: nn.Module, rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Both stages by turns, for the end of a run: palettes mostly, as these are what users bring."""
    return (exemplar_loss if rng.random() < _EXEMPLARS else palette_loss)(network, rgb, rng)


def encode(network: ColorHouseNetwork, rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the vectors of exemplars, thin-plate-warped and noised pictures."""
    lab = simulate_reference(rgb, rng)
    return network.reference(F.interpolate(lab, (REFERENCE_SIZE, REFERENCE_SIZE), mode="area"))


def change_colors(rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Change pictures' colours, each in a way of its own: hues turned, or moments taken from another one.

    Lightness gets another gamma and contrast by chance; what leaves sRGB is cut off, as real edits do.
    """
    batch = len(rgb)
    lab = rgb_to_lab(rgb)
    mean, spread = lab.mean((2, 3), keepdim=True), lab.std((2, 3), keepdim=True) + 1
    order = rng.permutation(batch)
    share = draw(rng, batch, 0.4, 1.0)
    gain = (spread[order] / spread).clamp(0.4, 2.5)
    taken = (lab - mean) * (1 + share * (gain - 1)) + mean + share * (mean[order] - mean)
    angle, chroma = draw(rng, batch, -np.pi, np.pi), draw(rng, batch, 0.2, 1.4)
    a, b = lab[:, 1:2], lab[:, 2:]
    turned = torch.cat(
        [
            lab[:, :1],
            chroma * (torch.cos(angle) * a - torch.sin(angle) * b),
            chroma * (torch.sin(angle) * a + torch.cos(angle) * b),
        ],
        1,
    )
    chance = torch.from_numpy(rng.random((batch, 1, 1, 1)))
    # A tenth stays as it is: what has its colours already keeps them.
    made = torch.where(chance < 0.45, taken, torch.where(chance < 0.9, turned, lab))
    L = 100 * (made[:, :1] / 100).clamp(1e-3, 1) ** draw(rng, batch, 0.75, 1.33)
    L = torch.where(chance < 0.9, L, lab[:, :1])
    return lab_to_rgb(torch.cat([L, made[:, 1:]], 1)).clamp(0, 1)


def smooth_distance(lab: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean ΔE76 of pictures, smooth at zero."""
    return ((lab - wanted).square().sum(1) + 1).sqrt().mean()


def sliced_distance(lab: Tensor, wanted: Tensor, rng: np.random.Generator) -> Tensor:
    """Return how far the colours of pictures are from others' as distributions, in CIE units.

    The sliced Wasserstein distance of order 1: along random directions, sorted against sorted. Source:
    N. Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015.
    """
    count = lab.shape[2] * lab.shape[3]
    chosen = [torch.from_numpy(rng.permutation(count)[:_PIXELS]) for _ in range(2)]
    direction = rng.standard_normal((3, _DIRECTIONS)).astype(np.float32)
    way = torch.from_numpy(direction / np.linalg.norm(direction, axis=0))
    scale = torch.tensor([_LIGHTNESS, 1.0, 1.0]).view(1, 3, 1)
    first, second = (
        torch.einsum("bcn,cd->bdn", x.flatten(2)[:, :, rows] * scale, way).sort(2).values
        for x, rows in zip((lab, wanted), chosen, strict=True)
    )
    # The mean over directions of a unit step is half a step: twice as much is a distance again.
    return 2 * (first - second).abs().mean()


def palette_distance(lab: Tensor, palette: Tensor, share: Tensor, rng: np.random.Generator) -> Tensor:
    """Return how far pictures [B,3,h,w] are from palettes Lab [B,N,3] with shares [B,N], in CIE units.

    No pixel should be far from all colours, and each colour should have pixels of its own: as many as 75 %
    of its share, those nearest to it.
    """
    count = lab.shape[2] * lab.shape[3]
    rows = torch.from_numpy(rng.permutation(count)[:_PIXELS])
    pixels = lab.flatten(2)[:, :, rows].transpose(1, 2)
    apart = (torch.cdist(pixels, palette).square() + 1).sqrt()
    used = share > 0
    far = torch.where(used[:, None], apart, apart.new_full((), 1e3)).amin(2)
    strays = F.relu(far - _NEAR).mean()
    nearest = apart.sort(1).values
    wanted = (share / share.sum(1, keepdim=True) * len(rows) * _OWN).clamp(min=4)
    place = torch.arange(len(rows), device=lab.device).view(1, -1, 1)
    inside = (place < wanted[:, None]).float()
    each = (nearest * inside).sum(1) / inside.sum(1)
    return strays + (each * used).sum() / used.sum()


def kept(made: Tensor, lab: Tensor, before: Tensor) -> Tensor:
    """Return the penalties for a change of what pictures show: structure, smoothness, values out of range.

    ``made``: sRGB, not yet in 0..1; ``lab``: the same as Lab; ``before``: the Lab that it was made of.
    """
    lost = F.relu(1 - similarity(lab[:, :1] / 100, before[:, :1] / 100) - _FREE).mean()
    moved = lab - before
    smooth = sum(
        ((moved.diff(dim=dim)).abs().sum(1) * torch.exp(-before.diff(dim=dim).square().sum(1) / 50)).mean()
        for dim in (2, 3)
    )
    outside = (F.relu(-made) + F.relu(made - 1)).mean()
    return _CONTENT * lost + _SMOOTH * smooth / 10 + _RANGE * outside + _ALIKE * parted(moved, before)


def parted(moved: Tensor, before: Tensor) -> Tensor:
    """Return how differently colours that were alike are changed, in CIE units, wherever they lie.

    Without it, colours that are asked for and fit nowhere come as patches on plain paper. ``moved``: the
    change, ``before``: the Lab that is changed, both [B,3,h,w]; places are compared across half the picture.
    """
    sizes = [max(1, side // 2) for side in before.shape[2:]]
    pairs = [sizes, [sizes[0], 0], [0, sizes[1]], [max(1, size // 2) for size in sizes]]
    apart, likely = [], []
    for shift in pairs:
        change, distance = ((x - x.roll(shift, (2, 3))).square().sum(1) for x in (moved, before))
        weight = torch.exp(-distance / (2 * _SAME**2))
        apart.append((weight * ((change + 1).sqrt() - 1)).mean())
        likely.append(weight.mean())
    return torch.stack(apart).sum() / (torch.stack(likely).sum() + 1e-3)


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity of pictures [B,1,h,w] 0..1 at each place, over windows of 7 pixels.

    Source: Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """

    def around(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 7, 1)

    one, two = 0.01**2, 0.03**2
    mean, other = around(first), around(second)
    variance = (around(first.square()) - mean.square()).clamp(min=0)
    spread = (around(second.square()) - other.square()).clamp(min=0)
    shared = around(first * second) - mean * other
    return ((2 * mean * other + one) * (2 * shared + two)) / (
        (mean.square() + other.square() + one) * (variance + spread + two)
    )
