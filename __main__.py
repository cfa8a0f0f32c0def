"""The command line: arguments to pipelines."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from . import __version__
from .commands.colorize import add_colorize
from .commands.models import add_models
from .commands.palette import add_palette
from .commands.recolor import add_lut, add_match, add_recolor
from .commands.references import add_references
from .commands.screen import INTERRUPTED, CommandError, complain
from .commands.shots import add_shots


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    arguments = build_parser().parse_args(argv)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        return arguments.run(arguments)
    except CommandError as error:
        complain(str(error))
        return error.code
    except KeyboardInterrupt:
        complain("interrupted; finished files are kept, run the same command again to go on")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does: nothing is left to say.
        sys.stdout = None  # pyright: ignore[reportAttributeAccessIssue]
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    parser = argparse.ArgumentParser(
        prog="chrominance", description="Colour for black-and-white pictures and film."
    )
    parser.add_argument("--version", action="version", version=f"chrominance {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_colorize(commands)
    add_models(commands)
    add_references(commands)
    add_palette(commands)
    add_recolor(commands)
    add_match(commands)
    add_lut(commands)
    add_shots(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
