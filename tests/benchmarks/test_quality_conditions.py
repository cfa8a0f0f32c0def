"""References and palettes as they are measured, with a colorizer of which the figures are known."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from chrominance.benchmarks import quality
from chrominance.benchmarks.quality_conditions import (
    colour_by_exemplar,
    itself_warped,
    measure_palettes,
    of_another_category,
    other_category,
    palette_distance,
    warped_copy,
)
from chrominance.color import rgb_to_lab
from chrominance.models import load_colorizer
from chrominance.models.contract import Chroma, Colorizer, ModelSpec
from chrominance.pipelines.clusters import extract_palette
from chrominance.pipelines.colorize import colorize
from chrominance.pipelines.metrics import psnr
from chrominance.pipelines.photo_set import PhotoSet


class Obedient(Colorizer):
    """Gives every pixel the mean chroma of the palette or reference that it is told; grey without one."""

    def __init__(self):
        self.network = torch.nn.Linear(1, 1)
        self.spec = ModelSpec("obedient", "Obedient", "-", "-", "-", conditions=frozenset({"global"}))

    def encode_reference(self, rgb):
        return rgb_to_lab(rgb)[:, 1:].mean((2, 3))

    def encode_palette(self, lab, share=None, illumination=None):
        return lab[..., 1:].mean(1)

    def _colorize(self, L, conditions, *, size, temperature):
        color = torch.zeros(1, 2) if conditions.color is None else conditions.color
        ab = color.view(-1, 2, 1, 1).expand(len(L), 2, *L.shape[2:])
        return Chroma(ab, torch.ones_like(L))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    tints = (("a", "coffee", (1, 0.4, 0.3)), ("b", "chelsea", (0.3, 0.5, 1)), ("b", "rocket", (0.4, 1, 0.4)))
    for group, name, tint in tints:
        (folder / group).mkdir(exist_ok=True)
        picture = getattr(data, name)()[:64, :80].mean(2, keepdims=True) * np.array(tint)
        Image.fromarray(picture.astype(np.uint8)).save(folder / group / f"{name}.png")
    return PhotoSet([folder])


def test_a_warped_copy_has_the_colours_of_the_picture_and_not_its_places():
    truth = torch.from_numpy(data.coffee()[:128, :160]).permute(2, 0, 1)[None].float() / 255
    copy = warped_copy(truth, np.random.default_rng(0))
    assert copy.shape == truth.shape and copy.min() >= 0 and copy.max() <= 1
    assert (copy - truth).abs().mean() > 0.03
    assert palette_distance(*(extract_palette(x, 4)[0][0] for x in (copy, truth))) < 12
    assert torch.equal(copy, warped_copy(truth, np.random.default_rng(0)))


def test_palettes_are_matched_optimally():
    asked = torch.tensor([[50.0, 0, 0], [60, 10, 0], [70, 0, 20]])
    assert palette_distance(asked, asked[[2, 0, 1]]) == 0
    # In their order 12 + 50; crosswise 30 + 8.
    first = torch.tensor([[0.0, 0, 0], [20, 0, 0]])
    second = torch.tensor([[12.0, 0, 0], [-30, 0, 0]])
    assert palette_distance(first, second) == pytest.approx((30 + 8) / 2)


def test_another_category_is_another(photos):
    for seed in range(10):
        assert photos.group_name(other_category(photos, 1, np.random.default_rng(seed))) == "a"


def test_photos_of_one_category_are_refused(tmp_path):
    Image.fromarray(data.coffee()[:20, :20]).save(tmp_path / "one.png")
    with pytest.raises(ValueError, match="one category"):
        other_category(PhotoSet([tmp_path]), 0, np.random.default_rng(0))


def test_who_obeys_is_seen_in_the_figures(photos):
    figures = measure_palettes(photos, quality.photo_tensor, quality.grey, Obedient())
    assert figures["asked_got"] < 0.7 * figures["asked_automatic"]
    assert figures["apart"] > 0
    conditions = quality.measure_conditions(photos, Obedient())
    assert conditions["itself"] > conditions["automatic"] > conditions["another"]
    assert "Obedient" in quality.condition_table([("Obedient", conditions)])


def test_a_matched_reference_is_the_nodes(tmp_path):
    for name in ("coffee", "chelsea"):
        (tmp_path / name).mkdir()
        picture = Image.fromarray(getattr(data, name)()).reduce(3)
        picture.save(tmp_path / name / "photo.png")
    photos = PhotoSet([tmp_path])
    colorizer, truth = load_colorizer("embedded"), quality.photo_tensor(photos, 0)
    given = quality.grey(truth)
    by_itself, by_another = (
        colour_by_exemplar(referring, colorizer)(given, truth, 0)
        for referring in (itself_warped(), of_another_category(photos, quality.photo_tensor))
    )
    automatic = colorize(given, colorizer).rgb
    assert psnr(by_itself, truth) > psnr(automatic, truth) + 6
    assert abs(psnr(by_another, truth) - psnr(automatic, truth)) < 3
