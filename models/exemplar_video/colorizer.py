"""From luminance, an exemplar and the frame before to the chroma of Zhang 2019."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import rgb_to_lab
from ..contract import Chroma, Colorizer, Conditions, Exemplar, ModelSpec, Published, check_reference
from ..resize import resize_lightness, working_size
from .network import ExemplarVideo, Reference
from .published import ENLARGE, SATURATION, frame_of, lab_to_8_bit_rgb, reference_rgb, smooth_as_published

# Below this VGG19's deepest level is too small for the padding.
_LEAST_SIDE = 32


@dataclass(frozen=True)
class VideoExemplar(Exemplar):
    """A reference picture as the warp needs it: features, and Lab at their positions."""

    reference: Reference


@dataclass(frozen=True)
class PublishedState:
    """What one frame of a clip, coloured as published, hands to the next: ``last`` is Lab, L less 50."""

    exemplar: Reference
    last: Tensor


class ExemplarVideoColorizer(Colorizer):
    """The three networks under the Colorizer contract.

    The confidence is the similarity of each position to its match in the exemplar.
    """

    def __init__(self, network: ExemplarVideo, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @property
    def _three(self) -> ExemplarVideo:
        assert isinstance(self.network, ExemplarVideo)
        return self.network

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        exemplar, previous = conditions.exemplar, conditions.previous
        assert isinstance(exemplar, VideoExemplar)  # the spec requires one, and colorize() has looked whose
        height, width = self._working_size(L, size)
        L = resize_lightness(L.to(self.device), height, width)
        reference = Reference(*(part.to(self.device) for part in exemplar.reference))
        warped, similarity = self._three.match(L / 100, reference)
        last = L.new_zeros(1, 3, height, width)
        if previous is not None:
            last_L = resize_lightness(previous.L.to(self.device), height, width) - 50
            # Lightness or chroma, planes are resampled alike.
            last = torch.cat([last_L, resize_lightness(previous.ab.to(self.device), height, width)], 1)
        last = last.expand(len(L), -1, -1, -1)
        x = torch.cat([L - 50, warped[:, 1:], similarity, last], 1)
        ab = self._three.colornet(x.to(self.dtype)).float()
        return Chroma(ab, similarity.clamp(0, 1))

    @torch.inference_mode()
    def encode_exemplar(self, rgb: Tensor, *, size: int | None = None) -> VideoExemplar:
        """Return what the warp needs of one reference picture; see ``Colorizer.encode_exemplar``."""
        check_reference(rgb)
        if len(rgb) != 1:
            raise ValueError(f"one reference is matched at a time, got {len(rgb)} pictures: give [1,3,H,W]")
        if size is not None and not 16 <= size <= 4096:
            raise ValueError(f"working size must be 16..4096, got {size}")
        self.check_once()
        shape = self._working_size(rgb, size or self.spec.size)
        rgb = rgb.to(self.device, torch.float32)
        if rgb.shape[-2:] != shape:
            rgb = F.interpolate(rgb, shape, mode="bilinear", align_corners=False, antialias=True)
        rgb = rgb.clamp(0, 1)
        lab = rgb_to_lab(rgb)
        lab[:, 0] -= 50
        return VideoExemplar(self.spec.system, self._three.encode(rgb, lab))

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """One frame after the other, each 432 x 768 (``size``: the height) from its middle, at half of that.

        The state holds the reference, as it was matched, and what the network said of the frame before.
        """
        assert reference is not None  # the spec requires one
        large = frame_of(rgb, size).to(self.device)
        lab = F.interpolate(large, scale_factor=1 / ENLARGE, mode="bilinear")
        if state is None:
            given = frame_of(reference, size).to(self.device)
            given = F.interpolate(given, scale_factor=1 / ENLARGE, mode="bilinear")
            exemplar = self._three.encode(reference_rgb(given), given)
            last = torch.zeros_like(lab)
        elif isinstance(state, PublishedState) and state.last.shape == lab.shape:
            exemplar, last = state.exemplar, state.last
        else:
            raise ValueError("the state is not that of the frame before, of the same clip: begin with None")
        warped, similarity = self._three.match((lab[:, :1] + 50) / 100, exemplar)
        x = torch.cat([lab[:, :1], warped[:, 1:], similarity, last], 1)
        ab = self._three.colornet(x.to(self.dtype)).float()
        enlarged = F.interpolate(ab, scale_factor=ENLARGE, mode="bilinear") * SATURATION
        L = large[:, :1] + 50
        coloured = lab_to_8_bit_rgb(torch.cat([L, smooth_as_published(enlarged, L)], 1))
        return Published(coloured, ab, PublishedState(exemplar, torch.cat([lab[:, :1], ab], 1)))

    def _working_size(self, picture: Tensor, size: int) -> tuple[int, int]:
        height, width = working_size(picture.shape[-2], picture.shape[-1], size, multiple=self.spec.multiple)
        return max(height, _LEAST_SIDE), max(width, _LEAST_SIDE)
