"""Color2Embed: the published file's layout, the modulation by its formula, a reference that it needs."""

from __future__ import annotations

import argparse
import warnings

import pytest
import torch
import torch.nn.functional as F

from chrominance.models import Conditions, WrongShapeError, detect_system, load_colorizer
from chrominance.models.color2embed import Color2EmbedColorizer
from chrominance.models.color2embed.network import ModulatedConv

NUMBERS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
VGG = (3, 64, 64, 128, 128, *[256] * 4, *[512] * 8)
L = torch.rand(2, 1, 50, 70, generator=torch.Generator().manual_seed(0)) * 100
RGB = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(1))


def conv(name, c_out, c_in, kernel):
    return {f"{name}.weight": (c_out, c_in, kernel, kernel), f"{name}.bias": (c_out,)}


def norm(name, c):
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{leaf}": (c,) for leaf in leaves} | {f"{name}.num_batches_tracked": ()}


def published_shapes():
    """Names and shapes as in 045000.pt: 84 + 106."""
    encoder = {}
    for name in ("vgg.vgg_model.features", "vgg.vgg_feature"):
        for number, c_in, c_out in zip(NUMBERS, VGG, VGG[1:], strict=False):
            encoder |= conv(f"{name}.{number}", c_out, c_in, 3)
    for number, c_in, c_out in ((0, 25088, 4096), (3, 4096, 4096), (6, 4096, 1000)):
        name = f"vgg.vgg_model.classifier.{number}"
        encoder |= {f"{name}.weight": (c_out, c_in), f"{name}.bias": (c_out,)}
    for number, kernel in ((0, 4), (2, 3), (4, 4), (6, 3)):
        encoder |= conv(f"feature2vector.{number}", 512, 512, kernel)
    for number, c_in, c_out in ((9, 512, 256), (11, 256, 256), (13, 256, 512)):
        encoder |= conv(f"feature2vector.{number}", c_out, c_in, 1)
    unet = conv("inc.double_conv.0", 64, 1, 3) | norm("inc.double_conv.1", 64)
    unet |= conv("inc.double_conv.3", 64, 64, 3) | norm("inc.double_conv.4", 64)
    for i, (c_in, c_out) in enumerate(((64, 128), (128, 256), (256, 512), (512, 512)), 1):
        name = f"down{i}.main"
        unet |= conv(f"{name}.0", c_in, c_in, 4) | conv(f"{name}.2.bottle_conv", c_out, c_in, 1)
        unet |= conv(f"{name}.2.double_conv.0", c_out, c_out, 3) | norm(f"{name}.2.double_conv.1", c_out)
        unet |= conv(f"{name}.2.double_conv.3", c_out, c_out, 3)
    ups = ((512, 512, 256, 3), (256, 256, 128, 3), (128, 128, 64, 5), (64, 64, 64, 5))
    for i, (c_in, skip, c, kernel) in enumerate(ups, 1):
        unet |= conv(f"up{i}.conv_cat.0", c, c_in + skip // 4, 1) | conv(f"up{i}.conv_cat.2", c, c, 3)
        unet |= conv(f"up{i}.conv_s", c, c_in, 1) | conv(f"up{i}.SDFT.modulation", c, 512, 1)
        unet |= {f"up{i}.SDFT.weight": (1, c, c, kernel, kernel)}
    unet |= conv("outc.0", 64, 64, 3) | conv("outc.2", 2, 64, 3)
    return encoder, unet


@pytest.fixture(scope="module")
def file(random_weights, tmp_path_factory):
    """A file in the published layout; the classifier's tensors, which nothing reads, are small."""
    encoder, unet = published_shapes()
    encoder = {k: (1,) if ".classifier." in k else s for k, s in encoder.items() if "vgg_feature" not in k}
    weights = random_weights(encoder, 1)
    for key in [k for k in weights if ".features." in k]:
        weights[key.replace("vgg_model.features", "vgg_feature")] = weights[key]
    content = {
        "colorEncoder": weights,
        "colorUNet": random_weights(unet, 2),
        "g_optim": {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "args": argparse.Namespace(size=256),
    }
    path = tmp_path_factory.mktemp("color2embed") / "045000.pt"
    torch.save(content, path)
    return path, content


@pytest.fixture(scope="module")
def colorizer(file):
    return load_colorizer(file[0])


def test_the_published_names_are_recognised():
    encoder, unet = published_shapes()
    assert (len(encoder), len(unet)) == (84, 106)
    shapes = {f"colorEncoder.{k}": s for k, s in encoder.items()} | {
        f"colorUNet.{k}": s for k, s in unet.items()
    }
    assert detect_system(shapes).name == "color2embed"
    with pytest.raises(WrongShapeError, match=r"colorUNet\.outc\.2\.weight"):
        detect_system(shapes | {"colorUNet.outc.2.weight": (3, 64, 3, 3)})


def test_every_tensor_that_is_used_arrives(file, colorizer):
    assert isinstance(colorizer, Color2EmbedColorizer)
    parts = file[1]
    given = [t for k, t in parts["colorUNet"].items() if t.is_floating_point()]
    given += [t for k, t in parts["colorEncoder"].items() if k.startswith("feature2vector")]
    given += [
        parts["colorEncoder"][f"vgg.vgg_feature.{n}.{leaf}"]
        for n in NUMBERS[:14]
        for leaf in ("weight", "bias")
    ]
    here = [t for t in colorizer.network.state_dict().values() if t.is_floating_point()]
    assert sum(t.numel() for t in here) == sum(t.numel() for t in given)
    total = torch.stack([t.double().sum() for t in here]).sum()
    torch.testing.assert_close(total, torch.stack([t.double().sum() for t in given]).sum())


def test_an_unknown_tensor_is_named(file, tmp_path):
    content = {**file[1], "colorUNet": {**file[1]["colorUNet"], "up5.conv_s.bias": torch.ones(1)}}
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"has colorUNet\.up5\.conv_s\.bias, unknown"):
        load_colorizer(tmp_path / "a.pt")


def test_modulation_equals_scaled_demodulated_weights_per_sample():
    torch.manual_seed(0)
    layer = ModulatedConv(6, 4, 5)
    x, color = torch.randn(2, 6, 9, 9), torch.randn(2, 512)
    for i in range(2):
        style = layer.style.weight @ color[i] + layer.style.bias
        weight = layer.weight * style[None, :, None, None] / (6 * 25) ** 0.5
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        wanted = F.conv2d(x[i : i + 1], weight, padding=2)
        torch.testing.assert_close(layer(x, color)[i : i + 1], wanted, atol=1e-5, rtol=1e-5)


def test_a_reference_colours_alone_and_in_a_batch(colorizer):
    vectors = colorizer.encode_reference(RGB)
    assert vectors.shape == (2, 512) and vectors.dtype == torch.float32
    torch.testing.assert_close(colorizer.encode_reference(RGB[1:]), vectors[1:], atol=1e-5, rtol=1e-4)
    chroma = colorizer.colorize(L, Conditions(color=vectors), size=64)
    assert chroma.ab.shape == (2, 2, 64, 96) and chroma.confidence.shape == (2, 1, 64, 96)
    assert chroma.ab.abs().max() <= 110
    alone = colorizer.colorize(L[1:], Conditions(color=vectors[1:]), size=64)
    # Sums have another order in a batch, and random weights make much of it.
    torch.testing.assert_close(chroma.ab[1:], alone.ab, atol=0.1, rtol=0)
    other = colorizer.colorize(L[1:], Conditions(color=vectors[:1]), size=64)
    assert not torch.allclose(other.ab, alone.ab, atol=0.1)
    assert torch.equal(alone.ab, colorizer.colorize(L[1:], Conditions(color=vectors[1:]), size=64).ab)


def test_it_does_not_colour_without_a_reference(colorizer):
    with pytest.raises(ValueError, match="cannot colour without these conditions: global"):
        colorizer.colorize(L)
    with pytest.raises(
        ValueError, match="has 512 numbers, got 9: make it with this model's encode_reference"
    ):
        colorizer.colorize(L, Conditions(color=torch.zeros(1, 9)))
    with pytest.raises(ValueError, match="a reference must be"):
        colorizer.encode_reference(RGB[:, :1])


# ---------------------------------------------------------------- the authors' numbers


def test_the_authors_numbers(reference, tmp_path):
    reference.save_checkpoint("color2embed", tmp_path / "045000.pt")
    network = load_colorizer(tmp_path / "045000.pt").network
    stored = reference.vectors("color2embed")
    for size, given in stored["inputs"].items():
        wanted = stored["outputs"][size]
        with torch.inference_mode():
            vector = network.encoder(given["ref_rgb"])
            ab = network.unet(given["L"], vector)
        torch.testing.assert_close(vector, wanted["color_vector"].flatten(1), atol=1e-4, rtol=0)
        torch.testing.assert_close(ab, wanted["ab"], atol=1e-4, rtol=0)


def test_as_published_is_scikit_images_and_torchs(colorizer):
    color = pytest.importorskip("skimage.color")
    u8 = (torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(2)) * 255).byte()
    reference = (RGB[0] * 255).round().byte()
    lab = torch.from_numpy(color.rgb2lab(u8.permute(1, 2, 0).numpy())).permute(2, 0, 1)[None].float()

    def stretch(x, *size):
        return F.interpolate(x, size, mode="bilinear", align_corners=False)

    with torch.inference_mode():
        vector = colorizer.network.encoder(stretch(reference[None] / 255, 256, 256))
        ab = colorizer.network.unet(stretch((lab[:, :1] - 50) / 50, 256, 256), vector) * 110
    wanted = torch.cat([lab[:, :1], stretch(ab, 40, 60)], 1)[0].permute(1, 2, 0).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of colours that no screen has
        wanted = (color.lab2rgb(wanted).clip(0, 1) * 255).astype("uint8")
    done = colorizer.as_published(u8, reference=reference)
    off = ((done.rgb * 255).round().permute(1, 2, 0) - torch.from_numpy(wanted).float()).abs()
    # A value on the border of two levels may fall to either side.
    assert off.max() <= 1 and (off > 0).float().mean() < 0.01
    with pytest.raises(ValueError, match="must divide by 16, got 200"):
        colorizer.as_published(u8, reference=reference, size=200)
