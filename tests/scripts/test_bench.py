"""The rows of scripts/bench: how they are chosen and timed. No test asserts a time."""

import pytest

from benchmarks import busy, durability, processes, steps, sweeps
from benchmarks.timing import BenchRow, Pair, measure_medians

ROWS = (*durability.ROWS, *processes.ROWS, *busy.ROWS, *sweeps.ROWS, *steps.ROWS)


def make_no_pair() -> Pair:
    raise AssertionError("a row is prepared only when it is measured")


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) > 10


def test_both_sides_are_timed_in_turn() -> None:
    calls: list[str] = []
    ours, theirs = measure_medians((lambda: calls.append("ours"), lambda: 2.5), repeats=3)
    assert calls == ["ours"] * 3
    assert 0 <= ours < 1
    assert theirs == 2.5  # an action that returns a float has measured itself


@pytest.mark.parametrize(("module", "missing"), [("no_such_module", "a-package"), ("torch", None)])
def test_a_row_names_the_package_that_is_missing(module: str, missing: str | None) -> None:
    row = BenchRow("row", "ours ÷ theirs", make_no_pair, needs=(module, "a-package"))
    assert row.missing_package == missing
