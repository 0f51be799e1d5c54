"""The answer of a comparison in a few plain sentences, claiming no more than was found."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dropexp.compare.highlights import best, headline, other_axes
from dropexp.compare.results import Comparison, Metric, Row, Setting
from dropexp.compare.table import more_seeds
from dropexp.config.classics import CLASSICS, describe_classic
from dropexp.report.cells import interval, number
from dropexp.report.charts.words import moment
from dropexp.statistics import Verdict, smallest_adjusted_p

_NAMES = {
    Metric.TEST_LOSS: "test loss",
    Metric.TEST_ACC: "test accuracy",
    Metric.VAL_LOSS: "validation loss",
    Metric.VAL_ACC: "validation accuracy",
    Metric.TRAIN_LOSS: "training loss",
    Metric.TRAIN_ACC: "training accuracy",
    Metric.LOSS_GAP: "the gap in loss",
    Metric.ACC_GAP: "the gap in accuracy",
    Metric.MC_TEST_LOSS: "the test loss of mc_dropout",
    Metric.MC_TEST_ACC: "the test accuracy of mc_dropout",
    Metric.MC_TEST_ECE: "the calibration error of mc_dropout",
    Metric.MC_TEST_ENTROPY: "the predictive entropy of mc_dropout",
}
_MOST_NAMED = 4  # further settings in a sentence


def answer(comparison: Comparison) -> list[str]:
    """The sentences at the top of a report, the answer first."""
    row = headline(comparison)
    if row is None:
        return _without_baseline(comparison)
    sentences = [_found(comparison, row), *_planning(comparison, row)]
    sentences += _others(comparison, row)
    if comparison.metric.is_gap:
        sentences.append("A smaller gap is not yet a better result: see the test loss.")
    if comparison.metric is Metric.MC_TEST_ENTROPY:
        sentences.append("A lower entropy is certainty, right or wrong: see the test loss.")
    if comparison.metric.is_of_training:
        sentences.append("A better fit is not yet a better result: see the test loss.")
    return sentences


def place(fields: Mapping[str, Any], others: Iterable[str] = ()) -> str:
    """What was trained on, in words: ``digits with 400 images and 20 % noisy labels``.

    Args:
        fields: of a setting, or what settings share.
        others: further fields that must be told, as settings differ in them.
    """
    parts = []
    if isinstance(fields.get("data.train_size"), int):
        parts.append(f"{fields['data.train_size']:,} images")
    if fields.get("data.label_noise"):
        parts.append(f"{100 * fields['data.label_noise']:g} % noisy labels")
    told = ("data.name", "data.train_size", "data.label_noise")
    rest = [f"{key}={fields[key]}" for key in others if key not in told and key in fields]
    data = str(fields.get("data.name", "the data"))
    words = f"{data} with {' and '.join(parts)}" if parts else data
    return f"{words} ({', '.join(rest)})" if rest else words


def named(setting: Setting) -> str:
    """The regulariser and its p in words: ``dropout2d at p = 0.5``; or classics by themselves."""
    if not setting.has_regulariser:
        return setting.kind
    classics = [describe_classic(name, setting.fields) for name in setting.classics]
    words = f"{setting.without(setting.classics).kind} at p = {setting.p:g}"
    return f"{words} with {' and '.join(classics)}" if classics else words


def _found(comparison: Comparison, row: Row) -> str:
    where = f"On {place(row.setting.fields, other_axes(comparison))}, "
    what = f"{named(row.setting)} {_change(comparison, row)}"
    if row.verdict is Verdict.BETTER:
        return f"{where}{what}{_cost(comparison, row)}."
    baseline = baseline_name(comparison, row)
    if row.verdict is Verdict.WORSE:
        return f"{where}no setting is better than {baseline}; the nearest, {what}: worse."
    verdict = row.verdict.value if row.verdict else "not tested"
    return (
        f"{where}no setting is clearly better than {baseline}. The nearest is "
        f"{named(row.setting)}, which {_change(comparison, row)}: {verdict}."
    )


def _change(comparison: Comparison, row: Row) -> str:
    """``raises test accuracy by 6.1 points [4.9, 7.3] against none, better in 6 of 6 seeds``."""
    metric, difference = comparison.metric, row.difference
    baseline = baseline_name(comparison, row)
    if difference is None or math.isnan(difference.value):
        return f"has no seed in which both it and {baseline} came to their end{_lost(row)}"
    rises = difference.value > 0
    size = type(difference)(
        abs(difference.value),
        difference.low if rises else -difference.high,
        difference.high if rises else -difference.low,
        difference.n,
    )
    ends = interval(size, metric.value)
    return (
        f"{'raises' if rises else 'lowers'} {_NAMES[metric]} by "
        f"{number(size.value, metric.value)}{_unit(metric, 'points')}{f' {ends}' if ends else ''} "
        f"against "
        f"{baseline}, better in {row.pairs_better} of {len(row.pairs)} seeds{_lost(row)}"
    )


def _unit(metric: Metric, of_accuracies: str) -> str:
    if metric is Metric.MC_TEST_ECE:
        return ""
    return f" {of_accuracies}" if "acc" in metric.value else " nats"


def _lost(row: Row) -> str:
    """What the mean difference leaves out: `` (it diverged in 2 of 6 seeds)``, or nothing."""
    own, others = (
        sum(value is None for value in values)
        for values in ([p.value for p in row.pairs], [p.baseline for p in row.pairs])
    )
    parts = [f"it diverged in {own} of {len(row.pairs)} seeds"] if own else []
    if others:
        parts.append(f"the baseline in {others}" if own else f"the baseline diverged in {others}")
    return f" ({', '.join(parts)})" if parts else ""


def baseline_name(comparison: Comparison, row: Row) -> str:
    """No longer than needed: what it shares with the row, the sentence has said before."""
    if row.baseline is None:
        return "the baseline"
    own, baseline = row.setting.fields, comparison.row(row.baseline).setting
    told = [CLASSICS[name] for name in comparison.classics]
    is_like_it = all(
        own.get(key) == baseline.fields.get(key)
        for key in {**own, **baseline.fields}
        if not key.startswith("regulariser.") and not any(each.owns(key) for each in told)
    )
    return named(baseline) if is_like_it else row.baseline


def _cost(comparison: Comparison, row: Row) -> str:
    """``; test accuracy 83.0 → 89.1 %; cost: +2 % time``, as far as it was measured."""
    baseline = comparison.row(row.baseline) if row.baseline else None
    if baseline is None:
        return ""
    words = ""
    before, after = (each.estimates.get("test_acc") for each in (baseline, row))
    if before and after and comparison.metric is not Metric.TEST_ACC:
        first, second = (number(each.value, "test_acc") for each in (before, after))
        words += f" (test accuracy {first} → {second} %)"
    before, after = (each.estimates.get("seconds_per_epoch") for each in (baseline, row))
    if before and after and before.value > 0:
        more = 100 * (after.value / before.value - 1)
        words += f"; cost: {more:+.0f} % time per epoch".replace("-", "−")
    before, after = (each.estimates.get("epochs") for each in (baseline, row))
    if before and after and round(before.value) != round(after.value):
        words += f", {after.value:.0f} epochs instead of {before.value:.0f}"
    return words


def _planning(comparison: Comparison, row: Row) -> list[str]:
    sentences = []
    if row.verdict is Verdict.TOO_FEW_SEEDS:
        tested = [each for each in comparison.rows if each.pairs]
        smallest = smallest_adjusted_p(len(each.pairs) for each in tested)[tested.index(row)]
        sentences.append(
            f"With {len(row.pairs)} seeds and {_count(len(tested), 'setting')} to test, no result "
            f"could have come below p = {smallest:.2g}; {comparison.alpha:g} is asked for."
        )
    more = more_seeds(row)
    if more:
        sentences.append(
            f"{row.pairs_needed:,} seeds in total, {more:,} more, would settle a difference of "
            f"this size."
        )
    return sentences


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _others(comparison: Comparison, first: Row) -> list[str]:
    sentences = []
    better = _with_verdict(comparison.rows, Verdict.BETTER, first)
    if better:
        sentences.append(
            f"Also better than {_its(comparison, better)}: {_listed(better)}. Which of the better "
            "ones is best was not tested."
        )
    worse = _with_verdict(comparison.rows, Verdict.WORSE, first)
    if worse:
        sentences.append(f"Worse than {_its(comparison, worse)}: {_listed(worse)}.")
    weak = [row for row in comparison.rows if row.underfits]
    if weak:
        sentences.append(f"Underfitting, a smaller gap with a worse test result: {_listed(weak)}.")
    return sentences


def _its(comparison: Comparison, rows: Sequence[Row]) -> str:
    names = {baseline_name(comparison, row) for row in rows}
    return names.pop() if len(names) == 1 else "their baselines"


def _with_verdict(rows: Sequence[Row], verdict: Verdict, without: Row) -> list[Row]:
    return [row for row in rows if row.verdict is verdict and row is not without]


def _listed(rows: Sequence[Row]) -> str:
    names = [row.setting.name for row in rows]
    if len(names) > _MOST_NAMED + 1:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"
    return ", ".join(names)


def _without_baseline(comparison: Comparison) -> list[str]:
    row = best(comparison, comparison.rows)
    if row is None:
        return ["No run has come to its end, so there is nothing to compare."]
    metric = comparison.metric
    value = row.estimates[metric.value]
    shown = f"{number(value.value, metric.value)}{_unit(metric, '%')}"
    ends = interval(value, metric.value)
    order = "lowest" if metric.sign > 0 else "highest"
    where = place(row.setting.fields, other_axes(comparison))
    return [
        f"On {where}, {named(row.setting)} has the {order} "
        f"{_NAMES[metric].removeprefix('the ')}, {shown}"
        f"{f' {ends}' if ends else ''}, {moment(comparison.at)}.",
        "Nothing was compared with a baseline of the same seeds, so which setting is better is "
        "not known.",
    ]
