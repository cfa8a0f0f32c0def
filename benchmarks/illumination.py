"""The light of photos predicted and taken away, and the learned palette beside k-means.

``python -m chrominance.benchmarks illumination --photos FOLDER_OR_TAR…``: every photo is lit by a known
light, written to 8 bits and brought back, by the known light and by what each method finds in the lit photo
alone. The light is a gain on linear red, green and blue, drawn by seed: three in four from bluish to reddish,
the others anywhere. Lit photos are darkened so that no channel is cut off, and the exposure is given back
before they are compared; with ``--clip`` they keep their exposure, and what gets too bright is cut off.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..color import delta_e76, linear_rgb_to_rgb, rgb_to_lab, rgb_to_linear_rgb
from ..pipelines.choices import LIGHT_METHODS
from ..pipelines.illumination import predict_illumination, relight
from ..pipelines.light_colors import of_luminance_1
from ..pipelines.palette import Palette
from ..pipelines.palette_extract import extract
from ..pipelines.palette_learned import learned_palette
from ..pipelines.photo_set import PhotoSet
from ..pipelines.replacing import replacing

#: Mean ΔE76 that photos are to be brought back within, without knowing the light.
BAR = 3.0
#: Largest gains of red and blue beside green, and of green beside them, that are measured.
RANGES = (1.25, 1.6, 2.0)
#: The range that the bar is for.
BAR_RANGE = 1.6
#: Colours of the palettes.
COLORS = 5
#: Photos are measured at this shorter side at most.
SIDE = 192

_NOTHING, _KNOWN = "nothing done", "the light known"
_NEUTRAL = torch.ones(3)
# Of the sheet: photos, their height.
_SHEET, _SHEET_HEIGHT = 12, 160


@dataclass
class Errors:
    """Of each photo: mean ΔE76 to the original, and the angle between lights, in degrees."""

    delta_e: list[float] = field(default_factory=list)
    angle: list[float] = field(default_factory=list)

    def row(self) -> str:
        """Return mean, median and the tenth that is worst of ΔE, mean and median angle."""
        e, a = np.array(self.delta_e), np.array(self.angle)
        return (
            f"{e.mean():.2f} | {np.median(e):.2f} | {np.quantile(e, 0.9):.2f} | "
            f"{a.mean():.2f} | {np.median(a):.2f}"
        )


def draw_light(largest: float, rng: np.random.Generator) -> Tensor:
    """Return a light of luminance 1, [3], whose gains differ by at most the factor ``largest``."""
    limit = math.log(largest)
    if rng.random() < 0.25:
        red, blue = rng.uniform(-limit, limit, 2)
    else:
        warmth, tint = rng.uniform(-limit, limit), rng.normal(0, limit / 6)
        red, blue = np.clip([warmth + tint, -warmth + tint], -limit, limit)
    return of_luminance_1(torch.tensor([math.exp(red), 1.0, math.exp(blue)]))


def lit_by(rgb: Tensor, light: Tensor, *, clip: bool) -> tuple[Tensor, float]:
    """Return a picture [1,3,H,W] in a light, in 8 bits, and the factor that it was darkened by."""
    exposure = 1.0 if clip else 1 / float(light.max())
    linear = rgb_to_linear_rgb(rgb) * light[:, None, None] * exposure
    return (linear_rgb_to_rgb(linear.clamp(0, 1)) * 255).round() / 255, exposure


def brought_back(lit: Tensor, light: Tensor, exposure: float) -> Tensor:
    """Return the lit picture in neutral light, at the exposure of the original."""
    back = relight(lit, light, _NEUTRAL)
    return linear_rgb_to_rgb((rgb_to_linear_rgb(back) / exposure).clamp(0, 1))


def angle_between(one: Tensor, other: Tensor) -> float:
    """Return the angle between two lights [3], in degrees."""
    cosine = F.cosine_similarity(one.double(), other.double(), 0)
    return math.degrees(math.acos(min(1.0, float(cosine))))


def lights_found(lit: Tensor, known: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Give each way's light [3] of a lit picture, by name."""
    yield _NOTHING, _NEUTRAL
    for method in LIGHT_METHODS:
        yield method, predict_illumination(lit, method)[0]
    yield _KNOWN, known


def measure(photos: Sequence[Tensor], largest: float, *, clip: bool, seed: int = 0) -> dict[str, Errors]:
    """Measure every way on photos [1,3,H,W], each in a light of its own."""
    errors: dict[str, Errors] = {}
    for number, rgb in enumerate(photos):
        known = draw_light(largest, np.random.default_rng([seed, number]))
        lit, exposure = lit_by(rgb, known, clip=clip)
        true = rgb_to_lab(rgb)
        for way, light in lights_found(lit, known):
            found = errors.setdefault(way, Errors())
            back = brought_back(lit, light, exposure)
            found.delta_e.append(float(delta_e76(rgb_to_lab(back), true).mean()))
            found.angle.append(angle_between(light, known))
    return errors


def palette_error(rgb: Tensor, palette: Palette) -> float:
    """Return the mean ΔE76 from the pixels of a picture [1,3,H,W] to their nearest colours."""
    return float(torch.cdist(rgb_to_lab(rgb)[0].flatten(1).T, palette.lab).amin(1).mean())


def measure_palettes(photos: Sequence[Tensor], seed: int = 0) -> dict[str, list[float]]:
    """Return each photo's mean ΔE76 to palettes of five colours."""
    one = torch.zeros(len(photos), dtype=torch.float64)
    errors = {"k-means": one, "learned": one.clone()}
    for number, rgb in enumerate(photos):
        errors["k-means"][number] = palette_error(rgb, extract(rgb, COLORS, seed=seed))
        errors["learned"][number] = palette_error(rgb, learned_palette(rgb[0]))
    return {name: values.tolist() for name, values in errors.items()}


def make_sheet(photos: Sequence[Tensor], largest: float, seed: int = 0) -> Tensor:
    """Return a sheet [3,H,W]: the original, lit, and brought back blindly, of twelve photos."""
    chosen = np.linspace(0, len(photos) - 1, min(_SHEET, len(photos))).round().astype(int)
    rows = []
    for number in chosen.tolist():
        rgb = photos[number]
        known = draw_light(largest, np.random.default_rng([seed, number]))
        lit, exposure = lit_by(rgb, known, clip=False)
        back = brought_back(lit, predict_illumination(lit)[0], exposure)
        lit = linear_rgb_to_rgb((rgb_to_linear_rgb(lit) / exposure).clamp(0, 1))
        size = (_SHEET_HEIGHT, _SHEET_HEIGHT)
        rows.append(torch.cat([F.interpolate(x, size, mode="area") for x in (rgb, lit, back)], 3))
    if len(rows) % 2:
        rows.append(torch.ones_like(rows[0]))
    half = len(rows) // 2
    return torch.cat([torch.cat(rows[:half], 2), torch.cat(rows[half:], 2)], 3)[0]


def table(errors: dict[str, Errors]) -> str:
    """Return the errors as a Markdown table."""
    lines = [
        "| way | ΔE76, mean | median | worst tenth | angle, mean | median |",
        "| --- |" + " ---: |" * 5,
        *(f"| {way} | {found.row()} |" for way, found in errors.items()),
    ]
    return "\n".join(lines)


def load_photos(sources: Sequence[Path], limit: int | None) -> list[Tensor]:
    """Return photos [1,3,H,W] 0..1, at most of shorter side 192; broken and grey ones left out."""
    found = PhotoSet(sources)
    found.drop_unusable()
    photos = []
    for number in range(len(found))[:limit]:
        picture = found.load(number)
        scale = SIDE / min(picture.size)
        if scale < 1:
            size = (round(picture.width * scale), round(picture.height * scale))
            picture = picture.resize(size, Image.Resampling.BOX)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
        photos.append(pixels.float() / 255)
    return photos


def main(argv: list[str] | None = None) -> int:
    """Print the tables; return the exit code, 1 if the bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks illumination", description=__doc__
    )
    parser.add_argument("--photos", nargs="+", required=True, type=Path, help="tars or folders of photos")
    parser.add_argument("--limit", type=int, help="only so many of them")
    parser.add_argument("--clip", action="store_true", help="cut off what a light makes too bright")
    parser.add_argument("--seed", type=int, default=0, help="of the lights (default 0)")
    parser.add_argument("--sheet", type=Path, help="write a sheet of twelve photos, as a PNG")
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit must be at least 1, got {options.limit}")
    if options.seed < 0:
        parser.error(f"--seed must be 0 or more, got {options.seed}")
    photos = load_photos(options.photos, options.limit)
    missed = False
    for largest in RANGES:
        errors = measure(photos, largest, clip=options.clip, seed=options.seed)
        sys.stdout.write(f"{len(photos)} photos, gains to {largest:g}\n\n{table(errors)}\n\n")
        if largest == BAR_RANGE:
            got = float(np.mean(errors["learned"].delta_e))
            missed = got > BAR
            verdict = "**no**" if missed else "yes"
            sys.stdout.write(f"learned, mean ΔE76: {got:.2f}, bar ≤ {BAR:g}, met: {verdict}\n\n")
    sys.stdout.write("| palette of 5 colours | ΔE76 of the pixels, mean |\n| --- | ---: |\n")
    for name, values in measure_palettes(photos, options.seed).items():
        sys.stdout.write(f"| {name} | {np.mean(values):.2f} |\n")
    if options.sheet:
        sheet = make_sheet(photos, BAR_RANGE, options.seed)
        pixels = (sheet.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        with replacing(options.sheet) as temporary:
            Image.fromarray(pixels).save(temporary, "PNG")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
