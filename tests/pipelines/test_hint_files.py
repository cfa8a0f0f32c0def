"""Hints from text and files, and which file is for which picture."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chrominance.pipelines.hint_files import give_hints, load_hints, parse_hints, warn_without_hints
from chrominance.pipelines.hints import hex_to_ab
from chrominance.pipelines.jobs import Job, UsageError

RED = hex_to_ab("#c04030")


def test_lines():
    text = (
        "\ufeffx,y,color,radius\n# lips\n\n120,80,#c04030\r\n 3.5 ; 4 ; #C04030 ; 2.5  # a remark\n1 2 #00f\n"
    )
    first, second, third = parse_hints(text)
    assert (first.x, first.y, first.ab, first.radius, first.unit) == (120, 80, RED, 0, "pixel")
    assert (second.x, second.y, second.ab, second.radius, second.name) == (3.5, 4, RED, 2.5, "line 5")
    assert third.ab == hex_to_ab("#0000ff")
    assert parse_hints("") == parse_hints("# nothing\n") == ()


def test_json():
    points = [{"x": 0.5, "y": 1, "color": "#c04030", "radius": 2}, {"x": 0, "y": 0, "color": "#c04030"}]
    first, second = parse_hints(json.dumps({"unit": "fraction", "points": points}))
    assert (first.x, first.y, first.ab, first.radius, first.unit) == (0.5, 1, RED, 2, "fraction")
    assert (second.radius, second.name) == (0, "point 2")
    assert parse_hints(json.dumps(points))[0].unit == "pixel"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,#c04030\n1,2", "line 2: a hint is x,y,#rrggbb"),
        ("1,2,red", "line 1: a hint is"),
        ("1,2,#c0403", "line 1: a colour must be written #rrggbb"),
        ("nan,2,#c04030", "line 1: a hint is"),
        ("1,2,#c04030,-1", "line 1: a radius must be"),
        ("1,2,#c04030,1,5", "line 1: a hint is"),
        ("{", "no valid JSON"),
        ('{"point": []}', "got point"),
        ('{"points": {}}', "hints in JSON are"),
        ('{"unit": "cm", "points": []}', 'unit must be "pixel" or "fraction"'),
        ('[{"x": 1, "y": 2}]', "point 1: a point is"),
        ('[{"x": 1, "y": 2, "color": "#000", "size": 3}]', "point 1: a point is"),
        ('[{"x": "1", "y": 2, "color": "#000"}]', "point 1: x, y and radius must be numbers"),
        ('[{"x": true, "y": 2, "color": "#000"}]', "point 1: x, y and radius must be numbers"),
        ('[{"x": NaN, "y": 2, "color": "#000"}]', "point 1: x, y and the colour must be numbers"),
        ('[{"x": 1, "y": 2, "color": 7}]', "point 1: a colour must be written"),
        ("[7]", "point 1: a point is"),
    ],
)
def test_what_cannot_be_read_is_named(text, words):
    with pytest.raises(ValueError, match=words):
        parse_hints(text)


def test_files_of_points(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("9,2,#c04030\n")
    (point,) = load_hints(path).points
    assert point.ab == RED and point.name == f"{path}, line 1"
    for content, words in ((b"", "no hint"), (b"\xff\xfe\x00", "UTF-8"), (b"1,2", "line 1")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            load_hints(path)
        assert str(path) in str(caught.value)
    with pytest.raises(ValueError, match="cannot be read"):
        load_hints(tmp_path / "absent.csv")


def test_pictures_of_hints(tmp_path):
    samples = np.zeros((6, 8, 4), np.uint8)
    samples[2, 3] = 192, 64, 48, 255
    Image.fromarray(samples).save(tmp_path / "alpha.png")
    (picture,) = load_hints(tmp_path / "alpha.png").pictures
    assert picture.known.nonzero().tolist() == [[2, 3]]
    np.testing.assert_allclose(picture.ab[:, 2, 3], RED, atol=0.01)
    Image.fromarray(samples[..., :3]).save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match="needs alpha"):
        load_hints(tmp_path / "plain.png")
    Image.fromarray(samples[..., 3]).save(tmp_path / "mask.png")
    (masked,) = load_hints(tmp_path / "plain.png", tmp_path / "mask.png").pictures
    assert masked.known.equal(picture.known)
    Image.new("L", (8, 7)).save(tmp_path / "other.png")
    with pytest.raises(ValueError, match="must have the size"):
        load_hints(tmp_path / "plain.png", tmp_path / "other.png")
    Image.new("L", (8, 6)).save(tmp_path / "black.png")
    with pytest.raises(ValueError, match="mask is empty"):
        load_hints(tmp_path / "plain.png", tmp_path / "black.png")


def jobs(*names: str, kind="picture"):
    return [Job(Path("in") / Path(name).name, Path("out") / name, kind) for name in names]


def test_a_folder_has_a_file_for_each_picture(tmp_path, caplog):
    for name in ("a.csv", "b.json", "sub/a.png", "sub/other.csv", "a.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    given = give_hints(jobs("a.jpg", "b.png", "c.png", "sub/a.jpg"), Path("out"), tmp_path)
    with caplog.at_level(logging.WARNING):
        warn_without_hints(given, tmp_path)
    assert [job.hints for job in given] == [
        tmp_path / "a.csv",
        tmp_path / "b.json",
        None,
        tmp_path / "sub" / "a.png",
    ]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [str(Path("in/c.png"))]
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match=r"a\.csv and a\.txt are both hints"):
        give_hints(jobs("a.jpg"), Path("out"), tmp_path)
    with pytest.raises(UsageError, match="no file in this folder"):
        give_hints(jobs("x.jpg", "y.jpg"), Path("out"), tmp_path)


def test_one_file_is_for_one_picture(tmp_path):
    points, picture, mask = (tmp_path / name for name in ("p.csv", "p.png", "m.png"))
    for path in (points, picture, mask):
        path.touch()
    (job,) = give_hints(jobs("a.jpg"), Path("out"), picture, mask)
    assert job.inputs == (Path("in/a.jpg"), picture, mask)
    for arguments, words in (
        ((jobs("a.jpg", "b.jpg"), Path("out"), points), "2 pictures"),
        ((jobs("a.mp4", kind="clip"), Path("out"), points), "is a clip"),
        ((jobs("a.jpg"), Path("out"), points, mask), "holds points"),
        ((jobs("a.jpg"), Path("out"), tmp_path, mask), "must have alpha"),
        ((jobs("a.jpg"), Path("out"), picture, tmp_path), "must be a picture"),
        ((jobs("a.jpg"), Path("out"), tmp_path / "absent.csv"), "no such file"),
        ((jobs("a.jpg"), Path("out"), picture, tmp_path / "absent.png"), "no such file"),
    ):
        with pytest.raises(UsageError, match=words):
            give_hints(*arguments)
    (tmp_path / "p.docx").touch()
    with pytest.raises(UsageError, match=r"not from \.docx"):
        give_hints(jobs("a.jpg"), Path("out"), tmp_path / "p.docx")
