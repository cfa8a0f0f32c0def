"""Inputs with which every node runs, small and quick, by the network that ships; another value for each."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pack_loading import load_nodes
from PIL import Image
from skimage import data

import chrominance
from chrominance.nodes import host

NODES = {node.define_schema().node_id: node for node in load_nodes(chrominance)}
SETTINGS = {"strength": 1.0, "saturation": 1.0, "temperature": 0.0, "size": 64}
ENCODING = {"codec": "h264", "crf": 18}
SHOTS = '{"shots": [{"start": 0, "end": 2}, {"start": 2, "end": 4}]}'
#: Another value than the one above, where the type alone does not tell.
OTHER = {"strength": 0.5, "saturation": 0.5, "temperature": 2.0, "size": 96, "crf": 40, "trust": 0.9}


def picture(shift: int = 0, height: int = 64, width: int = 80) -> torch.Tensor:
    """A part of a colour photo as IMAGE [1,height,width,3]."""
    pixels = data.astronaut()[::4, ::4][20 : 20 + height, shift : shift + width]
    return torch.from_numpy(np.ascontiguousarray(pixels)).float()[None] / 255


def mask(part: float = 0.5, height: int = 64, width: int = 80) -> torch.Tensor:
    """White on the left."""
    white = torch.zeros(1, height, width)
    white[:, :, : round(part * width)] = 1
    return white


class Inputs:
    """For each node what it runs with, made in a folder."""

    def __init__(self, folder: Path, clip: Any, other_clip: Any) -> None:
        from chrominance.nodes.lut import LoadLUT
        from chrominance.pipelines.lut import Cube, save_cube
        from chrominance.pipelines.palette import Palette

        self.folder = folder
        self.clip, self.other_clip = clip, other_clip
        self.image = picture()
        self.grey = self.image.mean(3, keepdim=True).expand(-1, -1, -1, 3).contiguous()
        self.other = torch.from_numpy(data.coffee()[::6, ::6].copy()).float()[None] / 255
        self.palette = Palette.from_hex(["#203040", "#c08040", "#f0e0c0", "#804020"])
        self.target = Palette.from_hex(["#204020", "#4080c0", "#f0e0f0", "#802060"])
        for number, name in enumerate(("a", "b", "c")):
            (folder / "photos").mkdir(exist_ok=True)
            Image.fromarray(data.coffee()[number * 40 :: 3, ::3]).save(folder / "photos" / f"{name}.png")
        table = torch.rand(9, 9, 9, 3, generator=torch.Generator().manual_seed(3))
        save_cube(folder / "look.cube", Cube(table))
        self.lut = LoadLUT.execute(file=str(folder / "look.cube"))[0]
        (folder / "one.json").write_text(self.palette.to_json(), encoding="utf-8")
        (folder / "two.json").write_text(self.target.to_json(), encoding="utf-8")
        (folder / "two.cube").write_text((folder / "look.cube").read_text().replace("0.0", "0.1"))

    def of(self, name: str) -> dict[str, Any]:
        """Return the inputs of a node."""
        image, grey, other = {"image": self.image}, {"image": self.grey}, {"reference": self.other}
        video, references = {"video": self.clip}, {"references": {"reference0": self.image}}
        exemplar = {**references, "features": "embedded", "trust": 0.5}
        recolor = {"target": self.target, "source": self.palette, "method": "soft", "lightness": "keep"}
        recolor |= {"pairing": "order", "strength": 1.0}
        match = {**other, "method": "sliced", "lightness": "transfer", "strength": 1.0, "seed": 0}
        light = {"method": "learned", "light": "#ffd0a0", "target": "#a0c0ff", "kelvin": 0, "together": False}
        neural = {
            "palette": self.target,
            "light": "#ffffff",
            "lightness": "keep",
            "size": 32,
            "strength": 1.0,
        }
        return {
            "ChrominanceApplyLUT": {**image, "lut": self.lut, "strength": 1.0},
            "ChrominanceApplyLUTVideo": {**video, "lut": self.lut, "strength": 1.0, **ENCODING},
            "ChrominanceAutoColorize": {**grey, **SETTINGS},
            "ChrominanceColorMatch": {**image, **match},
            "ChrominanceColorMatchVideo": {**video, **match, **ENCODING},
            "ChrominanceColorMetrics": {"image": torch.cat([self.image, self.grey]), "kind": "pictures"},
            "ChrominanceColorVariants": {**grey, "count": 2, "seed": 2, "diversity": 1.0, **SETTINGS},
            "ChrominanceColorizeVideo": {**video, **SETTINGS, **ENCODING, "stabilize": 0.0},
            "ChrominanceCompare": {"before": self.grey, "after": self.image, "position": 0.5},
            "ChrominanceDetectShots": {"clip": self.clip},
            "ChrominanceExemplarColorize": {**grey, **exemplar, **SETTINGS},
            "ChrominanceExemplarVideo": {**video, **exemplar, "frames": "", **SETTINGS, **ENCODING},
            "ChrominanceExemplarWarp": {**grey, **exemplar},
            "ChrominanceFindReference": {**grey, "folder": str(self.folder / "photos"), "count": 2},
            "ChrominanceHintColorize": {
                **grey,
                "hints": "10,10,#3060a0",
                "color": "#c04030",
                "hint_mask": mask(0.2),
                **SETTINGS,
            },
            "ChrominanceIllumination": {**image, **light, "strength": 1.0},
            "ChrominanceLabMerge": {
                "lightness": self.grey,
                "chroma": self.image,
                "strength": 1.0,
                "saturation": 3.0,
                "gamut": "reduce",
            },
            "ChrominanceLabSplit": image,
            "ChrominanceLoadColorizer": {"model_name": "embedded", "dtype": "fp32"},
            "ChrominanceLoadLUT": {"file": str(self.folder / "look.cube")},
            "ChrominanceLoadPalette": {"file": str(self.folder / "one.json")},
            "ChrominanceNeuralRecolor": {**image, **neural},
            "ChrominanceNeuralRecolorVideo": {**video, **neural, **ENCODING},
            "ChrominancePaletteColorize": {**grey, "palette": self.palette, "light": "#ffffff", **SETTINGS},
            "ChrominancePaletteEdit": {
                "palette": self.palette,
                "other": self.target,
                "colors": "",
                "blend": 0.3,
                "harmony": "none",
                "sort": "none",
                "merge": 0.0,
            },
            "ChrominancePaletteExtract": {"source": self.image, "method": "k-means", "count": 5, "seed": 0},
            "ChrominancePaletteMasks": {**image, "palette": self.palette},
            "ChrominancePaletteRecolor": {**image, **recolor},
            "ChrominancePaletteRecolorVideo": {**video, **recolor, **ENCODING},
            "ChrominanceSaveLUT": {"lut": self.lut, "filename_prefix": "look", "size": "17"},
            "ChrominanceSavePalette": {
                "palette": self.palette,
                "filename_prefix": "palette",
                "format": "json",
            },
            "ChrominanceTemporalStabilize": {
                "image": torch.cat([picture(n) * (1 + 0.1 * (n % 2)) for n in range(5)]).clamp(0, 1),
                "strength": 1.0,
                "look_ahead": 2,
            },
            "ChrominanceTemporalStabilizeVideo": {**video, "strength": 1.0, "look_ahead": 2, **ENCODING},
        }[name]

    def needed(self, name: str, given: str) -> dict[str, Any]:
        """Return what a node's other inputs must be for an input to count, as its tooltip says."""
        return {
            ("ChrominanceIllumination", "light"): {"method": "given"},
            ("ChrominanceNeuralRecolor", "reference"): {"palette": None},
            ("ChrominanceNeuralRecolorVideo", "reference"): {"palette": None},
            ("ChrominanceIllumination", "together"): {"image": torch.cat([self.image, self.image.flip(3)])},
        }.get((name, given), {})

    def another(self, name: str, given: str, now: Any) -> Any:
        """Return another value for an input of a node, which must lead to another result."""
        special = {
            ("ChrominanceColorMatch", "reference"): picture(40),
            ("ChrominanceColorMatchVideo", "reference"): picture(40),
            ("ChrominanceColorMetrics", "image"): torch.cat([self.grey, self.grey]),
            ("ChrominanceColorMetrics", "reference"): torch.cat([self.grey, self.image]),
            ("ChrominanceColorizeVideo", "stabilize"): 1.0,
            (
                "ChrominanceColorizeVideo",
                "shots",
            ): '{"shots": [{"start": 0, "end": 2}, {"start": 2, "end": 4}]}',
            ("ChrominanceDetectShots", "clip"): torch.cat([self.image, self.image, self.image]),
            ("ChrominanceExemplarVideo", "frames"): "1",
            ("ChrominanceFindReference", "count"): 3,
            ("ChrominanceHintColorize", "hints"): "10,10,#a06030",
            ("ChrominanceHintColorize", "hint_image"): self.image,
            ("ChrominanceIllumination", "method"): "given",
            ("ChrominanceIllumination", "kelvin"): 3000,
            ("ChrominanceLabMerge", "a"): self.other,
            ("ChrominanceLabMerge", "b"): self.other,
            ("ChrominanceLoadColorizer", "dtype"): "bf16",
            ("ChrominanceLoadLUT", "file"): str(self.folder / "two.cube"),
            ("ChrominanceLoadPalette", "file"): str(self.folder / "two.json"),
            ("ChrominanceFindReference", "folder"): str(self.folder),
            ("ChrominanceNeuralRecolor", "reference"): self.other,
            ("ChrominanceNeuralRecolorVideo", "reference"): self.other,
            ("ChrominancePaletteEdit", "colors"): "#ff0000",
            ("ChrominancePaletteEdit", "merge"): 40.0,
            ("ChrominancePaletteExtract", "seed"): 5,
            ("ChrominanceTemporalStabilizeVideo", "look_ahead"): 0,
            ("ChrominanceTemporalStabilize", "guide"): torch.cat([picture(3 * n) for n in range(5)]),
        }
        if (name, given) in special:
            return special[name, given]
        if given in OTHER:
            return OTHER[given]
        if given == "mask":
            return mask()
        if given in ("clip", "video"):
            return self.other_clip
        if isinstance(now, torch.Tensor):
            return now.flip(2)
        if isinstance(now, bool):
            return not now
        if isinstance(now, int):
            return now + 1
        if isinstance(now, float):
            return now + 0.25
        return None


def fingerprint(value: Any) -> Any:
    """Return what tells two results of a node apart, looking into clips, palettes and tables."""
    if isinstance(value, torch.Tensor):
        return value.shape, hashlib.sha256(value.float().contiguous().numpy().tobytes()).hexdigest()
    if hasattr(value, "get_stream_source"):
        source = value.get_stream_source()
        content = Path(source).read_bytes() if isinstance(source, str) else source.getvalue()
        return hashlib.sha256(content).hexdigest()
    if hasattr(value, "L") and hasattr(value, "ab"):
        return fingerprint(value.L), fingerprint(value.ab)
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, host.HostedColorizer):
        return next(value.colorizer.network.parameters()).dtype
    if hasattr(value, "table"):
        return fingerprint(value.table)
    if isinstance(value, str) and "\n" not in value and value[:1] != "{" and Path(value).is_file():
        return Path(value).name, hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return value if isinstance(value, str | int | float) else None
