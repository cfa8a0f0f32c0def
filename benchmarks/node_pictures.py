"""The pictures of the nodes' help pages: ``python -m chrominance.benchmarks node_pictures -o web/docs``.

Each shows what a node takes and gives, made by the engine that the node calls, from pictures that Python
packages carry under a free licence (see ``contact_sheet``). Needs OpenCV for what follows motion.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..color import delta_e76, lab_to_rgb, rgb_to_lab, rgb_to_lightness
from ..models import load_colorizer
from ..models.embedded import EmbeddedNetwork
from ..models.embedded.features import EmbeddedFeatures
from ..pipelines.color_match import ColorMatch, match_colors, sample_colors
from ..pipelines.colorize import ColorizeSettings, colorize, told_palette
from ..pipelines.exemplar import Guide, colorize_with_references, warp
from ..pipelines.hints import HintPoint, Hints, colorize_with_hints, hex_to_ab
from ..pipelines.illumination import light_from_kelvin, predict_illumination, relight
from ..pipelines.lut import Cube
from ..pipelines.merge import merge
from ..pipelines.palette import Palette
from ..pipelines.palette_edit import harmonized
from ..pipelines.palette_extract import extract
from ..pipelines.palette_picture import swatch_picture
from ..pipelines.recolor import recolor
from ..pipelines.recolor_neural import NeuralRecoloring, shipped_colorhouse
from ..pipelines.recolor_weights import soft_weights
from ..pipelines.references import References
from ..pipelines.retrieval import ReferenceIndex
from ..pipelines.shots import find_shots
from ..pipelines.stabilize import Stabilizer, stabilize_pictures
from ..pipelines.variants import VariantSettings, draw_variants
from .contact_sheet import free_pictures
from .picture_rows import (
    GAP,
    HEIGHT,
    column,
    film,
    fitted,
    framed,
    row,
    split_picture,
    to_pixels,
    to_tensor,
    write_pictures,
)
from .quality import grey
from .samples import pan

_FRAMES = 16
# Height of the swatches beneath a picture.
_SWATCHES = 34
_WARM = Palette.from_hex(["#2b2d42", "#c8553d", "#f2c078", "#faedca", "#588b8b"])
_COOL = Palette.from_hex(["#14213d", "#2a6f97", "#89c2d9", "#e9ecef", "#6a4c93"])


class Pictures:
    """What the pictures are made of, each loaded or computed once."""

    def __init__(self) -> None:
        self.colorizer = load_colorizer()
        self.colorizer.check_once()
        loaded = [to_tensor(picture) for picture in free_pictures()]
        self.astronaut, self.coffee, self.cat, self.rocket, self.hopper = loaded

    def automatic(self, rgb: Tensor) -> Tensor:
        """Colour [1,3,H,W] by itself."""
        return colorize(grey(rgb), self.colorizer).rgb

    @cached_property
    def features(self) -> EmbeddedFeatures:
        """The embedded network, as that which pictures are compared by."""
        network = self.colorizer.network
        assert isinstance(network, EmbeddedNetwork)
        return EmbeddedFeatures(network)

    def hinted(self, points: Sequence[tuple[float, float, str]]) -> Tensor:
        """Colour the astronaut after hints: x, y (fractions of the sides) and colour of each."""
        hints = Hints(tuple(HintPoint(x, y, hex_to_ab(color), 0.02, "fraction") for x, y, color in points))
        conditions = hints.conditions(*self.astronaut.shape[2:])
        return colorize_with_hints(grey(self.astronaut), self.colorizer, conditions=conditions).rgb

    @cached_property
    def part(self) -> Tensor:
        """A part of the cup, turned, as the reference for all of it."""
        return self.coffee[..., :, 150:].flip(3)

    @cached_property
    def references(self) -> References:
        """That part as what the cup is searched in."""
        return References([self.part[0]], self.features)

    @cached_property
    def after_part(self) -> Tensor:
        """The cup, coloured after that part."""
        guide = Guide(self.colorizer, self.references)
        return colorize_with_references(grey(self.coffee), guide)[0].rgb

    @cached_property
    def clip(self) -> Tensor:
        """A short pan over the coffee cup, [N,3,H,W]."""
        return _pan_over(self.coffee)

    @cached_property
    def aged(self) -> Tensor:
        """The clip in black and white with grain and pulsing brightness, as old film has them."""
        random = torch.Generator().manual_seed(7)
        clip = grey(self.clip)
        pulse = 1 + 0.1 * torch.randn(len(clip), 1, 1, 1, generator=random)
        grain = 0.05 * torch.randn(len(clip), 1, *clip.shape[2:], generator=random)
        return (clip * pulse + grain).clamp(0, 1)


def _pan_over(rgb: Tensor) -> Tensor:
    """Return a short camera move over a picture, [N,3,H,W]."""
    frames = list(pan(Image.fromarray(to_pixels(rgb[0])), (1.3, 1.5), 0.4))[:_FRAMES]
    return torch.cat([to_tensor(frame) for frame in frames])


def swatches(palette: Palette, width: int, height: int = _SWATCHES) -> Tensor:
    """Return a palette's colours as a strip [3,height,width]."""
    return swatch_picture(palette, width, height)[:3]


def with_palette(picture: Tensor, palette: Palette) -> Tensor:
    """Return a picture [3,h,w] over the colours of a palette."""
    return column(picture, swatches(palette, picture.shape[2]))


def _auto(p: Pictures) -> Tensor:
    coloured = colorize(grey(p.hopper), p.colorizer)
    sure = F.interpolate(coloured.confidence, p.hopper.shape[2:], mode="bilinear")
    return row(fitted(grey(p.hopper)), fitted(coloured.rgb), fitted(sure))


def _variants(p: Pictures) -> Tensor:
    made = draw_variants(grey(p.astronaut), p.colorizer, None, VariantSettings(count=4, seed=4))
    return row(*(fitted(one.rgb) for one in made))


def _hints(p: Pictures) -> Tensor:
    points = [(0.5, 0.09, "#7a5b3a"), (0.82, 0.3, "#8fb4d8")]
    points += [(x, y, "#d8702c") for x, y in ((0.25, 0.75), (0.62, 0.62))]
    marked = fitted(grey(p.astronaut)).clone()
    for point in points:
        mark(marked, *point)
    return row(marked, fitted(p.automatic(p.astronaut)), fitted(p.hinted(points)))


def mark(picture: Tensor, x: float, y: float, color: str) -> None:
    """Put a dot of a colour on a picture [3,h,w], at fractions of its width and height."""
    _, height, width = picture.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    far = ((rows - y * height) ** 2 + (columns - x * width) ** 2).sqrt()
    value = torch.tensor([int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    picture[:, far < 7] = 1.0
    picture[:, far < 5] = value[:, None]


def _exemplar(p: Pictures) -> Tensor:
    return row(fitted(grey(p.coffee)), fitted(p.part), fitted(p.after_part))


def _warp(p: Pictures) -> Tensor:
    found = warp(rgb_to_lightness(grey(p.coffee)), p.references)
    sure = F.interpolate(found.confidence(), p.coffee.shape[2:], mode="bilinear")
    return row(fitted(p.part), fitted(merge(grey(p.coffee), found.ab)), fitted(sure))


def _exemplar_video(p: Pictures) -> Tensor:
    guide = Guide(p.colorizer, References([p.clip[0]], p.features))
    made = [colorize_with_references(grey(one[None]), guide)[0].rgb for one in p.clip[:: _FRAMES // 5]]
    height = HEIGHT * 9 // 16
    given = [fitted(grey(one[None]), height) for one in p.clip[:: _FRAMES // 5]]
    keyframe = framed(fitted(p.clip[:1], height), (0.95, 0.65, 0.2))
    return column(row(*given), row(keyframe, *(fitted(one, height) for one in made[1:])))


def _find(p: Pictures) -> Tensor:
    with tempfile.TemporaryDirectory() as folder:
        names = {"coffee": p.coffee, "cat": p.cat, "rocket": p.rocket, "hopper": p.hopper}
        for name, picture in names.items():
            Image.fromarray(to_pixels(picture[0])).save(Path(folder) / f"{name}.png")
        index = ReferenceIndex.open(folder)
        index.update(p.features)
        found = index.find(grey(p.astronaut), p.features, 3)
        best = [fitted(names[Path(one.path).stem]) for one in found]
    return row(framed(fitted(grey(p.astronaut)), (0.95, 0.65, 0.2)), *best)


def _split(p: Pictures) -> Tensor:
    lab = rgb_to_lab(p.coffee)
    ab = [(lab[:, n : n + 1] + 128) / 255 for n in (1, 2)]
    return row(fitted(p.coffee), fitted(grey(p.coffee)), *map(fitted, ab))


def _merge(p: Pictures) -> Tensor:
    small = F.interpolate(p.coffee, (32, 48), mode="bilinear", antialias=True)
    soft = F.interpolate(small, p.coffee.shape[2:], mode="bilinear")
    return row(fitted(grey(p.coffee)), fitted(soft), fitted(merge(p.coffee, rgb_to_lab(small)[:, 1:])))


def _palette_edit(p: Pictures) -> Tensor:
    palette = extract(p.coffee, 6)
    kinds = ("complementary", "triadic", "analogous")
    return column(*(swatches(one, 3 * HEIGHT) for one in (palette, *(harmonized(palette, k) for k in kinds))))


def _palette_extract(p: Pictures) -> Tensor:
    return row(*(with_palette(fitted(one), extract(one, 6)) for one in (p.coffee, p.cat)))


def _palette_masks(p: Pictures) -> Tensor:
    palette = extract(p.coffee, 4)
    small = fitted(p.coffee)[None]
    weights = soft_weights(rgb_to_lab(small)[0].flatten(1), palette.lab).view(4, 1, *small.shape[2:])
    return row(with_palette(small[0], palette), *(_over(fitted(one[None])) for one in weights))


def _over(picture: Tensor) -> Tensor:
    return F.pad(picture, (0, 0, 0, _SWATCHES + GAP), value=1.0)


def _recolored(p: Pictures, rgb: Tensor) -> tuple[Tensor, Palette, Palette]:
    """The cup's reds made blue; the wood stays."""
    source = extract(p.coffee, 6)
    target = Palette.from_hex(["#2c5f8a" if _is_red(one) else one for one in source.hex_list()])
    return recolor(rgb, source, target), source, target


def _is_red(text: str) -> bool:
    a, b = hex_to_ab(text)
    return a > 20 and a > 0.8 * b


def _recolor(p: Pictures) -> Tensor:
    made, source, target = _recolored(p, p.coffee)
    return row(with_palette(fitted(p.coffee), source), with_palette(fitted(made), target))


def _neural(p: Pictures) -> Tensor:
    parts = [_over(fitted(p.coffee))]
    for palette in (_WARM, _COOL):
        made = NeuralRecoloring(shipped_colorhouse(), palette, lightness="transfer").apply(p.coffee)
        parts.append(with_palette(fitted(made), palette))
    return row(*parts)


def _neural_clip(p: Pictures) -> Tensor:
    return film(p.clip, NeuralRecoloring(shipped_colorhouse(), _COOL, lightness="transfer").apply(p.clip))


def _palette_colorize(p: Pictures) -> Tensor:
    given = grey(p.hopper)
    parts = [_over(fitted(given))]
    for palette in (_WARM, _COOL):
        made = colorize(given, p.colorizer, conditions=told_palette(palette, p.colorizer)).rgb
        parts.append(with_palette(fitted(made), palette))
    return row(*parts)


def _look(p: Pictures) -> Cube:
    fit = ColorMatch(sample_colors(p.coffee), sample_colors(p.rocket), "monge_kantorovich")
    return Cube.of(fit)


def _lut(p: Pictures) -> Tensor:
    return row(fitted(p.coffee), fitted(_look(p).apply(p.coffee)))


def _lut_tables(p: Pictures) -> Tensor:
    """Slices through the table: how it changes reds and greens, for five blues."""
    ramp = torch.linspace(0, 1, 64)
    red, green = torch.meshgrid(ramp, ramp, indexing="xy")
    parts = []
    for blue in (0.0, 0.25, 0.5, 0.75, 1.0):
        plane = torch.stack([red, green, torch.full_like(red, blue)])[None]
        parts.append(column(fitted(plane, 80), fitted(_look(p).apply(plane), 80)))
    return row(*parts)


def _match(p: Pictures) -> Tensor:
    return row(fitted(p.cat), fitted(p.rocket), fitted(match_colors(p.cat, p.rocket)))


def _illumination(p: Pictures) -> Tensor:
    warm = relight(p.cat, torch.ones(3), light_from_kelvin(3200.0))
    found = predict_illumination(warm)
    return row(fitted(warm), fitted(relight(warm, found, torch.ones(3))))


def _metrics(p: Pictures) -> Tensor:
    made = p.automatic(p.coffee)
    apart = delta_e76(rgb_to_lab(made), rgb_to_lab(p.coffee)) / 40
    return row(fitted(p.coffee), fitted(made), fitted(apart.clamp(0, 1)))


def _shots(p: Pictures) -> Tensor:
    pictures = [Image.fromarray(to_pixels(one[0])) for one in (p.coffee, p.cat, p.rocket)]
    frames = torch.cat(
        [to_tensor(f) for picture in pictures for f in list(pan(picture, (1.1, 1.2), 0.3))[:8]]
    )
    starts = {shot.start for shot in find_shots(grey(frames))}
    tiles = [fitted(grey(one[None]), 64) for one in frames]
    marked = [framed(tile, (0.9, 0.25, 0.2)) if n in starts else tile for n, tile in enumerate(tiles)]
    return column(*(row(*marked[n : n + 8]) for n in range(0, len(marked), 8)))


def _stabilized(p: Pictures) -> tuple[Tensor, Tensor]:
    made = [colorize(one[None], p.colorizer) for one in p.aged]
    ab = torch.cat([rgb_to_lab(one.rgb)[:, 1:] for one in made])
    steady = stabilize_pictures(p.aged, ab, Stabilizer())
    L = torch.full_like(rgb_to_lightness(p.aged), 62.0)
    return lab_to_rgb(torch.cat([L, ab], 1)), lab_to_rgb(torch.cat([L, steady], 1))


def _stabilize(p: Pictures) -> Tensor:
    """One line of the picture over time, from above to below, in its colours alone: before, and steady."""
    parts = []
    for clip in _stabilized(p):
        line = clip[:, :, round(clip.shape[2] * 0.8)].movedim(0, 1)[None]
        parts.append(F.interpolate(line, (HEIGHT, line.shape[3]), mode="nearest")[0])
    return row(*parts)


def _colorize_video(p: Pictures) -> Tensor:
    clip = grey(_pan_over(p.cat))
    return film(clip, torch.cat([p.automatic(one[None]) for one in clip]))


def _loader(p: Pictures) -> Tensor:
    given = grey(p.cat)
    made = [colorize(given, p.colorizer, ColorizeSettings(temperature=t)).rgb for t in (None, 0.2)]
    return row(fitted(given), *map(fitted, made))


MAKERS: dict[str, Callable[[Pictures], Tensor]] = {
    "ApplyLUT": _lut,
    "ApplyLUTVideo": lambda p: film(p.clip, _look(p).apply(p.clip)),
    "AutoColorize": _auto,
    "ColorMatch": _match,
    "ColorMatchVideo": lambda p: film(p.clip, match_colors(p.clip, p.rocket)),
    "ColorMetrics": _metrics,
    "ColorVariants": _variants,
    "ColorizeVideo": _colorize_video,
    "Compare": lambda p: split_picture(fitted(grey(p.astronaut)), fitted(p.automatic(p.astronaut))),
    "DetectShots": _shots,
    "ExemplarColorize": _exemplar,
    "ExemplarVideo": _exemplar_video,
    "ExemplarWarp": _warp,
    "FindReference": _find,
    "HintColorize": _hints,
    "Illumination": _illumination,
    "LabMerge": _merge,
    "LabSplit": _split,
    "LoadColorizer": _loader,
    "LoadLUT": _lut_tables,
    "LoadPalette": lambda p: column(swatches(_WARM, 3 * HEIGHT), swatches(_COOL, 3 * HEIGHT)),
    "NeuralRecolor": _neural,
    "NeuralRecolorVideo": _neural_clip,
    "PaletteColorize": _palette_colorize,
    "PaletteEdit": _palette_edit,
    "PaletteExtract": _palette_extract,
    "PaletteMasks": _palette_masks,
    "PaletteRecolor": _recolor,
    "PaletteRecolorVideo": lambda p: film(p.clip, _recolored(p, p.clip)[0]),
    "SaveLUT": _lut_tables,
    "SavePalette": lambda p: swatches(extract(p.coffee, 6), 3 * HEIGHT),
    "TemporalStabilize": _stabilize,
    "TemporalStabilizeVideo": _stabilize,
}


def main(argv: list[str] | None = None) -> int:
    """Write a picture for each node."""
    parser = argparse.ArgumentParser(prog="node_pictures", description=__doc__)
    return write_pictures(argv, parser, MAKERS, Pictures, "Chrominance")
