"""Both sides of the comparison compute the same; the table says what was measured."""

from __future__ import annotations

import pytest

from chrominance.benchmarks import networks
from chrominance.benchmarks.__main__ import BENCHMARKS


@pytest.mark.parametrize("system", networks.SUBJECTS)
def test_ours_is_the_authors_network(system):
    (first, *_) = networks.compare(system, 64, rounds=1)
    assert first.system == system and first.kind == "float32"
    assert first.error < 1e-3
    assert min(first.plain_ms, first.ours_ms, first.ratio) > 0


def test_the_command(monkeypatch, capsys):
    assert "networks" in BENCHMARKS
    row = networks.Row("eccv16", "float32", 800.0, 400.0, 2.0, 1e-5)
    monkeypatch.setattr(networks, "compare", lambda *a, **k: [row])
    assert networks.main(["eccv16", "--size", "64"]) == 0
    assert "| eccv16 | float32 | 800 | 400 | 2.00 | 0.0010 % |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        networks.main(["nothing"])
    assert "no system nothing" in capsys.readouterr().err
