"""Fetching published checkpoints: resumed after an interruption, checked, whole or not at all.

By the standard library: pooch, the usual choice, begins anew after an interruption, and huggingface_hub knows
one host; these files are up to a gigabyte, and lie on a dozen.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath

from .. import __version__
from .errors import CheckpointError
from .published import Published

#: Digests of files that nobody published one of, in the folder they were fetched into.
DIGESTS = "digests.json"

#: Takes how many bytes are there, and how many there will be, None where nobody says.
Progress = Callable[[int, int | None], object]

_CHUNK = 1 << 20
_SECONDS = 30
_LARGEST = 1 << 33


class FetchError(CheckpointError):
    """A file that could not be fetched, or is not what it should be; what was there before is untouched."""


@dataclass(frozen=True)
class Fetched:
    """A file that is there now. ``new``: fetched just now. ``recorded``: its digest was unknown before."""

    path: Path
    sha256: str
    new: bool
    recorded: bool


def fetch(entry: Published, folder: Path, progress: Progress | None = None) -> Fetched:
    """Fetch a published file into ``folder``, and unpack what is needed of an archive.

    What is there already is checked, not fetched again. A download that was stopped goes on where it was, if
    the server can and the file is still the same. Every address is tried in turn. An unknown digest is
    recorded in DIGESTS, and compared from then on. Raises FetchError, in one line, for all that goes wrong;
    KeyboardInterrupt leaves what was fetched for the next time.
    """
    if not entry.fetchable:
        raise FetchError(
            f"{entry.name} can only be fetched by hand, from {entry.page}: put {entry.local_name} into "
            f"{folder}"
        )
    target = folder / entry.local_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = not target.is_file()
        part = _download(entry, target, progress) if new else target
        digest = _sha256(part)
        recorded = _check(entry, part, digest, folder)
        if new:
            part.replace(target)
            _notes(target).unlink(missing_ok=True)
        if entry.inside is not None:
            _unpack(target, folder / target.stem)
    except OSError as error:
        raise FetchError(f"{target}: cannot be written ({error.strerror or error})") from error
    return Fetched(target, digest, new, recorded)


def _download(entry: Published, target: Path, progress: Progress | None) -> Path:
    """Fetch a file into one beside ``target``, and return that."""
    problems = []
    for address in entry.addresses:
        try:
            return _from(address, target, progress)
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            problems.append(f"{address}: {reason or type(error).__name__}")
    raise FetchError(
        f"{entry.name} could not be fetched ({'; '.join(problems)}): try again later, what is there is kept"
    )


def _from(address: str, target: Path, progress: Progress | None) -> Path:
    part, notes = target.with_name(f".{target.name}.part"), _notes(target)
    request = urllib.request.Request(address, headers={"User-Agent": f"chrominance/{__version__}"})
    there = part.stat().st_size if part.is_file() else 0
    known = _read_json(notes)
    # Without a mark of the file's state, a changed file would be glued to the old one's beginning.
    if there and known.get("address") == address and known.get("mark"):
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", known["mark"])
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # not satisfiable: all of it is there, or more
            raise
        part.unlink()
        notes.unlink(missing_ok=True)
        return _from(address, target, progress)
    with closing(answer):
        _receive(answer, address, part, notes, progress)
    return part


def _receive(answer: HTTPResponse, address: str, part: Path, notes: Path, progress: Progress | None) -> None:
    """Write what a server sends behind what is there, or anew."""
    goes_on = answer.status == 206
    there = part.stat().st_size if goes_on else 0
    length = answer.headers.get("Content-Length")
    total = there + int(length) if length and length.isdecimal() else None
    if total is not None and total > _LARGEST:
        raise FetchError(f"{address} would be {total / 1e9:.1f} GB: that is no checkpoint")
    etag = answer.headers.get("ETag", "")
    # A weak mark (W/"…") promises too little to glue by.
    mark = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
    notes.write_text(json.dumps({"address": address, "mark": mark}), encoding="utf-8")
    with part.open("ab" if goes_on else "wb") as file:
        while data := answer.read(_CHUNK):
            file.write(data)
            there += len(data)
            if there > _LARGEST:
                raise FetchError(f"{address} does not end: that is no checkpoint")
            if progress is not None:
                progress(there, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and there != total:
        raise ConnectionError(f"the connection ended after {there} of {total} bytes")


def _check(entry: Published, path: Path, digest: str, folder: Path) -> bool:
    """Raise FetchError where a file is not the published one; return whether its digest is recorded now.

    What was fetched is removed, what was there stays.
    """
    fetched = path.name.endswith(".part")
    remove = "it is removed; " if fetched else ""
    size = path.stat().st_size
    problem = None
    if entry.exact_size and entry.size is not None and size != entry.size:
        problem = f"should have {entry.size} bytes, got {size}"
    digests = _read_json(folder / DIGESTS)
    expected = entry.sha256 or digests.get(entry.local_name)
    if problem is None and expected is not None and digest != expected:
        source = "published" if entry.sha256 else "recorded at the first time"
        problem = f"should have the SHA-256 {expected} ({source}), got {digest}"
    if problem is not None:
        if fetched:
            path.unlink()
            _notes(folder / entry.local_name).unlink(missing_ok=True)
        raise FetchError(
            f"{entry.local_name} {problem}: {remove}fetch it again, or see {entry.page or entry.addresses[0]}"
        )
    if expected is not None:
        return False
    _write_json(folder / DIGESTS, digests | {entry.local_name: digest})
    return True


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive beside itself, where it is not yet."""
    if folder.is_dir():
        return
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                place = PurePosixPath(member.filename.replace("\\", "/"))
                if place.is_absolute() or ".." in place.parts or ":" in member.filename:
                    raise FetchError(
                        f"{archive}: holds {member.filename}, which leads out of it: do not use it"
                    )
                if member.file_size > _LARGEST:
                    raise FetchError(f"{archive}: {member.filename} is too large to be a checkpoint")
            packed.extractall(temporary)
    except zipfile.BadZipFile as error:
        raise FetchError(
            f"{archive}: is a damaged archive ({error}): remove it and fetch it again"
        ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    temporary.replace(folder)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _notes(target: Path) -> Path:
    return target.with_name(f".{target.name}.part.json")


def _read_json(path: Path) -> dict[str, str]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}


def _write_json(path: Path, data: dict[str, str]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
