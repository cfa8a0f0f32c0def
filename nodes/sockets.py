"""The pack's own socket types, and the way between ComfyUI's pictures (BHWC) and the engine's (BCHW)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

if TYPE_CHECKING:
    from ..pipelines.palette import Palette


#: Lightness, chroma and alpha, exact: carries pipelines.merge.LabImage.
LAB = io.Custom("LAB")
#: A loaded colorizer: carries nodes.host.HostedColorizer.
COLORIZER = io.Custom("COLORIZER")
#: A few colours with weights and locks: carries pipelines.palette.Palette.
PALETTE = io.Custom("PALETTE")
#: A change of colours, the same wherever a colour occurs: carries a pipelines.color_map.Change.
LUT = io.Custom("LUT")


class Menu:
    """Where nodes of the pack stand in ComfyUI's menus; locales/*/main.json has the words."""

    COLORIZE = "Chrominance/Colorize"
    REFERENCES = "Chrominance/References"
    VIDEO = "Chrominance/Video"
    PALETTE = "Chrominance/Palette"
    COLOR = "Chrominance/Color and Light"
    LAB = "Chrominance/Lab"
    COMPARE = "Chrominance/Compare"


def image_to_rgb(image: Tensor, name: str) -> tuple[Tensor, Tensor | None]:
    """Take an IMAGE apart, without a copy.

    ``image``: [B,H,W,C] with C = 1, 3 or 4. Returns rgb [B,3,H,W] and alpha [B,1,H,W] or None. Raises
    ValueError, naming the input ``name``, for anything else.
    """
    if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[3] not in (1, 3, 4):
        got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"{name} must be pictures [batch, height, width, 1, 3 or 4 channels], got {got}")
    if 0 in image.shape:
        raise ValueError(f"{name} holds no picture: its size is {list(image.shape)}. Connect one that does")
    planes = image.movedim(-1, 1)
    if planes.shape[1] == 1:
        return planes.expand(-1, 3, -1, -1), None
    return planes[:, :3], planes[:, 3:] if planes.shape[1] == 4 else None


def check_palette(palette: Palette, name: str) -> Palette:
    """Return what a PALETTE socket carries; raises ValueError for another pack's socket of the same name."""
    from ..pipelines.palette import Palette

    if not isinstance(palette, Palette):
        raise ValueError(
            f"{name} must come from a palette node of Chrominance, such as Palette Extract, got "
            f"{type(palette).__name__}"
        )
    return palette


def fill_image(image: Tensor, part: slice, rgb: Tensor, alpha: Tensor | None) -> None:
    """Write rgb [B,3,H,W] and, where there is one, alpha [B,1,H,W] into pictures of an IMAGE."""
    image[part, ..., :3] = rgb.movedim(1, -1).to(image)
    if alpha is not None:
        image[part, ..., 3:] = alpha.movedim(1, -1).to(image)


def take(batch: Tensor, part: slice) -> Tensor:
    """Return the pictures ``part`` of a batch; a batch of one stands for every picture."""
    return batch if batch.shape[0] == 1 else batch[part]


def common_count(**counts: int) -> int:
    """Return how many pictures come out of inputs of these many: all equal, or one for all.

    Raises ValueError otherwise.
    """
    count = max(counts.values())
    check_counts(count, **counts)
    return count


def check_counts(count: int, **counts: int) -> None:
    """Raise ValueError, naming each input, where one has neither ``count`` pictures nor a single one."""
    if any(n not in (1, count) for n in counts.values()):
        given = ", ".join(f"{name} {n}" for name, n in counts.items())
        raise ValueError(f"the inputs must have equally many pictures, or one for all of them, got: {given}")


def check_mask(mask: Tensor) -> Tensor:
    """Return a MASK as [B,H,W]; raises ValueError for another shape."""
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3) or 0 in mask.shape:
        got = list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"mask must be [batch, height, width], got {got}")
    return mask if mask.ndim == 3 else mask[None]


def mask_of_pictures(mask: Tensor | None, count: int) -> Tensor | None:
    """Return the mask input of ``count`` pictures as [1 or count,H,W]; raises ValueError where it is none."""
    if mask is None:
        return None
    mask = check_mask(mask)
    check_counts(count, image=count, mask=len(mask))
    return mask


def mask_for(mask: Tensor | None, part: slice, like: Tensor) -> Tensor | None:
    """Return the mask [B,1,H,W] of some pictures, at the size and place of ``like`` [B,3,H,W]."""
    if mask is None:
        return None
    weight = take(mask, part)[:, None].to(like.device, torch.float32)
    if weight.shape[2:] != like.shape[2:]:
        weight = F.interpolate(weight, like.shape[2:], mode="bilinear", align_corners=False, antialias=True)
    return weight.clamp(0, 1).expand(like.shape[0], -1, -1, -1)
