from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from chrominance.benchmarks.real_or_fake import main, make_page, match_pictures


def save(path, colour, size=(60, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folders(tmp_path):
    """Twelve reddish true pictures and as many greenish coloured ones, in sub-folders too."""
    true, coloured = tmp_path / "true", tmp_path / "coloured"
    for i in range(12):
        name = f"sub/{i:02d}" if i % 3 == 0 else f"{i:02d}"
        save(true / f"{name}.png", (200, 10 * i, 60))
        save(coloured / f"{name}.jpg" if i % 2 else coloured / f"{name}.png", (40, 180, 10 * i))
    return true, coloured


def data_of(page):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1])


def picture(uri):
    kind, _, code = uri.partition(";base64,")
    assert kind == "data:image/jpeg"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))


def test_pairs_are_matched_by_name_and_the_fake_is_the_coloured_one(folders):
    pairs, alone = match_pictures(*folders)
    assert alone == 0
    data = data_of(make_page(pairs))
    assert sorted(p["name"] for p in data["pairs"]) == [name for name, _, _ in pairs]
    for pair in data["pairs"]:
        number = int(pair["name"][-2:])
        assert np.abs(picture(pair["real"]).mean((0, 1)) - (200, 10 * number, 60)).max() < 3
        assert np.abs(picture(pair["coloured"]).mean((0, 1)) - (40, 180, 10 * number)).max() < 3
    assert {p["fake"] for p in data["pairs"]} == {"left", "right"}


def test_the_seed_decides_everything(folders):
    pairs, _ = match_pictures(*folders)
    assert make_page(pairs, seed=1) == make_page(pairs, seed=1)
    order = [[p["name"] for p in data_of(make_page(pairs, seed=s))["pairs"]] for s in (1, 2)]
    assert order[0] != order[1]


def test_practice_comes_on_top_of_the_limit(folders):
    pairs, _ = match_pictures(*folders)
    data = data_of(make_page(pairs, limit=5, practice=2, seconds=0))
    assert len({p["name"] for p in data["pairs"]}) == 7
    assert (data["practice"], data["seconds"]) == (2, 0)


def test_large_pictures_are_made_smaller_and_small_ones_left(tmp_path):
    for folder in ("true", "coloured"):
        save(tmp_path / folder / "wide.png", "red", (900, 300))
        save(tmp_path / folder / "small.png", "red", (30, 50))
    pairs, _ = match_pictures(tmp_path / "true", tmp_path / "coloured")
    shapes = {p["name"]: picture(p["real"]).shape for p in data_of(make_page(pairs))["pairs"]}
    assert shapes == {"wide": (85, 256, 3), "small": (50, 30, 3)}


def test_the_page_needs_no_network_and_names_cannot_break_it(folders, tmp_path):
    true, coloured = folders
    for folder in folders:
        save(folder / "<!--<script>.png", "red")
    page = make_page(match_pictures(true, coloured)[0])
    assert page.count("</script>") == 2
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "<!--<script>" in [p["name"] for p in data_of(page)["pairs"]]
    assert "/*DATA*/" not in page


def test_the_command_writes_the_page_and_says_what_was_left_out(folders, tmp_path, capsys):
    save(folders[0] / "alone.png", "red")
    out = tmp_path / "page.html"
    assert main([*map(str, folders), "-o", str(out), "--limit", "3", "--practice", "1"]) == 0
    assert "4 pairs; 1 pictures without a partner left out" in capsys.readouterr().out
    assert len(data_of(out.read_text(encoding="utf-8"))["pairs"]) == 4


def test_what_does_not_fit_is_named(folders, tmp_path, capsys):
    true, coloured = folders
    pairs, _ = match_pictures(true, coloured)
    with pytest.raises(ValueError, match="no such folder"):
        match_pictures(true, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        match_pictures(true, tmp_path / "empty")
    save(tmp_path / "others" / "x.png", "red")
    with pytest.raises(ValueError, match="no picture has the same name"):
        match_pictures(true, tmp_path / "others")
    with pytest.raises(ValueError, match=r"15 pairs are needed .* there are 12"):
        make_page(pairs, limit=10, practice=5)
    with pytest.raises(ValueError, match=r"13 pairs are needed"):
        make_page(pairs, practice=12)
    with pytest.raises(ValueError, match="seconds and practice from 0"):
        make_page(pairs, seconds=-1)
    save(coloured / "01.jpg", "red", (61, 40))
    with pytest.raises(ValueError, match="expected one size"):
        make_page(pairs)
    save(coloured / "02.jpg", "red")
    with pytest.raises(ValueError, match="one name for two pictures"):
        match_pictures(true, coloured)
    (coloured / "02.jpg").unlink()
    save(coloured / "01.jpg", "red")
    (coloured / "02.png").write_bytes(b"nothing")
    with pytest.raises(SystemExit):
        main([str(true), str(coloured), "-o", str(tmp_path / "page.html")])
    assert not (tmp_path / "page.html").exists()
    assert "02.png: not a picture" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 40), (20, 40), (7, 7), (1, 1)])
def test_the_interval_agrees_with_scipy(folders, successes, trials):
    page = make_page(match_pictures(*folders)[0])
    function = re.search(r"function wilson.*?\n}", page, re.S)[0]
    code = f"{function}\nconsole.log(JSON.stringify(wilson({successes}, {trials})))"
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert json.loads(done.stdout) == pytest.approx([expected.low, expected.high], abs=1e-9)
