"""From runs to a comparison: settings, means, differences from baselines, and verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dropexp.compare import grouping, mc_dropout
from dropexp.compare.baselines import Baselines, find_baselines
from dropexp.compare.decisions import Decision, decide
from dropexp.compare.estimates import (
    Values,
    estimate_means,
    find_target,
    read_values,
    refuse_old_runs,
)
from dropexp.compare.method import describe_method
from dropexp.compare.pairing import PairedComparison, compare_pairs
from dropexp.compare.question import Question
from dropexp.compare.reading import FoundRun
from dropexp.compare.results import ComparedRun, Comparison, Row, Setting
from dropexp.runs.metric_types import EpochChoice, Metric, MetricSource
from dropexp.statistics import Verdict, is_underfit


def compare(
    found_runs: Sequence[FoundRun],
    question: Question | None = None,
    left_out: Sequence[str] = (),
) -> Comparison:
    """Compare settings with their baselines, seed by seed.

    Args:
        found_runs: the runs to compare; at least one.
        question: the question to answer; None: the default one.
        left_out: sentences on runs that were left out.

    Raises:
        UserError: the runs cannot be compared, or they cannot answer the question.
    """
    question = question or Question()
    metric = question.deciding_metric
    grouped = grouping.group_runs(found_runs)
    settings = [setting for setting, _ in grouped]
    if not question.allow_mixed:
        grouping.refuse_mixed_images(settings)
    baselines = find_baselines(grouped, question.baseline)
    grouping.refuse_pairs_on_other_images(baselines.by_setting, settings)
    completed = [run for setting in settings for run in setting.completed]
    mc_dropout.refuse_unmeasured(metric, completed)
    refuse_old_runs(metric, completed)
    target = find_target(completed) if question.at is EpochChoice.MATCHED else None
    values = read_values(completed, question.at, target)
    rows = _make_rows(settings, baselines, values, question)
    if metric.source is MetricSource.MC_DROPOUT:
        left_out = (*left_out, *mc_dropout.describe_unmeasured(settings))
    return Comparison(
        rows=tuple(rows),
        metric=metric,
        at=question.at,
        alpha=question.alpha,
        confidence=question.confidence,
        sentences=tuple(describe_method(rows, baselines.description, question, target)),
        left_out=tuple(left_out),
        shared=grouping.find_shared_fields(settings),
        axes=grouping.find_axes(settings),
        target=target,
    )


def _make_rows(
    settings: Sequence[Setting],
    baselines: Baselines,
    values: Mapping[ComparedRun, Values],
    question: Question,
) -> list[Row]:
    def compare_row(setting: Setting, metric: Metric) -> PairedComparison:
        baseline = baselines.by_setting[setting.name]
        return compare_pairs(setting, baseline, values, metric, question.confidence)

    def compare_all(metric: Metric) -> tuple[dict[str, PairedComparison], dict[str, Decision]]:
        tested = [setting for setting in settings if setting.name in baselines.by_setting]
        pairs = {setting.name: compare_row(setting, metric) for setting in tested}
        return pairs, decide(pairs, question.alpha)

    pairs, decisions = compare_all(question.deciding_metric)
    result_decisions = decisions
    if question.result_metric is not question.deciding_metric:
        _, result_decisions = compare_all(question.result_metric)
    fits: Mapping[str, Decision] = {}
    if any(decision.verdict is Verdict.WORSE for decision in result_decisions.values()):
        _, fits = compare_all(question.fit_metric)
    rows = []
    for setting in settings:
        name = setting.name
        row = _measure(setting, values, question.confidence)
        if name in pairs:
            underfits = name in fits and is_underfit(
                result_decisions[name].verdict, fits[name].verdict
            )
            baseline = baselines.by_setting[name].name
            row = _add_decision(row, baseline, pairs[name], decisions[name], underfits)
        rows.append(row)
    return rows


def _measure(setting: Setting, values: Mapping[ComparedRun, Values], confidence: float) -> Row:
    return Row(
        setting=setting,
        estimates=estimate_means([values[run] for run in setting.completed], confidence),
        parameters=setting.runs[0].summary.parameters,
    )


def _add_decision(
    row: Row, baseline: str, comparison: PairedComparison, decision: Decision, underfits: bool
) -> Row:
    return replace(
        row,
        baseline=baseline,
        pairs=comparison.pairs,
        difference=comparison.difference,
        better=comparison.better,
        pairs_better=comparison.pairs_better,
        mean_score=comparison.mean_score,
        p_value=decision.p_value,
        adjusted_p=decision.adjusted_p,
        smallest_p=decision.smallest_p,
        verdict=decision.verdict,
        pairs_needed=decision.pairs_needed,
        underfits=underfits,
    )
