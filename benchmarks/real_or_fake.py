"""A page that asks people which of two pictures has fake colours.

``python -m chrominance.benchmarks real_or_fake TRUE COLOURED -o page.html`` pairs the pictures of two folders
by name. The page is one file that needs no network: open it in a browser.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, section 3.1: a pair at 256 pixels is
shown for one second, then there is time to answer; 10 pairs of practice with the answer told, then 40.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..pipelines.pictures import READABLE, PictureError, load_picture, to_samples
from ..pipelines.replacing import replacing

#: Longest side of a picture on the page, and seconds that a pair is shown: the paper's.
SIDE, SECONDS = 256, 1.0
_TEMPLATE = Path(__file__).with_name("real_or_fake.html")
_PLACE = "/*DATA*/"


def match_pictures(true: Path, coloured: Path) -> tuple[list[tuple[str, Path, Path]], int]:
    """Pair the pictures of two folders by their names without the ending, sub-folders included.

    Returns (name, true, coloured) sorted by name, and how many pictures had no partner. Raises ValueError
    where a folder is none or is empty, a name stands for two pictures, or nothing matches.
    """
    found = [_by_name(folder) for folder in (true, coloured)]
    names = sorted(found[0].keys() & found[1].keys())
    if not names:
        raise ValueError(
            f"no picture has the same name in {true} and {coloured} (such as {min(found[0])}, "
            f"{min(found[1])}): expected true and coloured pictures named alike"
        )
    alone = len(found[0].keys() ^ found[1].keys())
    return [(name, found[0][name], found[1][name]) for name in names], alone


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"no such folder: {folder}")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in READABLE or not path.is_file():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise ValueError(
                f"{folder} holds {found[name].name} and {path.name}, one name for two pictures: keep one"
            )
        found[name] = path
    if not found:
        raise ValueError(f"{folder} holds no pictures: expected {', '.join(READABLE[:4])} or the like")
    return found


def make_page(
    pairs: Sequence[tuple[str, Path, Path]],
    *,
    seed: int = 0,
    limit: int | None = None,
    practice: int = 0,
    seconds: float = SECONDS,
    side: int = SIDE,
) -> str:
    """Return the page as HTML, pictures embedded.

    ``seed`` decides which pairs are taken, their order and the side of the fake. ``limit``: how many count,
    None for all. ``practice``: how many come before them, with the answer told. ``seconds``: how long a pair
    is seen, 0 for untimed. ``side``: longest side of a picture; none is enlarged.
    Raises ValueError for settings out of range, too few pairs, and a pair of different sizes.
    """
    if seconds < 0 or side < 16 or practice < 0 or (limit is not None and limit < 1):
        raise ValueError(
            "expected seconds and practice from 0, a limit from 1 and a side from 16 up, got "
            f"{seconds:g}, {practice}, {limit} and {side}"
        )
    wanted = practice + (limit or 1)
    if len(pairs) < wanted:
        raise ValueError(
            f"{wanted} pairs are needed (of these {practice} to practise), there are {len(pairs)}: add "
            "pictures or ask for fewer"
        )
    chance = random.Random(seed)
    order = chance.sample(range(len(pairs)), len(pairs) if limit is None else practice + limit)
    shown = []
    for name, true, coloured in (pairs[i] for i in order):
        real, fake = _load(true), _load(coloured)
        if real.size != fake.size:
            raise ValueError(
                f"{true} is {real.width}x{real.height}, {coloured} {fake.width}x{fake.height}: expected one "
                "size, else the size gives the fake away"
            )
        where = chance.choice(("left", "right"))
        shown.append(
            {"name": name, "fake": where, "real": _embed(real, side), "coloured": _embed(fake, side)}
        )
    data = {"seconds": seconds, "practice": practice, "side": side, "pairs": shown}
    # A "</script>" in a file's name would end the element that holds the data.
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    return _TEMPLATE.read_text(encoding="utf-8").replace(_PLACE, text)


def _load(path: Path) -> Image.Image:
    """Read a picture, upright and in sRGB; alpha is left out."""
    try:
        picture = load_picture(path)
    except PictureError as error:
        raise ValueError(str(error)) from error
    return Image.fromarray(to_samples(picture, 8)[..., :3].copy())


def _embed(picture: Image.Image, side: int) -> str:
    """Return a picture, at most ``side`` long, as a data URI; both of a pair go through the same steps."""
    scale = min(1.0, side / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    # Full-resolution chroma: halving it would blur the very thing that is judged.
    small.save(file, "JPEG", quality=95, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def main(argv: list[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m chrominance.benchmarks real_or_fake",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("true", type=Path, help="folder of the true pictures")
    parser.add_argument("coloured", type=Path, help="folder of the coloured ones, of the same names")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the page to write")
    parser.add_argument("--limit", type=int, help="how many pairs count (default all; the paper 40)")
    parser.add_argument("--practice", type=int, default=0, help="pairs of practice (default 0; the paper 10)")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="how long a pair is seen (default 1; 0 untimed)"
    )
    parser.add_argument("--side", type=int, default=SIDE, help="longest side in pixels (default 256)")
    parser.add_argument("--seed", type=int, default=0, help="decides order and sides (default 0)")
    options = parser.parse_args(argv)
    try:
        pairs, alone = match_pictures(options.true, options.coloured)
        page = make_page(
            pairs,
            seed=options.seed,
            limit=options.limit,
            practice=options.practice,
            seconds=options.seconds,
            side=options.side,
        )
    except ValueError as error:
        parser.error(str(error))
    with replacing(options.output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    count = len(pairs) if options.limit is None else options.practice + options.limit
    left_out = f"; {alone} pictures without a partner left out" if alone else ""
    sys.stdout.write(f"wrote {options.output}: {count} pairs{left_out}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
