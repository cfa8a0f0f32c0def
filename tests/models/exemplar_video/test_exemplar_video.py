"""Zhang 2019: three files found together, an exemplar encoded once, frames told of the one before."""

from __future__ import annotations

import shutil

import pytest
import torch
import torch.nn.functional as F

from chrominance.models import (
    Conditions,
    Exemplar,
    KeyMismatchError,
    MissingPartError,
    NotAFileError,
    Previous,
    WrongShapeError,
    detect_system,
    find_checkpoints,
    load_colorizer,
    resolve_source,
)
from chrominance.models.exemplar_video.network import WarpNet, attend
from chrominance.models.exemplar_video.published import frame_of
from chrominance.models.listing import models_table
from chrominance.pipelines.colorize import take_conditions

L = torch.rand(2, 1, 50, 70, generator=torch.Generator().manual_seed(0)) * 100
RGB = torch.rand(1, 3, 60, 45, generator=torch.Generator().manual_seed(1))

COLORNET, WARP = "colornet_iter_76000.pth", "nonlocal_net_iter_76000.pth"


def conv(name, c_in, c_out, kernel=3):
    return {f"{name}.weight": (c_out, c_in, kernel, kernel), f"{name}.bias": (c_out,)}


def colornet_shapes():
    """Names and shapes as in colornet_iter_*.pth: 65."""
    shapes = conv("conv1_1.0", 7, 32) | conv("conv1_1.2", 32, 64) | conv("conv1_2", 64, 64)
    shapes |= conv("conv2_1", 64, 128) | conv("conv2_2", 128, 128)
    shapes |= conv("conv3_1", 128, 256) | conv("conv3_2", 256, 256) | conv("conv3_3", 256, 256)
    for block in (4, 5, 6, 7):
        for i in (1, 2, 3):
            shapes |= conv(f"conv{block}_{i}", 256 if (block, i) == (4, 1) else 512, 512)
    shapes |= conv("conv8_1.1", 512, 256) | conv("conv3_3_short", 256, 256)
    shapes |= conv("conv8_2", 256, 256) | conv("conv8_3", 256, 256)
    shapes |= conv("conv9_1.1", 256, 128) | conv("conv2_2_short", 128, 128) | conv("conv9_2", 128, 128)
    shapes |= conv("conv10_1.1", 128, 128) | conv("conv1_2_short", 64, 128) | conv("conv10_2", 128, 128)
    shapes |= conv("conv10_ab", 128, 2, 1)
    return shapes | {
        f"{name}norm_ss.weight": (c, 1, 1, 1)
        for name, c in (("conv1_2", 64), ("conv2_2", 128), ("conv3_3", 256))
    }


def warp_shapes():
    """Names and shapes as in nonlocal_net_iter_*.pth: 43."""
    shapes = {}
    for level, c, mid, second in ((2, 128, 128, 5), (3, 256, 128, 5), (4, 512, 256, 5), (5, 512, 256, 6)):
        name = f"layer{level}_1"
        shapes |= conv(f"{name}.1", c, mid) | conv(f"{name}.{second}", mid, 64)
        shapes |= {f"{name}.3.weight": (1,), f"{name}.{second + 2}.weight": (1,)}
    for i in range(3):
        shapes |= conv(f"layer.{i}.conv1", 256, 256) | conv(f"layer.{i}.conv2", 256, 256)
        shapes[f"layer.{i}.prelu.weight"] = (1,)
    return shapes | conv("theta", 256, 256, 1) | conv("phi", 256, 256, 1)


def vgg_shapes():
    shapes, c_in = {}, 3
    for block, (repeats, c) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), 1):
        for i in range(1, repeats + 1):
            shapes |= conv(f"conv{block}_{i}", c_in, c)
            c_in = c
    return shapes


@pytest.fixture(scope="module")
def published(random_weights, tmp_path_factory):
    """The three files, laid out as in the archive."""
    root = tmp_path_factory.mktemp("zhang2019")
    weights = root / "checkpoints" / "video_moredata_l1"
    weights.mkdir(parents=True)
    (root / "data").mkdir()
    torch.save(random_weights(colornet_shapes(), 1), weights / COLORNET)
    torch.save(random_weights(warp_shapes(), 2), weights / WARP)
    torch.save(random_weights(vgg_shapes(), 3), root / "data" / "vgg19_conv.pth")
    return root


@pytest.fixture(scope="module")
def colorizer(published):
    return load_colorizer(published)


@pytest.fixture(scope="module")
def exemplar(colorizer):
    return colorizer.encode_exemplar(RGB, size=32)


def link(source, target):
    """A file that takes no time to make."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy(source, target)


@pytest.fixture
def flat(published, tmp_path):
    """The three files side by side."""
    for path in published.rglob("*.pth"):
        link(path, tmp_path / "flat" / path.name)
    return tmp_path / "flat"


# ---------------------------------------------------------------- files


def test_the_published_names_are_recognised():
    assert (len(colornet_shapes()), len(warp_shapes()), len(vgg_shapes())) == (65, 43, 32)
    assert detect_system(colornet_shapes()).name == "exemplar_video"


def test_its_files_are_found_in_either_layout(published, flat):
    own = published / "checkpoints" / "video_moredata_l1" / COLORNET
    assert resolve_source(published) == own
    for source in (own, flat / COLORNET, flat):
        network = load_colorizer(source).network
        assert torch.equal(network.vgg.conv1_1.weight, torch.load(flat / "vgg19_conv.pth")["conv1_1.weight"])
        assert torch.equal(network.warp.theta.bias, torch.load(flat / WARP)["theta.bias"])
        assert not hasattr(network.vgg, "conv5_3")  # nothing reads it


def test_its_files_are_found_from_its_own_folder(published, monkeypatch):
    monkeypatch.chdir(published / "checkpoints" / "video_moredata_l1")
    load_colorizer(COLORNET)
    load_colorizer(".")


@pytest.mark.parametrize("name", [WARP, "vgg19_conv.pth"])
def test_a_missing_companion_is_named_with_its_place(flat, name):
    (flat / name).unlink()
    with pytest.raises(MissingPartError) as error:
        load_colorizer(flat / COLORNET)
    assert f"is missing: put {name}, which is published with it, into {flat}" in str(error.value)
    assert str(error.value).startswith(str(flat / COLORNET))
    by_name = {found.path.name: found for found in find_checkpoints([flat])}
    assert "is missing" in by_name[COLORNET].problem


def test_another_file_in_a_companions_place(flat):
    (flat / WARP).unlink()
    torch.save({"theta.weight": torch.ones(1)}, flat / WARP)
    with pytest.raises(
        KeyMismatchError, match="read as warping network of Zhang 2019, the file lacks layer2_1"
    ) as e:
        load_colorizer(flat)
    assert e.value.path.name == WARP
    torch.save({k: torch.zeros((*s[:-1], 2)) for k, s in warp_shapes().items()}, flat / WARP)
    with pytest.raises(WrongShapeError) as e:
        load_colorizer(flat)
    assert e.value.path.name == WARP


def test_of_several_companions_the_one_of_the_same_iteration_is_meant(flat):
    link(flat / WARP, flat / "nonlocal_net_iter_1000.pth")
    load_colorizer(flat)
    (flat / WARP).rename(flat / "nonlocal_net_iter_2000.pth")
    with pytest.raises(MissingPartError, match=r"several.*nonlocal_net_iter_1000.pth.*keep one"):
        load_colorizer(flat)
    link(flat / COLORNET, flat / "colornet_iter_2000.pth")
    with pytest.raises(NotAFileError, match="holds several that could be meant"):
        load_colorizer(flat)
    load_colorizer(flat / "colornet_iter_2000.pth")


@pytest.mark.parametrize("place", ["", "colorization_checkpoint"])
def test_the_published_name_means_the_unpacked_archive(published, tmp_path, monkeypatch, place):
    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path))
    with pytest.raises(NotAFileError, match="put it there and unpack it"):
        resolve_source("exemplar-video")
    for path in published.rglob("*.pth"):
        link(path, tmp_path / place / path.relative_to(published))
    assert resolve_source("exemplar-video").name == COLORNET
    here = [line for line in models_table() if line.startswith("  ")]
    here = here[: next(i for i, line in enumerate(here) if line.startswith("  eccv16"))]
    assert any(line.split()[:3] == ["exemplar-video", "Zhang", "2019"] for line in here)
    assert any("warping network of Zhang 2019" in line for line in here)
    assert any("VGG19" in line for line in here)


# ---------------------------------------------------------------- the match


@pytest.mark.parametrize("temperature", [None, 0.01, 1.0])
def test_a_tiled_match_equals_a_whole_one(temperature):
    generator = torch.Generator().manual_seed(0)
    query, reference = (F.normalize(torch.randn(n, 8, generator=generator), dim=1) for n in (37, 53))
    values = torch.randn(53, 3, generator=generator)
    cosines = query @ reference.T
    weights = (
        F.one_hot(cosines.argmax(1), 53).float()
        if temperature is None
        else (cosines / temperature).softmax(1)
    )
    for tile in (1, 200, 10**6):
        found, greatest = attend(query, reference, values, temperature=temperature, tile=tile)
        torch.testing.assert_close(found, weights @ values)
        torch.testing.assert_close(greatest, cosines.amax(1))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (72, 64), (64, 72), (72, 40)])
def test_sides_that_stride_16_rounds_down_are_filled_up(height, width):
    torch.manual_seed(0)
    widths = (128, 256, 512, 512)
    taps = [torch.rand(1, c, height >> i, width >> i) for i, c in enumerate(widths, 1)]
    with torch.inference_mode():
        assert WarpNet().eval()(taps).shape == (1, 256, height // 4, width // 4)


def test_a_picture_finds_itself(colorizer):
    """A grey picture in its own colours: features of theta and phi made alike."""
    network = colorizer.network
    rgb = F.interpolate(RGB.mean(1, keepdim=True), (40, 48), mode="bilinear").expand(-1, 3, -1, -1)
    lab = torch.rand(1, 3, 40, 48) * 100 - 50
    theta, network.warp.theta = network.warp.theta, network.warp.phi
    try:
        with torch.inference_mode():
            warped, similarity = network.match(rgb[:, :1], network.encode(rgb, lab))
    finally:
        network.warp.theta = theta
    pooled = F.interpolate(F.avg_pool2d(lab, 4), scale_factor=4)
    assert (warped == pooled).float().mean() > 0.99
    torch.testing.assert_close(similarity, torch.ones(1, 1, 40, 48), atol=1e-4, rtol=0)


# ---------------------------------------------------------------- the contract


def test_an_exemplar_is_encoded_once_and_stands_for_every_frame(colorizer, exemplar, monkeypatch):
    assert isinstance(exemplar, Exemplar) and len(exemplar) == 1
    assert exemplar.reference.phi.shape == (8 * 10, 256) and exemplar.reference.lab.shape == (80, 3)
    monkeypatch.setattr(colorizer.network, "encode", None)
    chroma = colorizer.colorize(L, Conditions(exemplar=exemplar), size=32)
    assert chroma.ab.shape == (2, 2, 32, 48) and chroma.confidence.shape == (2, 1, 32, 48)
    assert chroma.ab.abs().max() <= 128
    assert chroma.confidence.min() >= 0 and chroma.confidence.max() <= 1
    alone = colorizer.colorize(L[1:], Conditions(exemplar=exemplar), size=32)
    # A tie may fall the other way.
    assert ((chroma.ab[1:] - alone.ab).abs() > 0.05).float().mean() < 0.05
    assert torch.equal(alone.ab, colorizer.colorize(L[1:], Conditions(exemplar=exemplar), size=32).ab)


def test_frames_are_told_of_the_one_before(colorizer, exemplar, monkeypatch):
    seen = []
    forward = colorizer.network.colornet.forward
    monkeypatch.setattr(colorizer.network.colornet, "forward", lambda x: (seen.append(x), forward(x))[1])
    first = colorizer.colorize(L[:1], Conditions(exemplar=exemplar), size=32)
    previous = Previous(L[:1], first.ab)
    second = colorizer.colorize(L[1:], Conditions(exemplar=exemplar, previous=previous), size=32)
    assert torch.equal(seen[0][:, 4:], torch.zeros(1, 3, 32, 48))
    assert torch.equal(seen[1][:, 4:5], seen[0][:, :1])
    assert torch.equal(seen[1][:, 5:], first.ab)
    fresh = colorizer.colorize(L[1:], Conditions(exemplar=exemplar), size=32)
    assert not torch.allclose(second.ab, fresh.ab, atol=0.1)


def test_a_pipeline_takes_the_conditions_of_some_pictures(exemplar):
    several = Previous(L, torch.zeros(2, 2, 8, 8))
    taken = take_conditions(Conditions(exemplar=exemplar, previous=several), slice(1, 2))
    assert taken.exemplar is exemplar
    assert torch.equal(taken.previous.L, L[1:]) and taken.previous.ab.shape == (1, 2, 8, 8)
    one = Previous(L[:1], torch.zeros(1, 2, 8, 8))
    assert take_conditions(Conditions(previous=one), slice(5, 9)).previous is one
    assert Conditions(exemplar=exemplar, previous=one).names() == {"exemplar", "previous"}


def test_an_overflow_is_no_picture(colorizer, exemplar, monkeypatch):
    monkeypatch.setattr(colorizer.network.colornet, "forward", lambda x: x[:, :2] * float("nan"))
    with pytest.raises(FloatingPointError, match=r"overflowed in torch\.float32"):
        colorizer.colorize(L, Conditions(exemplar=exemplar), size=32)


def test_a_strip_is_wide_enough_to_match(colorizer, exemplar):
    chroma = colorizer.colorize(torch.full((1, 1, 3, 90), 40.0), Conditions(exemplar=exemplar), size=32)
    assert chroma.ab.shape == (1, 2, 32, 128)


def test_what_does_not_fit_is_named(colorizer, exemplar):
    with pytest.raises(ValueError, match="cannot colour without these conditions: exemplar"):
        colorizer.colorize(L)
    with pytest.raises(ValueError, match="made by other: make it with this model's encode_exemplar"):
        colorizer.colorize(L, Conditions(exemplar=Exemplar("other")))
    with pytest.raises(ValueError, match=r"previous must hold L \[1 or 2,1,H,W\]"):
        colorizer.colorize(L, Conditions(exemplar=exemplar, previous=Previous(L, L)))
    with pytest.raises(ValueError, match=r"previous\.ab holds NaN"):
        colorizer.colorize(
            L, Conditions(exemplar=exemplar, previous=Previous(L, L.expand(-1, 2, -1, -1) / 0 * 0))
        )
    with pytest.raises(ValueError, match="one reference is matched at a time, got 2"):
        colorizer.encode_exemplar(RGB.expand(2, -1, -1, -1))
    with pytest.raises(ValueError, match="working size"):
        colorizer.encode_exemplar(RGB, size=3)
    with pytest.raises(ValueError, match="holds NaN"):
        colorizer.encode_exemplar(RGB / 0)


def test_systems_without_exemplars_say_so(exemplar):
    embedded = load_colorizer()
    with pytest.raises(ValueError, match="does not match an exemplar by itself"):
        embedded.encode_exemplar(RGB)
    with pytest.raises(ValueError, match="knows these conditions: global, local; got exemplar"):
        embedded.colorize(L, Conditions(exemplar=exemplar))


# ---------------------------------------------------------------- the authors' numbers


@pytest.mark.parametrize(
    ("temperature", "name", "warped_tolerance", "ab_tolerance"),
    [(None, "T1e-10", 5e-3, 0.05), (0.01, "T0.01", 0.01, 0.2)],
)
def test_the_authors_numbers(reference, tmp_path, temperature, name, warped_tolerance, ab_tolerance):
    reference.save_checkpoint("deepexemplar_video", tmp_path)
    network = load_colorizer(tmp_path).network
    stored = reference.vectors("deepexemplar_video")
    for size, given in stored["inputs"].items():
        wanted = stored["outputs"][size]
        with torch.inference_mode():
            exemplar = network.encode(wanted["IB_rgb"], torch.cat([given["IB_l"], given["IB_ab"]], 1))
            warped, similarity = network.match((given["IA_l"] + 50) / 100, exemplar, temperature)
            inputs = (given["IA_l"], warped[:, 1:], similarity, given["IA_l"], given["last_ab"])
            ab = network.colornet(torch.cat(inputs, 1))
        torch.testing.assert_close(similarity, wanted["similarity"], atol=5e-3, rtol=0)
        torch.testing.assert_close(warped, wanted[f"warped_lab_{name}"], atol=warped_tolerance, rtol=0)
        torch.testing.assert_close(ab, wanted[f"ab_{name}"], atol=ab_tolerance, rtol=0)


SIZES = ((432, 768), (90, 160), (300, 320), (500, 333), (720, 1000), (40, 700))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_published_frame_is_scikit_images(height, width):
    """Their CenterPad, in scikit-image's own words."""
    transform, color = pytest.importorskip("skimage.transform"), pytest.importorskip("skimage.color")
    u8 = (torch.rand(3, height, width, generator=torch.Generator().manual_seed(height)) * 255).byte()
    pixels = u8.permute(1, 2, 0).numpy()
    if (height, width) != (432, 768):
        if height / width > 432 / 768:
            size = [int(x * 768 / width) for x in (height, width)]
        else:
            size = [int(x * 432 / height) for x in (height, width)]
        large = transform.resize(
            pixels, size, mode="reflect", preserve_range=True, clip=False, anti_aliasing=True
        )
        top, left = (large.shape[0] - 432) // 2, (large.shape[1] - 768) // 2
        pixels = large[top : top + 432, left : left + 768].astype("uint8")
    wanted = torch.from_numpy(color.rgb2lab(pixels)).permute(2, 0, 1)[None].float()
    wanted[:, 0] -= 50
    off = (frame_of(u8) - wanted).abs().amax(1)
    # A value that falls on a whole number may be cut off to the one below.
    assert (off > 1e-3).float().mean() < 1e-4


def test_as_published_goes_from_frame_to_frame(colorizer):
    frames = (torch.rand(2, 3, 40, 64, generator=torch.Generator().manual_seed(5)) * 255).byte()
    first = colorizer.as_published(frames[0], reference=RGB[0], size=144)
    assert first.rgb.shape == (3, 144, 256) and first.ab.shape == (1, 2, 72, 128)
    torch.testing.assert_close(first.rgb * 255, (first.rgb * 255).round(), atol=1e-3, rtol=0)
    fresh = colorizer.as_published(frames[1], reference=RGB[0], size=144)
    after = colorizer.as_published(frames[1], reference=RGB[0], size=144, state=first.state)
    assert not torch.equal(fresh.ab, after.ab)
    with pytest.raises(ValueError, match="multiple of 144, got 150"):
        colorizer.as_published(frames[0], reference=RGB[0], size=150)
    with pytest.raises(ValueError, match="not that of the frame before"):
        colorizer.as_published(frames[0], reference=RGB[0], size=288, state=first.state)
    with pytest.raises(ValueError, match="without a reference picture"):
        colorizer.as_published(frames[0])
