"""A picture classifier to measure colourings with: EfficientNet-Lite2. It colours nothing and never ships."""

from __future__ import annotations

from .network import CLASS_COUNT, FEATURE_COUNT, Classifier
from .pretrained import find_classifier_weights, load_classifier

__all__ = ["CLASS_COUNT", "FEATURE_COUNT", "Classifier", "find_classifier_weights", "load_classifier"]
