"""ComfyUI's face of Chrominance: the extension and its list of nodes."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import host


class ChrominanceExtension(ComfyExtension):
    """What ComfyUI asks for the pack's nodes."""

    async def on_load(self) -> None:
        """Make ComfyUI look for checkpoints in models/colorization."""
        host.register_model_folder()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return every node of the pack; a new one gets its line here."""
        from .colorize import AutoColorize
        from .exemplar import ExemplarColorize, ExemplarWarp
        from .exemplar_video import ExemplarVideo
        from .hints import HintColorize
        from .lab import LabMerge, LabSplit
        from .loader import LoadColorizer
        from .metrics import ColorMetrics
        from .retrieval import FindReference
        from .variants import ColorVariants
        from .video import ColorizeVideo

        return [
            AutoColorize,
            ColorMetrics,
            ColorVariants,
            ColorizeVideo,
            ExemplarColorize,
            ExemplarVideo,
            ExemplarWarp,
            FindReference,
            HintColorize,
            LabMerge,
            LabSplit,
            LoadColorizer,
        ]


__all__ = ["ChrominanceExtension"]
