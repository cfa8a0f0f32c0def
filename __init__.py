"""Chrominance: colour for black-and-white pictures and film.

This file imports nothing: ComfyUI loads it at every start, and the engine is imported when a node or a
command first needs it.
"""

__version__ = "0.1.0"

#: Folder that ComfyUI serves to the page: node help pages and front-end code.
WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Return the node extension (called by ComfyUI once, at its start)."""
    from .nodes import ChrominanceExtension

    return ChrominanceExtension()
