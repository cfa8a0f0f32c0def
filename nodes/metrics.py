"""Measuring coloured pictures."""

from __future__ import annotations

import math
from typing import Literal

import torch
from comfy_api.latest import io
from torch import Tensor

from ..pipelines.metrics_sets import FREQUENT
from . import host
from .sockets import Menu, check_counts, image_to_rgb, take

Kind = Literal["pictures", "clip"]

#: Rows of the report: key of the figure, what it is called, format.
_ROWS = (
    ("psnr", "PSNR", "{:.2f} dB"),
    ("delta_e", "colour difference, mean ΔE2000", "{:.2f}"),
    ("auc", "AuC of the ab error", "{:.2f} %"),
    ("auc_rebalanced", "AuC, every colour alike", "{:.2f} %"),
    ("accuracy_2", "pixels within 2 %", "{:.2f} %"),
    ("accuracy_5", "pixels within 5 %", "{:.2f} %"),
    ("colorfulness", "colourfulness", "{:.2f}"),
    ("frequent", f"coloured pixels in the {FREQUENT} commonest colours", "{:.2f} %"),
    ("cdc", "CDC, change of colours in time", "{:.6f}"),
)


class ColorMetrics(io.ComfyNode):
    """IMAGE, and perhaps the true one → figures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ChrominanceColorMetrics",
            display_name="Color Metrics",
            category=Menu.COMPARE,
            description="Measures coloured pictures: how colourful they are, how far from the true colours "
            "where those are known, and how steady over a clip.",
            search_aliases=[
                "psnr",
                "delta e",
                "ciede2000",
                "colorfulness",
                "compare images",
                "image quality",
                "color difference",
                "flicker",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The coloured pictures, or the frames of a clip."),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="The pictures in their true colours, of the same size: as many, or one for all. "
                    "Without them there is no PSNR, colour difference or AuC.",
                ),
                io.Combo.Input(
                    "kind",
                    options=["pictures", "clip"],
                    default="pictures",
                    tooltip="What the pictures are. pictures: independent of each other. clip: the frames of "
                    "one clip in order, at least 5; then the change of colours in time is measured too.",
                ),
            ],
            outputs=[
                io.String.Output("report", tooltip="Every figure, as a Markdown table."),
                io.Float.Output(
                    "psnr",
                    tooltip="Likeness to the reference in dB, mean of the pictures; 100 where equal, not a "
                    "number without a reference.",
                ),
                io.Float.Output(
                    "delta_e",
                    tooltip="Mean CIEDE2000 colour difference to the reference: 0 equal, about 1 just "
                    "visible; not a number without a reference.",
                ),
                io.Float.Output(
                    "auc",
                    tooltip="Area under the curve of the ab error in percent: 100 where the colours are "
                    "equal; not a number without a reference.",
                ),
                io.Float.Output(
                    "colorfulness",
                    tooltip="Hasler and Süsstrunk's colourfulness, mean of the pictures: 0 grey, 15 slight, "
                    "45 average, above 80 very strong.",
                ),
                io.Float.Output(
                    "cdc",
                    tooltip="Change of a clip's colours in time: 0 none; not a number for pictures.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, kind: Kind, reference: Tensor | None = None) -> io.NodeOutput:
        """Run the node."""
        rgb, _ = image_to_rgb(image, "image")
        truth = None if reference is None else image_to_rgb(reference, "reference")[0]
        if truth is not None:
            _check_fits(rgb, truth)
        if kind == "clip" and len(rgb) < 5:
            raise ValueError(
                f"a clip needs at least 5 frames to be measured in time, got {len(rgb)}: send more frames, "
                'or set kind to "pictures"'
            )
        figures, true = _measure(rgb, truth, clip=kind == "clip")
        wanted = ("psnr", "delta_e", "auc", "colorfulness", "cdc")
        return io.NodeOutput(
            _report(figures, true, len(rgb)), *(figures.get(name, math.nan) for name in wanted)
        )


def _check_fits(rgb: Tensor, truth: Tensor) -> None:
    check_counts(len(rgb), image=len(rgb), reference=len(truth))
    if rgb.shape[2:] != truth.shape[2:]:
        raise ValueError(
            f"image is {rgb.shape[3]}x{rgb.shape[2]}, reference {truth.shape[3]}x{truth.shape[2]}: they must "
            "show the same thing at one size. Scale one of them first"
        )


def _measure(rgb: Tensor, truth: Tensor | None, *, clip: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Return the figures of the pictures, and those of the originals that have any, by the same names."""
    from ..pipelines.metrics import ColorScores, PhotoScores
    from ..pipelines.metrics_video import ColorDistributionConsistency

    colors, scores = ColorScores(), PhotoScores()
    cdc, true_cdc = ColorDistributionConsistency(), ColorDistributionConsistency()
    true_clip = clip and truth is not None and len(truth) == len(rgb)

    def measure(part: slice) -> None:
        # On the CPU, one by one: what is summed up must not be half done when memory runs out.
        picture = rgb[part].to("cpu", torch.float32)
        colors.add(picture)
        if clip:
            cdc.add(picture[0])
        if truth is not None:
            original = take(truth, part).to("cpu", torch.float32)
            scores.add(picture, original)
            if true_clip:
                true_cdc.add(original[0])

    host.in_batches(len(rgb), measure, 1, host.progress(len(rgb)))
    figures = colors.figures()
    true: dict[str, float] = {}
    if truth is not None:
        figures = scores.figures()
        true = {name: figures[f"true_{name}"] for name in ("colorfulness", "frequent")}
    if clip:
        figures["cdc"] = cdc.value()
    if true_clip:
        true["cdc"] = true_cdc.value()
    return figures, true


def _report(figures: dict[str, float], true: dict[str, float], count: int) -> str:
    """Write the figures as a Markdown table, with a column for the reference where there is one."""
    pictures = f"{count} picture{'s' if count > 1 else ''}"
    lines = [f"| {pictures} | image |", "| --- | ---: |"]
    if true:
        lines = [f"{lines[0]} reference |", f"{lines[1]} ---: |"]
    for name, title, form in _ROWS:
        if name in figures:
            cells = [figures[name]] + ([true.get(name, math.nan)] if true else [])
            # Grey has no colours to be common, and a likeness is that of both.
            texts = ["" if math.isnan(value) else form.format(value) for value in cells]
            lines.append(f"| {title} | {' | '.join(texts)} |")
    return "\n".join(lines)
