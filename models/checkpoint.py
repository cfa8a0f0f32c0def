"""The one safe way from a checkpoint file to its tensors."""

from __future__ import annotations

from pathlib import Path

from .caffe_model import CAFFE
from .errors import NotACheckpointError, NotAFileError
from .formats import Checkpoint, Format, detect_format
from .pickle_file import TORCH_LEGACY, TORCH_ZIP
from .safetensors_file import SAFETENSORS
from .system import Shapes
from .tensorflow_bundle import TENSORFLOW
from .unwrap import drop_prefixes

#: Every format that can be read. A system with files of its own kind adds its Format here.
FORMATS: tuple[Format, ...] = (SAFETENSORS, TORCH_ZIP, TORCH_LEGACY, TENSORFLOW, CAFFE)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read every tensor of a file, onto the CPU, without running any code in it.

    safetensors and today's .pth are memory-mapped: nothing is copied. Wrappers (``params_ema``,
    ``params``, ``state_dict``, ``model``) and the prefix ``module.`` are taken off. Raises the subclass of
    CheckpointError that says what is wrong: NotAFileError, EmptyFileError, TruncatedFileError,
    NotACheckpointError, UnsafePickleError, WrongTypeError.
    """
    path = Path(path)
    form = detect_format(path, FORMATS)
    try:
        checkpoint = form.read(path)
    except OSError as error:
        raise NotAFileError(f"cannot be read ({error.strerror or error})", path) from error
    tensors = drop_prefixes(checkpoint.tensors)
    if not tensors:
        raise NotACheckpointError("holds no tensors", path)
    return Checkpoint(tensors, checkpoint.metadata, path, checkpoint.check_later)


def peek_shapes(path: str | Path) -> Shapes | None:
    """Return names and shapes where they cost no more than a header, None for formats read as a whole.

    Names are as ``load_checkpoint`` gives them. Raises as ``load_checkpoint`` does.
    """
    path = Path(path)
    form = detect_format(path, FORMATS)
    try:
        shapes = form.peek(path)
    except OSError as error:
        raise NotAFileError(f"cannot be read ({error.strerror or error})", path) from error
    return shapes if shapes is None else drop_prefixes(dict(shapes))


def stamp(path: str | Path) -> tuple[Path, int]:
    """Return what tells one state of a checkpoint from another: resolved path, newest change in ns.

    Raises NotAFileError if it is not there.
    """
    path = Path(path)
    try:
        resolved = path.resolve(strict=True)
        parts = detect_format(resolved, FORMATS).parts(resolved)
        return resolved, max(part.stat().st_mtime_ns for part in parts)
    except (OSError, RuntimeError) as error:
        raise NotAFileError("there is no such file: check the path", path) from error
