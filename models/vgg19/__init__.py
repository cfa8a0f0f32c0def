"""VGG19: features to match pictures by, from the file of a user; the trunk that other systems build on."""

from __future__ import annotations

from .features import LEVELS, VGG19Features
from .files import PARTS, preprocessing, remap_vgg19
from .network import VGG19

__all__ = ["LEVELS", "PARTS", "VGG19", "VGG19Features", "preprocessing", "remap_vgg19"]
