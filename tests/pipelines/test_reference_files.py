"""References by file: what is bound to a frame, what is refused, and whose features are used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from chrominance.models.embedded.features import EmbeddedFeatures
from chrominance.pipelines.jobs import Job, UsageError
from chrominance.pipelines.reference_files import (
    ReferenceFile,
    extractor_of,
    give_references,
    load_references,
    parse_references,
)
from chrominance.pipelines.references import BadReferenceError

from .conftest import embedded


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("coffee", "chelsea"):
        Image.fromarray(getattr(data, name)()).resize((96, 64)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_files_patterns_and_frames(pictures):
    coffee, chelsea = pictures / "coffee.png", pictures / "chelsea.png"
    assert parse_references([str(coffee), f"12:{chelsea}"]) == (
        ReferenceFile(coffee),
        ReferenceFile(chelsea, 12),
    )
    assert parse_references([str(pictures / "c*.png")]) == (ReferenceFile(chelsea), ReferenceFile(coffee))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{0}/none.png", "none.png: no such file"),
        ("3:{0}/none.png", "none.png: no such file"),
        ("{0}", "is a folder: name pictures in it"),
        ("3:{0}/c*.png", "one frame can be bound to one picture, not to 2"),
        ("{0}/clip.mp4", "a reference must be a picture"),
    ],
)
def test_what_cannot_be_a_reference(pictures, text, message):
    (pictures / "clip.mp4").touch()
    with pytest.raises(UsageError, match=message):
        parse_references([text.format(pictures)])


def test_jobs_get_their_references():
    files = (ReferenceFile(Path("a.png")), ReferenceFile(Path("b.png"), 4))
    clip, other = (Job(Path(f"{n}.mp4"), Path(f"{n}.mkv"), "clip") for n in "cd")
    photo = Job(Path("p.jpg"), Path("q.jpg"), "picture")
    (given,) = give_references([clip], files)
    assert given.inputs == (Path("c.mp4"), Path("a.png"), Path("b.png"))
    with pytest.raises(UsageError, match="bound to frame 4, and a picture has no frames"):
        give_references([clip, photo], files)
    with pytest.raises(UsageError, match="bound to frame 4, but there are 2 clips"):
        give_references([clip, other], files)
    with pytest.raises(UsageError, match=r"--warp is for pictures, and c\.mp4 is a clip"):
        give_references([clip], files[:1], warp=True)
    assert len(give_references([clip, photo], files[:1])) == 2


def test_loading_names_the_file_that_is_no_reference(pictures):
    guide = load_references(parse_references([str(pictures / "c*.png")]), embedded(), trust=0.7)
    assert guide.references.names == (str(pictures / "chelsea.png"), str(pictures / "coffee.png"))
    assert guide.trust == 0.7
    Image.fromarray(data.camera()).save(pictures / "grey.png")
    with pytest.raises(BadReferenceError, match=r"grey\.png has no colours to give"):
        load_references([ReferenceFile(pictures / "grey.png")], embedded())


def test_the_networks_own_features_are_shared(monkeypatch):
    own = extractor_of(embedded())
    assert isinstance(own, EmbeddedFeatures)
    assert own.network is embedded().network
    asked = []

    def load(*arguments, **options):
        asked.append((arguments, options))
        return own

    monkeypatch.setattr("chrominance.pipelines.reference_files.load_features", load)
    assert extractor_of(embedded(), "vgg19.pth") is own
    assert asked == [(("vgg19.pth",), {"device": torch.device("cpu"), "dtype": torch.float32})]
