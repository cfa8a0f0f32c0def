"""The systems that can be loaded, and how a checkpoint finds its own among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import (
    color2embed,
    colormnet,
    ddcolor,
    deoldify,
    embedded,
    exemplar_video,
    he2018,
    nazeri2018,
    vgg19,
    zhang,
)
from .errors import UnknownSystemError, WrongShapeError, shape_text, some_text
from .he2018 import gray_vgg
from .system import Part, Shapes, System, fits

#: Every system, in no order that matters: no file may fit two. To add one: docs/adding-a-model.md.
REGISTRY: tuple[System, ...] = (
    embedded.SYSTEM,
    he2018.SYSTEM,
    exemplar_video.SYSTEM,
    color2embed.SYSTEM,
    color2embed.OWN,
    colormnet.SYSTEM,
    *ddcolor.SYSTEMS,
    *deoldify.SYSTEMS,
    *nazeri2018.SYSTEMS,
    zhang.ECCV16,
    zhang.SIGGRAPH17,
)

#: What people have beside them that is no colorizer by itself.
PARTS: tuple[Part, ...] = (
    *vgg19.PARTS,
    gray_vgg.PART,
    *(part for system in REGISTRY for part in system.companions),
)

# A system counts as near when this part of its telling tensors is in the file.
_NEAR = 0.3

# What else people have in their model folders, told by a part of a tensor's name.
_STRANGERS = (
    (("lora_up.", "lora_down.", ".lora_A.", ".lora_B.", "lora_unet_", "lora_te_"), "a LoRA"),
    (("control_model.", "controlnet_"), "a ControlNet"),
    (("model.diffusion_model.", "double_blocks.", "joint_blocks."), "a diffusion model"),
    (("first_stage_model.", "encoder.down.0.block.", "decoder.up.0.block.", "decoder.mid."), "a VAE"),
    (("text_model.encoder.", "transformer.resblocks.", "self_attn.q_proj."), "a text or language model"),
)


def detect_system(
    shapes: Shapes, systems: Sequence[System] | None = None, *, path: Path | None = None
) -> System:
    """Return the one system that a file with these tensors belongs to.

    ``systems``: where to look, by default REGISTRY. Raises WrongShapeError where all names fit a system
    and a shape does not; UnknownSystemError, which names the closest system and what is missing or
    unexpected, where none fits (or, a fault of the registry, two do).
    """
    systems = REGISTRY if systems is None else systems
    fitting = [system for system in systems if system.detect(shapes)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        titles = " and ".join(system.spec.title for system in fitting)
        raise UnknownSystemError(f"fits {titles} alike: report this file, it shows a fault here", path)
    raise _explain(shapes, systems, path)


def get_system(name: str, systems: Sequence[System] | None = None) -> System:
    """Return the system of that name; raises KeyError that lists the names there are."""
    systems = REGISTRY if systems is None else systems
    for system in systems:
        if system.name == name:
            return system
    raise KeyError(f"no system named {name}; there are: {', '.join(s.name for s in systems)}")


def _explain(
    shapes: Shapes, systems: Sequence[System], path: Path | None
) -> UnknownSystemError | WrongShapeError:
    closest = max(systems, key=lambda system: _nearness(system, shapes), default=None)
    if closest is None or _nearness(closest, shapes) < _NEAR:
        known = "; ".join(system.spec.title for system in systems) or "none"
        return UnknownSystemError(
            f"{_stranger(shapes)}, not a colorizer that is known here. Known: {known}",
            path,
            unexpected=shapes,
        )
    title = closest.spec.title
    missing = [key for key in closest.signature if key not in shapes]
    wrong = [k for k, pattern in closest.signature.items() if k in shapes and not fits(shapes[k], pattern)]
    if wrong and not missing:
        key = wrong[0]
        return WrongShapeError(key, closest.signature[key], shapes[key], path, system=title)
    # Names beside the telling ones are normal; those of a family that the system does not have are not.
    families = {key.split(".")[0] for key in closest.signature}
    unexpected = [key for key in shapes if key.split(".")[0] not in families]
    parts = []
    if missing:
        parts.append(f"it lacks {some_text(missing)}")
    if wrong:
        key = wrong[0]
        parts.append(f"{key} should be {shape_text(closest.signature[key])}, got {shape_text(shapes[key])}")
    if unexpected:
        parts.append(f"it has {some_text(unexpected)}")
    return UnknownSystemError(
        f"no system fits; the closest is {title}, but {'; '.join(parts) or 'it is another variant'}. "
        "Fetch the published file again, or see which files are known: chrominance models",
        path,
        closest=closest.name,
        missing=missing,
        unexpected=unexpected,
    )


def _nearness(system: System, shapes: Shapes) -> float:
    """Return how much of a system's signature a file has, 0..1; a wrong shape counts for a half."""
    points = sum(
        (1.0 if fits(shapes[key], pattern) else 0.5)
        for key, pattern in system.signature.items()
        if key in shapes
    )
    return points / len(system.signature)


def _stranger(shapes: Shapes) -> str:
    for marks, what in _STRANGERS:
        if any(mark in key for key in shapes for mark in marks):
            return f"is {what} ({some_text(shapes, 1)})"
    return f"has {len(shapes)} tensors ({some_text(shapes)})"
