from __future__ import annotations

import pytest

from chrominance.benchmarks import correspondence, scorecard
from chrominance.benchmarks.__main__ import BENCHMARKS


def cost(ratio=0.5, megabytes=20.0, difference=1e-4):
    return correspondence.Cost({1: 2.0, 2: 1.0}, {1: ratio, 2: ratio}, megabytes, difference)


@pytest.fixture
def no_children(monkeypatch):
    """Measures memory as 7 MB without starting processes."""
    monkeypatch.setattr(correspondence, "measure_memory", lambda *given: 7.0)


def test_every_way_fetches_the_same(no_children):
    costs = correspondence.measure(150, 16, 1, threads=(1,))
    assert list(costs) == list(correspondence.WAYS)
    for measured in costs.values():
        assert measured.difference <= correspondence.BAR_DIFFERENCE
        assert measured.megabytes == 7 and measured.seconds[1] > 0
    assert costs["scaled_dot_product_attention"].ratios == {1: 1.0}


def test_memory_is_measured_in_a_process_of_its_own():
    held = b"x" * 300_000_000  # what this process holds does not count
    # The matrix alone takes 64 MB, twice or thrice over while it is divided and summed.
    assert 60 < correspondence.measure_memory("naive", 4000, 4) < 300
    assert held


def test_the_command_prints_the_table_and_the_bars(no_children, capsys):
    assert "correspondence" in BENCHMARKS
    correspondence.main(["--positions", "90", "--channels", "8", "--runs", "1", "--threads", "1"])
    printed = capsys.readouterr().out
    assert all(f"| {way} |" in printed for way in correspondence.WAYS)
    assert "of attention's" in printed and "≤ 0.8×" in printed and "≤ 150 MB" in printed


@pytest.mark.parametrize(
    ("changed", "missed"),
    [({}, 0), ({"ratio": 0.9}, 2), ({"megabytes": 151.0}, 1), ({"difference": 0.1}, 1)],
)
def test_a_figure_over_the_bar_fails(changed, missed, monkeypatch, capsys):
    costs = {way: cost() for way in correspondence.WAYS}
    costs["match, one way"] = cost(**changed)
    # How long the usual ways take is nobody's promise.
    costs["naive"] = cost(ratio=3.0, megabytes=4000.0)
    monkeypatch.setattr(correspondence, "measure", lambda *args, **options: costs)
    assert sum(not figure.met for figure in correspondence.promised(costs)) == missed
    assert correspondence.main([]) == int(missed > 0)
    assert capsys.readouterr().out.count("**no**") == missed
    assert sum(row.met is False for row in scorecard.correspondence_rows(None)) == missed


def test_it_refuses_numbers_that_it_cannot_measure(capsys):
    for arguments in (["--positions", "0"], ["--threads", "0"], ["--runs", "-1"]):
        with pytest.raises(SystemExit):
            correspondence.main(arguments)
        assert "must be at least 1" in capsys.readouterr().err
