"""Networks: the registry, the safe checkpoint loader, the cache, the weights that ship and are published."""

from __future__ import annotations

from .cache import ModelCache
from .checkpoint import CHECKPOINT_EXTENSIONS, load_checkpoint, peek_shapes
from .contract import Chroma, Colorizer, Conditions, Exemplar, ModelSpec, Previous
from .errors import (
    CheckpointError,
    EmptyFileError,
    KeyMismatchError,
    MissingPartError,
    NonFiniteError,
    NotACheckpointError,
    NotAFileError,
    TruncatedFileError,
    UnfilledError,
    UnknownSystemError,
    UnsafePickleError,
    WrongShapeError,
    WrongTypeError,
)
from .features import FeatureExtractor
from .features_load import load_features
from .formats import Checkpoint
from .load import load_colorizer
from .locate import (
    Found,
    find_checkpoints,
    resolve_source,
    shipped_names,
    shipped_weights,
    user_models_folder,
)
from .published import PUBLISHED, Published, get_published
from .registry import REGISTRY, detect_system, get_system
from .system import System

__all__ = [
    "CHECKPOINT_EXTENSIONS",
    "PUBLISHED",
    "REGISTRY",
    "Checkpoint",
    "CheckpointError",
    "Chroma",
    "Colorizer",
    "Conditions",
    "EmptyFileError",
    "Exemplar",
    "FeatureExtractor",
    "Found",
    "KeyMismatchError",
    "MissingPartError",
    "ModelCache",
    "ModelSpec",
    "NonFiniteError",
    "NotACheckpointError",
    "NotAFileError",
    "Previous",
    "Published",
    "System",
    "TruncatedFileError",
    "UnfilledError",
    "UnknownSystemError",
    "UnsafePickleError",
    "WrongShapeError",
    "WrongTypeError",
    "detect_system",
    "find_checkpoints",
    "get_published",
    "get_system",
    "load_checkpoint",
    "load_colorizer",
    "load_features",
    "peek_shapes",
    "resolve_source",
    "shipped_names",
    "shipped_weights",
    "user_models_folder",
]
