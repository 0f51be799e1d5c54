"""From runs to a comparison: settings, means, differences from baselines, and verdicts."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial

from dropexp.compare import grouping
from dropexp.compare.baselines import find_baselines
from dropexp.compare.counterparts import OPPOSITES, find_counterpart
from dropexp.compare.decisions import Decision, add_decision, decide
from dropexp.compare.estimates import MetricValues, find_target, refuse_old_runs, refuse_unrecorded
from dropexp.compare.found_runs import FoundRuns
from dropexp.compare.interpolation import is_fitted
from dropexp.compare.looks import choose_test
from dropexp.compare.method import describe_method
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.processors import describe_unlike_processors
from dropexp.compare.question import Question
from dropexp.compare.registered import describe_registrations
from dropexp.compare.results import Comparison, Half, Row
from dropexp.compare.rows import Family, TestedRow, collect_family
from dropexp.compare.rules import Rule
from dropexp.compare.settings import Setting
from dropexp.compare.unmeasured import describe_unmeasured, refuse_unmeasured
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.second_process import compute_beside
from dropexp.statistics import Estimate, Verdict
from dropexp.terminal.numbers import format_count

_FEWEST_FOR_TWO = 10_000
"""Runs from which on a second process saves more than the 30 ms that it takes."""

_OTHER_HALF = {EpochChoice.BEST: EpochChoice.LAST, EpochChoice.LAST: EpochChoice.BEST}


def compare(
    found: FoundRuns, question: Question | None = None, *, with_p_values: bool = True
) -> Comparison:
    """Compare settings with their baselines, seed by seed.

    Args:
        found: the runs to compare; at least one in view.
        question: the question to answer; None: the default one.
        with_p_values: whether the p-value of each row alone is of interest; see decide.

    Raises:
        UserError: the runs cannot be compared, or they cannot answer the question.
    """
    question = question or Question()
    metric = question.deciding_metric
    grouped = grouping.group_runs(found.in_view)
    settings = [setting for setting, _ in grouped]
    if not question.allow_mixed:
        grouping.refuse_mixed_images(settings)
    baselines = find_baselines(grouped, question.baseline)
    grouping.refuse_pairs_on_other_images(baselines.by_setting, settings)
    refuse_unmeasured(metric, settings)
    refuse_unrecorded(metric, settings, question.at)
    refuse_old_runs(metric, settings)
    target = find_target(settings) if question.at is EpochChoice.MATCHED else None
    family = collect_family(found, grouped, baselines, metric)
    test = choose_test(
        question.test, [row.runs for row in family.rows.values()], family.unstarted, found.folders
    )
    rule = Rule(
        test.kind, question.correction, question.alpha, question.confidence, question.margin
    )
    judge = _Judge(family, question, rule, target, with_p_values=with_p_values)
    rows = judge.make_rows(settings)
    left_out = (*found.left_out, *describe_unmeasured(metric, settings))
    comparison = Comparison(
        rows=tuple(rows),
        metric=metric,
        at=question.at,
        test=test,
        rule=rule,
        tests=judge.tests,
        studies=_list_studies(found),
        sentences=(),
        left_out=left_out,
        unlike_processors=tuple(describe_unlike_processors(rows, found.in_view)),
        named_study=found.named_study,
        shared=grouping.find_shared_fields(settings),
        axes=grouping.find_axes(settings),
        target=target,
        question=question,
    )
    is_chosen = question.baseline is not None
    sentences = describe_method(comparison, baselines.description, is_chosen=is_chosen)
    sentences += [question.stated] if question.stated else []
    sentences += _describe_pilots(family)
    folders = [batch.listed.runs_dir for batch in found.in_view]
    sentences += describe_registrations(folders, settings, question)
    return replace(comparison, sentences=tuple(sentences))


def _describe_pilots(family: Family) -> list[str]:
    pairs = sum(row.runs.pilot for row in family.rows.values())
    if not pairs:
        return []
    return [
        f"{format_count(pairs, 'pair')} of these settings on seeds outside this study "
        f"{'is' if pairs == 1 else 'are'} not counted: too few for a verdict of their own."
    ]


def _has_fitted(row: Row) -> bool:
    train_acc = row.estimates.get("train_acc")
    return train_acc is not None and is_fitted(1 - train_acc.value)


def _list_studies(found: FoundRuns) -> tuple[str, ...]:
    requests = {id(each): each for batch in found.in_view for each in batch.requests}.values()
    studies = (each.study for each in requests if each is not None and each.study is not None)
    return tuple(dict.fromkeys(studies))


class _Judge:
    """Decides all rows of a family together, and makes the rows of the table.

    Args:
        family: the rows of the table and of its studies.
        question: the question that the table answers.
        rule: how rows are decided.
        target: the training loss at which runs are matched, nats; None without matching.
        with_p_values: see decide.
    """

    def __init__(
        self,
        family: Family,
        question: Question,
        rule: Rule,
        target: float | None,
        *,
        with_p_values: bool,
    ) -> None:
        self._family = family
        self._question = question
        self._rule = rule
        self._values = MetricValues(family.settings, question.at, target)
        metric = question.deciding_metric
        find_halves: Callable[[], dict[str, Half]] = partial(self._decide_other_half, metric)
        if sum(len(setting.completed) for setting in family.settings) >= _FEWEST_FOR_TWO:
            find_halves = compute_beside(find_halves)
        self._pairs = self._compare(metric, self._values)
        further = family.further_tests
        self._decisions = decide(
            self._pairs,
            rule,
            further_tests=further,
            with_forecasts=True,
            with_p_values=with_p_values,
        )
        self.tests = sum(bool(each.pairs) for each in self._pairs.values()) + further
        self._choosing = self._compare(question.selection_metric, self._values)
        self._underfit = self._find_underfit()
        self._opposed = self._find_opposed()
        self._halves = find_halves()

    def make_rows(self, settings: Sequence[Setting]) -> list[Row]:
        """Return the row of each setting of the table."""
        estimates = self._values.estimate_means(settings, self._rule.confidence)
        return [
            self._make_row(setting, of_setting)
            for setting, of_setting in zip(settings, estimates, strict=True)
        ]

    def _make_row(self, setting: Setting, estimates: Mapping[str, Estimate]) -> Row:
        row = Row(setting, estimates, parameters=setting.runs.read("parameters")[0])
        tested = self._family.rows.get(setting.name)
        return row if tested is None else self._add_decision(row, tested)

    def _add_decision(self, row: Row, tested: TestedRow) -> Row:
        name = row.setting.name
        pairs, decision = self._pairs[name], self._decisions[name]
        if not pairs.pairs and tested.runs.is_explored:
            return replace(row, baseline=tested.baseline_name, verdict=Verdict.EXPLORATION)
        decided = add_decision(row, tested.baseline_name, pairs, decision, self._choosing[name])
        return replace(
            decided,
            other_half=self._halves.get(name),
            uncounted=len(tested.runs.visible) - len(tested.choose_seeds(self._rule.kind)),
            seeds_outside=tested.runs.seeds_outside,
            underfits=name in self._underfit and not _has_fitted(row),
            is_opposed=name in self._opposed,
        )

    def _find_underfit(self) -> Set[str]:
        """Return the names of the rows with a clearly worse result, fit and no larger gap."""
        question = self._question
        if not question.fit_metrics:
            return set()
        names = self._find_worse(question.result_metric)
        for metric in question.fit_metrics:
            names &= self._find_worse(metric) if names else set()
        return names - self._find_worse(METRIC_REGISTRY["loss_gap"]) if names else names

    def _find_opposed(self) -> Set[str]:
        """Return the names of the rows of which the metric's counterpart says the opposite."""
        counterpart = find_counterpart(self._question.deciding_metric)
        wanted = {
            name: OPPOSITES[each.verdict]
            for name, each in self._decisions.items()
            if each.verdict in OPPOSITES
        }
        if counterpart is None or not wanted:
            return set()
        decisions = self._decide_other(counterpart)
        return {name for name, verdict in wanted.items() if decisions[name].verdict is verdict}

    def _find_worse(self, metric: Metric) -> Set[str]:
        decisions = self._decide_other(metric)
        return {name for name, each in decisions.items() if each.verdict is Verdict.WORSE}

    def _compare(self, metric: Metric, values: MetricValues) -> dict[str, PairedComparison]:
        return {
            name: row.compare(values, metric, self._rule.kind)
            for name, row in self._family.rows.items()
        }

    def _decide_other(self, metric: Metric) -> Mapping[str, Decision]:
        """Return the decisions in another metric; the margin is in the unit of the deciding one."""
        if metric is self._question.deciding_metric:
            return self._decisions
        rule = replace(self._rule, margin=None)
        pairs = self._compare(metric, self._values)
        return self._decide_verdicts(pairs, rule)

    def _decide_verdicts(
        self, pairs: Mapping[str, PairedComparison], rule: Rule
    ) -> dict[str, Decision]:
        further = self._family.further_tests
        return decide(pairs, rule, further_tests=further, with_p_values=False)

    def _decide_other_half(self, metric: Metric) -> dict[str, Half]:
        other = _OTHER_HALF.get(self._question.at)
        if other is None or other not in metric.epochs or metric.is_of_whole_run:
            return {}
        pairs = self._compare(metric, MetricValues(self._family.settings, other))
        return {
            name: Half(other, decision.difference, decision.verdict)
            for name, decision in self._decide_verdicts(pairs, self._rule).items()
        }
