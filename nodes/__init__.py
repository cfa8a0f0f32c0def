"""ComfyUI's face of Chrominance: the extension and its list of nodes."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import host, migrations


class ChrominanceExtension(ComfyExtension):
    """What ComfyUI asks for the pack's nodes."""

    async def on_load(self) -> None:
        """Make ComfyUI look for checkpoints in models/colorization, and tell it what replaces which node."""
        host.register_model_folder()
        await migrations.register()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return every node of the pack; a new one gets its line here."""
        from .color_match import ColorMatch, ColorMatchVideo
        from .colorize import AutoColorize
        from .compare import CompareBeforeAfter
        from .exemplar import ExemplarColorize, ExemplarWarp
        from .exemplar_video import ExemplarVideo
        from .hints import HintColorize
        from .illumination import Illumination
        from .lab import LabMerge, LabSplit
        from .loader import LoadColorizer
        from .lut import ApplyLUT, ApplyLUTVideo, LoadLUT, SaveLUT
        from .metrics import ColorMetrics
        from .palette import PaletteEdit, PaletteExtract, PaletteMasks
        from .palette_colorize import PaletteColorize
        from .palette_files import LoadPalette, SavePalette
        from .recolor import PaletteRecolor, PaletteRecolorVideo
        from .recolor_neural import NeuralRecolor, NeuralRecolorVideo
        from .retrieval import FindReference
        from .shots import DetectShots
        from .stabilize import TemporalStabilize, TemporalStabilizeVideo
        from .variants import ColorVariants
        from .video import ColorizeVideo

        return [
            ApplyLUT,
            ApplyLUTVideo,
            AutoColorize,
            ColorMatch,
            ColorMatchVideo,
            ColorMetrics,
            ColorVariants,
            ColorizeVideo,
            CompareBeforeAfter,
            DetectShots,
            ExemplarColorize,
            ExemplarVideo,
            ExemplarWarp,
            FindReference,
            HintColorize,
            Illumination,
            LabMerge,
            LabSplit,
            LoadColorizer,
            LoadLUT,
            LoadPalette,
            NeuralRecolor,
            NeuralRecolorVideo,
            PaletteColorize,
            PaletteEdit,
            PaletteExtract,
            PaletteMasks,
            PaletteRecolor,
            PaletteRecolorVideo,
            SaveLUT,
            SavePalette,
            TemporalStabilize,
            TemporalStabilizeVideo,
        ]


__all__ = ["ChrominanceExtension"]
