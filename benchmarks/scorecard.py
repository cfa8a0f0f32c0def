"""One table of every figure that was promised, with its bar.

``python -m chrominance.benchmarks scorecard --data FOLDER`` measures; FOLDER holds val.tar, val_people.tar,
bw/true_color and video/ (those that are there are used, the rows of the others say so).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..models import load_colorizer, shipped_weights
from ..models.classifier import load_classifier
from ..pipelines.colorize import colorize
from ..pipelines.photo_set import PhotoSet, read_categories
from . import quality
from .quality_hints import HINT_COUNTS, colour_by_hints

_SAMPLES = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True)
class Row:
    """One figure: what, how much, what was promised (a text), whether it is met (None: no bar)."""

    section: str
    figure: str
    value: str
    bar: str = ""
    met: bool | None = None


def _at_most(section: str, figure: str, value: float, bar: float, unit: str = "") -> Row:
    return Row(section, figure, f"{value:.4g}{unit}", f"≤ {bar:g}{unit}", value <= bar)


def _at_least(section: str, figure: str, value: float, bar: float, unit: str = "") -> Row:
    return Row(section, figure, f"{value:.4g}{unit}", f"≥ {bar:g}{unit}", value >= bar)


def color_rows(data: Path | None) -> Iterator[Row]:
    """Colour science: speed beside kornia on a 4K frame, error beside exact float64."""
    from . import color

    for name, value in color.measure().items():
        if name.startswith("speedup"):
            yield _at_least("color", name, value, 3.0, "×")
        elif name.startswith("error"):
            yield _at_most("color", name, value, 1e-4)


def loading_rows(data: Path | None) -> Iterator[Row]:
    """Loading a checkpoint of 130 MB."""
    from . import loading

    times = loading.measure()
    yield _at_most("loading", "warm load of 130 MB of safetensors", times.warm_ms, loading.BAR_MS, " ms")
    yield _at_most("loading", "loads for two askers", times.loads, 1)


def weights_rows(data: Path | None) -> Iterator[Row]:
    """What ships."""
    size = shipped_weights("embedded").stat().st_size / 1e6
    yield _at_most("weights", "embedded.safetensors", size, 24, " MB")
    total = sum(path.stat().st_size for path in shipped_weights("embedded").parent.glob("*.safetensors"))
    yield _at_most("weights", "all that ship", total / 1e6, 64, " MB")


def lightness_rows(data: Path | None) -> Iterator[Row]:
    """Lightness before and after colouring, for every pixel, in exact float64."""
    from skimage import color as exact
    from skimage import data as pictures

    colorizer = load_colorizer()
    photo = torch.from_numpy(pictures.astronaut()).permute(2, 0, 1)[None].float() / 255
    for height, width in ((3000, 4000), (17, 33), (1, 1)):
        rgb = torch.nn.functional.interpolate(photo, size=(height, width), mode="bicubic").clamp(0, 1)
        out = colorize(rgb, colorizer).rgb
        worst = 0.0
        for before, after in zip(rgb.split(256, 2), out.split(256, 2), strict=True):
            L = (exact.rgb2lab(x[0].permute(1, 2, 0).double().numpy())[..., 0] for x in (before, after))
            worst = max(worst, float(abs(next(L) - next(L)).max()))
        yield _at_most("lightness", f"largest change of L, {width}x{height}", worst, 0.01)


def network_rows(data: Path | None) -> Iterator[Row]:
    """The embedded network's own time for one frame of 256 px, on one thread."""
    from . import network

    for name, milliseconds in network.measure().items():
        # The bar is for a processor with bfloat16 instructions: others compute in float32.
        if name == "automatic, bfloat16":
            yield _at_most("network", f"{name}, 256 px, 1 thread", milliseconds, 45, " ms")
        else:
            yield Row("network", f"{name}, 256 px, 1 thread", f"{milliseconds:.1f} ms")


def correspondence_rows(data: Path | None) -> Iterator[Row]:
    """Dense correspondence at 20,736 positions: time beside PyTorch's attention, memory above the inputs."""
    from . import correspondence

    for figure in correspondence.promised(correspondence.measure(ways=correspondence.COMPARED)):
        yield _at_most("correspondence", figure.name, figure.value, figure.bar, figure.unit)


def retrieval_rows(data: Path | None) -> Iterator[Row]:
    """Finding references among 10,000 pictures, on one thread."""
    from . import retrieval

    times = retrieval.measure_on_noise()
    figure = f"references for one of {times.pictures} pictures, the network's time included, 1 thread"
    yield _at_most("references", figure, times.find_ms, retrieval.BAR_MS, " ms")


def condition_rows(data: Path | None) -> Iterator[Row]:
    """Hints, references and palettes on photos never trained on."""
    if data is None or not (data / "val.tar").exists():
        yield Row("conditions", "400 photos", "not measured: no val.tar in --data")
        return
    table = data / "photos.csv"
    photos = PhotoSet([data / "val.tar"], categories=read_categories(table) if table.exists() else None)
    colorizer = load_colorizer()
    figures = quality.measure_conditions(photos, colorizer)
    automatic, section = figures["automatic"], "conditions"
    bars = {10: 3.0, 100: 6.0}
    for count in HINT_COUNTS[1:]:
        gain = quality.measure(photos, colour_by_hints(colorizer, None, count))["psnr"] - automatic
        name = f"PSNR gained by {count} true hints"
        bar = bars.get(count)
        yield _at_least(section, name, gain, bar, " dB") if bar else Row(section, name, f"{gain:.3g} dB")
    gain = figures["exemplar_itself"] - automatic
    yield _at_least(section, "PSNR gained by the photo itself, warped, noised, as reference", gain, 6, " dB")
    loss = automatic - figures["exemplar_another"]
    yield _at_most(section, "PSNR lost by a photo of another category as reference", loss, 0.5, " dB")
    gain = figures["itself"] - automatic
    yield _at_least(section, "the same as a colour vector: PSNR gained by the photo itself", gain, 3, " dB")
    loss = automatic - figures["another"]
    yield _at_most(section, "PSNR lost by a photo of another category", loss, 1, " dB")
    ratio = figures["asked_got"] / figures["asked_automatic"]
    yield _at_most(section, "ΔE76 to the palette asked for, of automatic's", ratio, 0.6, "×")
    yield Row(section, "ΔE76 to the palette asked for", f"{figures['asked_got']:.2f}")
    yield _at_least(section, "ΔE76 between the results of two palettes", figures["apart"], 8)


def video_rows(data: Path | None) -> Iterator[Row]:
    """Memory on a clip repeated ten times; frames and sound; how fast, and what a frame costs."""
    from . import video

    growth = video.measure_growth(_SAMPLES / "clip.mp4")
    yield _at_most("video", "peak memory of the sample clip ten times over", growth.ratio, 1.05, "×")
    yield Row(
        "video", "peak memory", f"{growth.peak_mb:.0f} MB, ten times as long {growth.long_peak_mb:.0f} MB"
    )
    yield Row(
        "video",
        "frames",
        f"{growth.frames_out}",
        f"= {growth.frames_in}",
        growth.frames_out == growth.frames_in,
    )
    yield Row(
        "video", "packets of sound", "equal" if growth.sound_equal else "differ", "equal", growth.sound_equal
    )
    costs, speed = video.measure_costs(), video.measure_speed()
    yield _at_most("video", "1080p, all besides network and encoder", costs.handling, 55, " ms")
    for name, what, least in (("each", "frame by frame", 6), ("steady", "steady colours", 4)):
        yield _at_least("video", f"480p, shipped network, {what}", speed[name].rate, least, " frames/s")
        yield _at_most("video", f"wall time ÷ the least possible, {what}", speed[name].overlap, 1.15, "×")


def photo_rows(data: Path | None) -> Iterator[Row]:
    """Quality on photos never trained on, beside grey's."""
    sets = {
        "400 photos": "val.tar",
        "150 people": "val_people.tar",
        "plates of 1905-15": "bw/true_color",
    }
    colorizer, classify = load_colorizer(), load_classifier()
    for name, place in sets.items():
        if data is None or not (data / place).exists():
            yield Row("photos", name, f"not measured: no {place} in --data")
            continue
        photos = PhotoSet([data / place])
        without, auto = (
            quality.measure(photos, colouring, classify=classify)
            for colouring in (quality.colour_grey, quality.colour_by_itself(colorizer))
        )
        for key, heading in quality.COLUMNS + quality.MORE_COLUMNS:
            beside = "" if without[key] != without[key] else f"grey {without[key]:.2f}"
            yield Row("photos", f"{name}: {heading}", f"{auto[key]:.2f}", beside)
        share = 100 * auto["colorfulness"] / auto["true_colorfulness"]
        yield Row("photos", f"{name}: colourfulness of the originals'", f"{share:.0f} %")


def exemplar_rows(data: Path | None) -> Iterator[Row]:
    """Clips from their first true frame, beside automatic colour and chroma carried by flow."""
    if data is None or not (data / "video").is_dir():
        yield Row("exemplar", "no clips given", "")
        return
    from . import exemplar

    colorizer = load_colorizer()
    clips = sorted((data / "video").glob("*.mp4"))
    rows = [exemplar.measure_clip(clip, clips[number - 1], colorizer) for number, clip in enumerate(clips)]
    for name, value, bar in exemplar.promised(rows):
        yield _at_least("exemplar", name, value, bar)


#: What can be asked for with --only.
SECTIONS: dict[str, Callable[[Path | None], Iterator[Row]]] = {
    "color": color_rows,
    "loading": loading_rows,
    "weights": weights_rows,
    "network": network_rows,
    "correspondence": correspondence_rows,
    "exemplar": exemplar_rows,
    "references": retrieval_rows,
    "lightness": lightness_rows,
    "video": video_rows,
    "photos": photo_rows,
    "conditions": condition_rows,
}


def main(argv: list[str] | None = None) -> int:
    """Measure and print; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m chrominance.benchmarks scorecard", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the photos and clips to measure on")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    options = parser.parse_args(argv)
    if options.data is not None and not options.data.is_dir():
        parser.error(f"no such folder: {options.data}")
    rows: list[Row] = []
    sys.stdout.write("| section | figure | measured | bar | met |\n| --- | --- | ---: | --- | --- |\n")
    for section in options.only:
        for row in SECTIONS[section](options.data):
            rows.append(row)
            met = {True: "yes", False: "**no**", None: ""}[row.met]
            sys.stdout.write(f"| {row.section} | {row.figure} | {row.value} | {row.bar} | {met} |\n")
            sys.stdout.flush()
    if options.json is not None:
        part = options.json.with_name(options.json.name + ".part")
        part.write_text(json.dumps([asdict(r) for r in rows], indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(part, options.json)
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
