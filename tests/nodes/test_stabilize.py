from __future__ import annotations

import pytest
import torch

pytest.importorskip("cv2")

from chrominance.color import rgb_to_lightness
from chrominance.nodes.stabilize import TemporalStabilize, TemporalStabilizeVideo


def test_frames_get_steady_and_keep_their_lightness(pictures):
    import comfy.utils

    generator = torch.Generator().manual_seed(0)
    base = torch.rand(1, 40, 60, 1, generator=generator).expand(-1, -1, -1, 3)
    tint = 0.1 * torch.randn(8, 1, 1, 3, generator=generator)
    image = (0.3 + 0.4 * base + tint).clamp(0, 1)
    image = torch.cat([image, torch.rand(8, 40, 60, 1)], -1)
    (done,) = TemporalStabilize.execute(image, 1.0, base).args
    assert done.shape == image.shape and torch.equal(done[..., 3], image[..., 3])
    a, b = (rgb_to_lightness(x[..., :3].movedim(-1, 1)) for x in (image, done))
    assert (a - b).abs().max() < 0.05
    assert comfy.utils.ProgressBar.made[-1].current == 8
    same = TemporalStabilize.execute(image, 0.0)[0]
    torch.testing.assert_close(same, image)
    with pytest.raises(ValueError, match="image 8, guide 3"):
        TemporalStabilize.execute(image, 1.0, pictures)


def test_a_clip_gets_steady(clip_over, frames_of):
    import comfy.utils

    picture = torch.rand(1, 8, 11, 3, generator=torch.Generator().manual_seed(1))
    picture = torch.nn.functional.interpolate(picture.movedim(-1, 1), (128, 176), mode="bicubic").clamp(0, 1)
    clip = clip_over(picture.movedim(1, -1))
    (video,) = TemporalStabilizeVideo.execute(clip, 1.0, 2, "h264", 4).args
    done, given = (torch.from_numpy(frames_of(one).copy()) for one in (video, clip))
    assert done.shape == given.shape == (4, 128, 160, 3)
    lightness = [rgb_to_lightness(one.movedim(-1, 1).float() / 255) for one in (done, given)]
    assert (lightness[0] - lightness[1]).abs().mean() < 1
    assert comfy.utils.ProgressBar.made[-1].current == 4
