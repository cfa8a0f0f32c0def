"""The network that ships with the pack: luminance and conditions in, a distribution over 313 ab bins out.

Paper: the output, its soft targets and the annealed mean are those of Zhang, Isola, Efros, "Colorful Image
Colorization", ECCV 2016. For the encoder, the decoder and the conditions see encoder.py, decoder.py and
conditions.py.
Reference source: none for the whole.
Code licence: Apache-2.0. Weights licence: Apache-2.0 (encoder initialised from Apache-2.0 ImageNet weights;
docs/weights.md names the photos it was trained on).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...color.ab_bins import BIN_COUNT
from .conditions import (
    LOCAL_WIDTHS,
    REFERENCE_SIZE,
    VECTOR_SIZE,
    ColorEncoder,
    ColorHead,
    ConditionBlock,
    Kinship,
    LocalPyramid,
    PaletteEncoder,
)
from .decoder import COLOR_SIZE, ContextBlock, DecoderBlock
from .encoder import TAPS, Encoder

#: The output has a position for every 4x4 pixels of the input.
STRIDE = 4
#: Decoder widths at strides 32, 16, 8, 4.
_WIDTHS = (256, 192, 128, 80)
#: Level (by stride 32, 16, 8, 4) whose condition block relates what is far apart: hints spread from there.
_ATTENDING = 1


class EmbeddedNetwork(nn.Module):
    """Encoder, context, a pyramid decoder, and logits over the bins at a quarter of the size.

    Without a condition only the automatic path runs; what is trained on conditions cannot change it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        taps = list(TAPS.values())
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(reversed(taps), _WIDTHS, strict=True))
        self.context = nn.Sequential(ContextBlock(_WIDTHS[0]), ContextBlock(_WIDTHS[0]))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(_WIDTHS))
        self.blocks = nn.ModuleList(DecoderBlock(w) for w in _WIDTHS)
        self.head = nn.Conv2d(_WIDTHS[-1], BIN_COUNT, 1)
        self.color_encoder = ColorEncoder()
        self.palette_encoder = PaletteEncoder()
        self.no_color = nn.Parameter(torch.zeros(COLOR_SIZE))
        self.local = LocalPyramid()
        self.conditions = nn.ModuleList(
            ConditionBlock(w, n + 3, attend=i == _ATTENDING)
            for i, (w, n) in enumerate(zip(_WIDTHS, reversed(LOCAL_WIDTHS), strict=True))
        )
        self.color_head = ColorHead(BIN_COUNT)
        self.kinship = Kinship(taps[-1])

    def automatic_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that a picture without conditions meets."""
        parts = (self.encoder, self.lateral, self.context, self.shrink, self.head)
        found = [p for part in parts for p in part.parameters()]
        for block in self.blocks:
            assert isinstance(block, DecoderBlock)
            found += [*block.conv1.parameters(), *block.conv2.parameters(), block.scale]
        return found

    def forward(
        self,
        L: Tensor,
        local: Tensor | None = None,
        color: Tensor | None = None,
        has_color: Tensor | None = None,
    ) -> Tensor:
        """Luminance and what is known → logits [B,313,H/4,W/4].

        ``L``: [B,1,H,W] 0..100, H and W multiples of 32. ``local``: [B,3,H/4,W/4], known ab / 60 times its
        confidence, and the confidence 0..1. ``color``: colour vectors [B,512]; ``has_color``: [B] bool, which
        of them count (default all).
        """
        features = self.encoder(L)[::-1]  # coarsest first
        if local is None and color is None:
            return self._automatic(features)
        batch, height, width = len(L), L.shape[-2] // STRIDE, L.shape[-1] // STRIDE
        if local is None:
            local = L.new_zeros(batch, 3, height, width)
        if color is None:
            color, has_color = L.new_zeros(batch, VECTOR_SIZE), L.new_zeros(batch, dtype=torch.bool)
        elif has_color is None:
            has_color = torch.ones(batch, dtype=torch.bool, device=L.device)
        assert has_color is not None
        dtype = self.head.weight.dtype
        belief = self.kinship(features[0], color[:, COLOR_SIZE:]) * has_color[:, None]
        # Of zeros where there is none, or where it is not believed: nothing is modulated.
        style = color[:, :COLOR_SIZE].to(dtype) * belief.to(dtype)
        color = style + self.no_color * (1 - belief).to(dtype)
        given = has_color.view(-1, 1, 1, 1) | (local[:, 2:].amax((1, 2, 3), keepdim=True) > 0)
        known = self.local(local)[::-1]
        x = self.lateral[0](features[0])
        x = self.context(self.conditions[0](x, known[0], color, given))
        x = self.blocks[0](x, style)
        for i, feature in enumerate(features[1:], 1):
            x = self._up(i, x, feature)
            x = self.blocks[i](self.conditions[i](x, known[i], color, given), style)
        logits = self.head(F.leaky_relu(x, 0.2))
        small = F.interpolate(L, size=(height, width), mode="area")
        return logits + self.color_head(style, small)

    def encode_reference(self, lab: Tensor) -> Tensor:
        """Reference pictures, Lab [B,3,96,96] → colour vectors [B,512]."""
        small = F.interpolate(lab, size=(REFERENCE_SIZE, REFERENCE_SIZE), mode="area")
        descriptor = self.kinship.describe(self.encoder(lab[:, :1])[-1])
        return torch.cat([self.color_encoder(small).float(), descriptor], 1)

    def encode_palette(self, lab: Tensor, share: Tensor, light: Tensor, lit: Tensor) -> Tensor:
        """Palettes and the colour of light, as PaletteEncoder takes them → colour vectors [B,512]."""
        return F.pad(self.palette_encoder(lab, share, light, lit).float(), (0, VECTOR_SIZE - COLOR_SIZE))

    def _automatic(self, features: list[Tensor]) -> Tensor:
        x = self.blocks[0](self.context(self.lateral[0](features[0])))
        for i, feature in enumerate(features[1:], 1):
            x = self.blocks[i](self._up(i, x, feature))
        return self.head(F.leaky_relu(x, 0.2))

    def _up(self, level: int, x: Tensor, feature: Tensor) -> Tensor:
        # Bilinear: what is coarse here would stay visible as squares of 32 pixels in plain areas.
        x = F.interpolate(self.shrink[level - 1](x), scale_factor=2, mode="bilinear", align_corners=False)
        return x + self.lateral[level](feature)
