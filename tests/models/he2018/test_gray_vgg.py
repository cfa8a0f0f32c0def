"""He 2018's gray VGG19 out of a .caffemodel, against Caffe's layers one by one; how matches are compared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from chrominance.models import KeyMismatchError
from chrominance.models.features_load import load_features
from chrominance.models.he2018.gray_vgg import TAPS, GrayVGGFeatures
from chrominance.models.he2018.similarity import error_levels, warp_mean

WIDTHS, REPEATS = (64, 128, 256, 512, 512), (2, 2, 4, 4, 4)


def noise(*shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def layers():
    """Caffe's layers in their order: name and blobs."""
    yield "data/bn", [100 * np.float32([3, 3, 3]) * 2, np.float32([4000, 4100, 4200]) * 2, np.float32([2])]
    yield "data/scale", [np.float32([1.1, 0.9, 1.0]), np.float32([0.1, -0.2, 0.3])]
    c_in, seed = 3, 0
    for block, (c, repeats) in enumerate(zip(WIDTHS, REPEATS, strict=True), 1):
        for i in range(1, repeats + 1):
            name, seed = f"conv{block}_{i}", seed + 3
            weight = noise(c, c_in, 3, 3, seed=seed) * (2 / (9 * c_in)) ** 0.5
            yield name, [weight, 0.1 * noise(c, seed=seed + 1)]
            variance = np.abs(noise(c, seed=seed + 2)) + 0.5
            yield f"{name}/bn", [0.3 * noise(c, seed=seed + 3) * 5, variance * 5, np.float32([5])]
            c_in = c


def written(caffe, layers):
    parts = (caffe.layer(name, *(caffe.blob(b) for b in blobs)) for name, blobs in layers)
    return caffe.field(1, b"VGG") + b"".join(parts)


def in_caffes_words(x):
    """The activations of the first convolutions, each layer by itself."""
    found, blobs, block = [], {name: [torch.from_numpy(b) for b in bs] for name, bs in layers()}, "1"

    def normed(x, name):
        mean, variance, count = blobs[name]
        return (x - (mean / count).view(-1, 1, 1)) / torch.sqrt(variance / count + 1e-5).view(-1, 1, 1)

    x = normed(x.expand(-1, 3, -1, -1), "data/bn")
    scale, shift = blobs["data/scale"]
    x = x * scale.view(3, 1, 1) + shift.view(3, 1, 1)
    for name in [name for name in blobs if name.startswith("conv") and "/" not in name]:
        if name[4] != block:
            x, block = F.max_pool2d(x, 2), name[4]
        x = normed(F.conv2d(x, *blobs[name], padding=1), f"{name}/bn").relu()
        if name in TAPS:
            found.append(x)
    return found


@pytest.fixture(scope="module")
def file(caffe, tmp_path_factory):
    path = tmp_path_factory.mktemp("he2018") / "vgg19_bn_gray_ft_iter_150000.caffemodel"
    path.write_bytes(written(caffe, layers()))
    return path


@pytest.fixture(scope="module")
def extractor(file):
    return load_features(file)


def test_it_is_caffes_network(extractor):
    assert isinstance(extractor, GrayVGGFeatures)
    x = torch.rand(1, 1, 32, 48, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        found = extractor.network(x)
    for tap, wanted in zip(found, in_caffes_words(x), strict=True):
        torch.testing.assert_close(tap, wanted, atol=1e-3, rtol=1e-3)


def test_as_features(extractor):
    L = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(1)) * 100
    levels = extractor.features(L)
    assert [tuple(level.shape) for level in levels] == [(2, 256, 8, 12), (2, 512, 4, 6), (2, 512, 2, 3)]
    wanted = in_caffes_words(L[:1] * 2.55)
    torch.testing.assert_close(levels[1][:1], wanted[3], atol=1e-3, rtol=1e-3)


def test_a_file_without_a_layer_is_named(caffe, tmp_path):
    kept = [(n, bs) for n, bs in layers() if n != "conv5_4"]
    (tmp_path / "x.caffemodel").write_bytes(written(caffe, kept))
    with pytest.raises(KeyMismatchError, match=r"conv5_4"):
        load_features(tmp_path / "x.caffemodel")


def noise_at(step):
    return torch.rand(1, 6, 32 // step, 48 // step, generator=torch.Generator().manual_seed(step))


def test_a_picture_and_itself_differ_nowhere():
    levels = [noise_at(s) for s in (1, 2, 4, 8, 16)]
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(48), indexing="ij")
    same = torch.stack([columns, rows])
    assert error_levels(levels, levels, same).max() <= 1  # 1 - cos is a rounding error, cut down
    shifted = torch.stack([(columns + 7).clamp(max=47), rows])
    errors = error_levels(levels, levels, shifted)
    a, b = levels[0][0, :, 5, 9], levels[0][0, :, 5, 16]
    wanted = int((1 - F.cosine_similarity(a, b, dim=0)).clamp(0, 1) * 255)
    assert abs(int(errors[0, 5, 9]) - wanted) <= 1


def test_levels_are_sampled_half_a_step_on():
    level = torch.zeros(1, 2, 4, 4)
    level[0, 0], level[0, 1] = torch.arange(4.0).view(1, 4), 1.0
    flat = torch.zeros(2, 8, 8, dtype=torch.int64)
    column = torch.arange(8)
    errors = error_levels([torch.ones(1, 2, 8, 8), level], [torch.ones(1, 2, 8, 8), level], flat)
    # At column x the value is (x + 1) / 2, at the match in column 0 it is 1/2.
    values = ((column + 1) / 2).clamp(max=3)
    cosine = (values * 0.5 + 1) / torch.sqrt((values**2 + 1) * 1.25)
    assert (errors[1, 0].int() - ((1 - cosine) * 255).int()).abs().max() <= 1


def test_nine_neighbours_vote():
    ab = torch.randint(0, 255, (2, 6, 7), generator=torch.Generator().manual_seed(2)).byte()
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(7), indexing="ij")
    assert torch.equal(warp_mean(ab, torch.stack([columns, rows])), ab)
    there = torch.randint(0, 6, (2, 6, 7), generator=torch.Generator().manual_seed(3))
    votes = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            x, y = there[0, 3 + down, 2 + right] - right, there[1, 3 + down, 2 + right] - down
            if 0 <= x < 7 and 0 <= y < 6:
                votes.append(ab[:, y, x].float())
    assert torch.equal(warp_mean(ab, there)[:, 3, 2], torch.stack(votes).mean(0).byte())
