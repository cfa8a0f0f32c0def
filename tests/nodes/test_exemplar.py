"""The reference nodes, with the network that ships."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from skimage import data

from chrominance.color import rgb_to_lightness
from chrominance.models import CheckpointError
from chrominance.models.contract import Published
from chrominance.nodes import host
from chrominance.nodes.colorize import AutoColorize
from chrominance.nodes.exemplar import ExemplarColorize, ExemplarWarp
from chrominance.pipelines.merge import merge
from chrominance.pipelines.metrics import psnr
from chrominance.pipelines.references import BadReferenceError

SETTINGS = {"strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 0}
GIVEN = {"features": "embedded", "trust": 0.5}


def photo(name: str, height: int = 144, width: int = 192) -> torch.Tensor:
    """A colour photo as an IMAGE [1,H,W,3]."""
    rgb = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255
    small = F.interpolate(rgb, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return small.movedim(1, -1)


def greyed(image: torch.Tensor) -> torch.Tensor:
    return merge(image.movedim(-1, 1), torch.zeros(1, 2, 1, 1)).movedim(1, -1)


def closeness(image: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    return psnr(image[..., :3].movedim(-1, 1), true.movedim(-1, 1))


def test_each_picture_takes_its_own_reference_from_any_socket():
    true = torch.cat([photo("astronaut"), photo("coffee"), photo("chelsea")])
    grey = greyed(true)
    references = {"reference0": photo("coffee", 200, 260), "reference1": torch.cat([true[2:], true[:1]])}
    image, confidence, lab = ExemplarColorize.execute(grey, references, **GIVEN, **SETTINGS).args
    alone = AutoColorize.execute(grey, **SETTINGS)[0]
    assert image.shape == grey.shape and confidence.shape == (3, 144, 192)
    assert (closeness(image, true) > closeness(alone, true) + 3).all()
    assert (confidence.mean((1, 2)) > 0.7).all()
    lightness = rgb_to_lightness(grey.movedim(-1, 1))
    assert torch.allclose(lab.L, lightness, atol=1e-4)
    assert torch.allclose(rgb_to_lightness(image.movedim(-1, 1)), lightness, atol=0.05)


def test_the_warp_says_what_it_knows():
    true = photo("astronaut")
    grey = torch.cat([greyed(true), torch.rand(1, 144, 192, 1)], 3)
    lab, confidence, preview = ExemplarWarp.execute(grey, {"reference0": true}, **GIVEN).args
    assert preview.shape == grey.shape
    assert torch.equal(preview[..., 3:], grey[..., 3:])
    assert torch.equal(lab.alpha, grey[..., 3:].movedim(-1, 1))
    assert closeness(preview, true) > 24
    assert confidence.mean() > 0.7
    _, other, _ = ExemplarWarp.execute(grey, {"reference0": photo("chelsea")}, **GIVEN).args
    assert other.mean() < 0.3


def test_without_trust_it_is_automatic():
    grey = greyed(photo("coffee"))
    given = {**GIVEN, "trust": 0.0}
    image, confidence, _ = ExemplarColorize.execute(
        grey, {"reference0": photo("coffee")}, **given, **SETTINGS
    ).args
    assert torch.allclose(image, AutoColorize.execute(grey, **SETTINGS)[0], atol=1e-5)
    assert confidence.max() == 0


def test_alpha_and_mask():
    grey = torch.cat([greyed(photo("astronaut")), torch.rand(1, 144, 192, 1)], 3)
    mask = torch.zeros(144, 192)
    mask[:, :60] = 1
    image = ExemplarColorize.execute(
        grey, {"reference0": photo("astronaut")}, **GIVEN, **SETTINGS, mask=mask
    )[0]
    assert torch.equal(image[..., 3:], grey[..., 3:])
    assert torch.equal(image[:, :, 60:], grey[:, :, 60:])
    assert not torch.equal(image[:, :, :60], grey[:, :, :60])


def test_what_is_no_reference_is_named():
    grey = greyed(photo("coffee"))
    given = {"reference0": photo("coffee"), "reference1": torch.cat([photo("coffee"), grey])}
    with pytest.raises(BadReferenceError, match="reference1, picture 2 has no colours to give"):
        ExemplarColorize.execute(grey, given, **GIVEN, **SETTINGS)
    with pytest.raises(BadReferenceError, match="reference0 is 12×10 pixels, too small"):
        ExemplarWarp.execute(grey, {"reference0": photo("coffee", 10, 12)}, **GIVEN)
    with pytest.raises(BadReferenceError, match="there is no reference"):
        ExemplarWarp.execute(grey, {"reference0": None}, **GIVEN)
    with pytest.raises(ValueError, match="equally many pictures"):
        ExemplarColorize.execute(
            grey, {"reference0": photo("coffee")}, **GIVEN, **SETTINGS, mask=torch.ones(3, 144, 192)
        )


def test_a_colorizer_that_takes_none_is_named(hosted):
    with pytest.raises(ValueError, match="Plain takes no reference"):
        ExemplarColorize.execute(
            greyed(photo("coffee")), {"reference0": photo("coffee")}, **GIVEN, **SETTINGS, colorizer=hosted
        )


def test_features_from_a_file(tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    from chrominance.models import shipped_weights

    source = tmp_path / "own.safetensors"
    save_file(load_file(shipped_weights("embedded")), source)
    monkeypatch.setattr(host, "colorizer_source", lambda name: source)
    host.feature_cache().clear()
    true = photo("astronaut")
    given = {**GIVEN, "features": "own.safetensors"}
    for _ in range(2):
        preview = ExemplarWarp.execute(greyed(true), {"reference0": true}, **given)[2]
    assert closeness(preview, true) > 24
    assert host.feature_cache().loads == 1
    source.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"own\.safetensors"):
        ExemplarWarp.execute(greyed(true), {"reference0": true}, **given)


def test_as_published_takes_one_reference(plain, hosted, monkeypatch):
    from dataclasses import replace

    seen = []

    def way(self, rgb, reference, size, state):
        seen.append(reference)
        return Published(torch.full((3, 16, 16), 0.5), torch.zeros(1, 2, 4, 4))

    monkeypatch.setattr(type(plain), "_as_published", way)
    known = frozenset({"exemplar"})
    monkeypatch.setattr(type(plain), "spec", replace(plain.spec, conditions=known, required=known))
    grey = torch.rand(2, 20, 30, 1).expand(-1, -1, -1, 3)
    like = torch.rand(1, 40, 30, 3)
    given = {**GIVEN, **SETTINGS, "as_published": True, "colorizer": hosted}
    image, _, _ = ExemplarColorize.execute(grey, {"reference0": like, "reference1": None}, **given).args
    assert image.shape == (2, 16, 16, 3)
    assert torch.equal(seen[1], (like[0].movedim(-1, 0) * 255).round().byte())
    with pytest.raises(ValueError, match="takes one reference, got 2"):
        ExemplarColorize.execute(grey, {"reference0": like.repeat(2, 1, 1, 1)}, **given)
