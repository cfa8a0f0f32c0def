"""Every published system against what its authors' code computes: detect a file, load it, run it.

The reference vectors are those in the folder that CHROMINANCE_VECTORS names, or CHROMINANCE_REFERENCE with
vectors/ in it, by default ../shared/reference/vectors beside this checkout; without one, tests are skipped.
recipe.py, in the folder above, writes files of the published layouts, filled with numbers that can be
rebuilt.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from chrominance.models import REGISTRY, load_checkpoint, load_colorizer
from chrominance.models.colormnet import MemorySettings
from chrominance.models.exemplar_video.network import TAPS
from chrominance.models.exemplar_video.published import reference_rgb
from chrominance.models.nazeri2018.colorizer import gan_lab_to_rgb
from chrominance.models.nazeri2018.discriminators import read_discriminator
from chrominance.models.resize import pillow_resize, resize_lightness
from chrominance.models.scikit_lab import rgb_to_scikit_lab
from chrominance.models.vgg19.network import caffe_input
from chrominance.models.zhang.network import enlarge_as_published

ROOT = Path(__file__).parents[2]

Named = dict[str, Tensor]
#: From a loaded network and one size's inputs to outputs by their names in the vectors; the fourth, where
#: the file has one, is the discriminator.
Run = Callable[..., Named]


def folder() -> Path | None:
    given = os.environ.get("CHROMINANCE_VECTORS")
    if given:
        return Path(given)
    reference = os.environ.get("CHROMINANCE_REFERENCE")
    place = Path(reference) / "vectors" if reference else ROOT.parent / "shared" / "reference" / "vectors"
    return place if place.is_dir() else None


VECTORS = folder()
needs_vectors = pytest.mark.skipif(
    VECTORS is None, reason="no reference vectors: name their folder in CHROMINANCE_VECTORS"
)


@pytest.fixture(scope="session")
def recipe():
    assert VECTORS is not None
    spec = importlib.util.spec_from_file_location("published_recipe", VECTORS.parent / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def eccv16(network, given, wanted):
    logits = network(given["L"])
    return {"logits313": logits, "ab": enlarge_as_published(network.mean_ab(logits))}


def siggraph17(network, given, wanted):
    nothing = torch.zeros_like(given["L"])
    found = {"ab_nohint": network(given["L"], nothing.expand(-1, 2, -1, -1), nothing)}
    if "ab_hint" in given:
        found["ab_hint"] = network(given["L"], given["ab_hint"], given["mask"])
    return found


def he2018(network, given, wanted):
    return {"ab": network(given["x"])}


def color2embed(network, given, wanted):
    vector = network.encoder(given["ref_rgb"])
    return {
        "color_vector": vector.view_as(wanted["color_vector"]),
        "ab": network.unet(given["L"], vector),
    }


def exemplar_video(network, given, wanted):
    lab = torch.cat([given["IB_l"], given["IB_ab"]], 1)
    rgb = reference_rgb(lab)
    exemplar = network.encode(rgb, lab)
    taps = ("conv1_2", *TAPS)
    found = dict(
        zip((f"features_B_r{i}2" for i in range(1, 6)), network.vgg(caffe_input(rgb), taps), strict=True)
    )
    found["IB_rgb"] = rgb

    def step(L, last_L, last_ab, temperature, name):
        warped, similarity = network.match((L + 50) / 100, exemplar, temperature)
        ab = network.colornet(torch.cat([L, warped[:, 1:], similarity, last_L, last_ab], 1))
        return {f"warped_lab_{name}": warped, f"ab_{name}": ab}, similarity

    L = given["IA_l"]
    for temperature, name in ((None, "T1e-10"), (0.01, "T0.01")):
        outputs, found["similarity"] = step(L, L, given["last_ab"], temperature, name)
        found |= outputs
        if f"ab_next_frame_flipped_{name}" in wanted:
            following, _ = step(L.flip(3), L, found[f"ab_{name}"], temperature, "next")
            found[f"ab_next_frame_flipped_{name}"] = following["ab_next"]
    return found


def tensorflow_gan(network, given, wanted, judge):
    lab = network(given["gray"])
    return {"lab": lab, "rgb": gan_lab_to_rgb(lab), "logits": judge(torch.cat([given["gray"], lab], 1))}


def ported_gan(network, given, wanted, judge):
    ab = network(given["L"])
    return {"ab": ab, "disc": judge(torch.cat([given["L"], ab], 1))}


def deoldify(network, given, wanted):
    return {"y": network(given["x"])}


def ddcolor(network, given, wanted):
    x = (given["gray_rgb"] - network.mean) / network.std
    norms = network.encoder(x)
    found = {f"norm{i}": norm.permute(0, 3, 1, 2) for i, norm in enumerate(norms)}
    return found | {"ab": network(given["gray_rgb"])}


def colormnet(network, given, wanted, tag, meta):
    """``ref_ab`` belongs to the first frame, or, tagged "any", to the third, which is an exemplar apart."""
    frames, ab = given["frames"], given["ref_ab"]
    config = meta["config"]
    settings = MemorySettings(
        every=config["mem_every"],
        nearest=config["top_k"],
        most=config["max_mid_term_frames"],
        least=config["min_mid_term_frames"],
        prototypes=config["num_prototypes"],
        long=config["max_long_term_elements"],
    )
    seen = [network.see(frame[None]) for frame in frames]
    found = {f"encode_key_{name}": value for name, value in seen[0]._asdict().items()}
    first = network.begin(frames[:1], ab, settings, seen[0])
    found["encode_value_value"] = first.last_value[None]
    found["encode_value_hidden"] = first.hidden[None]
    if tag.startswith("any"):
        state, colours = network.begin(frames[2:3], ab, settings, seen[2], apart=True), []
    else:
        state, colours = first, [ab]
    colours += [network.step(frames[n : n + 1], state, seen[n]) for n in range(len(colours), len(frames))]
    return found | {"ab": torch.stack(colours)}


#: By the name in recipe.py: our name, and how it is run.
SYSTEMS: dict[str, tuple[str, Run]] = {
    "eccv16": ("eccv16", eccv16),
    "siggraph17": ("siggraph17", siggraph17),
    "he2018_examplecolornet": ("he2018", he2018),
    "color2embed": ("color2embed", color2embed),
    "deepexemplar_video": ("exemplar_video", exemplar_video),
    "gan_tf_places365": ("gan_places365", tensorflow_gan),
    "gan_tf_cifar10": ("gan_cifar10", tensorflow_gan),
    "gan_moein_mainmodel_unet": ("gan_unet", ported_gan),
    "gan_moein_res18": ("gan_res18", ported_gan),
    "colormnet": ("colormnet", colormnet),
    "ddcolor_tiny": ("ddcolor_tiny", ddcolor),
    "ddcolor_large": ("ddcolor_large", ddcolor),
    "deoldify_artistic": ("deoldify_artistic", deoldify),
    "deoldify_stable_video": ("deoldify_stable", deoldify),
}


#: The systems whose file holds what judged their colours in training.
JUDGED = ("gan_tf_", "gan_moein_")


def published_file(recipe, name: str, folder: Path) -> Path:
    """Write a stand-in checkpoint of the published layout; return what a user would choose."""
    if name == "deepexemplar_video":
        recipe.save_checkpoint(name, folder)
        return folder
    if name.startswith("gan_tf_"):
        recipe.save_checkpoint(name, folder / "CGAN")
        return folder / "CGAN.index"
    recipe.save_checkpoint(name, folder / "published.pth")
    return folder / "published.pth"


def stored_in(name: str) -> dict[str, Any]:
    assert VECTORS is not None
    return torch.load(VECTORS / f"{name}.pt", weights_only=True)


@needs_vectors
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_authors_numbers(name, recipe, tmp_path):
    system, run = SYSTEMS[name]
    path = published_file(recipe, name, tmp_path)
    colorizer = load_colorizer(path)
    assert colorizer.spec.system == system
    judge = ()
    if name.startswith(JUDGED):
        judge = (read_discriminator(dict(load_checkpoint(path).tensors)),)
    stored = stored_in(name)
    for size, given in stored["inputs"].items():
        wanted = stored["outputs"][size]
        with torch.inference_mode():
            told = (size, stored["meta"]) if name == "colormnet" else judge
            found = run(colorizer.network, given, wanted, *told)
        assert set(wanted) <= set(found), f"{size}: nothing was computed for {set(wanted) - set(found)}"
        for key, value in wanted.items():
            agree(found[key], value, tolerance(stored["meta"], key), f"{size} {key}", argmax="T1e-10" in key)


def agree(found: Tensor, wanted: Tensor, atol: float, what: str, *, argmax: bool = False) -> None:
    """Compare; ``argmax``: one in two hundred places may have taken another, equally near match."""
    assert found.shape == wanted.shape, f"{what}: {list(found.shape)}, not {list(wanted.shape)}"
    far = (found.float() - wanted.float()).abs() > atol + 1e-4 * wanted.float().abs()
    worst = (found.float() - wanted.float()).abs().max()
    assert far.float().mean() <= (0.005 if argmax else 0), (
        f"{what}: up to {worst} off, where {atol} is allowed"
    )


def tolerance(meta: dict[str, Any], key: str) -> float:
    """Return how far an output may be: one number for all, or by name."""
    given = meta["tolerance"]
    return given.get(key, given.get("default", 1e-3)) if isinstance(given, dict) else given


def pipelines() -> list[str]:
    return sorted(path.stem for path in VECTORS.glob("pipeline_*.pt")) if VECTORS else []


@needs_vectors
@pytest.mark.parametrize("name", pipelines() or ["pipeline_siggraph17"])
def test_the_authors_way(name, recipe, tmp_path):
    """Their picture to their picture: whatever their script does before and after the network.

    A vector's inputs are 8-bit pictures [H,W,3], or frames [T,H,W,3]; a reference has "ref" in its name.
    Of its outputs, pictures [H,W,3] are compared with the result, and ab of its size with the network's.
    """
    stored = stored_in(name)
    system = stored["meta"]["system"]
    colorizer = load_colorizer(published_file(recipe, system, tmp_path))
    inputs, outputs = stored["inputs"], stored["outputs"]
    nested = isinstance(next(iter(inputs.values())), dict)
    for case in inputs if nested else [None]:
        given, wanted = (inputs, outputs) if case is None else (inputs[case], outputs[case])
        compare_ways(colorizer, given, wanted, stored["meta"])


def compare_ways(colorizer: Any, given: Named, wanted: Named, meta: dict[str, Any]) -> None:
    pictures = {
        key: value for key, value in given.items() if torch.is_tensor(value) and value.dtype == torch.uint8
    }
    references = [value for key, value in pictures.items() if "ref" in key]
    (target,) = (value for key, value in pictures.items() if "ref" not in key)
    reference = chw(references[0]) if references else None
    settings = {**meta, **given}
    size = int(settings["render_factor"]) * 16 if "render_factor" in settings else None
    frames, state = [], None
    for one in target if target.ndim == 4 else target[None]:
        frames.append(colorizer.as_published(chw(one), reference=reference, size=size, state=state))
        state = frames[-1].state
    rgb = torch.stack([frame.rgb.permute(1, 2, 0) for frame in frames])
    ab = torch.cat([frame.ab for frame in frames])
    rgb = rgb if target.ndim == 4 else rgb[0]
    compared = set()
    for key, value in wanted.items():
        if value.shape == rgb.shape:
            found = (rgb * 255).round() if value.dtype == torch.uint8 else rgb
            agree(found, value, tolerance(meta, key), key)
            compared.add("rgb")
        elif "ab" in key and value.numel() == ab.numel() and value.shape[-2:] == ab.shape[-2:]:
            agree(ab.view_as(value), value, tolerance(meta, key), key)
            compared.add("ab")
        elif key.startswith("tens_l"):
            pixels = chw(target)
            if value.shape[-2:] != pixels.shape[-2:]:
                pixels = pillow_resize(pixels, *value.shape[-2:], "bicubic")
            L = rgb_to_scikit_lab(pixels.double() / 255)[None, :1].float()
            agree(L, value, tolerance(meta, key), key)
    assert "rgb" in compared, f"none of {list(wanted)} is the picture"


def chw(picture: Tensor) -> Tensor:
    return picture.permute(2, 0, 1)


def test_every_published_system_is_run():
    """But the embedded network, which is nobody else's."""
    ours = {system.name for system in REGISTRY} - {"embedded"}
    assert ours >= {system for system, _ in SYSTEMS.values()}


@needs_vectors
@pytest.mark.parametrize("name", ["eccv16", "siggraph17"])
def test_a_picture_of_any_size_keeps_its_shape(name, recipe, tmp_path):
    """By default the aspect is kept, where the authors' scripts stretch to a square."""
    colorizer = load_colorizer(published_file(recipe, name, tmp_path))
    L = resize_lightness(torch.rand(1, 1, 5, 9, generator=torch.Generator().manual_seed(0)) * 100, 50, 90)
    ab = colorizer.colorize(L, size=64).ab
    assert ab.shape[3] / ab.shape[2] == pytest.approx(90 / 50, abs=0.1)
    assert torch.isfinite(ab).all()
