"""The file formats of checkpoints: which one a file has, and what the files are that have none of them."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from .errors import EmptyFileError, NotACheckpointError, NotAFileError
from .system import Shapes, State

#: How much of a file's beginning the formats are told apart by.
HEAD_BYTES = 64

# How other things begin that turn up under a checkpoint's name.
_OTHERS = (
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"GGUF", "a GGUF language model"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer: the weights themselves were not fetched (git lfs pull)"),
    (b"<", "a web page or XML: the download gave a page instead of the file"),
)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file, unwrapped, under their names in the file, on the CPU.

    ``metadata``: what a safetensors header says beside the tensors; empty for other formats.
    ``check_later``: whether large tensors are looked at for NaN at the first use and not on loading: for
    a format that loads in less time than reading its values takes.
    """

    tensors: State
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    path: Path | None = None
    check_later: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors."""
        return {key: tuple(tensor.shape) for key, tensor in self.tensors.items()}


def _no_shapes(path: Path) -> Shapes | None:
    return None


def _only_itself(path: Path) -> tuple[Path, ...]:
    return (path,)


@dataclass(frozen=True)
class Format:
    """A way to lay out a checkpoint on disk.

    ``claims``: from the path and the file's first bytes (none for a folder), is it this format.
    ``read``: everything. ``peek``: names and shapes where they cost next to nothing, else None.
    ``parts``: all files that belong to the checkpoint at ``path``, for formats of several files.
    """

    name: str
    claims: Callable[[Path, bytes], bool]
    read: Callable[[Path], Checkpoint]
    peek: Callable[[Path], Shapes | None] = _no_shapes
    parts: Callable[[Path], tuple[Path, ...]] = _only_itself


def detect_format(path: Path, formats: tuple[Format, ...]) -> Format:
    """Return the format of the checkpoint at ``path``, by its content and not by its name.

    Raises NotAFileError, EmptyFileError, or NotACheckpointError that says what the file is instead.
    """
    head = b""
    if not path.is_dir():
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except FileNotFoundError:
            raise NotAFileError("there is no such file: check the path", path) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NotAFileError(
                f"cannot be read ({reason}): check the path and its permissions", path
            ) from error
        if not head:
            raise EmptyFileError("the file is empty: fetch it again", path)
    for form in formats:
        if form.claims(path, head):
            return form
    if path.is_dir():
        raise NotAFileError("is a folder, a checkpoint file was expected: name the file in it", path)
    known = ", ".join(form.name for form in formats)
    raise NotACheckpointError(f"is {_describe(head)}, expected a checkpoint ({known})", path)


def _describe(head: bytes) -> str:
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, what in _OTHERS:
        if stripped.startswith(start) or head.startswith(start):
            return what
    try:
        # The last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = ""
    if text and all(c.isprintable() or c in "\r\n\t\f" for c in text):
        return "a text file"
    return "of an unknown format"
