"""DDColor: the published layouts, any size, and OpenCV's Lab to the digit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from chrominance.models import KeyMismatchError, WrongShapeError, detect_system, load_colorizer
from chrominance.models.ddcolor.color_decoder import sine_positions
from chrominance.models.ddcolor.network import DDColor, blur
from chrominance.models.ddcolor.opencv_lab import opencv_lab_to_rgb, rgb_to_opencv_lab

WIDTHS, DEPTHS, QUERIES, ROUNDS = (96, 192, 384, 768), (1, 2, 1, 1), 7, 3
ARCH, COLORS = "encoder.arch", "decoder.color_decoder"


def layer(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": (shape[0],)}


def norm(name, c):
    leaves = {f"{name}.{leaf}": (c,) for leaf in ("weight", "bias", "running_mean", "running_var")}
    return leaves | {f"{name}.num_batches_tracked": ()}


def spectral(name, *shape):
    return {
        f"{name}.weight_orig": shape,
        f"{name}.weight_u": shape[:1],
        f"{name}.weight_v": (prod(shape[1:]),),
    }


def prod(sizes):
    return int(np.prod(sizes))


def published_shapes(depths=DEPTHS, queries=QUERIES, rounds=ROUNDS):
    shapes = {"mean": (1, 3, 1, 1), "std": (1, 3, 1, 1)}
    shapes |= layer(f"{ARCH}.downsample_layers.0.0", 96, 3, 4, 4)
    shapes |= {f"{ARCH}.downsample_layers.0.1.{leaf}": (96,) for leaf in ("weight", "bias")}
    for i, (a, b) in enumerate(pairwise(WIDTHS), 1):
        shapes |= {f"{ARCH}.downsample_layers.{i}.0.{leaf}": (a,) for leaf in ("weight", "bias")}
        shapes |= layer(f"{ARCH}.downsample_layers.{i}.1", b, a, 2, 2)
    for stage, (depth, c) in enumerate(zip(depths, WIDTHS, strict=True)):
        for block in range(depth):
            name = f"{ARCH}.stages.{stage}.{block}"
            shapes |= {f"{name}.gamma": (c,), f"{name}.norm.weight": (c,), f"{name}.norm.bias": (c,)}
            shapes |= layer(f"{name}.dwconv", c, 1, 7, 7) | layer(f"{name}.pwconv1", 4 * c, c)
            shapes |= layer(f"{name}.pwconv2", c, 4 * c)
        shapes |= {f"{ARCH}.norm{stage}.{leaf}": (c,) for leaf in ("weight", "bias")}
    shapes |= {f"{ARCH}.norm.{leaf}": (768,) for leaf in ("weight", "bias")}
    for i, (c_in, skip, c) in enumerate(((768, 384, 512), (512, 192, 512), (512, 96, 256))):
        name = f"decoder.layers.{i}"
        shapes |= spectral(f"{name}.shuf.conv.0", 4 * c, c_in, 1, 1) | norm(f"{name}.shuf.conv.1", 4 * c)
        shapes |= norm(f"{name}.bn", skip) | spectral(f"{name}.conv.0", c, c + skip, 3, 3)
        shapes |= norm(f"{name}.conv.2", c)
    shapes |= spectral("decoder.last_shuf.conv.0", 4096, 256, 1, 1) | {
        "decoder.last_shuf.conv.0.bias": (4096,)
    }
    shapes |= {f"{COLORS}.{name}.weight": (queries, 256) for name in ("query_feat", "query_embed")}
    shapes |= {f"{COLORS}.level_embed.weight": (3, 256)}
    for i, c in enumerate((512, 512, 256)):
        shapes |= layer(f"{COLORS}.input_proj.{i}", 256, c, 1, 1)
        shapes |= layer(f"{COLORS}.color_embed.layers.{i}", 256, 256)
    for i in range(rounds):
        for kind, part in (("self", "self_attn"), ("cross", "multihead_attn")):
            name = f"{COLORS}.transformer_{kind}_attention_layers.{i}"
            shapes |= {f"{name}.{part}.in_proj_weight": (768, 256), f"{name}.{part}.in_proj_bias": (768,)}
            shapes |= layer(f"{name}.{part}.out_proj", 256, 256)
            shapes |= {f"{name}.norm.{leaf}": (256,) for leaf in ("weight", "bias")}
        name = f"{COLORS}.transformer_ffn_layers.{i}"
        shapes |= layer(f"{name}.linear1", 2048, 256) | layer(f"{name}.linear2", 256, 2048)
        shapes |= {f"{name}.norm.{leaf}": (256,) for leaf in ("weight", "bias")}
    shapes |= {f"{COLORS}.decoder_norm.{leaf}": (256,) for leaf in ("weight", "bias")}
    return shapes | spectral("refine_net.0.0", 2, queries + 3, 1, 1) | {"refine_net.0.0.bias": (2,)}


@pytest.fixture(scope="module")
def state(random_weights):
    state = random_weights(published_shapes(), 3)
    for key in [key for key in state if key.endswith("weight_u")]:
        module = key.removesuffix("_u")
        u, _, v = torch.linalg.svd(state[f"{module}_orig"].flatten(1), full_matrices=False)
        state[key], state[f"{module}_v"] = u[:, 0], v[0]
    state["mean"] = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    state["std"] = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return state


@pytest.fixture(scope="module")
def colorizer(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("ddcolor") / "ddcolor.pth"
    torch.save({"params": state}, path)
    return load_colorizer(path)


def test_the_published_counts():
    assert len(published_shapes((3, 3, 9, 3), 100, 9)) == 440
    assert detect_system(published_shapes((3, 3, 9, 3), 100, 9)).name == "ddcolor_tiny"


def test_both_layouts_are_one(colorizer, state, tmp_path):
    torch.save(state, tmp_path / "pytorch_model.bin")
    raw = load_colorizer(tmp_path / "pytorch_model.bin")
    L = torch.rand(1, 1, 40, 70, generator=torch.Generator().manual_seed(0)) * 100
    assert torch.equal(raw.colorize(L, size=64).ab, colorizer.colorize(L, size=64).ab)
    assert colorizer.spec.system == "ddcolor_tiny"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 70), (33, 200)])
def test_any_size(colorizer, height, width):
    L = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(1)) * 100
    both = colorizer.colorize(L, size=64).ab
    assert both.shape[2] % 32 == both.shape[3] % 32 == 0 and torch.isfinite(both).all()
    for one, picture in zip(both, L, strict=True):
        torch.testing.assert_close(
            colorizer.colorize(picture[None], size=64).ab[0], one, atol=1e-3, rtol=1e-4
        )


def test_the_end_of_the_network_is_that_of_the_paper(colorizer):
    """Maps for each query, at full size, then the refinement: as the authors compute it, all at once."""
    network = colorizer.network
    rgb = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(2)).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        x = (rgb - network.mean) / network.std
        features = network.encoder(x)
        levels, below = [], features[3]
        for up, skip in zip(network.up, features[2::-1], strict=True):
            below = up(below, skip)
            levels.append(below)
        large = F.pixel_shuffle(network.last(below).relu().permute(0, 3, 1, 2), 4)
        large = F.avg_pool2d(F.pad(large, (1, 0, 1, 0), mode="replicate"), 2, 1)
        maps = torch.einsum("bqc,bchw->bqhw", network.colors(levels), large)
        refine = network.refine
        wanted = F.conv2d(torch.cat([maps, x], 1), refine.weight[:, :, None, None], refine.bias)
        torch.testing.assert_close(network(rgb), wanted, atol=1e-3, rtol=1e-3)


def test_positions_by_the_formula():
    found = sine_positions(3, 5, torch.device("cpu"))
    assert found.shape == (3, 5, 256)
    angle = 2 / (3 + 1e-6) * 2 * np.pi / 10000 ** (2 * 3 / 128)
    assert found[1, 4, 6].item() == pytest.approx(np.sin(angle), abs=1e-5)
    assert found[1, 4, 7].item() == pytest.approx(np.cos(angle), abs=1e-5)
    angle = 5 / (5 + 1e-6) * 2 * np.pi
    assert found[1, 4, 128].item() == pytest.approx(np.sin(angle), abs=1e-5)


def test_blur_repeats_the_edge():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert torch.equal(blur(x), torch.tensor([[[[0.0, 0.5, 1.5], [1.5, 2.0, 3.0]]]]))


def test_a_wrong_file_is_named(state, tmp_path):
    wrong = dict(state)
    wrong["decoder.layers.1.bn.weight"] = torch.ones(191)
    torch.save({"params": wrong}, tmp_path / "wrong.pth")
    with pytest.raises(WrongShapeError, match=r"decoder\.layers\.1\.bn\.weight should be \[192\]"):
        load_colorizer(tmp_path / "wrong.pth")
    wrong = {key: value for key, value in state.items() if key != f"{COLORS}.decoder_norm.bias"}
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(KeyMismatchError, match=r"decoder_norm\.bias"):
        load_colorizer(tmp_path / "wrong.pth")


def test_opencvs_lab():
    cv2 = pytest.importorskip("cv2")
    rgb = np.random.default_rng(0).random((90, 130, 3)).astype(np.float32)
    rgb[0, :3] = [[0, 0, 0], [1, 1, 1], [1, 0, 1]]
    rgb[1:20] = np.round(rgb[1:20] * 255).astype(np.float32) / np.float32(255)
    wanted = torch.from_numpy(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)).permute(2, 0, 1)
    found = rgb_to_opencv_lab(torch.from_numpy(rgb).permute(2, 0, 1))
    off = (found - wanted).abs()
    # Where a table entry lies between two whole numbers it may have been rounded the other way.
    assert off.max() < 0.016 and (off > 1e-5).float().mean() < 0.002
    lab = np.random.default_rng(1).uniform((0, -100, -100), (100, 100, 100), (60, 70, 3)).astype(np.float32)
    wanted = torch.from_numpy(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)).permute(2, 0, 1)
    found = opencv_lab_to_rgb(torch.from_numpy(lab).permute(2, 0, 1))
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=0)


def test_as_published_is_the_authors_script(colorizer):
    cv2 = pytest.importorskip("cv2")
    u8 = (torch.rand(3, 50, 70, generator=torch.Generator().manual_seed(4)) * 255).byte()
    u8 = F.interpolate(u8[None].float(), (100, 140), mode="bilinear")[0].byte()
    img = (u8.permute(1, 2, 0).flip(2).numpy() / 255.0).astype(np.float32)
    L = cv2.cvtColor(img, cv2.COLOR_BGR2Lab)[:, :, :1]
    small = cv2.cvtColor(cv2.resize(img, (64, 64)), cv2.COLOR_BGR2Lab)[:, :, :1]
    grey = cv2.cvtColor(np.concatenate([small, 0 * small, 0 * small], 2), cv2.COLOR_LAB2RGB)
    with torch.inference_mode():
        ab = colorizer.network(torch.from_numpy(grey.transpose(2, 0, 1))[None])
    back = F.interpolate(ab, size=(100, 140))[0].numpy().transpose(1, 2, 0)
    bgr = (cv2.cvtColor(np.concatenate([L, back], 2), cv2.COLOR_LAB2BGR) * 255).round().astype(np.uint8)
    done = colorizer.as_published(u8, size=64)
    off = ((done.rgb * 255).round() - torch.from_numpy(bgr[..., ::-1].copy()).permute(2, 0, 1)).abs()
    assert off.max() <= 2 and (off > 0).float().mean() < 0.02
    with pytest.raises(ValueError, match="must divide by 32, got 80"):
        colorizer.as_published(u8, size=80)


def test_it_builds_without_a_file():
    assert len(DDColor((1, 1, 1, 1), WIDTHS, 3, 1).encoder.stages) == 4
