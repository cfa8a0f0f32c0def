from __future__ import annotations

import struct

import pytest

from chrominance.pipelines.palette import Palette, PaletteError, Swatch
from chrominance.pipelines.palette_files import FORMATS, load_palette, parse_colors, save_palette

GIVEN = Palette(
    (
        Swatch.from_hex("#c04030", 0.5, "Coat, red"),
        Swatch.from_hex("#204060", 0.3, "Himmel über ☁", locked=True),
        Swatch((71.234567, -3.5, 12.25), 0.2),
    ),
    seed=7,
    name="mine",
)


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_comes_back(tmp_path, ending):
    path = tmp_path / f"palette{ending}"
    save_palette(path, GIVEN)
    read = load_palette(path)
    assert read.hex_list() == GIVEN.hex_list()
    if ending == ".json":
        assert read == GIVEN
    if ending in (".gpl", ".ase"):
        assert [one.name for one in read.swatches][:2] == ["Coat, red", "Himmel über ☁"]
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def block(name, model, values, kind=0x0001):
    text = name.encode("utf-16-be") + b"\0\0"
    body = struct.pack(">H", len(text) // 2) + text
    if model:
        body += model + struct.pack(f">{len(values)}f", *values) + b"\0\2"
    return struct.pack(">HI", kind, len(body)) + body


def ase(*blocks):
    return b"ASEF\0\1\0\0" + struct.pack(">I", len(blocks)) + b"".join(blocks)


def test_an_ase_file_laid_out_by_hand(tmp_path):
    """Bytes as Adobe's programs write them: a group, and a colour in each model."""
    path = tmp_path / "swatches.ase"
    path.write_bytes(
        ase(
            block("Autumn", b"", (), 0xC001),
            block("red", b"RGB ", (192 / 255, 64 / 255, 48 / 255)),
            block("ink", b"CMYK", (0.0, 1.0, 0.5, 0.2)),
            block("grey", b"Gray", (0.5,)),
            block("lab", b"LAB ", (0.5, 20.0, -30.0)),
            struct.pack(">HI", 0xC002, 0),
        )
    )
    palette = load_palette(path)
    assert palette.name == "Autumn" and [one.name for one in palette.swatches] == [
        "red",
        "ink",
        "grey",
        "lab",
    ]
    assert palette.hex_list()[:3] == ["#c04030", "#cc0066", "#808080"]
    assert palette.swatches[3].lab == pytest.approx((50, 20, -30))


def test_an_ase_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "swatches"
    path.write_bytes(ase(block("red", b"RGB ", (1.0, 0.0, 0.0))))
    assert load_palette(path).hex_list() == ["#ff0000"]


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
def test_a_truncated_ase_file_is_named(tmp_path, cut):
    path = tmp_path / "swatches.ase"
    whole = ase(block("red", b"RGB ", (1.0, 0.0, 0.0)))
    path.write_bytes(whole[:-cut] if cut < 40 else whole[:10])
    with pytest.raises(PaletteError, match=r"swatches\.ase: ends too early"):
        load_palette(path)


def test_a_gpl_file_as_gimp_writes_it(tmp_path):
    path = tmp_path / "bears.gpl"
    path.write_text(
        "GIMP Palette\r\nName: Bears\r\nColumns: 16\r\n#\r\n  8   8   8\tgrey3\r\n"
        "192  64  48\tbrick red\r\n255 255 255\tUntitled\r\n"
    )
    palette = load_palette(path)
    assert palette.name == "Bears"
    assert palette.hex_list() == ["#080808", "#c04030", "#ffffff"]
    assert [one.name for one in palette.swatches] == ["grey3", "brick red", ""]


@pytest.mark.parametrize(
    ("text", "expected", "names"),
    [
        (":root { --sky-blue: #204060; --b:#FFF }", ["#204060", "#ffffff"], ["sky blue", "b"]),
        ("a { color: #c04030; background: #0f0 } #header { }", ["#c04030", "#00ff00"], ["", ""]),
        ("c04030\n204060\n", ["#c04030", "#204060"], ["", ""]),
        ("; paint.net\nffc04030x c04030", ["#c04030"], [""]),
    ],
)
def test_colours_in_texts(text, expected, names):
    palette = parse_colors(text)
    assert palette.hex_list() == expected and [one.name for one in palette.swatches] == names


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.gpl", b"JASC-PAL\n", "its first line must be"),
        ("a.gpl", b"GIMP Palette\n1 2\n", "line 2 must begin with three numbers"),
        ("a.gpl", b"GIMP Palette\n1 2 256 x\n", "line 2 must begin with three numbers"),
        ("a.gpl", b"GIMP Palette\n", "holds no colour"),
        ("a.ase", b"nothing", "must begin with ASEF"),
        ("a.ase", ase(block("x", b"HSV ", (0.0, 0.0, 0.0))), "in the model b'HSV '"),
        ("a.txt", b"red, green", "holds no colour"),
        ("a.txt", b"\x89PNG\0\1", "is no text and no palette"),
        ("a.txt", b"#abcdef\n" * 17, "holds 17 colours, and a palette has at most 16"),
        ("a.json", b"{", "must be JSON"),
    ],
)
def test_what_is_no_palette(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(PaletteError, match=message) as caught:
        load_palette(path)
    assert str(path) in str(caught.value)


def test_what_cannot_be_read_or_written(tmp_path):
    with pytest.raises(PaletteError, match="cannot be read"):
        load_palette(tmp_path / "absent.gpl")
    with pytest.raises(PaletteError, match=r"can be written as \.json, \.gpl"):
        save_palette(tmp_path / "a.aco", GIVEN)
    with pytest.raises(PaletteError, match="cannot be written"):
        save_palette(tmp_path / "absent" / "a.gpl", GIVEN)
