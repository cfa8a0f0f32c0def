"""Networks: the registry, the safe checkpoint loader, the cache, the weights that ship and are published.

The names below are imported when they are first used: ComfyUI imports the nodes at its start, and most starts
need none of the networks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import ModelCache
    from .checkpoint import load_checkpoint, peek_shapes
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
    from .folders import CHECKPOINT_EXTENSIONS, user_models_folder
    from .formats import Checkpoint
    from .load import load_colorizer
    from .locate import (
        Found,
        find_checkpoints,
        resolve_source,
        shipped_names,
        shipped_weights,
    )
    from .published import PUBLISHED, Published, get_published
    from .registry import REGISTRY, detect_system, get_system
    from .system import System

_WHERE = {
    "cache": ("ModelCache",),
    "checkpoint": (
        "load_checkpoint",
        "peek_shapes",
    ),
    "contract": (
        "Chroma",
        "Colorizer",
        "Conditions",
        "Exemplar",
        "ModelSpec",
        "Previous",
    ),
    "errors": (
        "CheckpointError",
        "EmptyFileError",
        "KeyMismatchError",
        "MissingPartError",
        "NonFiniteError",
        "NotACheckpointError",
        "NotAFileError",
        "TruncatedFileError",
        "UnfilledError",
        "UnknownSystemError",
        "UnsafePickleError",
        "WrongShapeError",
        "WrongTypeError",
    ),
    "features": ("FeatureExtractor",),
    "features_load": ("load_features",),
    "folders": ("CHECKPOINT_EXTENSIONS", "user_models_folder"),
    "formats": ("Checkpoint",),
    "load": ("load_colorizer",),
    "locate": (
        "Found",
        "find_checkpoints",
        "resolve_source",
        "shipped_names",
        "shipped_weights",
    ),
    "published": (
        "PUBLISHED",
        "Published",
        "get_published",
    ),
    "registry": (
        "REGISTRY",
        "detect_system",
        "get_system",
    ),
    "system": ("System",),
}

_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for; raises AttributeError for a name that is not in ``__all__``."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


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
