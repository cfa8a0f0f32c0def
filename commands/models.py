"""`chrominance models`: what is here, what is published; fetching it, and turning it into safetensors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from .screen import FAILED, USAGE, CommandError, complain

if TYPE_CHECKING:
    from ..models.published import Published

_Commands = argparse._SubParsersAction

HELP = """\
chrominance models                          what ships, what lies in the folder of models, what is published
chrominance models FOLDER...                the same, and what lies in these folders
chrominance models fetch NAME...            fetch published files
chrominance models convert FILE -o OUT      a checkpoint as safetensors"""

FETCH_HELP = """\
A download that was stopped goes on where it was. Sizes and SHA-256 are checked; a digest that nobody has
published is recorded at the first time and compared from then on. A file whose licence forbids commercial use
is fetched after you have agreed, or with --yes.

exit codes: 0 all there, 1 something failed, 2 wrong usage, 130 interrupted (what was fetched is kept)"""


def add_models(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Describe `chrominance models`."""
    parser = commands.add_parser(
        "models",
        help="list, fetch and convert models",
        description="List the models that are here and those that are published, fetch and convert them.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="...", help="see below")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="of convert: a .safetensors file")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="of fetch: where to (default: the user's)")
    parser.add_argument("--yes", action="store_true", help="of fetch: agree to the licences")
    parser.set_defaults(run=run_models)


def run_models(arguments: argparse.Namespace) -> int:
    """Do `chrominance models`."""
    word, *rest = arguments.words or [""]
    if word == "fetch":
        return fetch_models(rest, arguments.to, agreed=arguments.yes)
    if word == "convert":
        return convert_model(rest, arguments.output)
    if arguments.output or arguments.to or arguments.yes:
        raise CommandError("-o is for `models convert`, --to and --yes for `models fetch`", USAGE)
    return list_models([Path(one) for one in arguments.words])


def list_models(folders: list[Path]) -> int:
    """Do `chrominance models [FOLDER...]`."""
    from ..models.listing import models_table

    for line in models_table(folders):
        print(line)
    return 0


def fetch_models(names: list[str], folder: Path | None, *, agreed: bool) -> int:
    """Do `chrominance models fetch`."""
    from ..models import CheckpointError
    from ..models.fetch import fetch
    from ..models.folders import user_models_folder
    from ..models.published import PUBLISHED

    entries = {one.name: one for one in PUBLISHED}
    unknown = [name for name in names if name not in entries]
    if not names or unknown:
        can = ", ".join(one.name for one in PUBLISHED if one.fetchable)
        what = f"{', '.join(unknown)} is no published name" if unknown else "name what to fetch"
        raise CommandError(f"{what}; these can be fetched: {can}", USAGE)
    folder = folder or user_models_folder()
    failed = False
    for name in names:
        entry = entries[name]
        try:
            _agree(entry, agreed=agreed)
            bar = tqdm(unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty(), leave=False)
            with bar:
                done = fetch(entry, folder, lambda there, total, bar=bar: _show(bar, there, total))
        except CheckpointError as error:
            complain(str(error))
            failed = True
            continue
        print(f"{done.path} ({'fetched' if done.new else 'was there'}, {entry.weights_licence})")
        if done.recorded:
            print(f"  nobody publishes its SHA-256; recorded for the next time: {done.sha256}")
    return FAILED if failed else 0


def _show(bar: tqdm, there: int, total: int | None) -> None:
    bar.total = total
    bar.update(there - bar.n)


def _agree(entry: Published, *, agreed: bool) -> None:
    """Show a licence that forbids commercial use; raise CommandError unless the user agrees."""
    if not entry.non_commercial:
        return
    print(f"{entry.title} ({entry.file}): {entry.weights_licence}, not for commercial use", file=sys.stderr)
    if agreed:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{entry.name} needs your agreement to its licence: add --yes", USAGE)
    print("Do you agree? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError(f"{entry.name} is not fetched: its licence was not agreed to")


def convert_model(files: list[str], output: Path | None) -> int:
    """Do `chrominance models convert`."""
    from ..models import CheckpointError
    from ..models.convert import convert

    if len(files) != 1 or output is None:
        raise CommandError("write: chrominance models convert FILE -o OUT.safetensors", USAGE)
    try:
        done = convert(Path(files[0]).expanduser(), output)
    except CheckpointError as error:
        raise CommandError(str(error)) from error
    print(f"{done.path}: {done.metadata['title']}, {done.metadata['weights_licence']}")
    return 0
