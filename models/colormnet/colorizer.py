"""From luminance, an exemplar and the frames before to ColorMNet's chroma."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import rgb_to_lab
from ..contract import Chroma, Colorizer, Conditions, Exemplar, ModelSpec, Published, check_reference
from ..resize import pillow_resize, resize_lightness, working_size
from ..scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb
from .encoders import MULTIPLE
from .memory import MemorySettings
from .network import ClipState, ColorMNet

_AB_SCALE = 110.0


@dataclass(frozen=True)
class MemoryExemplar(Exemplar):
    """A reference picture, Lab [1,3,h,w]; what the network sees in it is kept for each size of frames."""

    lab: Tensor
    seen: dict[tuple[int, int], ClipState] = field(default_factory=dict, compare=False)


class ColorMNetColorizer(Colorizer):
    """ColorMNet under the Colorizer contract: an exemplar, and the frame before where there is one.

    A frame by itself has no past: here the memory holds the exemplar and the frame before. The whole memory,
    as its authors have it, goes from frame to frame in ``as_published``.
    """

    def __init__(self, network: ColorMNet, spec: ModelSpec) -> None:
        self.network = network
        self.spec = spec

    @property
    def _net(self) -> ColorMNet:
        assert isinstance(self.network, ColorMNet)
        return self.network

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        exemplar, previous = conditions.exemplar, conditions.previous
        assert isinstance(exemplar, MemoryExemplar)  # the spec requires one, and colorize() has looked whose
        shape = working_size(L.shape[-2], L.shape[-1], size, multiple=MULTIPLE)
        frames = self._frame(L, shape)
        found = []
        for number, frame in enumerate(frames):
            state = self._after_exemplar(exemplar, shape)
            if previous is not None:
                place = number if len(previous) > 1 else 0
                before = self._frame(previous.L[place : place + 1], shape)
                ab = resize_lightness(previous.ab[place : place + 1].to(self.device), *shape) / _AB_SCALE
                self._net.memorise(before, ab[0].to(self.dtype), self._net.see(before), state)
            found.append(self._net.step(frame[None], state))
        ab = torch.stack(found).float() * _AB_SCALE
        return Chroma(ab, torch.ones_like(ab[:, :1]))

    def _frame(self, L: Tensor, shape: tuple[int, int]) -> Tensor:
        return ((resize_lightness(L.to(self.device), *shape) - 50) / 50).to(self.dtype)

    def _after_exemplar(self, exemplar: MemoryExemplar, shape: tuple[int, int]) -> ClipState:
        """Return a state of one's own in which only the exemplar is known, brought to the frames' size."""
        known = exemplar.seen.get(shape)
        if known is None:
            lab = F.interpolate(
                exemplar.lab.to(self.device), shape, mode="bilinear", align_corners=False, antialias=True
            )
            ab = (lab[0, 1:] / _AB_SCALE).to(self.dtype)
            known = self._net.begin(self._frame(lab[:, :1], shape), ab, MemorySettings())
            exemplar.seen[shape] = known
        return known.copy()

    @torch.inference_mode()
    def encode_exemplar(self, rgb: Tensor, *, size: int | None = None) -> MemoryExemplar:
        """Return what is kept of one reference picture; see ``Colorizer.encode_exemplar``."""
        check_reference(rgb)
        if len(rgb) != 1:
            raise ValueError(f"one reference is matched at a time, got {len(rgb)} pictures: give [1,3,H,W]")
        if size is not None and not 16 <= size <= 4096:
            raise ValueError(f"working size must be 16..4096, got {size}")
        self.check_once()
        return MemoryExemplar(self.spec.system, rgb_to_lab(rgb.to(self.device, torch.float32).clamp(0, 1)))

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Frames as they are, padded with zeros around to multiples of 112; the memory goes on in the state.

        The reference is brought to the frame's size. In float32, where the authors' script computes in
        float16 wherever PyTorch finds that safe.
        """
        assert reference is not None  # the spec requires one
        if size is not None:
            raise ValueError(f"{self.spec.title} as published takes frames as they are: leave the size out")
        height, width = rgb.shape[1:]
        lab = rgb_to_scikit_lab(rgb.double() / 255)[None].float()
        frame = self._padded((lab[:, :1] - 50) / 50)
        if state is None:
            fitted = pillow_resize(reference, height, width, "bilinear")
            known = rgb_to_scikit_lab(fitted.double() / 255)[None].float()
            ab = self._padded(known[:, 1:] / _AB_SCALE)[0]
            other = self._padded((known[:, :1] - 50) / 50)
            state = self._net.begin(other, ab, MemorySettings(), apart=True)
        elif not isinstance(state, ClipState) or state.last_key.shape[2:] != tuple(
            side // 16 for side in frame.shape[2:]
        ):
            raise ValueError("the state is not that of the frame before, of the same clip: begin with None")
        ab = self._net.step(frame, state).float()[None] * _AB_SCALE
        top, left = (frame.shape[2] - height) // 2, (frame.shape[3] - width) // 2
        ab = ab[:, :, top : top + height, left : left + width]
        coloured = scikit_lab_to_rgb(torch.cat([lab[:, :1], ab.cpu()], 1))[0]
        return Published(coloured.float().to(self.device), ab, state)

    def _padded(self, x: Tensor) -> Tensor:
        """Surround [1,C,H,W] with zeros to multiples of 112."""
        down, across = -x.shape[2] % MULTIPLE, -x.shape[3] % MULTIPLE
        top, left = down // 2, across // 2
        return F.pad(x, (left, across - left, top, down - top)).to(self.device, self.dtype)
