from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from chrominance import install

ROOT = Path(__file__).parents[1]


def test_it_runs_twice_by_itself_and_changes_nothing():
    before = sorted(ROOT.iterdir())
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "install.py"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Chrominance is ready" in done.stdout
    assert sorted(ROOT.iterdir()) == before


def test_what_is_missing_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(install.NEEDED, "no_such_package", "this test")
    assert any("no_such_package is missing, for this test" in line for line in install.problems(ROOT))
    assert any("weights are missing" in line for line in install.problems(tmp_path))
    assert install.main() == 1
    assert "no_such_package" in capsys.readouterr().err
