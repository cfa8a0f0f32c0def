"""Choosing a colorizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from comfy_api.latest import io

from . import host
from .sockets import COLORIZER, Menu

if TYPE_CHECKING:
    from ..models.contract import ModelSpec


class LoadColorizer(io.ComfyNode):
    """A name in a list → a colorizer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceLoadColorizer",
            display_name="Load Colorizer",
            category=Menu.COLORIZE,
            description="Loads the network that proposes colours: the one inside the pack, or a checkpoint "
            f"from models/{host.MODEL_FOLDER}.",
            search_aliases=[
                "colorization model",
                "ddcolor",
                "deoldify",
                "siggraph17",
                "eccv16",
                "checkpoint",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=[*host.colorizer_names(), *host.fetchable_names()],
                    default=host.EMBEDDED,
                    tooltip=f"{host.EMBEDDED}: the small network that ships with the pack, no download. Then "
                    f"the files in models/{host.MODEL_FOLDER}; what one is is seen from its contents. Last, "
                    "what is published and not here yet, with the command that fetches it.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["auto", *host.DTYPES],
                    default="auto",
                    tooltip="The precision of the network. auto: half precision where this device is faster "
                    "with it, else fp32. The pictures' lightness is never touched by it.",
                ),
            ],
            outputs=[
                COLORIZER.Output("colorizer", tooltip="For Auto Colorize and Colorize Video."),
                io.String.Output(
                    "about",
                    tooltip="What was loaded: system, paper, and the licences of its code and weights. Some "
                    "weights may not be used commercially.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model_name: str, dtype: str) -> tuple[str, float]:
        """Return what changes when the node has to run again: a file may be replaced under its name."""
        source = host.colorizer_source(model_name)
        return str(source), source.stat().st_mtime if isinstance(source, Path) else 0.0

    @classmethod
    def execute(cls, model_name: str, dtype: str) -> io.NodeOutput:
        """Run the node."""
        hosted = host.hosted_colorizer(model_name, dtype)
        return io.NodeOutput(hosted, about(hosted.colorizer.spec))


def about(spec: ModelSpec) -> str:
    """Describe a loaded system, a line each: title, paper, licences."""
    lines = [spec.title, spec.paper, f"code: {spec.code_licence}", f"weights: {spec.weights_licence}"]
    return "\n".join(line for line in lines if line)
