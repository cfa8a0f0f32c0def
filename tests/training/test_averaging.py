from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from chrominance.models import load_colorizer, shipped_weights
from chrominance.training.__main__ import main
from chrominance.training.averaging import mean_of


def test_the_mean_is_each_numbers():
    files = [{"weight": torch.tensor([1.0, 2.0, n], dtype=torch.float16), "count": torch.tensor(n)}
             for n in (3, 6, 12)]  # fmt: skip
    made = mean_of(files)
    assert made["weight"].tolist() == [1, 2, 7] and made["weight"].dtype == torch.float16
    assert made["count"].item() == 3
    with pytest.raises(ValueError, match="different networks"):
        mean_of([files[0], {"weight": torch.zeros(2), "count": torch.tensor(1)}])


def test_the_command_writes_a_network(tmp_path):
    shipped = shipped_weights("embedded")
    tensors = load_file(shipped)
    tensors["head.bias"] += 1
    save_file(tensors, tmp_path / "other.safetensors", {"system": "embedded"})
    out = tmp_path / "mean.safetensors"
    assert main(["average", str(shipped), str(tmp_path / "other.safetensors"), "-o", str(out)]) == 0
    torch.testing.assert_close(load_file(out)["head.bias"], tensors["head.bias"] - 0.5, atol=2e-3, rtol=0)
    assert load_colorizer(str(out)).spec.system == "embedded"


def test_what_does_not_go_together_is_said(tmp_path, capsys):
    files = [str(shipped_weights(name)) for name in ("embedded", "illumination")]
    assert main(["average", *files, "-o", str(tmp_path / "mean.safetensors")]) == 1
    assert "different networks" in capsys.readouterr().err and not (tmp_path / "mean.safetensors").exists()
