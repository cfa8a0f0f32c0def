"""From luminance and conditions of any size to the embedded network, and from its logits to chroma."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import rgb_to_lab
from ...color.ab_bins import annealed_mean, entropy_confidence, open_mean
from ..contract import Chroma, Colorizer, Conditions, ModelSpec, check_reference
from ..resize import pad_to_multiple, resize_lightness, working_size
from .conditions import DESCRIBED_SIZE, VECTOR_SIZE
from .local import local_to_grid
from .network import STRIDE, EmbeddedNetwork
from .settling import SURE, SURE_WHEN_TOLD, settle_open_areas

#: How many times a palette's vector counts. In training palettes were the photo's own; another's is met more
#: nearly so, and pictures stay plausible: see the scorecard.
PALETTE_STRENGTH = 1.25


class EmbeddedColorizer(Colorizer):
    """The embedded network under the Colorizer contract."""

    def __init__(self, network: EmbeddedNetwork, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @property
    def _embedded(self) -> EmbeddedNetwork:
        assert isinstance(self.network, EmbeddedNetwork)
        return self.network

    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        assert temperature is not None  # the spec has one, and colorize() fills it in
        logits = self._logits(L, conditions, size)
        if conditions.color is None:
            return self._settled(open_mean(logits, temperature), logits, L, SURE)
        # A colour vector says what is open: sharpened alike, the result is nearer to what was asked for.
        return self.chroma_of(logits, L, temperature)

    @torch.inference_mode()
    def distribution(
        self, L: Tensor, conditions: Conditions | None = None, *, size: int | None = None
    ) -> Tensor:
        """Return the logits over the 313 ab bins, float32 [B,313,h,w]; arguments as in ``colorize``."""
        conditions = self._checked(L, conditions, size)
        return self._logits(L, conditions, size or self.spec.size)

    @torch.inference_mode()
    def chroma_of(self, logits: Tensor, L: Tensor, temperature: float) -> Chroma:
        """Return the chroma of bent logits, open areas settled as where the network was told something."""
        return self._settled(annealed_mean(logits, temperature), logits, L, SURE_WHEN_TOLD)

    def _settled(self, ab: Tensor, logits: Tensor, L: Tensor, sure: float) -> Chroma:
        confidence = entropy_confidence(logits)
        lightness = resize_lightness(L.to(self.device), *ab.shape[-2:])
        return Chroma(settle_open_areas(ab, confidence, lightness, sure), confidence)

    def _logits(self, L: Tensor, conditions: Conditions, size: int) -> Tensor:
        height, width = working_size(L.shape[-2], L.shape[-1], size, multiple=STRIDE)
        small = pad_to_multiple(resize_lightness(L.to(self.device), height, width), self.spec.multiple)
        grid = (height // STRIDE, width // STRIDE)
        logits = self.network(small, *self._inputs(conditions, len(L), grid))
        logits = logits[..., : grid[0], : grid[1]].float()
        if not bool(torch.isfinite(logits).all()):
            raise FloatingPointError(
                f"the network overflowed in {self.dtype}: load the model in float32 or bfloat16"
            )
        return logits

    def _inputs(
        self, conditions: Conditions, batch: int, grid: tuple[int, int]
    ) -> tuple[Tensor | None, Tensor | None]:
        local = color = None
        if conditions.local_ab is not None and conditions.local_confidence is not None:
            ab, confidence = conditions.local_ab.to(self.device), conditions.local_confidence.to(self.device)
            local = local_to_grid(ab, confidence, *grid).expand(batch, -1, -1, -1)
            # Beyond the picture nothing is known.
            step = self.spec.multiple // STRIDE
            local = F.pad(local, (0, -grid[1] % step, 0, -grid[0] % step))
        if conditions.color is not None:
            if conditions.color.shape[1] != VECTOR_SIZE:
                raise ValueError(
                    f"a colour vector of {self.spec.title} has {VECTOR_SIZE} numbers, "
                    f"got {conditions.color.shape[1]}: "
                    "make it with this model's encode_reference or encode_palette"
                )
            color = conditions.color.to(self.device, self.dtype).expand(batch, -1)
        return local, color

    @torch.inference_mode()
    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the colour vectors [B,512] of reference pictures, rgb [B,3,H,W] 0..1."""
        check_reference(rgb)
        self.check_once()
        size = (DESCRIBED_SIZE, DESCRIBED_SIZE)
        small = F.interpolate(rgb.to(self.device, torch.float32), size, mode="bilinear", antialias=True)
        return self._embedded.encode_reference(rgb_to_lab(small.clamp(0, 1))).float()

    @torch.inference_mode()
    def encode_palette(
        self, lab: Tensor, share: Tensor | None = None, illumination: Tensor | None = None
    ) -> Tensor:
        """Return the colour vectors [B,512] of palettes, Lab [B,N,3]; see ``Colorizer.encode_palette``."""
        if lab.ndim != 3 or lab.shape[2] != 3 or 0 in lab.shape:
            raise ValueError(f"a palette must be [B,N,3] with at least one colour, got {list(lab.shape)}")
        if share is None:
            share = lab.new_full(lab.shape[:2], 1 / lab.shape[1])
        if share.shape != lab.shape[:2] or bool((share < 0).any()) or not bool((share.sum(1) > 0).all()):
            raise ValueError(f"shares must be {list(lab.shape[:2])}, none below 0 and not all of them 0")
        self.check_once()
        lit = torch.full((len(lab),), illumination is not None, device=self.device)
        light = lab.new_zeros(len(lab), 2) if illumination is None else illumination.expand(len(lab), 2)
        lab, share, light = (part.to(self.device, torch.float32) for part in (lab, share, light))
        return PALETTE_STRENGTH * self._embedded.encode_palette(lab, share, light, lit)
