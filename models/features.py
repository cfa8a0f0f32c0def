"""Where pictures' features come from: what an exemplar is matched by."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class FeatureExtractor(ABC):
    """A network that turns luminance into features at several strides, finest first.

    ``strides``: pixels of the input a position of each level stands for, every one a power of two times the
    first. ``multiple``: what both sides of the input must divide by.
    """

    name: str
    network: nn.Module
    strides: tuple[int, ...]
    multiple: int

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are now."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating type that the network computes in."""
        return next(self.network.parameters()).dtype

    def to(self, device: torch.device | str) -> FeatureExtractor:
        """Move the network to ``device``; return self."""
        self.network.to(device)
        return self

    def checked(self, L: Tensor) -> Tensor:
        """Return ``L`` float32 on the network's device; raises ValueError for a shape that does not fit."""
        step = self.multiple
        if L.ndim != 4 or L.shape[1] != 1 or 0 in L.shape or L.shape[-2] % step or L.shape[-1] % step:
            raise ValueError(f"L must be [B,1,H,W] with sides that divide by {step}, got {list(L.shape)}")
        return L.to(self.device, torch.float32)

    @abstractmethod
    def features(self, L: Tensor) -> list[Tensor]:
        """Luminance [B,1,H,W] 0..100 → a level a stride, float32 [B,C,H/stride,W/stride], not normalised."""
