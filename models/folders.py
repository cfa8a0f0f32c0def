"""Where a user's checkpoints lie, and what they are called: light, since ComfyUI imports it at its start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: Set this to keep downloaded checkpoints elsewhere.
FOLDER_VARIABLE = "CHROMINANCE_MODELS"

#: How the file that names a TensorFlow bundle's parts ends, and a Caffe network's weights.
INDEX_SUFFIX, CAFFE_SUFFIX = ".index", ".caffemodel"

#: Names under which checkpoints are looked for in folders; the content decides, not the name.
CHECKPOINT_EXTENSIONS = frozenset(
    {".safetensors", ".sft", ".pth", ".pt", ".bin", ".ckpt", INDEX_SUFFIX, CAFFE_SUFFIX}
)


def user_models_folder() -> Path:
    """Return the folder for checkpoints that the user fetches; it need not exist yet.

    The environment variable CHROMINANCE_MODELS names another one.
    """
    chosen = os.environ.get(FOLDER_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "chrominance" / "models"
