"""From the results of another program to a comparison, by the tests that runs of dropexp get."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dropexp.compare.compared_runs import ComparedRun, ComparedRuns, Curves
from dropexp.compare.decisions import Decision, add_decision, decide
from dropexp.compare.estimates import estimate_mean
from dropexp.compare.foreign.baselines import find_baselines
from dropexp.compare.foreign.columns import list_columns, split_finished
from dropexp.compare.foreign.filters import filter_rows
from dropexp.compare.foreign.method import choose_test, describe_method
from dropexp.compare.foreign.metric import make_metric
from dropexp.compare.foreign.reading import read_table
from dropexp.compare.foreign.shape import ForeignResults, shape_results
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.question import Question
from dropexp.compare.results import Comparison, Pair, Row
from dropexp.compare.rules import Rule
from dropexp.compare.settings import Setting
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.records import (
    METRICS_COLUMNS,
    AuditOutcome,
    RunStatus,
    RunSummary,
    SelectedEpoch,
)


@dataclass(frozen=True)
class ForeignOptions:
    """What is asked of a file of results.

    Attributes:
        settings: the columns that say what was trained; none in a table with a column for each
            setting.
        seed: the column of the seeds, or a pattern of columns such as ``seed_*``.
        metric: the column of the results.
        higher_is_better: None asks the metric's name.
        baseline: the name of a setting, or columns with values, ``method=none``.
        filters: which rows count, such as ``dataset=cifar10``.
        test: see Question, as for the others.
        correction: likewise.
        margin: likewise.
    """

    settings: Sequence[str] = ()
    seed: str | None = None
    metric: str | None = None
    higher_is_better: bool | None = None
    baseline: str | None = None
    filters: Sequence[str] = ()
    test: TestChoice | None = None
    correction: Correction | None = None
    margin: float | None = None


def compare_file(path: Path, options: ForeignOptions) -> Comparison:
    """Compare the settings of a file of results.

    Args:
        path: of the file.
        options: which columns mean what, and the question.

    Raises:
        UserError: the file is no table of results, or an option does not fit to it.
    """
    margin = Question(margin=options.margin).margin  # which refuses what is no margin
    every = read_table(path)
    if options.metric is None:
        raise UserError(
            f"--metric is missing: it names the column of {path.name} to compare. "
            f"{list_columns(every.columns)} Name also --setting and --seed: what was trained, and "
            f"what pairs the runs."
        )
    table = filter_rows(every, options.filters)
    finished, left_out = split_finished(table)
    if not finished.num_rows:
        raise UserError(f"{path.name} has no run that has finished. {' '.join(left_out)}")
    results = shape_results(finished, options.settings, options.seed, options.metric)
    values = [value for by_seed in results.values.values() for value in by_seed.values()]
    metric = make_metric(options.metric, values, higher_is_better=options.higher_is_better)
    baselines, description = find_baselines(results, options.baseline)
    test = choose_test(options.test or TestChoice.AUTO)
    rule = Rule(test.kind, options.correction or Correction.MAX_T, margin=margin)
    pairs = {name: _pair(results, name, baseline, metric) for name, baseline in baselines.items()}
    decisions = decide(pairs, rule, with_forecasts=True)
    settings = make_settings(results)
    rows = [
        _make_row(setting, results, metric, rule, baselines.get(setting.name), pairs, decisions)
        for setting in settings
    ]
    comparison = Comparison(
        rows=tuple(rows),
        metric=metric,
        at=EpochChoice.LAST,
        test=test,
        rule=rule,
        tests=sum(bool(each.pairs) for each in pairs.values()),
        studies=(),
        sentences=(),
        left_out=(*left_out, *results.sentences),
        source=results.source,
    )
    is_chosen = options.baseline is not None
    sentences = describe_method(
        comparison, description, is_chosen=is_chosen, is_filtered=bool(options.filters)
    )
    return replace(comparison, sentences=tuple(sentences))


def make_settings(results: ForeignResults) -> list[Setting]:
    """Return the settings of a file in its order, with runs that have nothing but a seed."""
    seeds = {seed for by_seed in results.values.values() for seed in by_seed}
    settings = []
    for name, fields in results.settings.items():
        by_seed = results.values[name]
        runs = {seed: _make_run(name, seed, value) for seed, value in sorted(by_seed.items())}
        settings.append(
            Setting(
                name=name,
                fields=fields,
                completed=ComparedRuns.of(run for run in runs.values() if run.is_completed),
                diverged=ComparedRuns.of(run for run in runs.values() if not run.is_completed),
                missing_seeds=tuple(sorted(seeds - runs.keys())),
                own_name=name,
            )
        )
    return settings


def _make_run(name: str, seed: int, value: float) -> ComparedRun:
    """Return a run of which nothing is known but whether its result is a finite number."""
    unknown = SelectedEpoch(0, *[math.nan] * 8)
    summary = RunSummary(
        run_id=f"{name}, seed {seed}",
        status=RunStatus.COMPLETED if math.isfinite(value) else RunStatus.DIVERGED,
        regulariser="",
        p=math.nan,
        seed=seed,
        parameters=0,
        seconds=0.0,
        peak_memory_mb=math.nan,
        audit=AuditOutcome.SKIPPED,
        best=None,
        last=unknown,
        config_hash="",
        results_version=0,
    )
    no_curves = Curves(np.empty((0, len(METRICS_COLUMNS))))
    return ComparedRun(summary.run_id, seed, summary, no_curves, math.nan, math.nan)


def _pair(results: ForeignResults, name: str, baseline: str, metric: Metric) -> PairedComparison:
    own, others = results.values[name], results.values[baseline]
    pairs = tuple(
        Pair(seed, _finite(others[seed]), _finite(own[seed]))
        for seed in sorted(own.keys() & others.keys())
    )
    return PairedComparison(pairs, metric.sign)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _make_row(
    setting: Setting,
    results: ForeignResults,
    metric: Metric,
    rule: Rule,
    baseline: str | None,
    pairs: Mapping[str, PairedComparison],
    decisions: Mapping[str, Decision],
) -> Row:
    name = setting.name
    values = [value for value in results.values[name].values() if math.isfinite(value)]
    estimates = {metric.key: estimate_mean(values, metric, rule.confidence)} if values else {}
    row = Row(setting=setting, estimates=estimates, parameters=0)
    if baseline is None:
        return row
    return add_decision(row, baseline, pairs[name], decisions[name], pairs[name])
