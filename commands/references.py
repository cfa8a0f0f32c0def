"""`chrominance references`: an index of a folder of colour pictures, and what in it suits a picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .screen import DTYPES, FAILED, USAGE, CommandError, Screen, choose_device, complain, within

if TYPE_CHECKING:
    from ..models.features import FeatureExtractor

HELP = """\
The index is .chrominance-references.safetensors in FOLDER, or --index FILE where that cannot be written. Run
`index` again after adding pictures: only new and changed ones are read. Grey, toned and damaged ones are no
references: they are skipped, and that is remembered.

The score, 1 at best, compares lightness alone: the whole pictures' features and those of their places count 4
parts each, the places' luminance histograms 1.

exit codes: 0 all done, 1 something failed, 2 wrong usage, 130 interrupted (what is indexed is kept)"""


def add_references(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `chrominance references index` and `find`."""
    parser = commands.add_parser(
        "references", help="find, in a folder of colour pictures, those whose colours suit a picture"
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    texts = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": HELP}
    index = actions.add_parser("index", help="look at a folder's pictures once, and keep what was seen",
        description="Index the colour pictures of a folder and below, or bring its index up to date.",
        **texts)  # fmt: skip
    index.add_argument("folder", type=Path, metavar="FOLDER", help="colour pictures")
    index.add_argument("--rebuild", action="store_true", help="begin anew instead of reading what is new")
    index.set_defaults(run=index_references)
    find = actions.add_parser("find", help="name the best references for pictures",
        description="Print the best references for each picture, the best first, with their scores.",
        **texts)  # fmt: skip
    find.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures, or patterns (*.png)")
    find.add_argument("--in", dest="folder", required=True, type=Path, metavar="FOLDER", help="an indexed "
        "folder")  # fmt: skip
    find.add_argument("-n", "--count", type=within(int, 1, 1000), default=5, metavar="N", help="how many for "
        "each (default 5)")  # fmt: skip
    find.add_argument("--json", type=Path, metavar="OUT", help="write them to this file too, with each part "
        "of the score")  # fmt: skip
    find.set_defaults(run=find_references)
    for action in (index, find):
        action.add_argument(
            "--index", type=Path, metavar="FILE", help="where the index is (default: in FOLDER)"
        )
        action.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, xpu")
        action.add_argument("--dtype", choices=DTYPES, default="float32", help="the type that the network "
            "computes in")  # fmt: skip
        action.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def index_references(arguments: argparse.Namespace) -> int:
    """Do `chrominance references index`."""
    from ..pipelines.retrieval import ReferenceIndex, RetrievalError

    try:
        begin = ReferenceIndex if arguments.rebuild else ReferenceIndex.open
        index = begin(arguments.folder, arguments.index)
        changes = index.changes()
        if changes:
            extractor = load_extractor(arguments)
            with Screen(len(changes.to_read), quiet=arguments.quiet) as screen:
                index.update(extractor, changes, progress=screen.files.update)
        index.check_any()
    except (RetrievalError, FloatingPointError) as error:
        raise CommandError(str(error)) from error
    if not arguments.quiet:
        print(f"chrominance: {index.file}: {index} ({changes})", file=sys.stderr)
    return 0


def find_references(arguments: argparse.Namespace) -> int:
    """Do `chrominance references find`."""
    from ..pipelines.jobs import expand
    from ..pipelines.replacing import replacing
    from ..pipelines.retrieval import ReferenceIndex, RetrievalError, found_to_json
    from ..pipelines.retrieval_features import SIDE
    from ..pipelines.samples import PictureError
    from ..pipelines.small_pictures import load_small

    sources, problems = expand(arguments.pictures)
    results = []
    try:
        index = ReferenceIndex.load(arguments.folder, arguments.index)
        changes = index.changes()
        index.forget(changes.gone)
        index.check_any()
        if changes and not arguments.quiet:
            print(f"chrominance: warning: {arguments.folder} has changed since it was indexed ({changes}): "
                "run `chrominance references index` again", file=sys.stderr)  # fmt: skip
        extractor = load_extractor(arguments)
        for source in sources:
            try:
                found = index.find(load_small(source, SIDE)[None], extractor, arguments.count)
            except PictureError as error:
                problems.append(str(error))
                continue
            if len(sources) > 1:
                print(f"{source}:")
            for one in found:
                print(f"{one.score:.3f}  {one.path}")
            results.append({"picture": str(source), "references": found_to_json(found)})
    except (RetrievalError, FloatingPointError) as error:
        raise CommandError(str(error)) from error
    if arguments.json:
        try:
            with replacing(arguments.json) as temporary:
                temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{arguments.json}: cannot be written ({error.strerror or error})") from error
    for problem in problems:
        complain(problem)
    return FAILED if problems else 0


def load_extractor(arguments: argparse.Namespace) -> FeatureExtractor:
    """Load what pictures are compared by; raises CommandError where it cannot be used."""
    import torch

    from ..models import CheckpointError
    from ..models.features_load import load_features

    try:
        return load_features(device=choose_device(arguments.device), dtype=getattr(torch, arguments.dtype))
    except CheckpointError as error:
        raise CommandError(str(error)) from error
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
