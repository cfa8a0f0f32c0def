"""What users' files refer to, release by release: ``python tests/nodes/released.py`` writes this version's.

The file of the version that is being worked on is written anew with every change of a schema; when that
version is published it stays as it is, and the next version gets a file of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "released"


def schemas() -> dict[str, dict[str, list[Any]]]:
    """Return for each node its inputs, [name, type, "socket", "widget" or a list of choices], and outputs."""
    from pack_loading import load_nodes

    import chrominance

    listed = (node.GET_SCHEMA() for node in load_nodes(chrominance))
    return {
        schema.node_id: {
            "inputs": [[i.id, i.get_io_type(), _kind(i)] for i in schema.inputs],
            "outputs": [[o.display_name, o.get_io_type()] for o in schema.outputs],
        }
        for schema in sorted(listed, key=lambda schema: schema.node_id)
    }


def _kind(given: Any) -> str | list[str]:
    options = getattr(given, "options", None)
    if options is not None:
        # What can be fetched is listed with a remark: it is no value that a file holds.
        return [option for option in options if "(not here" not in option]
    return "widget" if hasattr(given, "default") else "socket"


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "nodes_api_stubs"))
    import chrominance

    path = FOLDER / f"{chrominance.__version__}.json"
    path.write_text(json.dumps(schemas(), indent=1) + "\n", encoding="utf-8")
