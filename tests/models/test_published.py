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

from chrominance.color import lab_to_rgb, rgb_to_lightness
from chrominance.models import REGISTRY, load_colorizer
from chrominance.models.nazeri2018.colorizer import gan_lab_to_rgb
from chrominance.models.resize import resize_lightness
from chrominance.models.zhang.network import enlarge_as_published

ROOT = Path(__file__).parents[2]

Named = dict[str, Tensor]
#: From a loaded network and one size's inputs to outputs by their names in the vectors.
Run = Callable[[Any, Named, Named], Named]


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
    nothing = torch.zeros_like(given["mask"])
    return {
        "ab_nohint": network(given["L"], nothing.expand(-1, 2, -1, -1), nothing),
        "ab_hint": network(given["L"], given["ab_hint"], given["mask"]),
    }


def he2018(network, given, wanted):
    return {"ab": network(given["x"])}


def color2embed(network, given, wanted):
    vector = network.encoder(given["ref_rgb"])
    return {
        "color_vector": vector.view_as(wanted["color_vector"]),
        "ab": network.unet(given["L"], vector),
    }


def exemplar_video(network, given, wanted):
    exemplar = network.encode(wanted["IB_rgb"], torch.cat([given["IB_l"], given["IB_ab"]], 1))
    found = {}
    for temperature, name in ((None, "T1e-10"), (0.01, "T0.01")):
        warped, similarity = network.match((given["IA_l"] + 50) / 100, exemplar, temperature)
        inputs = (given["IA_l"], warped[:, 1:], similarity, given["IA_l"], given["last_ab"])
        found |= {f"warped_lab_{name}": warped, f"ab_{name}": network.colornet(torch.cat(inputs, 1))}
        found["similarity"] = similarity
    return found


def tensorflow_gan(network, given, wanted):
    lab = network(given["gray"])
    return {"lab": lab, "rgb": gan_lab_to_rgb(lab)}


def ported_gan(network, given, wanted):
    return {"ab": network(given["L"])}


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
}


@needs_vectors
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_authors_numbers(name, recipe, tmp_path):
    system, run = SYSTEMS[name]
    path = written = tmp_path / "published.pth"
    if name == "deepexemplar_video":
        path = written = tmp_path
    elif name.startswith("gan_tf_"):
        written, path = tmp_path / "CGAN", tmp_path / "CGAN.index"
    recipe.save_checkpoint(name, written)
    colorizer = load_colorizer(path)
    assert colorizer.spec.system == system
    stored = torch.load(VECTORS / f"{name}.pt", weights_only=True)
    for size, given in stored["inputs"].items():
        wanted = stored["outputs"][size]
        with torch.inference_mode():
            found = run(colorizer.network, given, wanted)
        assert found
        for key, value in found.items():
            torch.testing.assert_close(
                value,
                wanted[key],
                atol=tolerance(stored["meta"], key),
                rtol=1e-4,
                msg=lambda m, k=key: f"{k}: {m}",
            )


def tolerance(meta: dict[str, Any], key: str) -> float:
    """Return how far an output may be: one number for all, or by name."""
    given = meta["tolerance"]
    return given.get(key, given.get("default")) if isinstance(given, dict) else given


@needs_vectors
def test_the_authors_way_through_siggraph17(recipe, tmp_path):
    """Their picture to their picture: Pillow's square, the network, and back under the original lightness."""
    import numpy as np
    from PIL import Image

    recipe.save_checkpoint("siggraph17", tmp_path / "siggraph17.pth")
    network = load_colorizer(tmp_path / "siggraph17.pth").network
    stored = torch.load(VECTORS / "pipeline_siggraph17.pt", weights_only=True)
    wanted, meta = stored["outputs"], stored["meta"]
    pixels = stored["inputs"]["rgb_u8"].numpy()
    square = np.array(Image.fromarray(pixels).resize((256, 256), Image.Resampling.BICUBIC))
    original, small = (
        rgb_to_lightness(torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255) for x in (pixels, square)
    )
    nothing = torch.zeros_like(small)
    with torch.inference_mode():
        ab = network(small, nothing.expand(-1, 2, -1, -1), nothing)
    back = torch.nn.functional.interpolate(ab, original.shape[2:], mode="bilinear")
    rgb = lab_to_rgb(torch.cat([original, back], 1), clip=True)[0].permute(1, 2, 0)
    found = {"tens_l_orig": original, "tens_l_rs": small, "ab_256": ab, "rgb_float": rgb}
    for key, value in found.items():
        torch.testing.assert_close(value, wanted[key], atol=tolerance(meta, key), rtol=0)


def test_every_published_system_is_run():
    """But the embedded network, which is nobody else's."""
    ours = {system.name for system in REGISTRY} - {"embedded"}
    assert ours >= {system for system, _ in SYSTEMS.values()}


@needs_vectors
@pytest.mark.parametrize("name", ["eccv16", "siggraph17"])
def test_a_picture_of_any_size_keeps_its_shape(name, recipe, tmp_path):
    """By default the aspect is kept, where the authors' scripts stretch to a square."""
    recipe.save_checkpoint(name, tmp_path / "published.pth")
    colorizer = load_colorizer(tmp_path / "published.pth")
    L = resize_lightness(torch.rand(1, 1, 5, 9, generator=torch.Generator().manual_seed(0)) * 100, 50, 90)
    ab = colorizer.colorize(L, size=64).ab
    assert ab.shape[3] / ab.shape[2] == pytest.approx(90 / 50, abs=0.1)
    assert torch.isfinite(ab).all()
