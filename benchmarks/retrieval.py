"""Finding references: how long a search among 10,000 pictures takes, and whether it finds the right kind.

``python -m chrominance.benchmarks retrieval`` times a search, on one thread. With ``--photos FOLDER_OR_TAR…``
the 10,000 are made of these, and with ``--categories CSV`` it is counted how often the best reference of a
photo is of its category: beside chance, and beside a search by luminance histograms alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.features import FeatureExtractor
from ..models.features_load import load_features
from ..pipelines.photo_set import PhotoSet, read_categories
from ..pipelines.retrieval import FIT_COUNT, ReferenceIndex
from ..pipelines.retrieval_features import SIDE, Basis, Description, describe, probe
from ..pipelines.retrieval_file import IndexData, Rows, write_index
from ..pipelines.small_pictures import small_square
from .quality import photo_tensor

#: How many pictures a folder holds, and what a search among them may take.
PICTURES, BAR_MS = 10_000, 50.0
#: Noise on features and histograms of pictures that repeat, as a share of their spread.
_NOISE = 0.5


@dataclass(frozen=True)
class RetrievalTimes:
    """Medians on one thread, in milliseconds.

    ``search_ms``: of a picture that is described already. ``find_ms``: the network's time included.
    ``load_ms``: to read and check the index, of ``megabytes``. ``described``: pictures described a second.
    """

    pictures: int
    search_ms: float
    find_ms: float
    load_ms: float
    megabytes: float
    described: float


@dataclass(frozen=True)
class Agreement:
    """How many of ``targets`` photos, in percent, got a best reference of their own category.

    ``five``: how many of the best five are of it, in the mean. ``histogram``: the best by the correlation of
    luminance histograms alone. ``chance``: any other photo.
    """

    targets: int
    best: float
    five: float
    histogram: float
    chance: float


def noise_pictures(count: int = 64) -> Tensor:
    """Return pictures of smooth random colours, rgb [count,3,224,224]: for timing alone."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 9, 9, generator=generator)
    return F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)


def describe_all(
    pictures: Callable[[int], Tensor], count: int, extractor: FeatureExtractor, *, batch: int = 16
) -> Description:
    """Describe ``count`` pictures, each rgb [1,3,H,W]."""
    parts = []
    for start in range(0, count, batch):
        numbers = range(start, min(start + batch, count))
        parts.append(describe(torch.cat([small_square(pictures(i), SIDE) for i in numbers]), extractor))
    return Description(torch.cat([p.features for p in parts]), torch.cat([p.lightness for p in parts]))


def enlarge(described: Description, count: int) -> Description:
    """Make descriptions of ``count`` pictures: those that there are, again and again with noise on them."""
    generator = torch.Generator().manual_seed(1)
    here = len(described.features)
    numbers = torch.arange(count) % here
    features, lightness = described.features[numbers], described.lightness[numbers]
    if count > here:
        for values in (features, lightness):
            noise = torch.randn(count - here, *values.shape[1:], generator=generator)
            values[here:] += noise * (_NOISE * values.std())
    return Description(features, F.normalize(lightness, dim=2))


def write_described(file: Path, described: Description, extractor: FeatureExtractor) -> None:
    """Write the index of pictures that are described already: they are called by their numbers."""
    count = len(described.features)
    basis = Basis.fit(described.features[:FIT_COUNT])
    overall, places = basis.compress(described.features)
    rows = Rows(
        tuple(f"{number:06d}.jpg" for number in range(count)),
        tuple((0, 0) for _ in range(count)),
        overall.half(),
        places.half(),
        described.lightness.half(),
        None,
    )
    write_index(file, file.parent, IndexData(extractor.name, probe(extractor), basis, rows))


def measure(
    described: Description,
    target: Tensor,
    extractor: FeatureExtractor,
    *,
    count: int = PICTURES,
    repeats: int = 21,
) -> RetrievalTimes:
    """Time searches for ``target``, rgb [1,3,H,W], among ``count`` pictures made of those described."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "references.safetensors"
        write_described(file, enlarge(described, count), extractor)
        megabytes = file.stat().st_size / 1e6
        load = _milliseconds(lambda: ReferenceIndex.load(folder, file), 5)
        index = ReferenceIndex.load(folder, file)
        known = describe(small_square(target, SIDE), extractor)
        search = _milliseconds(lambda: index.search(known), repeats)
        find = _milliseconds(lambda: index.find(target, extractor), repeats)
    batch = small_square(target, SIDE).expand(16, -1, -1, -1)
    each = _milliseconds(lambda: describe(batch, extractor), 3) / 16
    return RetrievalTimes(count, search, find, load, megabytes, 1000 / each)


def measure_on_noise(count: int = PICTURES, repeats: int = 21) -> RetrievalTimes:
    """Time searches among ``count`` pictures that are made up, on one thread."""
    extractor, pictures = load_features(), noise_pictures()
    with one_thread():
        described = describe_all(lambda i: pictures[i, None], len(pictures), extractor)
        return measure(described, pictures[:1], extractor, count=count, repeats=repeats)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _milliseconds(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def measure_agreement(
    described: Description, groups: Sequence[str], extractor: FeatureExtractor, *, limit: int | None = None
) -> Agreement:
    """Search for the first ``limit`` pictures among all others; ``groups``: what each shows."""
    if len(groups) < 2:
        raise ValueError(f"agreement takes two pictures at least, got {len(groups)}")
    targets = min(len(groups), limit or len(groups))
    histograms = F.normalize(described.lightness.mean(1), dim=1)
    best = five = histogram = chance = 0.0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "references.safetensors"
        write_described(file, described, extractor)
        index = ReferenceIndex.load(folder, file)
        for i in range(targets):
            one = Description(described.features[i, None], described.lightness[i, None])
            # The picture itself is among them, and is not counted.
            found = [int(each.path.stem) for each in index.search(one, 6)]
            others = [number for number in found if number != i][:5]
            same = [groups[number] == groups[i] for number in others]
            alike = histograms @ histograms[i]
            alike[i] = -2
            best += same[0]
            five += sum(same) / len(same)
            histogram += groups[int(alike.argmax())] == groups[i]
            chance += (sum(group == groups[i] for group in groups) - 1) / (len(groups) - 1)
    percent = 100 / targets
    return Agreement(targets, best * percent, five * percent, histogram * percent, chance * percent)


def main(argv: list[str] | None = None) -> int:
    """Print the figures; return the exit code, 1 if the bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks retrieval",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photos", nargs="+", type=Path, help="tars or folders of colour photos")
    parser.add_argument("--categories", type=Path, help="CSV with the columns file and category")
    parser.add_argument("--targets", type=int, default=1000, help="photos to search for (default 1000)")
    parser.add_argument("--pictures", type=int, default=PICTURES, help=f"among how many (default {PICTURES})")
    parser.add_argument("--repeats", type=int, default=21, help="searches that are timed (default 21)")
    options = parser.parse_args(argv)
    if options.categories and not options.photos:
        parser.error("--categories says what --photos show: give them too")
    if min(options.targets, options.pictures, options.repeats) < 1:
        parser.error("--targets, --pictures and --repeats must be at least 1")
    with one_thread():
        return _print_figures(options)


def _print_figures(options: argparse.Namespace) -> int:
    same, among = None, ""
    if options.photos:
        extractor = load_features()
        categories = read_categories(options.categories) if options.categories else None
        photos = PhotoSet(options.photos, categories=categories)
        described = describe_all(lambda i: photo_tensor(photos, i), len(photos), extractor)
        target = photo_tensor(photos, 0)
        times = measure(described, target, extractor, count=options.pictures, repeats=options.repeats)
        if categories is not None:
            groups = [photos.group_name(i) for i in range(len(photos))]
            same = measure_agreement(described, groups, extractor, limit=options.targets)
            among = f"{len(photos)} photos of {len(set(groups))} categories"
    else:
        times = measure_on_noise(options.pictures, options.repeats)
    sys.stdout.write(
        f"{times.pictures} pictures, an index of {times.megabytes:.0f} MB, 1 thread\n"
        f"search, the network's time left out: {times.search_ms:6.1f} ms\n"
        f"search, all of it:                   {times.find_ms:6.1f} ms (bar {BAR_MS:.0f})\n"
        f"reading the index:                   {times.load_ms:6.1f} ms\n"
        f"describing pictures for it:          {times.described:6.1f} a second\n"
    )
    if same is not None:
        sys.stdout.write(
            f"\nof the same category, {same.targets} targets among {among}\n\n"
            "| | best | mean of the best five |\n| --- | ---: | ---: |\n"
            f"| this search | {same.best:.1f} % | {same.five:.1f} % |\n"
            f"| luminance histograms alone | {same.histogram:.1f} % | |\n"
            f"| chance | {same.chance:.1f} % | |\n"
        )
    return 0 if times.find_ms < BAR_MS else 1


if __name__ == "__main__":
    raise SystemExit(main())
