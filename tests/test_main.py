"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys

import chrominance
from chrominance.__main__ import main

from .commands.conftest import shell


def test_the_models_table(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CHROMINANCE_MODELS", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.safetensors").write_text("junk")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "third.safetensors").write_text("junk")
    assert main(["models", str(tmp_path / "more")]) == 0
    out = capsys.readouterr().out
    for part in (
        "embedded",
        "Apache-2.0",
        "other.safetensors",
        "third.safetensors",
        "siggraph17",
        "MB",
        str(tmp_path),
    ):
        assert part in out


def test_version_needs_no_torch(tmp_path) -> None:
    code = "import sys, chrominance.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60).returncode == 0
    done = shell("--version", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.strip() == f"chrominance {chrominance.__version__}"
