"""Palettes by k-means, beside scikit-learn's idea of it (SciPy's); the colour of light."""

import pytest
import torch
from scipy.cluster.vq import kmeans2
from skimage import data

from chrominance.color import rgb_to_lab
from chrominance.pipelines.clusters import cluster_colors, extract_palette
from chrominance.pipelines.illumination import estimate_illumination


def photo(name):
    return torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255


def distance(points, centres):
    return float(torch.cdist(points, centres).amin(1).mean())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize("count", [2, 5, 8])
def test_it_is_about_as_good_as_scipys_best_of_five(name, count):
    small = torch.nn.functional.adaptive_avg_pool2d(photo(name), 48)
    points = rgb_to_lab(small)[0].flatten(1).T
    ours = distance(points, cluster_colors(points[None], count)[0][0])
    runs = [kmeans2(points.numpy(), count, minit="++", seed=seed)[0] for seed in range(5)]
    theirs = min(distance(points, torch.from_numpy(centres)) for centres in runs)
    assert ours < 1.1 * theirs


def test_the_colours_of_a_picture_of_few_colours_are_found():
    rgb = torch.zeros(1, 3, 30, 30)
    rgb[0, 0, :15], rgb[0, 1, 15:, :20], rgb[0, 2, 15:, 20:] = 1, 1, 1
    lab, share = extract_palette(rgb, 3)
    expected = rgb_to_lab(torch.eye(3).view(1, 3, 3, 1))[0, :, :, 0].T
    torch.testing.assert_close(lab[0], expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(share[0], torch.tensor([1 / 2, 1 / 3, 1 / 6]), atol=1e-4, rtol=0)


def test_more_colours_than_there_are_have_no_share():
    lab, share = extract_palette(torch.full((1, 3, 9, 9), 0.4), 4)
    assert share[0].tolist() == [1, 0, 0, 0]
    torch.testing.assert_close(lab[0, 0], rgb_to_lab(torch.full((3, 1, 1), 0.4)).flatten(), atol=1e-3, rtol=0)


def test_pictures_of_a_batch_do_not_meet():
    both = torch.cat([photo("coffee")[..., :64, :64], photo("chelsea")[..., :64, :64]])
    for together, alone in zip(extract_palette(both), extract_palette(both[1:]), strict=True):
        torch.testing.assert_close(together[1:], alone, atol=1e-3, rtol=1e-4)


def test_too_many_colours_are_refused():
    with pytest.raises(ValueError, match="at least as many pixels"):
        extract_palette(torch.zeros(1, 3, 1, 2), 3)


@pytest.mark.parametrize("gain", [(1.0, 1.0, 1.0), (1.0, 0.8, 0.5), (0.6, 0.8, 1.0)])
def test_the_light_of_a_neutral_scene_is_found(gain):
    from chrominance.color import linear_rgb_to_rgb, rgb_to_linear_rgb

    grey = rgb_to_linear_rgb(photo("astronaut").mean(1, keepdim=True).expand(-1, 3, -1, -1))
    light = torch.tensor(gain).view(1, 3, 1, 1)
    expected = rgb_to_lab(linear_rgb_to_rgb(light))[:, 1:, 0, 0]
    found = estimate_illumination(linear_rgb_to_rgb(grey * light))
    torch.testing.assert_close(found, expected, atol=0.3, rtol=0)
