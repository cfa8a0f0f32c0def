"""YUV of 8 bits, bit by bit as OpenCV has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chrominance.models.deoldify.opencv_yuv import bgr_to_yuv, yuv_to_bgr


def cube() -> torch.Tensor:
    """Values of three channels [3,256,52*52]: all of the first, every fifth of the others, both ends in."""
    one, fifth = torch.arange(256, dtype=torch.uint8), torch.arange(0, 256, 5, dtype=torch.uint8)
    return torch.cartesian_prod(one, fifth, fifth).view(256, -1, 3).permute(2, 0, 1)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_bit_by_bit_as_opencv(order):
    cv2 = pytest.importorskip("cv2")
    values = cube()[list(order)]
    pixels = np.ascontiguousarray(values.permute(1, 2, 0).numpy())
    for ours, code in ((bgr_to_yuv, cv2.COLOR_BGR2YUV), (yuv_to_bgr, cv2.COLOR_YUV2BGR)):
        found = ours(values)
        assert found.dtype == torch.uint8
        assert np.array_equal(found.permute(1, 2, 0).numpy(), cv2.cvtColor(pixels, code))


def test_grey_has_no_chroma_and_comes_back():
    grey = torch.arange(256, dtype=torch.uint8).expand(3, 1, -1)
    yuv = bgr_to_yuv(grey)
    assert torch.equal(yuv[0], grey[0])
    assert bool((yuv[1:] == 128).all())
    assert torch.equal(yuv_to_bgr(yuv), grey)


def test_colours_come_back_to_a_step_or_two():
    bgr = cube()
    back = yuv_to_bgr(bgr_to_yuv(bgr)).int()
    inside = ((bgr_to_yuv(bgr)[1:] > 0) & (bgr_to_yuv(bgr)[1:] < 255)).all(0)
    assert ((back - bgr.int()).abs().amax(0)[inside] <= 2).all()


def test_a_batch_is_its_pictures():
    batch = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for ours in (bgr_to_yuv, yuv_to_bgr):
        assert torch.equal(ours(batch), torch.stack([ours(one) for one in batch]))
