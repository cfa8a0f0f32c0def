"""Two states of pictures beside each other."""

from __future__ import annotations

import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from . import host
from .previews import chosen, preview
from .sockets import Menu, common_count, image_to_rgb, take

#: Width of the line between the two, as a part of the picture's shorter side.
_LINE = 1 / 256


class CompareBeforeAfter(io.ComfyNode):
    """Two IMAGEs → a slider between them on the node, and both in one IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceCompare",
            display_name="Compare Before and After",
            category=Menu.COMPARE,
            description="Shows two pictures on the node, one over the other: move over it to see more of the "
            "one or of the other. Gives both in one picture as well, to save or to send.",
            search_aliases=[
                "compare images",
                "before after",
                "image comparer",
                "slider",
                "side by side",
                "a/b",
                "difference",
            ],
            inputs=[
                io.Image.Input("before", tooltip="What is on the left of the line: the original, say."),
                io.Image.Input(
                    "after",
                    tooltip="What is on the right of it: the coloured picture, say. The picture has the size "
                    "of this one; the other is scaled to it.",
                ),
                io.Float.Input(
                    "position",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Where the line is in the picture that leaves: 0 at the left edge, 1 at the "
                    "right one. On the node the line follows the pointer.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "image",
                    tooltip="Left of the line the one, right of it the other. At position 0 and 1 there is "
                    "no line.",
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, before: Tensor, after: Tensor, position: float) -> io.NodeOutput:
        """Run the node."""
        first, _ = image_to_rgb(before, "before")
        second, _ = image_to_rgb(after, "after")
        count = common_count(before=len(first), after=len(second))
        height, width = second.shape[2:]
        result = host.empty_result(count, height, width, 3)
        shown = set(chosen(count))
        ui: dict[str, list[dict[str, str]]] = {"chrominance_before": [], "chrominance_after": []}

        def work(part: slice) -> None:
            number = part.start
            left = _fitted(take(first, part)[0], height, width)
            right = take(second, part)[0].float()
            result[number] = _joined(left, right, position).movedim(0, -1).to(result)
            if number in shown:
                ui["chrominance_before"].append(preview(left))
                ui["chrominance_after"].append(preview(right))

        host.in_batches(count, work, 1, host.progress(count))
        return io.NodeOutput(result, ui=ui)


def _fitted(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return a picture [3,H,W] at another size."""
    rgb = rgb.float()
    if rgb.shape[1:] == (height, width):
        return rgb
    scaled = F.interpolate(rgb[None], (height, width), mode="bicubic", align_corners=False, antialias=True)
    return scaled[0].clamp(0, 1)


def _joined(left: Tensor, right: Tensor, position: float) -> Tensor:
    """Return two pictures [3,H,W] of one size as one: white between them, where both are seen."""
    height, width = right.shape[1:]
    edge = round(position * width)
    joined = right.clone()
    joined[:, :, :edge] = left[:, :, :edge].to(joined.device)
    if 0 < edge < width:
        wide = max(1, round(min(height, width) * _LINE))
        joined[:, :, max(0, edge - wide // 2) :][:, :, :wide] = 1.0
    return joined
