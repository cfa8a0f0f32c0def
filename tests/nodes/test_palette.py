from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from skimage import data

from chrominance.nodes.palette import PaletteEdit, PaletteExtract, PaletteMasks
from chrominance.nodes.palette_files import LoadPalette, SavePalette
from chrominance.pipelines.palette import Palette
from chrominance.pipelines.palette_extract import extract

PHOTO = torch.from_numpy(data.coffee()[::3, ::3].copy())[None].float() / 255
GIVEN = {"method": "k-means", "count": 5, "seed": 0}
PLAIN = {"colors": "", "blend": 0.0, "harmony": "none", "sort": "none", "merge": 0.0}


@pytest.fixture(scope="module")
def palette():
    return extract(PHOTO.movedim(-1, 1), 5)


def test_a_photos_palette_and_what_goes_with_it(palette):
    done = PaletteExtract.execute(PHOTO, **GIVEN)
    found, swatches, hexes, text = done.args
    assert found == palette
    assert swatches.shape == (1, 256, 1024, 3)
    assert hexes.split(", ") == palette.hex_list()
    assert Palette.from_json(text) == palette
    assert json.loads(done.ui["chrominance_palette"][0])["colors"][0]["hex"] == palette.hex_list()[0]


def test_a_batch_gives_one_palette_and_masks_count():
    other = torch.zeros_like(PHOTO)
    other[..., 2] = 0.8
    both = PaletteExtract.execute(torch.cat([PHOTO, other]), **{**GIVEN, "count": 0})[0]
    assert any(one.hex[1:3] == "00" and one.weight > 0.4 for one in both.swatches)
    mask = torch.zeros(2, *PHOTO.shape[1:3])
    mask[1] = 1
    alone = PaletteExtract.execute(torch.cat([PHOTO, other]), **GIVEN, mask=mask)[0]
    assert alone.hex_list() == ["#0000cc"]


def test_a_clips_palette_is_that_of_its_frames(palette, clip_over, frames_of):
    video = clip_over(PHOTO)
    found = PaletteExtract.execute(video, **GIVEN)[0]
    frames = torch.from_numpy(frames_of(video)).movedim(-1, 1).float() / 255
    apart = torch.cdist(found.lab, extract(frames, 5).lab).amin(1)
    assert len(found) == 5 and apart.max() < 6
    assert PaletteExtract.execute(video, **GIVEN)[0] == found


def test_what_is_no_source():
    with pytest.raises(ValueError, match="source must be pictures or a clip, got str"):
        PaletteExtract.execute("clip.mp4", **GIVEN)
    with pytest.raises(ValueError, match="2 to 16 colours, got 1"):
        PaletteExtract.execute(PHOTO, **{**GIVEN, "count": 1})


def test_editing_by_the_list(palette):
    done = PaletteEdit.execute(**{**PLAIN, "colors": "#00ff00, -!"}, palette=palette)
    made = done[0]
    assert made.hex_list()[0] == "#00ff00" and made.hex_list()[1:] == palette.hex_list()[1:]
    assert made.locked.tolist() == [False, True, False, False, False]
    # The page gets what came in, too: its pickers write differences.
    assert Palette.from_json(done.ui["chrominance_given"][0]) == palette
    assert PaletteEdit.execute(**{**PLAIN, "colors": "#f00 #0f0"})[2] == "#ff0000, #00ff00"


def test_nothing_to_do_is_nothing_done(palette):
    assert PaletteEdit.execute(**PLAIN, palette=palette)[0] == palette


def test_blend_harmony_sort(palette):
    blue = Palette.from_hex(["#2040c0"])
    blended = PaletteEdit.execute(**{**PLAIN, "blend": 1.0}, palette=palette, other=blue)[0]
    assert set(blended.hex_list()) == {"#2040c0"}
    turned = PaletteEdit.execute(**{**PLAIN, "harmony": "complementary"}, palette=palette)[0]
    assert turned != palette and len(turned) == 5
    order = PaletteEdit.execute(**{**PLAIN, "sort": "lightness"}, palette=palette)[0]
    assert order.lab[:, 0].diff().min() >= 0


def test_doubles_are_said_and_merged():
    done = PaletteEdit.execute(**{**PLAIN, "colors": "#c04030 #c04030 #204060"})
    assert len(done[0]) == 3 and "colours 1 and 2" in done.ui["chrominance_warning"][0]
    done = PaletteEdit.execute(**{**PLAIN, "colors": "#c04030 #c04030 #204060", "merge": 2.0})
    assert done[2] == "#c04030, #204060" and "1 of 3 colours" in done.ui["chrominance_warning"][0]


def test_masks_of_the_colours_add_up(palette):
    masks = PaletteMasks.execute(torch.cat([PHOTO, PHOTO.flip(2)]), palette)[0]
    assert masks.shape == (10, *PHOTO.shape[1:3])
    torch.testing.assert_close(masks[:5].sum(0), torch.ones(PHOTO.shape[1:3]), atol=1e-4, rtol=0)
    torch.testing.assert_close(masks[5:], masks[:5].flip(2), atol=1e-4, rtol=0)
    near = (
        PHOTO[0] - torch.tensor([int(palette.hex_list()[0][n : n + 2], 16) / 255 for n in (1, 3, 5)])
    ).abs()
    assert masks[0][near.amax(2) < 0.02].min() > 0.7


@pytest.mark.parametrize("ending", ["json", "gpl", "ase", "css", "hex", "txt"])
def test_palettes_go_into_files_and_come_back(palette, ending):
    path = SavePalette.execute(palette, "palettes/mine", ending)[0]
    assert Path(path).parent.name == "palettes" and path.endswith(f".{ending}")
    done = LoadPalette.execute(path)
    assert done[0].hex_list() == palette.hex_list()
    assert (done[0] == palette) == (ending == "json")
    assert SavePalette.execute(palette, "palettes/mine", ending)[0] != path
