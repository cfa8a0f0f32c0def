"""``python -m chrominance.benchmarks NAME …`` runs the benchmark of that name; without one, lists them."""

from __future__ import annotations

import importlib
import sys

#: Benchmarks by name; each module has ``main(argv)``.
BENCHMARKS = (
    "color",
    "colorhouse",
    "contact_sheet",
    "correspondence",
    "exemplar",
    "illumination",
    "loading",
    "network",
    "networks",
    "node_pictures",
    "palette",
    "quality",
    "real_or_fake",
    "recolor",
    "recolor_sheet",
    "retrieval",
    "samples",
    "scorecard",
    "shots",
    "stabilize",
    "video",
    "workflow_pictures",
)


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] not in BENCHMARKS:
        sys.stderr.write(f"usage: python -m chrominance.benchmarks {{{','.join(BENCHMARKS)}}} [-h]\n")
        return 2
    module = importlib.import_module(f".{arguments[0]}", __package__)
    return int(module.main(arguments[1:]) or 0)


if __name__ == "__main__":
    raise SystemExit(main())
