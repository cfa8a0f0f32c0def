"""Pictures that the page shows on a node, beside what leaves through its sockets."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from . import host

#: They are shown at most so large: enough to look at details, and quick to write.
LONGEST_SIDE = 2048
#: How many pictures of a batch are shown at most: of longer ones some, evenly spread.
MOST_PICTURES = 16


def preview(rgb: Tensor, longest: int = LONGEST_SIDE) -> dict[str, str]:
    """Write a picture [3,H,W] 0..1 into ComfyUI's temporary folder; return how the page asks for it."""
    from PIL import Image

    height, width = rgb.shape[1:]
    scale = min(1.0, longest / max(height, width))
    rgb = rgb.detach().float()
    if scale < 1:
        size = [max(1, round(side * scale)) for side in (height, width)]
        rgb = F.interpolate(rgb[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
    pixels = rgb.nan_to_num().clamp(0, 1).mul(255).round().byte().movedim(0, -1).contiguous().cpu().numpy()
    path = host.temporary_file(".png")
    Image.fromarray(pixels).save(path, compress_level=1)
    return {"filename": path.name, "subfolder": "", "type": "temp"}


def chosen(count: int, most: int = MOST_PICTURES) -> list[int]:
    """Return which pictures of a batch are shown: all of them, or ``most`` from the first to the last."""
    if count <= most:
        return list(range(count))
    return [round(n * (count - 1) / (most - 1)) for n in range(most)]
