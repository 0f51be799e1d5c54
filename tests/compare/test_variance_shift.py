"""The variance shift in comparisons: tested like other metrics, and not of every network."""

from dataclasses import replace

import pytest

from dropexp.compare import FoundRun, FoundRuns, Question, compare
from dropexp.errors import UserError
from dropexp.runs.metrics import METRIC_REGISTRY
from tests.made_up import AROUND, make_run

SHIFT = METRIC_REGISTRY["variance_shift"]
DROPOUT = "dropout p=0.5"


def make_measured(regulariser: str, seed: int, shift: float | None) -> FoundRun:
    strength = 0.0 if regulariser == "none" else 0.5
    fields = {**AROUND, "regulariser.name": regulariser, "regulariser.p": strength}
    run = make_run(fields, seed, 20)
    summary = run.compared.summary
    assert summary.best is not None
    best, last = (replace(each, variance_shift=shift) for each in (summary.best, summary.last))
    summary = replace(summary, best=best, last=last)
    return replace(run, compared=replace(run.compared, summary=summary))


def test_the_shift_is_tested_and_a_smaller_one_is_no_better_result() -> None:
    runs = [make_measured("none", seed, 1.01 + seed / 1000) for seed in range(6)]
    runs += [make_measured("dropout", seed, 1.5 + seed / 1000) for seed in range(6)]
    row = compare(FoundRuns.of(runs), Question(metric=SHIFT)).row(DROPOUT)
    assert row.difference is not None
    assert row.difference.value == pytest.approx(0.49)
    assert row.verdict is not None
    assert "see the test loss" in SHIFT.caveat


def test_runs_without_a_measured_shift_are_told_apart() -> None:
    runs = [make_measured("none", seed, 1.0) for seed in range(3)]
    runs += [make_measured("dropout", seed, None if seed == 2 else 1.5) for seed in range(3)]
    table = compare(FoundRuns.of(runs), Question(metric=SHIFT))
    assert [pair.seed for pair in table.row(DROPOUT).pairs] == [0, 1]
    (sentence,) = table.left_out
    assert sentence.startswith(f"{DROPOUT}: 1 of 3 runs have no results of variance_shift")
    assert compare(FoundRuns.of(runs), Question()).left_out == ()


def test_networks_without_batch_norm_have_neither_a_column_nor_a_verdict() -> None:
    runs = [make_measured(name, seed, None) for name in ("none", "dropout") for seed in range(2)]
    table = compare(FoundRuns.of(runs))
    assert "variance_shift" not in table.row("none").estimates
    with pytest.raises(UserError, match=r"variance_shift was not measured.*batch norm have it"):
        compare(FoundRuns.of(runs), Question(metric=SHIFT))
