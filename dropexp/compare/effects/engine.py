"""From runs to the effects of a factorial study, decided by the tests that compare has."""

import math
from collections.abc import Iterable, Sequence

from dropexp.compare import grouping
from dropexp.compare.baselines import Baselines
from dropexp.compare.decisions import Decision, decide
from dropexp.compare.effects.contrasts import Values, list_contrasts
from dropexp.compare.effects.factors import Factorial, arrange_factorial
from dropexp.compare.effects.results import Effect, Effects
from dropexp.compare.estimates import (
    MetricValues,
    find_target,
    refuse_old_runs,
    refuse_unrecorded,
)
from dropexp.compare.found_runs import FoundRuns
from dropexp.compare.looks import RowRuns, choose_test
from dropexp.compare.question import Question
from dropexp.compare.rows import Family, Grouped, collect_family
from dropexp.compare.rules import Rule, TestInForce, TestKind
from dropexp.compare.unmeasured import refuse_unmeasured
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice
from dropexp.statistics import Verdict
from dropexp.terminal.numbers import format_count, list_few


def find_effects(found: FoundRuns, question: Question | None = None) -> Effects:
    """Return the main effects and two-way interactions of runs in every combination of fields.

    Each seed gives one number for each effect, so that everything that a seed does to all its runs
    cancels. These numbers are tested as the differences of compare are: all effects together, by
    the planned or by the anytime test.

    Args:
        found: the runs in view form the factorial study; at least one.
        question: metric, epoch, test, correction and margin; None: the default one.

    Raises:
        UserError: the runs are no factorial study, or cannot answer the question.
    """
    question = question or Question()
    metric = question.deciding_metric
    grouped = grouping.group_runs(found.in_view)
    settings = [setting for setting, _ in grouped]
    grouping.refuse_mixed_images(settings)
    factorial = arrange_factorial(settings)
    refuse_unmeasured(metric, settings)
    refuse_unrecorded(metric, settings, question.at)
    refuse_old_runs(metric, settings)
    family = _collect_family(found, grouped, factorial, question)
    test, seeds = _choose_test(found, family, factorial, question)
    values = _read_values(factorial, question)
    seeds = [seed for seed in seeds if all(seed in of_cell for of_cell in values.values())]
    if not seeds:
        raise UserError(
            f"effects needs a seed with a result in each of the {len(settings)} combinations, in "
            f"the order in which seeds were asked for; there is none."
        )
    rule = Rule(
        test.kind, question.correction, question.alpha, question.confidence, question.margin
    )
    contrasts = {each.name(factorial.factors): each for each in list_contrasts(factorial.factors)}
    pairs = {name: each.pair(values, seeds, metric.sign) for name, each in contrasts.items()}
    decisions = decide(pairs, rule)
    return Effects(
        factorial=factorial,
        effects=tuple(
            Effect(name, contrast.levels, pairs[name], decisions[name])
            for name, contrast in contrasts.items()
        ),
        values={
            cell: [_to_number(of_cell[seed]) for seed in seeds] for cell, of_cell in values.items()
        },
        seeds=tuple(seeds),
        metric=metric,
        at=question.at,
        rule=rule,
        test=test,
        notes=(
            *([question.stated] if question.stated else []),
            *_describe_too_few(decisions.values(), len(seeds), rule),
            *_describe_hidden(family, len(settings)),
            *_describe_seeds(factorial, seeds),
            *found.left_out,
        ),
    )


def _collect_family(
    found: FoundRuns, grouped: Grouped, factorial: Factorial, question: Question
) -> Family:
    """Return all combinations as rows that are compared with the reference."""
    reference = factorial.reference
    others = {setting.name: reference for setting, _ in grouped if setting is not reference}
    baselines = Baselines(others, reference.name)
    return collect_family(found, grouped, baselines, question.deciding_metric)


def _choose_test(
    found: FoundRuns, family: Family, factorial: Factorial, question: Question
) -> tuple[TestInForce, list[int]]:
    """Return the test that speaks, and the seeds that every combination counts in its order."""
    of_family = [row.runs for row in family.rows.values()]
    test = choose_test(question.test, of_family, family.unstarted, found.folders)
    reference = factorial.reference
    names = [each.name for each in factorial.settings.values() if each is not reference]
    return test, _choose_seeds([family.rows[name].runs for name in names], test.kind)


def _choose_seeds(rows: Sequence[RowRuns], kind: TestKind) -> list[int]:
    """Return the seeds that every row counts, in the order of the test."""
    if kind is TestKind.PLANNED:
        lists = [row.visible_by_number for row in rows]
    else:
        lists = [row.before_first_hole for row in rows]
    common = set.intersection(*map(set, lists))
    if kind is TestKind.PLANNED:
        return sorted(common)
    return sorted(common, key=lambda seed: max(row.order_of(seed) for row in rows))


def _read_values(factorial: Factorial, question: Question) -> Values:
    """Return the values of every combination by seed; None for a run that diverged."""
    settings = list(factorial.settings.values())
    target = find_target(settings) if question.at is EpochChoice.MATCHED else None
    values = MetricValues(settings, question.at, target)
    metric = question.deciding_metric
    return {
        cell: {**dict.fromkeys(setting.diverged_seeds), **values.by_seed(setting, metric)}
        for cell, setting in factorial.settings.items()
    }


def _to_number(value: float | None) -> float:
    return math.nan if value is None else value


def _describe_too_few(decisions: Iterable[Decision], seeds: int, rule: Rule) -> list[str]:
    """Return the sentence on effects whose test could show nothing, whatever their data."""
    floors = [each.smallest_p for each in decisions if each.verdict is Verdict.TOO_FEW_SEEDS]
    if not floors or math.isnan(min(floors)):
        return []
    return [
        f"With {format_count(seeds, 'seed')}, no effect can have a p-value below "
        f"{min(floors):.2g}; a verdict needs {rule.alpha:g}."
    ]


def _describe_hidden(family: Family, shown: int) -> list[str]:
    """Return the sentence on settings of the study that a filter leaves out; else none.

    They have effects of their own, of which none can be counted: there are many ways to filter.
    """
    hidden = len(family.settings) - shown
    if hidden <= 0:
        return []
    return [
        f"A filter leaves out {format_count(hidden, 'setting')} of this study, and the correction "
        f"counts the effects shown alone. If the filter was chosen after results were seen, "
        f"verdicts are false alarms more often than in 5%: see the effects of the whole study."
    ]


def _describe_seeds(factorial: Factorial, seeds: Sequence[int]) -> list[str]:
    """Return sentences on the seeds that do not count, and on runs that diverged."""
    settings = list(factorial.settings.values())
    all_seeds = {seed for setting in settings for seed in setting.runs.seeds}
    notes = []
    if missing := len(all_seeds - set(seeds)):
        notes.append(
            f"{format_count(missing, 'seed')} left out: without a result in some combination, or "
            f"after such a seed in the order of the anytime test."
        )
    diverged = [setting.name for setting in settings if setting.diverged]
    if diverged:
        notes.append(
            f"Runs diverged in {list_few(diverged, noun='setting')}: their side loses the pair, as "
            f"in dropexp compare."
        )
    return notes
