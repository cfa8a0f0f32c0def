"""Any checkpoint that is known here as safetensors, with what it is and its terms in it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from .checkpoint import load_checkpoint
from .errors import CheckpointError, NotAFileError
from .published import PUBLISHED
from .registry import PARTS, detect_system


@dataclass(frozen=True)
class Converted:
    """A file that was written: the ``system`` it is of, or the part of one, and its metadata."""

    path: Path
    system: str
    metadata: dict[str, str]


def convert(source: Path, target: Path) -> Converted:
    """Write a checkpoint as safetensors, its wrappers taken off, each tensor as it is.

    A system of several files stays several: each is converted by itself. The metadata says system, title,
    source (name and SHA-256) and the licences of code and weights. What was written is read back and compared
    before it appears. Raises CheckpointError for what no system claims, and for a target that cannot be
    written or is the source.
    """
    if target.suffix.lower() != ".safetensors":
        raise CheckpointError(f"the result is safetensors: its name must end so, got {target}")
    checkpoint = load_checkpoint(source)
    if target.exists() and target.samefile(source):
        raise CheckpointError("is that already: name another file", source)
    tensors, shapes = checkpoint.tensors, checkpoint.shapes
    part_of = next((one for one in PARTS if one.detect(shapes)), None)
    if part_of is not None:
        name, title, code, weights = part_of.name, part_of.title, "", ""
    else:
        spec = detect_system(shapes, path=source).spec
        name, title, code, weights = spec.system, spec.title, spec.code_licence, spec.weights_licence
    entry = next((e for e in PUBLISHED if source.name in (e.file, e.local_name)), None)
    with source.open("rb") as file:
        digest = hashlib.sha256()
        while data := file.read(1 << 20):
            digest.update(data)
    metadata = dict(checkpoint.metadata) | {
        "system": name,
        "title": title,
        "source": source.name,
        "source_sha256": digest.hexdigest(),
        "code_licence": entry.code_licence if entry else code or "unknown",
        "weights_licence": entry.weights_licence if entry else weights or "unknown",
    }
    # Tensors that share memory are written each by itself.
    whole = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        save_file(whole, part, metadata)
        again = load_checkpoint(part).tensors
        if again.keys() != whole.keys() or not all(torch.equal(again[k], v) for k, v in whole.items()):
            raise CheckpointError("was not written as it is read: is the disk full?", target)
        del again  # Windows replaces no file that is mapped
        part.replace(target)
    except OSError as error:
        raise NotAFileError(f"cannot be written ({error.strerror or error})", target) from error
    finally:
        part.unlink(missing_ok=True)
    return Converted(target, name, metadata)
