"""Look-up tables: read, applied, written as .cube files."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..pipelines.lut import SIZES
from . import host
from .changes import change_clip, change_pictures, mask_input, strength_input
from .sockets import LUT, Menu
from .video import encoding_inputs

if TYPE_CHECKING:
    from comfy_api.latest import Input


class LoadLUT(io.ComfyNode):
    """A .cube file → LUT."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceLoadLUT",
            display_name="Load LUT",
            category=Menu.COLOR,
            description="Reads a look-up table of colours from a .cube file, such as grading programs write: "
            "one curve for each channel, or a cube.",
            search_aliases=["cube file", "3d lut", "color grading", "film look", "look-up table"],
            inputs=[
                io.String.Input(
                    "file",
                    default="",
                    placeholder="look.cube",
                    tooltip="A .cube file: its name inside of ComfyUI's input folder, or a whole path.",
                )
            ],
            outputs=[LUT.Output("lut", tooltip="The table, for Apply LUT.")],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, **_: object) -> str | float:
        """Return what changes when the node has to run again: the file's content."""
        return fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.lut import load_cube

        return io.NodeOutput(load_cube(host.named_file(file)))


class ApplyLUT(io.ComfyNode):
    """IMAGE and LUT → IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceApplyLUT",
            display_name="Apply LUT",
            category=Menu.COLOR,
            description="Changes the colours of pictures by a look-up table, or by what Palette Recolor, "
            "Color Match or Illumination did to another picture. Between its nodes a table is interpolated "
            "in tetrahedra, which keeps greys grey.",
            search_aliases=["cube", "3d lut", "color grading", "film look", "look-up table", "tetrahedral"],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to change. Any size; alpha is kept."),
                _lut_input(),
                mask_input(),
                strength_input(),
            ],
            outputs=[io.Image.Output("image", tooltip="The changed pictures.")],
        )

    @classmethod
    def execute(cls, image: Tensor, lut: Any, strength: float, mask: Tensor | None = None) -> io.NodeOutput:
        """Run the node."""
        return io.NodeOutput(change_pictures(image, check_lut(lut), strength, mask))


class ApplyLUTVideo(io.ComfyNode):
    """VIDEO and LUT → VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceApplyLUTVideo",
            display_name="Apply LUT to Video",
            category=Menu.VIDEO,
            description="Changes the colours of a clip of any length by a look-up table, or by what another "
            "node did to a picture, with a few frames in memory at a time. Sound, timing and size are kept.",
            search_aliases=["cube", "3d lut", "color grading", "film look", "video lut"],
            inputs=[
                io.Video.Input("video", tooltip="The clip to change, from Load Video or Trim Video."),
                _lut_input(),
                strength_input(),
                *encoding_inputs(),
            ],
            outputs=[io.Video.Output("video", tooltip="The changed clip, with the source's sound.")],
        )

    @classmethod
    def execute(cls, video: Input.Video, lut: Any, strength: float, codec: str, crf: int) -> io.NodeOutput:
        """Run the node."""
        return change_clip(video, check_lut(lut), strength, codec, crf)


class SaveLUT(io.ComfyNode):
    """LUT → a .cube file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceSaveLUT",
            display_name="Save LUT",
            category=Menu.COLOR,
            description="Writes a change of colours as a .cube file into ComfyUI's output folder, for "
            "DaVinci Resolve, Premiere, FFmpeg, OBS and whatever else reads one.",
            search_aliases=["export cube", "3d lut", "export lut", "color grading", "look-up table"],
            inputs=[
                LUT.Input("lut", tooltip="From Palette Recolor, Color Match, Illumination or Load LUT."),
                io.String.Input(
                    "filename_prefix",
                    default="Chrominance/look",
                    tooltip="The file's name, perhaps with folders before it; a number is put behind it.",
                ),
                io.Combo.Input(
                    "size",
                    options=[str(size) for size in SIZES],
                    default="33",
                    tooltip="Colours along each side: 33 is what most programs take, 65 is more exact and "
                    "eight times as large, 17 is small. A table that came from a file keeps its own.",
                ),
            ],
            outputs=[io.String.Output("file", tooltip="Where it was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, lut: Any, filename_prefix: str, size: str) -> io.NodeOutput:
        """Run the node."""
        from ..pipelines.lut import Cube, save_cube

        change = check_lut(lut)
        path = host.output_file(filename_prefix, ".cube")
        save_cube(path, change if isinstance(change, Cube) else Cube.of(change, int(size), path.stem))
        return io.NodeOutput(str(path))


def check_lut(lut: Any) -> Any:
    """Return what a LUT socket carries; raises ValueError for another pack's socket of the same name."""
    from ..pipelines.lut import Cube

    if not isinstance(lut, Cube) and not (hasattr(lut, "apply") and hasattr(lut, "displacement")):
        raise ValueError(
            "lut must come from Load LUT, Palette Recolor, Color Match or Illumination of Chrominance, got "
            f"{type(lut).__name__}"
        )
    return lut


def fingerprint(file: str | None) -> str | float:
    """Return what changes with a named file's content."""
    if file is None:  # it comes from another node
        return math.nan
    try:
        return hashlib.sha256(host.named_file(file).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return math.nan  # execute says what is wrong with it


def _lut_input() -> io.Input:
    return LUT.Input("lut", tooltip="From Load LUT, or from Palette Recolor, Color Match or Illumination.")
