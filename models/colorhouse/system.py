"""ColorHouse ready for use: from pictures of any size and a palette or a reference to other colours."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import rgb_to_lab
from ..contract import check_reference
from ..embedded.conditions import REFERENCE_SIZE
from ..locate import shipped_weights
from ..resize import pad_to_multiple, working_size
from .load import load_network
from .network import COLOR_SIZE, MULTIPLE, ColorHouseNetwork

#: Shorter side, in pixels, at which the generator sees a picture: at 256 it takes four times as long, and
#: gets no nearer to what is asked for.
SIZE = 128


class ColorHouse:
    """The network with what is needed around it; it computes where its weights are."""

    title = "ColorHouse"
    paper = '"Neural Image Recolorization for Creative Domains", CVPR Workshops 2022'
    code_licence = "Apache-2.0"

    def __init__(self, network: ColorHouseNetwork) -> None:
        self.network = network

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.decoder.out.weight.device

    @torch.inference_mode()
    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the colour vectors [B,448] of pictures [B,3,H,W] 0..1; raises ValueError for NaN."""
        check_reference(rgb)
        size = (REFERENCE_SIZE, REFERENCE_SIZE)
        small = F.interpolate(rgb.to(self.device, torch.float32), size, mode="bilinear", antialias=True)
        return self.network.reference(rgb_to_lab(small.clamp(0, 1))).float()

    @torch.inference_mode()
    def encode_palette(
        self, lab: Tensor, share: Tensor | None = None, illumination: Tensor | None = None
    ) -> Tensor:
        """Return the colour vectors [B,448] of palettes, Lab [B,N,3], whose order does not count.

        ``share``: [B,N], by default alike. ``illumination``: [B,2], the ab of a light. Raises ValueError for
        shapes that do not fit, and shares that are negative or all 0.
        """
        if lab.ndim != 3 or lab.shape[2] != 3 or 0 in lab.shape:
            raise ValueError(f"a palette must be [B,N,3] with at least one colour, got {list(lab.shape)}")
        share = lab.new_full(lab.shape[:2], 1 / lab.shape[1]) if share is None else share
        if share.shape != lab.shape[:2] or bool((share < 0).any()) or not bool((share.sum(1) > 0).all()):
            raise ValueError(f"shares must be {list(lab.shape[:2])}, none below 0 and not all of them 0")
        lit = torch.full((len(lab),), illumination is not None, device=self.device)
        light = lab.new_zeros(len(lab), 2) if illumination is None else illumination.expand(len(lab), 2)
        lab, share, light = (part.to(self.device, torch.float32) for part in (lab, share, light))
        return self.network.palette(lab, share, light, lit).float()

    @torch.inference_mode()
    def recolor(self, rgb: Tensor, code: Tensor, *, size: int = SIZE) -> tuple[Tensor, Tensor]:
        """Return pictures [B,3,H,W] 0..1 as the network sees them, and the same in other colours.

        ``code``: [B or 1,448], from ``encode_reference`` or ``encode_palette``. ``size``: the shorter side at
        which it works; a smaller picture is not enlarged. Both results: sRGB [B,3,h,w] 0..1, float32.
        Raises ValueError for shapes that do not fit, and NaN; FloatingPointError where the network overflows.
        """
        check_reference(rgb)
        if code.ndim != 2 or code.shape[1] != COLOR_SIZE or len(code) not in (1, len(rgb)):
            raise ValueError(f"code must be [1 or {len(rgb)},{COLOR_SIZE}], got {list(code.shape)}")
        check_size(size)
        size = max(16, min(size, *rgb.shape[2:]))
        height, width = working_size(rgb.shape[2], rgb.shape[3], size)
        small = rgb.to(self.device, torch.float32)
        if small.shape[2:] != (height, width):
            small = F.interpolate(small, (height, width), mode="bilinear", antialias=True).clamp(0, 1)
        code = code.to(self.device).expand(len(rgb), -1)
        made = self.network(pad_to_multiple(small, MULTIPLE), code)[..., :height, :width]
        if not bool(torch.isfinite(made).all()):
            raise FloatingPointError("the network overflowed in half precision: load it in float32")
        return small, made.clamp(0, 1)


def check_size(size: int) -> None:
    """Raise ValueError for a working size outside 16..4096."""
    if not 16 <= size <= 4096:
        raise ValueError(f"working size must be 16..4096, got {size}")


def build_colorhouse(seed: int = 0) -> ColorHouse:
    """Return an untrained ColorHouse, which gives pictures back as they are; same seed, same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ColorHouseNetwork()
    return ColorHouse(network.eval().requires_grad_(False))


def load_colorhouse(
    path: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> ColorHouse:
    """Load trained weights; ``path``: None for those that ship.

    Raises CheckpointError for a file that holds something else.
    """
    path = shipped_weights("colorhouse") if path is None else path
    network = build_colorhouse().network
    load_network(network, "ColorHouse", Path(path))
    return ColorHouse(network.to(device, dtype))
