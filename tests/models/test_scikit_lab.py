"""Lab as scikit-image has it, against scikit-image."""

from __future__ import annotations

import pytest
import torch

from chrominance.models.scikit_lab import rgb_to_scikit_lab, scikit_lab_to_rgb


def test_scikit_images_lab():
    color = pytest.importorskip("skimage.color")
    rgb = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0)).double()
    rgb[:, :3] = torch.tensor([[0.0, 1.0, 0.02], [0.0, 1.0, 0.01], [0.0, 1.0, 0.03]]).double().unsqueeze(-1)
    wanted = torch.from_numpy(color.rgb2lab(rgb.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    torch.testing.assert_close(rgb_to_scikit_lab(rgb), wanted, atol=1e-9, rtol=0)
    lab = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(1)).double() * torch.tensor(
        [100.0, 220.0, 220.0]
    ).view(3, 1, 1)
    lab[1:] -= 110
    with pytest.warns(UserWarning, match="negative Z values"):
        wanted = torch.from_numpy(color.lab2rgb(lab.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    torch.testing.assert_close(scikit_lab_to_rgb(lab), wanted, atol=1e-6, rtol=0)


def test_batches_are_their_pictures():
    rgb = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(2))
    lab = rgb_to_scikit_lab(rgb)
    assert torch.equal(lab[1], rgb_to_scikit_lab(rgb[1]))
    assert torch.equal(scikit_lab_to_rgb(lab)[1], scikit_lab_to_rgb(lab[1]))
