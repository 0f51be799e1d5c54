"""Metrics of mc_dropout: what was not measured makes no pair, and can be reported otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare import FoundRun, FoundRuns, Question, compare
from dropexp.compare.table import format_comparison
from dropexp.errors import UserError
from dropexp.report import plot
from dropexp.report.answer import answer
from dropexp.runs.metric_types import Metric, MetricSource
from dropexp.runs.metrics import METRIC_REGISTRY, deciding_metrics
from dropexp.runs.records import SampledTest
from tests.made_up import AROUND, make_run


def make_measured(regulariser: str, seed: int, passes: int | None) -> FoundRun:
    strength = 0.0 if regulariser == "none" else 0.3
    fields = {**AROUND, "regulariser.name": regulariser, "regulariser.p": strength}
    run = make_run(fields, seed, 20)
    by_passes = None if passes is None else SampledTest(passes, 0.4 + seed / 10, 0.9, 0.03, 0.5)
    summary = replace(run.compared.summary, mc_dropout=by_passes)
    return replace(run, compared=replace(run.compared, summary=summary))


def test_a_seed_without_results_makes_no_pair_and_is_reported() -> None:
    runs = [make_measured("none", seed, None) for seed in range(3)]
    runs += [
        make_measured("dropout2d", 0, 8),
        make_measured("dropout2d", 1, 16),
        make_measured("dropout2d", 2, None),
    ]
    table = compare(FoundRuns.of(runs), Question(metric=METRIC_REGISTRY["mc_test_loss"]))
    row = table.row("dropout2d p=0.3")
    assert [(pair.seed, pair.value) for pair in row.pairs] == [(0, 0.4), (1, 0.5)]
    summaries = [run.compared.summary.best for run in runs[:2]]
    assert [pair.baseline for pair in row.pairs] == [best and best.test_loss for best in summaries]
    lacking, numbers = table.left_out
    assert lacking.startswith("dropout2d p=0.3: 1 of 3 runs have no results of mc_dropout")
    assert "(8, 16)" in numbers
    # Another question needs no results of MC dropout.
    assert compare(FoundRuns.of(runs), Question()).left_out == ()


def test_without_any_results_of_mc_dropout_there_is_no_column_of_them() -> None:
    runs = [make_measured(name, seed, None) for name in ("none", "dropout2d") for seed in range(2)]
    assert "mc_test_loss" not in compare(FoundRuns.of(runs)).row("none").estimates
    with pytest.raises(UserError, match="no run has results of mc_dropout"):
        compare(FoundRuns.of(runs), Question(metric=METRIC_REGISTRY["mc_test_entropy"]))


@pytest.mark.parametrize(
    "metric", [each for each in deciding_metrics() if each.source is MetricSource.MC_DROPOUT]
)
def test_every_metric_of_the_passes_can_be_reported(metric: Metric, tmp_path: Path) -> None:
    runs = [make_measured(name, seed, 8) for name in ("none", "dropout2d") for seed in range(6)]
    table = compare(FoundRuns.of(runs), Question(metric=metric))
    text = "\n".join(line.plain for line in format_comparison(table, None))
    assert metric.name in text
    assert ("right or wrong" in text) == (metric is METRIC_REGISTRY["mc_test_entropy"])
    (sentence, *_) = answer(table)
    assert "MC dropout" in sentence
    assert ("nats" in sentence) == (
        metric in (METRIC_REGISTRY["mc_test_loss"], METRIC_REGISTRY["mc_test_entropy"])
    )
    plot(table, tmp_path / "charts.html")
