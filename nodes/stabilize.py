"""Steady colours in the frames of a clip."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..color import rgb_to_lab
from ..pipelines.merge import merge
from . import host
from .sockets import CATEGORY, check_counts, fill_image, image_to_rgb, take


class TemporalStabilize(io.ComfyNode):
    """IMAGE, the frames of a clip → the same with steady colours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceTemporalStabilize",
            display_name="Temporal Stabilize",
            category=CATEGORY,
            description="Takes the flicker out of colours, whoever made them: chroma is averaged along the "
            "motion and begins anew at cuts. The lightness stays as it is. Needs OpenCV, any package of it.",
            search_aliases=["deflicker", "flicker", "temporal consistency", "smooth video", "steady colors"],
            inputs=[
                io.Image.Input("image", tooltip="The coloured frames of a clip, all of them, in order."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the mean along the motion: 0 leaves the frames as they are.",
                ),
                io.Image.Input(
                    "guide",
                    optional=True,
                    tooltip="The frames in which motion is seen, such as the black-and-white originals. "
                    "Without it, the coloured frames' own lightness.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="The frames with steady colours.")],
        )

    @classmethod
    def execute(cls, image: Tensor, strength: float, guide: Tensor | None = None) -> io.NodeOutput:
        """Run the node."""
        # Here, not above: it needs OpenCV.
        from ..pipelines.stabilize import Stabilizer

        rgb, alpha = image_to_rgb(image, "image")
        seen = rgb if guide is None else image_to_rgb(guide, "guide")[0]
        check_counts(len(rgb), image=len(rgb), guide=len(seen))
        stabilizer = Stabilizer(strength)
        out = host.empty_result(*image.shape)
        report = host.progress(len(rgb))
        with torch.inference_mode():
            for number in range(len(rgb)):
                part = slice(number, number + 1)
                picture = rgb[part].float()
                ab = stabilizer.add(take(seen, part)[0].float(), rgb_to_lab(picture)[0, 1:])
                steady = picture if strength == 0 else merge(picture, ab[None])
                fill_image(out, part, steady, None if alpha is None else alpha[part])
                report(1)
        return io.NodeOutput(out)
