"""VGG19's features: every file gives the same numbers, and says what it was trained on or is refused."""

from __future__ import annotations

import hashlib

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from chrominance.models import (
    CheckpointError,
    FeatureExtractor,
    ModelCache,
    UnknownSystemError,
    find_checkpoints,
    load_colorizer,
    load_features,
    shipped_weights,
)
from chrominance.models.embedded.features import EmbeddedFeatures
from chrominance.models.vgg19 import VGG19Features, files

#: torchvision's numbers of the convolutions, by block.
NUMBERS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34))
WIDTHS = (64, 128, 256, 512, 512)
L = torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(0)) * 100


def layers():
    """The file's name of each convolution in two ways, and its channels."""
    c_in = 3
    for block, (numbers, c_out) in enumerate(zip(NUMBERS, WIDTHS, strict=True), 1):
        for i, number in enumerate(numbers, 1):
            yield f"conv{block}_{i}", f"features.{number}", c_in, c_out
            c_in = c_out


NAMED = {
    f"{name}.{leaf}": (c_out, c_in, 3, 3) if leaf == "weight" else (c_out,)
    for name, _, c_in, c_out in layers()
    for leaf in ("weight", "bias")
}


@pytest.fixture(scope="module")
def named(random_weights):
    return random_weights(NAMED)


@pytest.fixture(scope="module")
def numbered(named):
    classifier = {f"classifier.{i}.{leaf}": torch.ones(2) for i in (0, 3, 6) for leaf in ("weight", "bias")}
    names = {name: number for name, number, _, _ in layers()}
    return {f"{names[k.split('.')[0]]}.{k.split('.')[1]}": t for k, t in named.items()} | classifier


def expected(named, x):
    """The second ReLU of blocks 3 to 5, layer by layer."""
    found = {}
    for name, _, _, _ in layers():
        if name.endswith("_1") and name != "conv1_1":
            x = F.max_pool2d(x, 2, 2)
        x = F.relu(F.conv2d(x, named[f"{name}.weight"], named[f"{name}.bias"], padding=1))
        found[name] = x
    return [found[f"conv{block}_2"] for block in (3, 4, 5)]


def caffe(L):
    return torch.cat([(L / 100 - mean) * 255 for mean in (0.40760392, 0.45795686, 0.48501961)], 1)


def torchvision(L):
    scales = zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    return torch.cat([(L / 100 - mean) / std for mean, std in scales], 1)


def same(levels, wanted):
    for level, want in zip(levels, wanted, strict=True):
        torch.testing.assert_close(level, want, atol=1e-3 * float(want.max()), rtol=0)


@pytest.mark.parametrize(
    ("file", "prepare"),
    [
        ("vgg19_conv.pth", caffe),
        ("vgg19-d01eb7cb.pth", caffe),
        ("vgg19-dcbb9e9d.pth", torchvision),
        ("vgg19-dcbb9e9d.safetensors", torchvision),
    ],
)
def test_each_file_is_given_what_it_was_trained_on(tmp_path, named, numbered, file, prepare):
    state = named if "conv" in file else numbered
    path = tmp_path / file
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    extractor = load_features(path)
    assert isinstance(extractor, VGG19Features) and isinstance(extractor, FeatureExtractor)
    assert extractor.strides == (4, 8, 16) and extractor.multiple == 16
    levels = extractor.features(L)
    assert [tuple(t.shape) for t in levels] == [(2, 256, 12, 16), (2, 512, 6, 8), (2, 512, 3, 4)]
    same(levels, expected(named, prepare(L)))
    assert not any(p.requires_grad for p in extractor.network.parameters())


def test_a_renamed_file_is_told_by_its_digest(tmp_path, numbered, monkeypatch):
    path = tmp_path / "vgg.pth"
    torch.save(numbered, path)
    with pytest.raises(
        CheckpointError, match=r"cannot be told: keep the published name, vgg19-dcbb9e9d\.pth"
    ):
        load_features(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(files._DIGESTS, digest, files.imagenet_input)
    assert load_features(path).prepare is files.imagenet_input


def test_half_precision_gives_features_in_float32(tmp_path, named):
    torch.save(named, tmp_path / "vgg19_conv.pth")
    extractor = load_features(tmp_path / "vgg19_conv.pth", dtype=torch.bfloat16)
    assert extractor.dtype == torch.bfloat16
    assert all(level.dtype == torch.float32 for level in extractor.features(L[:1, :, :16, :16]))


def test_sides_that_do_not_divide(tmp_path, named):
    torch.save(named, tmp_path / "vgg19_conv.pth")
    with pytest.raises(ValueError, match="sides that divide by 16, got"):
        load_features(tmp_path / "vgg19_conv.pth").features(L[..., 1:])


def test_the_embedded_encoder_gives_features_by_itself_or_from_a_colorizer():
    extractor = load_features()
    assert extractor.strides == (4, 8, 16, 32)
    levels = extractor.features(L[..., :32, :])
    assert [tuple(t.shape[1:]) for t in levels] == [(24, 8, 16), (40, 4, 8), (112, 2, 4), (320, 1, 2)]
    colorizer = load_colorizer()
    shared = EmbeddedFeatures(colorizer.network)
    assert shared.network is colorizer.network
    for a, b in zip(levels, shared.features(L[..., :32, :]), strict=True):
        torch.testing.assert_close(a, b)
    assert load_features(shipped_weights("embedded")).name == "embedded"
    with pytest.raises(ValueError, match="divide by 32"):
        extractor.features(L)


def test_another_system_gives_none(tmp_path, monkeypatch):
    from chrominance.models import features_load, he2018

    torch.save(
        {k: torch.zeros([s or 1 for s in p]) for k, p in he2018.SYSTEM.signature.items()}, tmp_path / "x"
    )
    with pytest.raises(
        UnknownSystemError, match="is He 2018, which gives no features to match by: choose embedded"
    ):
        load_features(tmp_path / "x")
    monkeypatch.setattr(features_load, "usable_device", lambda device: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # the device is looked at before the file
        load_features(tmp_path / "x", device="none")


def test_a_cache_shares_extractors():
    cache = ModelCache(1, lambda path, dtype: load_features(path, dtype=dtype))
    assert cache.get("embedded") is cache.get("embedded")
    assert cache.loads == 1


def test_a_folder_lists_it(tmp_path, named):
    torch.save(named, tmp_path / "vgg19_conv.pth")
    (found,) = find_checkpoints([tmp_path])
    assert (found.system, found.problem) == (None, None)
    assert "VGG19" in found.title


# ---------------------------------------------------------------- the authors' numbers


def test_the_authors_numbers(reference, tmp_path):
    vectors = reference.vectors("deepexemplar_video")["outputs"]["64x64"]
    torch.save(reference.weights("deepexemplar_video")["vgg19_conv"], tmp_path / "vgg19_conv.pth")
    extractor = load_features(tmp_path / "vgg19_conv.pth")
    x = extractor.prepare(vectors["IB_rgb"])
    taps = ("conv2_2", "conv3_2", "conv4_2", "conv5_2")
    for level, name in zip(extractor.network(x, taps), ("r22", "r32", "r42", "r52"), strict=True):
        torch.testing.assert_close(level, vectors[f"features_B_{name}"], atol=5e-3, rtol=0)
