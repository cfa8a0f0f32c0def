"""Which inputs become which outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from chrominance.pipelines.jobs import UsageError, plan_jobs


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def plan(tmp_path: Path, inputs: list[str], output: str, **options):
    """Plan, and show jobs as source → target below tmp_path."""
    found = plan_jobs([str(tmp_path / name) for name in inputs], tmp_path / output, **options)
    shown = {
        job.source.relative_to(tmp_path).as_posix(): job.target.relative_to(tmp_path).as_posix()
        for job in found.jobs
    }
    return shown, found


def test_one_file_to_one_file(tmp_path) -> None:
    touch(tmp_path, "a.jpg", "b.mp4", "c.gif", "d")
    assert plan(tmp_path, ["a.jpg"], "x/out.png")[0] == {"a.jpg": "x/out.png"}
    for source, output, kind in (
        ("a.jpg", "out.tif", "picture"),
        ("b.mp4", "out.mkv", "clip"),
        ("c.gif", "out.png", "picture"),
        ("c.gif", "out.mp4", "clip"),
        ("d", "out.png", "picture"),
        ("d", "out.mp4", "clip"),
    ):
        shown, found = plan(tmp_path, [source], output)
        assert shown == {source: output}
        assert found.jobs[0].kind == kind
        assert found.folder == tmp_path


def test_files_into_a_folder(tmp_path) -> None:
    touch(tmp_path, "a.jpg", "b.gif", "c.MP4", "d.avi", "e.jfif")
    shown, found = plan(tmp_path, ["a.jpg", "b.gif", "c.MP4", "d.avi", "e.jfif"], "out")
    assert shown == {
        "a.jpg": "out/a.jpg",
        "b.gif": "out/b.png",
        "c.MP4": "out/c.MP4",
        "d.avi": "out/d.mkv",
        "e.jfif": "out/e.jpg",
    }
    assert found.folder == tmp_path / "out"
    assert plan(tmp_path, ["a.jpg"], "out")[0] == {"a.jpg": "out/a.jpg"}
    touch(tmp_path, "dotted.png/x")
    assert plan(tmp_path, ["a.jpg"], "dotted.png")[0] == {"a.jpg": "dotted.png/a.jpg"}


def test_the_codec_chooses_a_container(tmp_path) -> None:
    touch(tmp_path, "a.mp4", "b.mkv", "c.mov")
    inputs = ["a.mp4", "b.mkv", "c.mov"]
    assert list(plan(tmp_path, inputs, "o", codec="ffv1")[0].values()) == ["o/a.mkv", "o/b.mkv", "o/c.mkv"]
    assert list(plan(tmp_path, inputs, "o", codec="prores")[0].values()) == ["o/a.mov", "o/b.mkv", "o/c.mov"]
    assert list(plan(tmp_path, inputs, "o", codec="h265")[0].values()) == ["o/a.mp4", "o/b.mkv", "o/c.mov"]


def test_folders_keep_names_and_sub_folders(tmp_path) -> None:
    touch(tmp_path, "in/b.png", "in/a.jpg", "in/deep/er/c.tif", "in/film.mov", "in/readme.txt")
    touch(tmp_path, "in/.hidden.png", "in/.cache/x.png", "in/._a.jpg")
    shown, _ = plan(tmp_path, ["in"], "out")
    assert shown == {
        "in/a.jpg": "out/a.jpg",
        "in/b.png": "out/b.png",
        "in/film.mov": "out/film.mov",
        "in/deep/er/c.tif": "out/deep/er/c.tif",
    }
    assert list(shown) == sorted(shown, key=lambda name: (name.count("/"), name))


def test_results_inside_the_input_folder_are_not_inputs(tmp_path) -> None:
    touch(tmp_path, "in/a.png", "in/out/a.png")
    assert plan(tmp_path, ["in"], "in/out")[0] == {"in/a.png": "in/out/a.png"}


def test_patterns_are_expanded(tmp_path) -> None:
    touch(tmp_path, "a1.png", "a2.png", "b.png", "sub/c.png", "odd[1].png")
    assert list(plan(tmp_path, ["a*.png"], "out")[0]) == ["a1.png", "a2.png"]
    assert list(plan(tmp_path, ["**/*.png"], "out")[0]) == [
        "a1.png",
        "a2.png",
        "b.png",
        "odd[1].png",
        "sub/c.png",
    ]
    assert list(plan(tmp_path, ["odd[1].png"], "out")[0]) == ["odd[1].png"]
    assert list(plan(tmp_path, ["a*.png", "a1.png"], "out")[0]) == ["a1.png", "a2.png"]


def test_a_clip_of_frames(tmp_path) -> None:
    touch(tmp_path, "frames/1.png", "more/1.png", "film.mp4", "photo.png")
    shown, found = plan(tmp_path, ["frames"], "out.mp4", clip=True)
    assert shown == {"frames": "out.mp4"} and found.jobs[0].kind == "clip"
    shown, found = plan(tmp_path, ["frames"], "out", clip=True)
    assert shown == {"frames": "out"} and found.folder == tmp_path
    assert plan(tmp_path, ["film.mp4"], "out", clip=True)[0] == {"film.mp4": "out"}
    shown, found = plan(tmp_path, ["frames", "more", "film.mp4", "photo.png"], "out", clip=True)
    assert shown == {
        "frames": "out/frames",
        "more": "out/more",
        "film.mp4": "out/film",
        "photo.png": "out/photo.png",
    }
    assert [job.kind for job in found.jobs] == ["clip", "clip", "clip", "picture"]


@pytest.mark.parametrize(
    ("inputs", "output", "options"),
    [
        (["a.png", "b.png"], "out.png", {}),
        (["in"], "out.png", {}),
        (["in"], "out.mp4", {}),
        (["a.png"], "out.mp4", {}),
        (["a.png"], "out.gif", {}),
        (["a.png"], "out.xyz", {}),
        (["c.mp4"], "out.png", {}),
        (["c.mp4"], "out.xyz", {}),
        (["in"], "in", {}),
        (["in", "a.png"], "b.png", {}),
        (["a.png"], "out", {"clip": True}),
        (["in"], "out.xyz", {"clip": True}),
        (["a.png", "b.png"], "file", {}),
    ],
)
def test_what_cannot_go_together(tmp_path, inputs, output, options) -> None:
    touch(tmp_path, "a.png", "b.png", "c.mp4", "in/a.png", "file")
    with pytest.raises(UsageError) as caught:
        plan(tmp_path, inputs, output, **options)
    assert "\n" not in str(caught.value)


def test_problems_stop_only_their_own_input(tmp_path) -> None:
    touch(tmp_path, "a.png", "in/a.png", "out/x.png").joinpath("empty").mkdir()
    inputs = ["absent.png", "none*.png", "empty", "a.png", "in", "out/x.png"]
    shown, found = plan(tmp_path, inputs, "out")
    assert shown == {"a.png": "out/a.png"}
    said = "\n".join(found.problems)
    assert len(found.problems) == 5
    for part in (
        "absent.png: no such file or folder",
        "none*.png: no file matches",
        "empty: no pictures and no videos",
        "is that of",
        "would replace the input",
    ):
        assert part in said


def test_names_that_differ_in_case_clash(tmp_path) -> None:
    touch(tmp_path, "one/a.png", "two/A.PNG")
    shown, found = plan(tmp_path, ["one/a.png", "two/A.PNG"], "out")
    assert list(shown) == ["one/a.png"] and len(found.problems) == 1


def test_versions_are_jobs_of_their_own(tmp_path) -> None:
    touch(tmp_path, "in/a.jpg", "in/sub/b.gif", "c.png")
    found = plan(tmp_path, ["in"], "out", variants=2)[1]
    assert [(job.target.relative_to(tmp_path).as_posix(), job.variant) for job in found.jobs] == [
        ("out/a-1.jpg", 0),
        ("out/a-2.jpg", 1),
        ("out/sub/b-1.png", 0),
        ("out/sub/b-2.png", 1),
    ]
    assert found.folder == tmp_path / "out"
    found = plan(tmp_path, ["c.png"], "new/d.tif", variants=1)[1]
    assert [job.target for job in found.jobs] == [tmp_path / "new" / "d-1.tif"]
    assert found.folder == tmp_path / "new"


def test_no_versions_of_clips(tmp_path) -> None:
    touch(tmp_path, "in/a.jpg", "in/b.mp4", "frames/0.png")
    for inputs, options in ((["in"], {}), (["in/a.jpg", "frames"], {"clip": True})):
        with pytest.raises(UsageError, match="--variants is for pictures"):
            plan(tmp_path, inputs, "out", variants=2, **options)


def test_a_version_never_replaces_another_input(tmp_path) -> None:
    touch(tmp_path, "a.png", "a-1.png")
    _, found = plan(tmp_path, ["a.png", "a-1.png"], ".", variants=2)
    assert [job.target.name for job in found.jobs] == ["a-2.png", "a-1-1.png", "a-1-2.png"]
    assert len(found.problems) == 1 and "replace an input" in found.problems[0]
