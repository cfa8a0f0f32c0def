"""Simulated conditions: what they reveal is true, where they say so; references, palettes, clips."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.transform import ThinPlateSplineTransform

from chrominance.color import rgb_to_lab
from chrominance.models.embedded.local import AB_SCALE
from chrominance.pipelines.photo_set import PhotoSet, read_categories
from chrominance.training.conditions import (
    Mix,
    place_hints,
    propagated_chroma,
    simulate,
    simulate_palette,
    warped_chroma,
)
from chrominance.training.photos import ReferenceMix, batches, choose_reference
from chrominance.training.thin_plate import random_warp, thin_plate_grid, warp

CLIP = Path(__file__).parents[2] / "samples" / "clip.mp4"


@pytest.fixture(scope="module")
def rgb():
    pictures = [getattr(data, name)()[:256, :256] for name in ("astronaut", "coffee", "chelsea")]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def generator(seed=0):
    return np.random.default_rng(seed)


def test_thin_plates_are_scikit_images():
    points = np.array([[-0.9, -0.8], [0.8, -0.9], [-0.7, 0.9], [0.9, 0.7], [0.1, -0.1]])
    moved = points + np.array([[0.1, 0.0], [-0.05, 0.2], [0.0, -0.1], [0.15, 0.05], [-0.2, 0.1]])
    grid = thin_plate_grid(torch.from_numpy(points)[None], torch.from_numpy(moved)[None], 6, 8)[0]
    if hasattr(ThinPlateSplineTransform, "from_estimate"):
        oracle = ThinPlateSplineTransform.from_estimate(points, moved)
    else:  # scikit-image before 0.26
        oracle = ThinPlateSplineTransform()
        assert oracle.estimate(points, moved)
    y, x = np.mgrid[:6, :8]
    where = np.stack([(x + 0.5) * 2 / 8 - 1, (y + 0.5) * 2 / 6 - 1], -1).reshape(-1, 2)
    np.testing.assert_allclose(grid.reshape(-1, 2).numpy(), oracle(where), atol=1e-4)


def test_no_amount_is_no_warp(rgb):
    grid = random_warp(3, generator(), amount=torch.zeros(3), height=256, width=256)
    torch.testing.assert_close(warp(rgb, grid), rgb, atol=1e-3, rtol=0)


def test_hints_are_true_and_their_count_is_siggraphs():
    ab = torch.full((2, 64, 64), 17.0)
    counts = []
    for seed in range(300):
        known, confidence = torch.zeros(2, 64, 64), torch.zeros(1, 64, 64)
        place_hints(ab, known, confidence, generator(seed))
        assert torch.equal(known, 17 * confidence.expand(2, -1, -1))
        assert set(confidence.unique().tolist()) <= {0.0, 1.0}
        counts.append(float(confidence.mean()))
    assert min(counts) > 0
    assert np.median(counts) < 0.1


@pytest.mark.parametrize("simulated", [warped_chroma, propagated_chroma])
def test_confidence_knows_what_is_wrong(rgb, simulated):
    ab = rgb_to_lab(rgb)[:, 1:]
    wrong, right = [], []
    for seed in range(12):
        known, confidence = simulated(ab, generator(seed))
        assert confidence.min() >= 0 and confidence.max() <= 0.95
        error = (known - ab).norm(dim=1, keepdim=True)
        if (confidence > 0.6).any() and (confidence < 0.2).any():
            right.append(error[confidence > 0.6].mean())
            wrong.append(error[confidence < 0.2].mean())
    assert np.mean(right) < np.mean(wrong)
    assert np.mean(right) < 8


def test_a_batch_gets_what_the_mix_says(rgb):
    lab = rgb_to_lab(rgb)[:, :, :64, :64].repeat(40, 1, 1, 1)
    pictures = rgb[:, :, :64, :64].repeat(40, 1, 1, 1)
    known = simulate(pictures, lab, pictures, generator(), Mix(given=(0.25, 0.25, 0.25, 0.25)))
    local = known.local[:, 2].amax((1, 2)) > 0
    color = known.kind > 0
    for expected, rows in ((0.25, local & ~color), (0.25, ~local & color), (0.25, ~local & ~color)):
        assert abs(rows.float().mean() - expected) < 0.12
    assert set(known.kind.tolist()) == {0, 1, 2}
    assert known.local.shape == (120, 3, 16, 16) and known.reference.shape == (120, 3, 96, 96)
    assert bool((known.local[:, :2].abs().amax(1) <= known.local[:, 2] * 128 / AB_SCALE + 1e-4).all())


def test_only_one_kind_can_be_asked_for(rgb):
    lab = rgb_to_lab(rgb)[:, :, :64, :64]
    mix = Mix(given=(0, 1, 0, 0), color=(0, 1))
    known = simulate(rgb[:, :, :64, :64], lab, rgb, generator(), mix)
    assert known.kind.tolist() == [2, 2, 2]
    assert not known.local.any()


def test_palettes_are_of_the_picture():
    lab = torch.zeros(1, 3, 48, 48)
    lab[:, 0] = 50
    lab[:, 1, :24], lab[:, 1, 24:] = 40, -40
    palette, share = simulate_palette(lab, generator())
    near = palette[0][share[0] > 0]
    assert bool(((near[:, 1].abs() - 40).abs() < 10).all())
    assert share.sum() == pytest.approx(1)


def test_frames_of_a_clip_are_neighbours_and_a_group():
    photos = PhotoSet([CLIP])
    assert len(photos) > 10
    assert photos.names[3] == f"{CLIP.name}#000003"
    assert photos.neighbours(3, 2).tolist() == [1, 2, 3, 4, 5]
    assert len(photos.group_of(0)) == len(photos)
    assert min(photos.load(0).size) <= 256


def test_references_come_from_where_the_mix_says(tmp_path):
    for name in ("a1", "a2", "b1"):
        Image.fromarray(data.coffee()[:40, :40]).save(tmp_path / f"{name}.png")
    table = tmp_path / "table.csv"
    table.write_text("file,category\na1.png,a\na2.png,a\nb1.png,b\n", encoding="utf-8")
    photos = PhotoSet([tmp_path], categories=read_categories(table))
    assert [photos.group_name(i) for i in range(3)] == ["a", "a", "b"]

    def chosen(**mix):
        rest = {"itself": 0, "group": 0, "neighbour": 0, "any": 0} | mix
        return {choose_reference(photos, 0, generator(seed), ReferenceMix(**rest)) for seed in range(40)}

    assert chosen(itself=1) == {0}
    assert chosen(group=1) == {0, 1}
    assert chosen(neighbour=1) == {0}
    assert chosen(any=1) == {0, 1, 2}
    batch = next(batches(photos, size=32, batch=2, seed=0, reference_size=48))
    assert batch.pixels.shape == (2, 32, 32, 3) and batch.references.shape == (2, 48, 48, 3)


def test_a_table_without_its_columns_is_named(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("name,kind\na,b\n", encoding="utf-8")
    with pytest.raises(ValueError, match="columns file and category"):
        read_categories(table)
