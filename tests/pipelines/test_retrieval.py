from __future__ import annotations

import json
import os
import struct
from collections import Counter

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import pearsonr
from torch import nn

from chrominance.models.features import FeatureExtractor
from chrominance.models.features_load import load_features
from chrominance.pipelines import retrieval, retrieval_folder
from chrominance.pipelines.retrieval import ReferenceIndex, RetrievalError
from chrominance.pipelines.retrieval_features import PLACES, SIDE, describe
from chrominance.pipelines.small_pictures import load_small


class Patches(FeatureExtractor):
    """Features of a fixed random convolution: quick, and different for different pictures."""

    name = "patches"
    strides = (32,)
    multiple = 32

    def __init__(self, seed=0, channels=80):
        self.network = nn.Conv2d(1, channels, 32, 32, bias=False)
        with torch.no_grad():
            self.network.weight.normal_(generator=torch.Generator().manual_seed(seed))
        self.seen = 0

    @torch.inference_mode()
    def features(self, L):
        self.seen += len(L)
        return [F.leaky_relu(self.network(self.checked(L) / 100))]


def picture(number, size=(90, 60)):
    """A picture of colourful blobs, different for every number."""
    generator = torch.Generator().manual_seed(number)
    coarse = torch.rand(1, 3, 5, 6, generator=generator)
    rgb = F.interpolate(coarse, size[::-1], mode="bicubic", align_corners=False)[0].clamp(0, 1)
    return Image.fromarray(rgb.mul(255).byte().permute(1, 2, 0).numpy())


@pytest.fixture
def extractor():
    return Patches()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "colour"
    (folder / "sub").mkdir(parents=True)
    for number in range(9):
        name = f"sub/{number}.jpg" if number % 3 == 0 else f"{number}.png"
        picture(number).save(folder / name)
    return folder


@pytest.fixture
def reads(monkeypatch):
    """Count how often each file is decoded."""
    counted = Counter()

    def counting(path, side):
        counted[path.name] += 1
        return load_small(path, side)

    monkeypatch.setattr(retrieval_folder, "load_small", counting)
    return counted


def updated(folder, extractor, file=None, **more):
    index = ReferenceIndex.open(folder, file)
    index.update(extractor, **more)
    return index


def rgb_of(image):
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 255


def names(found, folder):
    return [one.path.relative_to(folder).as_posix() for one in found]


# What is found


@pytest.mark.parametrize("number", [0, 4])
def test_a_picture_finds_itself_first(folder, extractor, number):
    index = updated(folder, extractor)
    name = f"sub/{number}.jpg" if number % 3 == 0 else f"{number}.png"
    found = index.find(rgb_of(Image.open(folder / name)), extractor, 3)
    assert found[0].path == folder / name and len(found) == 3
    assert found[0].score > 0.98 > found[1].score
    assert (found[0].overall, found[0].places, found[0].lightness) == pytest.approx((1, 1, 1), abs=0.04)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("change", ["grey", "mirrored", "cropped", "small", "large", "turned"])
def test_a_changed_copy_finds_the_picture_by_the_real_features(tmp_path, change):
    data = pytest.importorskip("skimage.data")
    photos = {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    for name, pixels in photos.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    extractor = load_features()
    index = updated(tmp_path, extractor)
    for name, pixels in photos.items():
        image = Image.fromarray(pixels)
        image = {
            "grey": lambda i: i.convert("L"),
            "mirrored": lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            "cropped": lambda i: i.crop((i.width // 8, i.height // 8, i.width, i.height * 7 // 8)),
            "small": lambda i: i.resize((70, 50)),
            "large": lambda i: i.resize((1500, 1100)),
            "turned": lambda i: i.rotate(8, expand=True),
        }[change](image)
        assert index.find(rgb_of(image), extractor)[0].path.stem == name


def test_colour_does_not_count(folder, extractor):
    index = updated(folder, extractor)
    image = picture(4)
    known = index.find(rgb_of(image), extractor, 9)
    L = known_grey(rgb_of(image))
    assert names(index.find(L, extractor, 9), folder) == names(known, folder)


def known_grey(rgb):
    from chrominance.pipelines.merge import merge

    return merge(rgb, torch.zeros(1, 2, 1, 1))


def test_scores_are_what_the_paper_says(folder, extractor):
    """Every part again, place by place, with SciPy's correlation; without compression's loss."""
    index = updated(folder, extractor)
    target = describe(F.interpolate(rgb_of(picture(77)), (SIDE, SIDE)), extractor)
    rows = index._data.rows
    basis = index._data.basis
    centred = (target.features[0] - basis.mean).numpy()
    mine = centred @ basis.to_place.numpy()
    mine /= np.linalg.norm(mine, axis=1, keepdims=True)
    whole = centred.mean(0) @ basis.to_overall.numpy()
    whole /= np.linalg.norm(whole)
    expected = {}
    for number, name in enumerate(rows.names):
        theirs = rows.places[number].float().numpy()
        similarity, lightness = [], []
        for place in range(PLACES):
            cosines = theirs @ mine[place]
            best = int(cosines.argmax())
            similarity.append(cosines[best])
            theirs_light = rows.lightness[number, best].float().numpy()
            lightness.append(pearsonr(target.lightness[0, place].numpy(), theirs_light)[0])
        overall = rows.overall[number].float().numpy() @ whole
        parts = (overall, np.mean(similarity), np.mean(lightness))
        expected[name] = ((parts[0] + parts[1] + parts[2] / 4) / 2.25, *parts)
    for one in index.search(target, 9):
        got = (one.score, one.overall, one.places, one.lightness)
        assert got == pytest.approx(expected[one.path.relative_to(folder).as_posix()], abs=2e-3)


def test_equal_scores_come_in_the_order_of_names(folder, extractor):
    for copy in ("b.png", "a.png", "sub/z.png"):
        picture(4).save(folder / copy)
    found = updated(folder, extractor).find(rgb_of(picture(4)), extractor, 4)
    assert names(found, folder) == ["4.png", "a.png", "b.png", "sub/z.png"]


@pytest.mark.parametrize("count", [1, 2])
def test_very_few_pictures(tmp_path, extractor, count):
    for number in range(count):
        picture(number).save(tmp_path / f"{number}.png")
    index = updated(tmp_path, extractor)
    for number in range(count):
        found = index.find(rgb_of(picture(number)), extractor, 5)
        assert found[0].path.name == f"{number}.png" and len(found) == count
        assert all(np.isfinite([one.score, one.overall, one.places, one.lightness]).all() for one in found)


def test_a_target_may_be_one_pixel_or_flat(folder, extractor):
    index = updated(folder, extractor)
    for target in (torch.full((1, 3, 1, 1), 0.5), torch.zeros(1, 3, 40, 30), torch.rand(1, 3, 500, 3)):
        assert len(index.find(target, extractor)) == 5


def test_the_first_step_leaves_enough_for_a_large_count(folder, extractor, monkeypatch):
    monkeypatch.setattr(retrieval, "CANDIDATES", 2)
    index = updated(folder, extractor)
    assert len(index.find(rgb_of(picture(4)), extractor, 8)) == 8
    assert index.find(rgb_of(picture(4)), extractor, 1)[0].path.name == "4.png"


def test_wrong_targets_are_refused(folder, extractor):
    index = updated(folder, extractor)
    with pytest.raises(ValueError, match=r"\[1,3,H,W\]"):
        index.find(torch.rand(2, 3, 9, 9), extractor)
    with pytest.raises(ValueError, match="NaN"):
        index.find(torch.full((1, 3, 9, 9), torch.nan), extractor)
    with pytest.raises(ValueError, match="at least 1"):
        index.find(torch.rand(1, 3, 9, 9), extractor, 0)


# What is indexed


def same(first, second):
    for part in ("overall", "places", "lightness", "features"):
        one, other = getattr(first._data.rows, part), getattr(second._data.rows, part)
        assert (one is None) == (other is None)
        if one is not None:
            assert torch.allclose(one.float(), other.float(), atol=2e-3), part
    assert first._data.rows.names == second._data.rows.names
    assert first._data.rows.stamps == second._data.rows.stamps
    assert first._data.skipped == second._data.skipped


def test_an_updated_index_is_that_of_a_new_start(folder, extractor, tmp_path):
    updated(folder, extractor)
    (folder / "1.png").unlink()
    picture(20).save(folder / "2.png")
    picture(21).save(folder / "new.png")
    Image.new("L", (9, 9), 70).save(folder / "4.png")
    after = updated(folder, extractor)
    same(after, updated(folder, extractor, tmp_path / "fresh.safetensors"))
    same(after, ReferenceIndex.load(folder))
    assert "1.png" not in after.names and "4.png" in after.skipped
    assert after.find(rgb_of(picture(20)), extractor)[0].path.name == "2.png"
    assert after.find(rgb_of(picture(21)), extractor)[0].path.name == "new.png"


def test_only_new_and_changed_files_are_read(folder, extractor, reads):
    (folder / "broken.png").write_text("no picture")
    Image.new("L", (9, 9), 70).save(folder / "grey.png")
    index = updated(folder, extractor)
    assert set(reads.values()) == {1} and len(reads) == 11
    assert len(index) == 9 and set(index.skipped) == {"broken.png", "grey.png"}
    reads.clear()
    before = index.file.stat().st_mtime_ns
    assert not updated(folder, extractor).changes()
    assert not reads and index.file.stat().st_mtime_ns == before
    picture(30).save(folder / "2.png")
    os.utime(folder / "4.png", ns=(1, 1))
    picture(31).save(folder / "sub" / "new.png")
    (folder / "1.png").unlink()
    index = ReferenceIndex.load(folder)
    changes = index.changes()
    assert (set(changes.new), set(changes.changed), changes.gone) == (
        {"sub/new.png"},
        {"2.png", "4.png"},
        ("1.png",),
    )
    assert str(changes) == "1 new, 2 changed, 1 gone"
    index.update(extractor)
    assert reads == {"new.png": 1, "2.png": 1, "4.png": 1}
    (folder / "broken.png").unlink()
    picture(32).save(folder / "grey.png")
    reads.clear()
    assert len(updated(folder, extractor)) == 10 and reads == {"grey.png": 1}


def test_a_removed_file_is_gone(folder, extractor, reads):
    updated(folder, extractor)
    (folder / "4.png").unlink()
    reads.clear()
    index = updated(folder, extractor)
    assert not reads
    assert "4.png" not in names(index.find(rgb_of(picture(4)), extractor, 9), folder)
    assert ReferenceIndex.load(folder).names == index.names


def test_hidden_files_and_other_files_are_left_alone(folder, extractor):
    (folder / ".trash").mkdir()
    picture(40).save(folder / ".trash" / "a.png")
    picture(41).save(folder / ".hidden.png")
    (folder / "notes.txt").write_text("not a picture")
    picture(42).save(folder / "Loud.PNG")
    assert set(updated(folder, extractor).names) == {
        *("sub/0.jpg", "sub/3.jpg", "sub/6.jpg", "Loud.PNG"),
        *(f"{number}.png" for number in (1, 2, 4, 5, 7, 8)),
    }


def test_files_that_are_no_references(folder, extractor, caplog):
    data = (folder / "sub" / "0.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("text")
    Image.new("RGB", (1, 1), "red").save(folder / "pixel.png")
    picture(3).convert("L").save(folder / "grey.jpg")
    picture(3).convert("L").convert("RGB").save(folder / "grey_rgb.jpg")
    light = np.asarray(picture(3).convert("L"), float)[..., None] / 255
    sepia = 255 * light ** np.array([0.8, 1.0, 1.35])
    Image.fromarray(sepia.round().astype(np.uint8)).save(folder / "sepia.png")
    index = updated(folder, extractor)
    assert len(index) == 9
    assert set(index.skipped) == {
        *("cut.jpg", "empty.png", "text.png", "pixel.png", "grey.jpg", "grey_rgb.jpg", "sepia.png")
    }
    for name in ("grey.jpg", "grey_rgb.jpg", "sepia.png", "pixel.png"):
        assert index.skipped[name] == retrieval_folder.COLORLESS
    for name in ("cut.jpg", "empty.png", "text.png"):
        assert index.skipped[name] and "\n" not in index.skipped[name]
        assert name not in index.skipped[name]
        assert sum(name in record.getMessage() for record in caplog.records) == 1
    assert str(index) == "9 references, 4 without colours, 3 unreadable"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_tried_again(folder, extractor):
    (folder / "1.png").chmod(0)
    assert "1.png" not in updated(folder, extractor).names
    (folder / "1.png").chmod(0o600)
    assert "1.png" in updated(folder, extractor).names


def test_refusals_of_the_system_are_not_remembered(folder, extractor, monkeypatch):
    from chrominance.pipelines.samples import PictureError

    def refused(path, side):
        if path.name == "1.png":
            raise PictureError(f"{path}: cannot be read") from PermissionError(13, "Permission denied")
        return load_small(path, side)

    monkeypatch.setattr(retrieval_folder, "load_small", refused)
    index = updated(folder, extractor)
    assert len(index) == 8 and not index.skipped
    monkeypatch.undo()
    assert len(updated(folder, extractor)) == 9


# How it is kept


def test_cancelled_work_is_kept(folder, extractor, monkeypatch, reads):
    monkeypatch.setattr(retrieval, "SAVE_EVERY", 4)
    monkeypatch.setattr(retrieval, "_BATCH", 2)

    class Cancelled(BaseException):
        pass

    done = []

    def progress(count):
        done.append(count)
        if len(done) == 7:
            raise Cancelled

    with pytest.raises(Cancelled):
        updated(folder, extractor, progress=progress)
    kept = ReferenceIndex.load(folder)
    assert 4 <= len(kept) <= 7
    done.clear()
    first = reads.copy()
    index = updated(folder, extractor, progress=done.append)
    assert len(index) == 9 and sum(done) == 9 - len(kept)
    again = {name for name, count in reads.items() if count > first[name] and first[name]}
    assert again.isdisjoint(name.rpartition("/")[2] for name in kept.names)
    assert not list(folder.glob("*.part")) and not list(folder.glob(".*.part"))


def test_from_many_pictures_on_the_basis_is_final(folder, extractor, monkeypatch, tmp_path):
    monkeypatch.setattr(retrieval, "FIT_COUNT", 6)
    index = updated(folder, extractor)
    assert index._data.rows.features is None
    basis = index._data.basis
    for number in range(50, 53):
        picture(number).save(folder / f"{number}.png")
    index = updated(folder, extractor)
    assert torch.equal(index._data.basis.to_place, basis.to_place)
    assert len(index) == 12
    assert index.find(rgb_of(picture(51)), extractor)[0].path.name == "51.png"
    assert index.find(rgb_of(picture(4)), extractor)[0].path.name == "4.png"
    fresh = updated(folder, extractor, tmp_path / "fresh.safetensors")
    for number in (51, 4):
        best = [i.find(rgb_of(picture(number)), extractor)[0] for i in (index, fresh)]
        assert best[0].path == best[1].path and best[0].score == pytest.approx(best[1].score, abs=0.02)


def test_another_network_is_refused(folder, extractor):
    index = updated(folder, extractor)
    picture(60).save(folder / "60.png")
    for other in (Patches(seed=1), Patches(channels=90)):
        with pytest.raises(RetrievalError, match="another version of it"):
            index.find(torch.rand(1, 3, 9, 9), other)
        with pytest.raises(RetrievalError, match="--rebuild"):
            updated(folder, other)
    other = Patches()
    other.name = "other"
    with pytest.raises(RetrievalError, match='"other"'):
        updated(folder, other)
    index.find(torch.rand(1, 3, 9, 9), extractor)
    with pytest.raises(RetrievalError, match="another version of it"):
        index.find(torch.rand(1, 3, 9, 9), Patches(seed=1))
    half = Patches()
    half.network.to(torch.bfloat16)
    half.features = lambda L: [F.leaky_relu(half.network(L.bfloat16() / 100)).float()]
    assert len(updated(folder, half)) == 10


def test_a_network_that_overflows_leaves_no_trace(folder, extractor, monkeypatch):
    index = updated(folder, extractor)
    picture(60).save(folder / "60.png")
    small = extractor.features
    monkeypatch.setattr(
        extractor,
        "features",
        lambda L: [x if len(x) == 1 and x.shape[2] == 2 else x * torch.inf for x in small(L)],
    )
    with pytest.raises(FloatingPointError, match="float32"):
        index.update(extractor)
    assert len(ReferenceIndex.load(folder)) == 9


def damage(file, how):
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = safetensors.torch.load(data)
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    facts = json.loads(metadata["facts"])
    if how == "cut":
        file.write_bytes(data[:-9])
    elif how == "text":
        file.write_text("something else")
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "shape":
        tensors["places"] = tensors["places"][1:]
    elif how == "type":
        tensors["overall"] = tensors["overall"].float()
    elif how == "missing":
        del tensors["mean"]
    elif how == "nan":
        tensors["lightness"][2, 3] = torch.nan
    elif how == "facts":
        metadata["facts"] = "{"
    elif how == "version":
        facts["version"] = 99
    elif how == "twice":
        facts["files"][1] = facts["files"][0]
    elif how == "outside":
        facts["files"][0][0] = "../../secret.png"
    elif how == "probe":
        tensors["probe"] = torch.tensor(1.0)
    if how not in ("cut", "text", "empty"):
        if how != "facts":
            metadata["facts"] = json.dumps(facts)
        safetensors.torch.save_file(tensors, file, metadata)


KINDS = (
    *("cut", "text", "empty", "shape", "type", "missing", "nan", "facts", "version", "twice", "outside"),
    "probe",
)


@pytest.mark.parametrize("how", KINDS)
def test_a_damaged_index_is_named_and_can_be_rebuilt(folder, extractor, how):
    file = updated(folder, extractor).file
    damage(file, how)
    for begin in (ReferenceIndex.load, ReferenceIndex.open):
        with pytest.raises(RetrievalError, match="--rebuild") as caught:
            begin(folder)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    again = ReferenceIndex(folder)
    again.update(extractor)
    assert len(ReferenceIndex.load(folder)) == 9


def test_an_index_elsewhere(folder, extractor, tmp_path):
    file = tmp_path / "mine.safetensors"
    updated(folder, extractor, file)
    assert len(ReferenceIndex.load(folder, file)) == 9 and not list(folder.glob(".chrominance*"))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(RetrievalError, match="not of"):
        ReferenceIndex.load(other, file)
    # In its folder it moves with it.
    updated(folder, extractor)
    folder.rename(tmp_path / "moved")
    moved = ReferenceIndex.load(tmp_path / "moved")
    assert not moved.changes() and moved.find(rgb_of(picture(4)), extractor)[0].path.is_file()


def test_other_files_are_never_replaced(folder, extractor, tmp_path):
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"a": torch.ones(3)}, weights)
    before = weights.read_bytes()
    with pytest.raises(RetrievalError, match="choose another name"):
        ReferenceIndex(folder, weights)
    with pytest.raises(RetrievalError, match="safetensors"):
        ReferenceIndex(folder, folder / "1.png")
    assert weights.read_bytes() == before


def test_a_place_that_cannot_be_written(folder, extractor, tmp_path, reads):
    for file in (tmp_path / "none" / "x.safetensors", folder / "1.png" / "x.safetensors"):
        with pytest.raises(RetrievalError, match=r"cannot be written .* --index FILE"):
            updated(folder, extractor, file)
    (tmp_path / "dir.safetensors").mkdir()
    with pytest.raises(RetrievalError):
        updated(folder, extractor, tmp_path / "dir.safetensors")
    assert not reads  # it is seen before the work, not after it


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(folder, extractor, tmp_path, reads):
    folder.chmod(0o500)
    try:
        with pytest.raises(RetrievalError, match=r"cannot be written .* --index FILE"):
            updated(folder, extractor)
        assert not reads
        assert len(updated(folder, extractor, tmp_path / "elsewhere.safetensors")) == 9
    finally:
        folder.chmod(0o700)


def test_folders_without_anything(tmp_path, extractor):
    with pytest.raises(RetrievalError, match="no such folder"):
        ReferenceIndex(tmp_path / "none")
    (tmp_path / "file.png").touch()
    with pytest.raises(RetrievalError, match="not a folder"):
        ReferenceIndex(tmp_path / "file.png")
    (tmp_path / "file.png").unlink()
    with pytest.raises(RetrievalError, match="no index"):
        ReferenceIndex.load(tmp_path)
    index = updated(tmp_path, extractor)
    with pytest.raises(RetrievalError, match="put colour pictures there"):
        index.find(torch.rand(1, 3, 9, 9), extractor)
    Image.new("L", (9, 9)).save(tmp_path / "grey.png")
    index = updated(tmp_path, extractor)
    with pytest.raises(RetrievalError, match=r"none of 1 .* grey\.png: grey or toned"):
        index.find(torch.rand(1, 3, 9, 9), extractor)
    assert len(ReferenceIndex.load(tmp_path)) == 0
    picture(1).save(tmp_path / "a.png")
    assert updated(tmp_path, extractor).names == ("a.png",)
