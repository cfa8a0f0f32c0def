from __future__ import annotations

import json

import torch
import torch.nn.functional as F

from chrominance.nodes.shots import DetectShots


def image(seed: int, height: int = 90, width: int = 160) -> torch.Tensor:
    small = torch.rand(1, 3, 9, 16, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1).movedim(1, -1)


def test_a_batch_of_two_shots():
    import comfy.utils

    clip = torch.cat([image(0).expand(9, -1, -1, -1), image(1).expand(8, -1, -1, -1)])
    text, count, starts = DetectShots.execute(clip).args
    assert json.loads(text)["shots"] == [{"start": 0, "end": 9}, {"start": 9, "end": 17}]
    assert count == 2 and starts == "0, 9"
    assert comfy.utils.ProgressBar.made[-1].current == 17


def test_a_video(clip_over):
    text, count, starts = DetectShots.execute(clip_over(image(2, 140, 200))).args
    assert json.loads(text) == {"shots": [{"start": 0, "end": 4}]} and (count, starts) == (1, "0")
