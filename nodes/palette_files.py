"""Palettes from files and into files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..pipelines.palette_files import FORMATS
from . import host
from .lut import fingerprint
from .palette import doubled, give, palette_outputs
from .sockets import PALETTE, Menu, check_palette

if TYPE_CHECKING:
    from ..pipelines.palette import Palette

_FORMATS = [name.removeprefix(".") for name in FORMATS]


class LoadPalette(io.ComfyNode):
    """A file → PALETTE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceLoadPalette",
            display_name="Load Palette",
            category=Menu.PALETTE,
            description="Reads a palette from a file: JSON as Save Palette writes it, GIMP's .gpl, Adobe's "
            ".ase, or any text with colours written #rrggbb, such as CSS.",
            search_aliases=["gpl", "ase", "swatches file", "import palette", "css colors", "hex colors"],
            inputs=[
                io.String.Input(
                    "file",
                    default="",
                    placeholder="colors.gpl",
                    tooltip="The name of a file inside of ComfyUI's input folder, or a whole path.",
                )
            ],
            outputs=palette_outputs(),
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, **_: object) -> str | float:
        """Return what changes when the node has to run again: the file's content."""
        return fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.palette_files import load_palette

        palette = load_palette(host.named_file(file))
        return give(palette, warning=doubled(palette))


class SavePalette(io.ComfyNode):
    """PALETTE → a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceSavePalette",
            display_name="Save Palette",
            category=Menu.PALETTE,
            description="Writes a palette into ComfyUI's output folder: exactly, as JSON, or for GIMP, "
            "Krita and Inkscape (.gpl), for Adobe's programs (.ase), for web pages (.css), or as a list of "
            "colours (.hex, .txt).",
            search_aliases=["export palette", "gpl", "ase", "swatches file", "css colors"],
            inputs=[
                PALETTE.Input("palette", tooltip="The palette to write."),
                io.String.Input(
                    "filename_prefix",
                    default="Chrominance/palette",
                    tooltip="The file's name, perhaps with folders before it; a number is put behind it.",
                ),
                io.Combo.Input(
                    "format",
                    options=_FORMATS,
                    default="json",
                    tooltip="json keeps everything: exact colours, shares, names and locks. The others hold "
                    "8-bit colours, and names where the format has them.",
                ),
            ],
            outputs=[io.String.Output("file", tooltip="Where it was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, palette: Palette, filename_prefix: str, format: str) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.palette_files import save_palette

        path = host.output_file(filename_prefix, f".{format}")
        save_palette(path, check_palette(palette, "palette"))
        return io.NodeOutput(str(path))
