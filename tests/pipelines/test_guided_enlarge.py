"""Enlarged chroma has the edges of lightness, and nothing that was not there."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from chrominance.color import rgb_to_lab
from chrominance.pipelines.guided_enlarge import enlarge_guided, sharpen_proposal

from .conftest import photo


def test_chroma_has_the_edges_of_lightness():
    L = torch.full((1, 1, 48, 64), 20.0)
    L[..., 27:] = 80
    ab = torch.stack([40 - L, L / 2], 2)[:, 0]
    small = F.avg_pool2d(ab, 8)
    sharp = enlarge_guided(small, L)
    plain = F.interpolate(small, (48, 64), mode="bicubic", align_corners=False)
    assert (sharp - ab).abs().mean() < 0.4 * (plain - ab).abs().mean()
    assert torch.allclose(enlarge_guided(small, L * 0 + 50), plain, atol=1e-4)
    flat = torch.full((1, 2, 6, 8), 7.0)
    assert (enlarge_guided(flat, L) == 7).all()


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
def test_the_colours_of_a_photo_are_nearer_than_by_bicubic_alone(name):
    lab = rgb_to_lab(photo(name, 256, 384)[None])
    ab = lab[:, 1:]
    small = F.interpolate(ab, (64, 96), mode="area")
    plain = F.interpolate(small, ab.shape[2:], mode="bicubic", align_corners=False)
    guided = enlarge_guided(small, lab[:, :1])
    assert (guided - ab).square().mean() < 0.97 * (plain - ab).square().mean()


def test_each_of_a_batch_is_by_itself():
    generator = torch.Generator().manual_seed(0)
    ab, L = torch.randn(2, 2, 6, 9, generator=generator), 100 * torch.rand(2, 1, 24, 36, generator=generator)
    both = enlarge_guided(ab, L)
    assert both.shape == (2, 2, 24, 36)
    torch.testing.assert_close(both[1:], enlarge_guided(ab[1:], L[1:]))


@pytest.mark.parametrize(
    ("grid", "picture", "made"),
    [
        ((64, 96), (720, 1080), (256, 384)),  # to the working size, not further
        ((64, 96), (256, 384), (256, 384)),
        ((64, 96), (240, 360), (256, 384)),  # about the picture's own
        ((64, 96), (190, 285), (64, 96)),  # fine enough
        ((64, 114), (1080, 1920), (256, 456)),
        ((1, 256), (1, 5000), (4, 1024)),
        ((64, 64), (1, 1), (64, 64)),
        ((256, 384), (720, 1080), (256, 384)),
        ((512, 512), (720, 1080), (512, 512)),
    ],
)
def test_a_proposal_gets_the_working_size(grid, picture, made):
    ab = torch.randn(1, 2, *grid, generator=torch.Generator().manual_seed(0))
    sharp = sharpen_proposal(ab, torch.full((1, 1, *picture), 40.0), 256)
    assert sharp.shape[2:] == made and bool(sharp.isfinite().all())
    if made == grid:
        assert sharp is ab


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="whole number of times"):
        enlarge_guided(torch.zeros(1, 2, 6, 8), torch.zeros(1, 1, 24, 33))
