"""From luminance to chroma with the generators of Nazeri 2018 and of its PyTorch ports."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from ...color import lab_to_rgb
from ..contract import Chroma, Colorizer, Conditions, ModelSpec, Published
from ..resize import pillow_resize, resize_lightness, working_size
from ..scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb
from .network import GanUNet
from .ports import ResNetUNet, TutorialUNet

# ab in CIE units that the networks' 1 stands for.
_AB_SCALE = 110.0
# Of linear light as the authors weigh it; their sum is 0.9999.
_LUMA = (0.2989, 0.587, 0.114)
# The side of the square that the tutorial stretches every picture to.
_TUTORIAL_SIDE = 256


class _Gan(Colorizer):
    """What both kinds share: an input that keeps the aspect, mirrored at its edges to full steps.

    ``least``: the smallest side of the network's input that gives colours of use.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec, least: int) -> None:
        self.network = network
        self.spec = spec
        self._least = least

    @torch.inference_mode()
    def _colorize(self, L: Tensor, conditions: Conditions, *, size: int, temperature: float | None) -> Chroma:
        multiple = self.spec.multiple
        size = max(round(size / multiple) * multiple, self._least)
        height, width = working_size(L.shape[-2], L.shape[-1], size)
        small = resize_lightness(L.to(self.device), height, width)
        ab = self._ab(mirror_to_multiple(small, multiple))[..., :height, :width].float() * _AB_SCALE
        return Chroma(ab, torch.ones_like(ab[:, :1]))

    @abstractmethod
    def _ab(self, L: Tensor) -> Tensor:
        """L [B,1,H,W] 0..100 → what the network says of ab, [B,2,H,W], 1 for 110."""


class TensorFlowGan(_Gan):
    """Nazeri 2018 under the Colorizer contract: one picture at a time, for its norms mix what they see."""

    def __init__(self, network: GanUNet, spec: ModelSpec) -> None:
        # Of one deepest value per channel nothing is left but a constant.
        super().__init__(network, spec, least=2 * spec.multiple)

    def _ab(self, L: Tensor) -> Tensor:
        grey = lab_to_rgb(torch.cat([L, torch.zeros_like(L), torch.zeros_like(L)], 1))[:, :1] * 255
        return torch.cat([self.network(one.to(self.dtype)) for one in grey.split(1)])[:, 1:]

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Lightness too is the network's, nothing is resized; sides must divide by ``spec.multiple``."""
        multiple = self.spec.multiple
        if size is not None or rgb.shape[1] % multiple or rgb.shape[2] % multiple:
            raise ValueError(
                f"{self.spec.title} as published takes pictures as they are, sides multiples of {multiple}, "
                f"got {rgb.shape[1]}x{rgb.shape[2]}"
                f"{'' if size is None else f' and a working size of {size}'}: "
                "crop or resize the picture, or leave as_published off"
            )
        weights = torch.tensor(_LUMA, device=self.device).view(3, 1, 1)
        grey = (rgb.to(self.device, torch.float32) * weights).sum(0, keepdim=True)
        lab = self.network(grey[None].to(self.dtype)).float()
        return Published(gan_lab_to_rgb(lab)[0], lab[:, 1:] * _AB_SCALE)


class TutorialGan(_Gan):
    """The pix2pix tutorial's generators under the Colorizer contract."""

    def __init__(self, network: TutorialUNet | ResNetUNet, spec: ModelSpec) -> None:
        super().__init__(network, spec, least=spec.multiple)

    def _ab(self, L: Tensor) -> Tensor:
        return self.network((L / 50 - 1).to(self.dtype))

    def _as_published(
        self, rgb: Tensor, reference: Tensor | None, size: int | None, state: object
    ) -> Published:
        """Stretched to a square of 256 pixels, bicubic, and left there."""
        side = size or _TUTORIAL_SIDE
        square = pillow_resize(rgb, side, side, "bicubic")
        L = (rgb_to_scikit_lab(square.double() / 255)[:1].float() / 50 - 1).to(self.device)
        ab = self.network(L[None].to(self.dtype)).float()
        # Not every device has float64.
        lab = torch.cat([(L + 1) * 50, ab[0] * _AB_SCALE]).cpu()
        return Published(scikit_lab_to_rgb(lab).float().to(self.device), ab * _AB_SCALE)


def gan_lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert ``GanUNet``'s output [B,3,H,W] to sRGB 0..1 as its authors do, each channel cut off.

    Their white is the one that ``chrominance.color`` has: the sum of the matrix's rows.
    """
    scale = torch.tensor([50.0, _AB_SCALE, _AB_SCALE], device=lab.device).view(3, 1, 1)
    shift = torch.tensor([1.0, 0.0, 0.0], device=lab.device).view(3, 1, 1)
    return lab_to_rgb((lab + shift) * scale, clip=True)


def mirror_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Continue [B,C,H,W] to the right and below by its mirror image until both sides divide by ``multiple``.

    A norm by the picture's own statistics sees more of the same picture; a repeated edge would be news to it.
    """
    for axis in (2, 3):
        side = x.shape[axis]
        wanted = math.ceil(side / multiple) * multiple
        if wanted != side:
            step = torch.arange(wanted, device=x.device) % (2 * side)
            x = x.index_select(axis, torch.minimum(step, 2 * side - 1 - step))
    return x
