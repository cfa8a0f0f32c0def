"""The nodes' English as ComfyUI's page reads locales: ``python tests/nodes/english.py`` writes it anew.

After a change of a tooltip, run it, and change the other languages where the meaning changed:
``git diff locales/en`` says which.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parents[2] / "locales"


def english() -> dict[str, Any]:
    """Return the page's words for every node: names, descriptions, tooltips."""
    from pack_loading import load_nodes

    import chrominance

    schemas = (node.GET_SCHEMA() for node in load_nodes(chrominance))
    return {
        schema.node_id: {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {i.id: {"name": i.display_name or i.id, "tooltip": i.tooltip} for i in schema.inputs},
            "outputs": {
                str(place): {"name": output.display_name, "tooltip": output.tooltip}
                for place, output in enumerate(schema.outputs)
            },
        }
        for schema in sorted(schemas, key=lambda schema: schema.node_id)
    }


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "nodes_api_stubs"))
    text = json.dumps(english(), indent=2, ensure_ascii=False) + "\n"
    (LOCALES / "en" / "nodeDefs.json").write_text(text, encoding="utf-8")
