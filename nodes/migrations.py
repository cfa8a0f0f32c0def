"""What became of nodes of earlier releases: ComfyUI puts the new ones in their place.

A released node keeps its id, its inputs and its outputs (docs/adding-a-node.md says what may be added). Where
that cannot be, the changed node gets a new id and its predecessor an entry here.
"""

from __future__ import annotations

from collections.abc import Iterable

from comfy_api.latest import ComfyAPI, io

#: Every id that is gone, with the node that took its place.
MIGRATIONS: tuple[io.NodeReplace, ...] = ()


async def register(migrations: Iterable[io.NodeReplace] = MIGRATIONS) -> None:
    """Tell ComfyUI of each."""
    api = ComfyAPI()
    for migration in migrations:
        await api.node_replacement.register(migration)
