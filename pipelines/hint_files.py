"""Hints from text, from files, and which picture of many each file is for."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .hints import HintPicture, HintPoint, Hints, Unit, hex_to_ab
from .jobs import Job, UsageError
from .pictures import READABLE, load_picture

logger = logging.getLogger(__name__)

#: Files of points, by the ends of their names; pictures are those of pictures.READABLE.
POINT_FILES = (".json", ".csv", ".txt")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_BETWEEN = r"\s*[,;\s]\s*"
#: x,y,#rrggbb and perhaps a radius; then, after a space, perhaps a remark.
_LINE = re.compile(
    rf"({_NUMBER}){_BETWEEN}({_NUMBER}){_BETWEEN}(#\w+)(?:{_BETWEEN}({_NUMBER}))?(?:\s+#.*)?", re.ASCII
)
_HEADER = re.compile(rf"x{_BETWEEN}y{_BETWEEN}colou?r(?:{_BETWEEN}radius)?", re.IGNORECASE)

_KEYS = {"x", "y", "color", "radius"}


def parse_hints(text: str) -> tuple[HintPoint, ...]:
    """Read points from text, either JSON or lines; empty text has none.

    JSON: {"unit": "pixel" or "fraction", "points": [{"x": 120, "y": 80, "color": "#c04030", "radius": 2}]};
    unit and radius may be left out. Lines: x,y,#rrggbb or x,y,#rrggbb,radius in pixels; a line that begins
    with # is a remark, and x,y,color,radius may stand at the top. Raises ValueError that names the point.
    """
    text = text.removeprefix("\ufeff")
    return _parse_json(text) if text.lstrip()[:1] in ("{", "[") else _parse_lines(text)


def _parse_json(text: str) -> tuple[HintPoint, ...]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the hints are no valid JSON: {error}") from None
    data: dict[str, Any] = {"points": data} if isinstance(data, list) else data
    unknown = sorted(data.keys() - {"unit", "points"})
    if unknown or not isinstance(data.get("points"), list):
        raise ValueError(
            f'hints in JSON are {{"unit": …, "points": […]}}, got {", ".join(data) or "nothing"}'
        )
    unit = data.get("unit", "pixel")
    if unit not in ("pixel", "fraction"):
        raise ValueError(f'unit must be "pixel" or "fraction", got {unit!r}')
    return tuple(_json_point(n, item, unit) for n, item in enumerate(data["points"], 1))


def _json_point(number: int, item: object, unit: Unit) -> HintPoint:
    name = f"point {number}"
    if not isinstance(item, dict) or item.keys() - _KEYS or {"x", "y", "color"} - item.keys():
        raise ValueError(
            f'{name}: a point is {{"x": …, "y": …, "color": "#rrggbb", "radius": …}}, got {item}'
        )
    numbers = item["x"], item["y"], item.get("radius", 0)
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise ValueError(f"{name}: x, y and radius must be numbers, got {item}")
    x, y, radius = map(float, numbers)
    return HintPoint(x, y, _color(name, item["color"]), radius, unit, name)


def _parse_lines(text: str) -> tuple[HintPoint, ...]:
    points = []
    for number, whole in enumerate(text.splitlines(), 1):
        line, name = whole.strip(), f"line {number}"
        if not line or line.startswith("#") or (not points and _HEADER.fullmatch(line)):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"{name}: a hint is x,y,#rrggbb or x,y,#rrggbb,radius, got {line!r}")
        x, y, radius = (float(found[n] or 0) for n in (1, 2, 4))
        points.append(HintPoint(x, y, _color(name, found[3]), radius, "pixel", name))
    return tuple(points)


def _color(name: str, text: object) -> tuple[float, float]:
    try:
        return hex_to_ab(text if isinstance(text, str) else repr(text))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def load_hints(path: Path, mask: Path | None = None) -> Hints:
    """Read the hints of one picture: points (.json, .csv, .txt), or a picture with alpha or a ``mask``.

    The mask is white, and the alpha opaque, where a colour is meant. Raises ValueError, naming the file.
    """
    if path.suffix.lower() in POINT_FILES:
        try:
            points = parse_hints(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not a text in UTF-8") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if not points:
            raise ValueError(f"{path}: there is no hint in this file")
        return Hints(tuple(replace(p, name=f"{path}, {p.name}") for p in points))
    picture = load_picture(path)
    where = picture.alpha
    if mask is not None:
        drawn = load_picture(mask)
        if drawn.rgb.shape != picture.rgb.shape:
            sizes = (f"{p.rgb.shape[2]}×{p.rgb.shape[1]}" for p in (drawn, picture))
            raise ValueError(f"{mask}: must have the size of {path.name}, got {' and '.join(sizes)}")
        where = drawn.rgb.mean(0, keepdim=True)
    if where is None:
        raise ValueError(
            f"{path}: a picture of hints needs alpha, opaque where a colour is meant, or --hints-mask"
        )
    return Hints(pictures=(HintPicture.from_rgb(picture.rgb, where[0], str(path)),))


def give_hints(jobs: Sequence[Job], folder: Path, hints: Path, mask: Path | None = None) -> list[Job]:
    """Return the jobs with the files that their hints are in.

    ``hints``: a file for one picture, or a folder with a file for each: in the sub-folders that the results
    have in ``folder``, under the pictures' names, endings aside; a picture may be without. Raises UsageError
    for clips, several pictures with one file, a mask beside a folder or beside points, a folder in which no
    file fits, and where two fit.
    """
    clip = next((job for job in jobs if job.kind == "clip"), None)
    if clip is not None:
        raise UsageError(f"--hints is for pictures, and {clip.name} is a clip: leave one of them out")
    for path in (hints, mask):
        if path is not None and not path.exists():
            raise UsageError(f"{path}: no such file or folder")
    if not hints.is_dir():
        if len({job.source for job in jobs}) > 1:
            raise UsageError(
                f"{hints} is one file of hints, but there are {len(jobs)} pictures: give a folder with a "
                "file of hints for each, under the picture's name"
            )
        _check_file(hints, mask)
        return [replace(job, hints=hints, hints_mask=mask) for job in jobs]
    if mask is not None:
        raise UsageError("--hints-mask is for one picture of hints: pictures in a folder must have alpha")
    given = [replace(job, hints=_hints_of(job, folder, hints)) for job in jobs]
    if jobs and not any(job.hints for job in given):
        raise UsageError(f"{hints}: no file in this folder has the name of a picture, such as {jobs[0].name}")
    return given


def warn_without_hints(jobs: Sequence[Job], hints: Path) -> None:
    """Warn of each picture that has none in a folder of hints, and so is coloured by itself."""
    for job in jobs:
        if job.hints is None:
            logger.warning("%s: no hints for it in %s, coloured by itself", job.name, hints)


def _check_file(hints: Path, mask: Path | None) -> None:
    suffix = hints.suffix.lower()
    if suffix not in (*POINT_FILES, *READABLE):
        known = ", ".join((*POINT_FILES, *READABLE))
        raise UsageError(
            f"{hints}: hints are read from {known}, not from {suffix or 'a name without an ending'}"
        )
    if mask is not None and suffix in POINT_FILES:
        raise UsageError(f"--hints-mask is for a picture of hints, and {hints} holds points: leave it out")
    if mask is not None and mask.is_dir():
        raise UsageError(f"{mask} is a folder: --hints-mask must be a picture")


def _hints_of(job: Job, folder: Path, hints: Path) -> Path | None:
    within = job.target.parent.relative_to(folder)
    here = hints / within
    found = sorted(
        path
        for path in (here.iterdir() if here.is_dir() else ())
        if path.stem == job.source.stem and path.suffix.lower() in (*POINT_FILES, *READABLE)
    )
    if len(found) > 1:
        raise UsageError(f"{found[0]} and {found[1].name} are both hints for {job.name}: remove one of them")
    return found[0] if found else None
