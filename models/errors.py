"""What can be wrong with a checkpoint, one class a case; every message is one line with the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


class CheckpointError(ValueError):
    """A checkpoint cannot be used. ``path`` is the file, where one is known."""

    def __init__(self, message: str, path: Path | None = None):
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path

    def at(self, path: Path) -> None:
        """Name the file, in an error that was raised where it was not known."""
        if self.path is None:
            self.path = path
            self.args = (f"{path}: {self.message}",)


class NotAFileError(CheckpointError):
    """There is no readable file: absent, a folder, or not permitted."""


class EmptyFileError(CheckpointError):
    """The file has no bytes."""


class TruncatedFileError(CheckpointError):
    """The file starts as a checkpoint but is damaged or ends too early."""


class NotACheckpointError(CheckpointError):
    """The file is something else: a text, a picture, a web page, an archive without tensors."""


class UnsafePickleError(CheckpointError):
    """The pickle names types that could run code. ``blocked`` are their names; nothing was executed."""

    def __init__(self, blocked: Sequence[str], path: Path | None = None):
        self.blocked = tuple(blocked)
        super().__init__(
            f"refused, its pickle names {_some(blocked)}, which may run code on loading; nothing was run and "
            "nothing is retried unsafely. Get the weights as safetensors or as a plain state dict",
            path,
        )


class UnknownSystemError(CheckpointError):
    """No system claims the file. ``closest`` is the nearest one's name, if any is near at all."""

    def __init__(
        self,
        message: str,
        path: Path | None = None,
        *,
        closest: str | None = None,
        missing: Iterable[str] = (),
        unexpected: Iterable[str] = (),
    ):
        super().__init__(message, path)
        self.closest = closest
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)


class WrongShapeError(CheckpointError):
    """One tensor has a shape that the system does not have."""

    def __init__(
        self,
        tensor: str,
        expected: Sequence[int | None] | str,
        got: Sequence[int],
        path: Path | None = None,
        *,
        system: str | None = None,
    ):
        self.tensor, self.expected, self.got = tensor, expected, tuple(got)
        wanted = expected if isinstance(expected, str) else shape_text(expected)
        super().__init__(
            f"tensor {tensor} should be {wanted}, got {shape_text(got)}"
            + (f" (read as {system})" if system else "")
            + ". The file is of another variant or was altered: fetch it again",
            path,
        )


class WrongTypeError(CheckpointError):
    """One tensor has an element type or a layout that no network here can take."""


class KeyMismatchError(CheckpointError):
    """Tensors are missing from the file, or it has some that the network has no place for."""

    def __init__(
        self,
        system: str,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        path: Path | None = None,
    ):
        self.missing, self.unexpected = tuple(missing), tuple(unexpected)
        parts = []
        if missing:
            parts.append(f"lacks {_some(missing)}")
        if unexpected:
            parts.append(f"has {_some(unexpected)}, unknown to the network")
        super().__init__(
            f"read as {system}, the file {' and '.join(parts)}. It is of another variant or was altered: "
            "fetch it again",
            path,
        )


class MissingPartError(CheckpointError):
    """A system of several files lacks one of them, or has another in its place."""


class NonFiniteError(CheckpointError):
    """A tensor holds NaN or infinity (in the file, or after conversion to the requested type)."""


class UnfilledError(CheckpointError):
    """The network has a parameter or buffer that nothing gave a value: a fault of the system's code."""


def shape_text(shape: Sequence[int | None]) -> str:
    """Write a shape: [64, 3, any, any]."""
    return "[" + ", ".join("any" if s is None else str(s) for s in shape) + "]"


def some_text(names: Iterable[str], limit: int = 3) -> str:
    """Write the first few of many names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


_some = some_text
