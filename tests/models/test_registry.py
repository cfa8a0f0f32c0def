"""Which system a file belongs to, and what is said when it belongs to none."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from types import MappingProxyType

import pytest

from chrominance.models import (
    PUBLISHED,
    REGISTRY,
    KeyMismatchError,
    UnknownSystemError,
    WrongShapeError,
    detect_system,
    get_system,
)
from chrominance.models.shapes import count, dimension
from chrominance.models.system import fits

SHAPES = {"stem.weight": (4, 1, 3, 3), "norm.weight": (4,), "head.weight": (2, 4, 1, 1), "norm.bias": (4,)}


def test_the_registry_cannot_be_changed():
    assert isinstance(REGISTRY, tuple)
    for system in REGISTRY:
        assert isinstance(system.signature, MappingProxyType)
        with pytest.raises(dataclasses.FrozenInstanceError):
            system.spec = None  # pyright: ignore[reportAttributeAccessIssue]


def test_names_are_unique_and_no_system_claims_anothers_signature():
    names = [system.name for system in REGISTRY]
    assert len(set(names)) == len(names)
    for system in REGISTRY:
        shapes = {k: tuple(s or 8 for s in pattern) for k, pattern in system.signature.items()}
        for other in REGISTRY:
            if other is not system:
                assert not other.detect(shapes), f"{other.name} claims {system.name}"


def test_a_signature_is_copied_and_may_not_be_empty(tiny):
    signature = {"a": (None, 3)}
    system = tiny.system(signature=signature)
    signature["b"] = (1,)
    assert dict(system.signature) == {"a": (None, 3)}
    with pytest.raises(ValueError, match="empty signature"):
        tiny.system(signature={})


@pytest.mark.parametrize(
    ("shape", "pattern", "expected"),
    [
        ((4, 1, 3, 3), (None, 1, 3, 3), True),
        ((4, 2, 3, 3), (None, 1, 3, 3), False),
        ((4,), (None,), True),
        ((4, 1), (None,), False),
        ((), (), True),
        ((1,), (), False),
    ],
)
def test_fits(shape, pattern, expected):
    assert fits(shape, pattern) is expected


def test_detects_by_names_and_shapes(tiny):
    a = tiny.system("a")
    b = tiny.system("b", signature={**a.signature, "stem.weight": (None, 3, 3, 3)})
    c = tiny.system("c", signature={"other.weight": (None,)})
    assert detect_system(SHAPES, (a, b, c)) is a
    assert detect_system({**SHAPES, "stem.weight": (4, 3, 3, 3)}, (a, b, c)) is b
    assert get_system("b", (a, b, c)) is b
    with pytest.raises(KeyError, match="there are: a, b"):
        get_system("z", (a, b))


def test_accepts_tells_twins_apart(tiny):
    narrow = tiny.system("narrow", accepts=lambda shapes: shapes["stem.weight"][0] == 4)
    wide = tiny.system("wide", accepts=lambda shapes: shapes["stem.weight"][0] == 8)
    assert detect_system(SHAPES, (narrow, wide)) is narrow
    with pytest.raises(UnknownSystemError, match="closest is Narrow, but it is another variant"):
        detect_system(SHAPES, (dataclasses.replace(narrow, accepts=lambda shapes: False),))


def test_two_that_fit_are_not_chosen_between(tiny):
    with pytest.raises(UnknownSystemError, match="A and B alike"):
        detect_system(SHAPES, (tiny.system("a"), tiny.system("b")))


def test_one_wrong_shape_is_named(tiny, tmp_path):
    shapes = {**SHAPES, "head.weight": (3, 4, 1, 1)}
    with pytest.raises(WrongShapeError) as error:
        detect_system(shapes, (tiny.system(),), path=tmp_path / "a.pth")
    assert (error.value.tensor, error.value.expected, error.value.got) == (
        "head.weight",
        (2, None, 1, 1),
        (3, 4, 1, 1),
    )
    assert "head.weight should be [2, any, 1, 1], got [3, 4, 1, 1] (read as Tiny)" in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "a.pth"))


def test_the_closest_system_is_named_with_what_is_missing_and_unexpected(tiny):
    far = tiny.system("far", signature={"x.weight": (1,), "y.weight": (1,)})
    shapes = {k: s for k, s in SHAPES.items() if k != "norm.weight"} | {"extra.bias": (3,)}
    with pytest.raises(UnknownSystemError) as error:
        detect_system(shapes, (far, tiny.system()))
    assert error.value.closest == "tiny"
    assert error.value.missing == ("norm.weight",)
    assert error.value.unexpected == ("extra.bias",)
    for part in ("the closest is Tiny", "lacks norm.weight", "has extra.bias"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "is a LoRA"),
        ("transformer.blocks.0.attn.lora_A.weight", "is a LoRA"),
        ("encoder.down.0.block.0.conv1.weight", "is a VAE"),
        ("first_stage_model.decoder.conv_in.weight", "is a VAE"),
        ("model.diffusion_model.input_blocks.0.0.weight", "is a diffusion model"),
        ("control_model.input_blocks.0.0.weight", "is a ControlNet"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "is a text or language model"),
        ("backbone.weight", "has 1 tensors (backbone.weight)"),
    ],
)
def test_strangers_are_named(tiny, key, what):
    with pytest.raises(UnknownSystemError) as error:
        detect_system({key: (3, 3)}, (tiny.system(),))
    assert what in str(error.value)
    assert error.value.closest is None
    assert "Known: Tiny" in str(error.value)


def test_dimension_and_count():
    shapes = {"layers.0.weight": (64, 3, 7, 7), "layers.1.weight": (64,), "layers.3.weight": (1,)}
    assert dimension(shapes, "layers.0.weight", 1) == 3
    assert dimension(shapes, "layers.0.weight", -1, (3, 7)) == 7
    assert count(shapes, "layers.{}.weight") == 2
    with pytest.raises(WrongShapeError, match=r"should be 96 or 192 along axis 0, got \[64, 3, 7, 7\]"):
        dimension(shapes, "layers.0.weight", 0, {192, 96})
    with pytest.raises(WrongShapeError, match="at least 2-dimensional"):
        dimension(shapes, "layers.1.weight", 1)
    with pytest.raises(KeyMismatchError, match=r"lacks layers\.9\.weight"):
        dimension(shapes, "layers.9.weight", 0)


def test_every_published_colorizer_has_a_system_here():
    names = {system.name for system in REGISTRY}
    assert {entry.system for entry in PUBLISHED if not entry.part_of} <= names


def test_the_packages_names_are_imported_when_they_are_asked_for():
    import chrominance.models as package

    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    named = {a.name for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert named == set(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'load_everything'"):
        _ = package.load_everything
