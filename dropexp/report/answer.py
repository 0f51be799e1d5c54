"""The answer of a comparison in a few sentences that claim no more than was found."""

import math
from collections.abc import Sequence
from statistics import median

from dropexp.compare.headline import (
    Headline,
    describe_choice,
    find_selection_metric,
    is_on_validation,
)
from dropexp.compare.highlights import find_best, find_context_axes
from dropexp.compare.method_of_test import TWO_PROCEDURES, describe_uncounted, includes_zero
from dropexp.compare.notes import (
    describe_effect_ends,
    describe_extension,
    describe_forecast,
    describe_last_seeds,
    describe_too_few,
)
from dropexp.compare.results import Comparison, Row
from dropexp.compare.settings import Setting
from dropexp.report.halves import describe_both_halves
from dropexp.report.phrases import (
    describe_baseline,
    describe_change,
    describe_effect,
    describe_interval,
    describe_place,
    describe_setting,
)
from dropexp.report.wording import describe_epoch
from dropexp.runs.metric_types import EpochChoice, Notation, Unit
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import SeedForecast, Verdict

_MOST_NAMED = 4  # settings that a sentence lists by name
_EQUAL = Verdict.PRACTICALLY_EQUAL


def answer(comparison: Comparison) -> list[str]:
    """Return the sentences at the top of a report; the first one is the answer."""
    headline = describe_choice(comparison)
    if headline is None:
        return _answer_without_test(comparison)
    row = headline.row
    sentences = [_describe_result(comparison, headline)]
    if includes_zero(row):
        sentences.append(f"Its interval includes 0: {TWO_PROCEDURES}.")
    if both := describe_both_halves(comparison, row):
        sentences.append(both)
    sentences += _describe_choice(comparison, headline)
    sentences += _describe_planning(comparison, row)
    sentences += _describe_other_rows(comparison, headline)
    if comparison.metric.caveat:
        sentences.append(comparison.metric.caveat)
    return sentences


# --- the headline -------------------------------------------------------------------------


def _describe_result(comparison: Comparison, headline: Headline) -> str:
    row = headline.row
    place = describe_place(comparison, row.setting.fields, find_context_axes(comparison))
    data = f"{place}, "
    setting = _name_chosen(comparison, headline)
    baseline = describe_baseline(comparison, row)
    if row.verdict is Verdict.BETTER:
        change = _describe_effect(comparison, row)
        return f"{data}{setting} {change}{_describe_cost(comparison, row)}."
    result = f"{setting} {_describe_other_verdict(comparison, row)}"
    if headline.also_better or headline.candidates == 1:
        return f"{data}{result}."
    is_known = all(each.verdict is Verdict.WORSE for each in comparison.rows if each.pairs)
    none = f"no setting is {'' if is_known else 'clearly '}better than {baseline}"
    return f"{data}{none}. {result}."


def _name_chosen(comparison: Comparison, headline: Headline) -> str:
    """Return the setting's name, and how it was chosen among several."""
    name = describe_setting(headline.row.setting)
    if not headline.is_chosen:
        return name
    metric = find_selection_metric(comparison).name
    return f"{name}, chosen by {metric} among {headline.candidates} settings,"


def _describe_other_verdict(comparison: Comparison, row: Row) -> str:
    """Return what is said of a row that is not better."""
    metric, difference = comparison.metric, row.difference
    text = _describe_effect(comparison, row)
    is_claimed = row.verdict is Verdict.WORSE
    if not is_claimed and difference is not None and not math.isnan(difference.value):
        baseline = describe_baseline(comparison, row)
        text = (
            f"has a mean {metric.name} {describe_change(metric, difference)} than {baseline}, "
            f"{_count_better(row)}{_describe_lost_pairs(row)}"
        )
    match row.verdict:
        case Verdict.WORSE:
            return f"is worse: it {text}"
        case Verdict.PRACTICALLY_EQUAL:
            assert comparison.rule.margin is not None
            margin = metric.describe_size(comparison.rule.margin)
            return f"{text}: practically equal, as any difference is within ±{margin}"
        case Verdict.TOO_FEW_SEEDS:
            return f"{text}, but these are too few seeds"
        case _:
            return f"{text}, which is no clear difference"


def _describe_effect(comparison: Comparison, row: Row) -> str:
    """Return ``raises the test accuracy by 6.1 points [4.9, 7.3] against none, better in …``."""
    difference, baseline = row.difference, describe_baseline(comparison, row)
    if difference is None or math.isnan(difference.value):
        return f"has no seed in which both it and {baseline} completed{_describe_lost_pairs(row)}"
    return (
        f"{describe_effect(comparison.metric, difference)} against {baseline}, "
        f"{_count_better(row)}{_describe_lost_pairs(row)}"
    )


def _count_better(row: Row) -> str:
    if len(row.pairs) == 1:
        return "with one seed"
    return f"better in {row.pairs_better or 'none'} of {len(row.pairs)} seeds"


def _describe_lost_pairs(row: Row) -> str:
    """Return the pairs that the mean lacks, `` (it diverged in 2 of 6 seeds)``; empty for none."""
    own = sum(pair.value is None for pair in row.pairs)
    others = sum(pair.baseline is None for pair in row.pairs)
    parts = [f"it diverged in {own} of {len(row.pairs)} seeds"] if own else []
    if others:
        parts.append(f"the baseline in {others}" if own else f"the baseline diverged in {others}")
    return f" ({', '.join(parts)})" if parts else ""


def _describe_cost(comparison: Comparison, row: Row) -> str:
    """Return `` (test accuracy 83.0 → 89.1%); cost: +2% time per epoch``, as far as measured."""
    baseline = comparison.row(row.baseline) if row.baseline else None
    if baseline is None or comparison.source:
        return ""

    def means(key: str) -> tuple[float, float] | None:
        before, after = baseline.estimates.get(key), row.estimates.get(key)
        return (before.value, after.value) if before and after else None

    text = ""
    accuracy = METRIC_REGISTRY["test_acc"]
    if comparison.metric is not accuracy and (accuracies := means(accuracy.key)):
        first, second = (accuracy.format(each, Notation.DOCUMENT) for each in accuracies)
        text += f" ({accuracy.name} {first} → {second}%)"
    text += _describe_time(baseline.setting, row.setting)
    if (epochs := means("epochs")) and round(epochs[0]) != round(epochs[1]):
        text += f", {epochs[1]:.0f} epochs instead of {epochs[0]:.0f}"
    return text


def _describe_time(baseline: Setting, setting: Setting) -> str:
    """Return ``; cost: +2% time per epoch``, the median over pairs of runs on equal hardware."""
    by_seed = {run.seed: run for run in baseline.completed}
    pairs = [(by_seed[run.seed], run) for run in setting.completed if run.seed in by_seed]
    ratios = [
        after.seconds_per_epoch / before.seconds_per_epoch
        for before, after in pairs
        if (before.threads, before.device) == (after.threads, after.device) and before.seconds > 0
    ]
    if ratios:
        more = round(100 * (median(ratios) - 1))
        return f"; cost: {more:+d}% time per epoch".replace("-", "−")  # never −0
    if all(before.device != after.device for before, after in pairs):
        return "; cost not comparable: the runs used different devices" if pairs else ""
    return "; cost not comparable: the runs used different numbers of threads"


def _describe_choice(comparison: Comparison, headline: Headline) -> list[str]:
    """Return the sentences on what the choice among several settings does to the size."""
    hidden = _describe_hidden_rows(comparison, headline)
    if not headline.is_chosen:
        return hidden
    sentences = hidden
    if comparison.source:
        sentences.append("It was chosen by the values that measure it, so its size is overstated.")
    elif is_on_validation(comparison):
        result = "test_acc" if comparison.metric.unit is Unit.FRACTION else "test_loss"
        advice = f"--metric {result}"
        if comparison.at is EpochChoice.MATCHED:
            advice = f"--at last --metric {result}"
        sentences.append(
            f"It was chosen and measured on the same validation images, so its size is overstated; "
            f"{advice} measures on test images."
        )
    if headline.row.verdict is not Verdict.BETTER:
        return sentences
    if math.isnan(headline.held_out.value):
        sentences.append("It was chosen on the same seeds, so its size may be overstated.")
    elif headline.is_stable:
        sentences.append("Whichever seed is left out, the same setting is chosen.")
    else:
        change = describe_effect(comparison.metric, headline.held_out)
        sentences.append(
            f"Chosen for each seed by the other seeds only, a setting {change}: the luck of the "
            f"choice has no part in this size."
        )
    return sentences


def _describe_hidden_rows(comparison: Comparison, headline: Headline) -> list[str]:
    """Return the sentence on a better row that a filter may have picked for its result."""
    if headline.row.verdict is not Verdict.BETTER or comparison.tests <= headline.candidates:
        return []
    return [
        f"This shows {headline.candidates} of the {comparison.tests} settings of its study: if "
        f"they were picked for their results, the size is overstated."
    ]


def _describe_planning(comparison: Comparison, row: Row) -> list[str]:
    sentences = describe_too_few(comparison, [row])
    if row.forecast:
        sentences.append(_describe_forecast(comparison, row.forecast))
    return sentences


def _describe_forecast(comparison: Comparison, forecast: SeedForecast) -> str:
    seeds = f"About {describe_forecast(forecast)}"
    if forecast.high is None:
        seeds = f"At least {forecast.low}"
    return (
        f"{seeds} further seeds would decide it with {forecast.power:.0%} probability, "
        f"{describe_effect_ends([forecast]).replace('with ≥, ', '')}. The chance that it stays "
        f"open {describe_last_seeds([forecast])} is {forecast.still_open:.0%}; "
        f"{describe_extension(comparison)}."
    )


# --- the other rows -----------------------------------------------------------------------


def _describe_other_rows(comparison: Comparison, headline: Headline) -> list[str]:
    sentences = []
    is_better = headline.row.verdict is Verdict.BETTER
    if better := headline.also_better:
        also = "Also better" if is_better else "Better"
        sentences.append(
            f"{also} than {_name_baselines(comparison, better)}: {_list_names(better)}."
        )
    if len(better) + is_better > 1:
        sentences.append("Which of the better settings is best was not tested.")
    others = [row for row in comparison.rows if row is not headline.row]
    for verdict, what in ((Verdict.WORSE, "Worse than"), (_EQUAL, "Practically equal to")):
        if same := [row for row in others if row.verdict is verdict]:
            names = _name_baselines(comparison, same)
            sentences.append(f"{what} {names}: {_list_names(same)}.")
    underfit = [row for row in comparison.rows if row.underfits]
    if underfit:
        sentences.append(
            f"Underfitting (worse on the training images too, in loss and accuracy, with given and "
            f"with true labels, without a larger gap): {_list_names(underfit)}."
        )
    return sentences


def _name_baselines(comparison: Comparison, rows: Sequence[Row]) -> str:
    names = {describe_baseline(comparison, row) for row in rows}
    return names.pop() if len(names) == 1 else "their baselines"


def _list_names(rows: Sequence[Row]) -> str:
    names = [row.setting.name for row in rows]
    if len(names) > _MOST_NAMED + 1:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"
    return ", ".join(names)


def _answer_without_test(comparison: Comparison) -> list[str]:
    row = find_best(comparison, comparison.rows)
    if row is None:
        return ["No run completed, so there is nothing to compare."]
    metric = comparison.metric
    estimate = row.estimates[metric.key]
    place = describe_place(comparison, row.setting.fields, find_context_axes(comparison))
    setting = describe_setting(row.setting)
    value = f"{metric.describe_value(estimate.value)}{describe_interval(metric, estimate)}"
    when = describe_epoch(comparison)
    if len(comparison.rows) == 1:
        return [
            f"{place}, the {metric.name} of {setting} is {value}, {when}.",
            "There is no other setting to compare it with.",
        ]
    order = "lowest" if metric.sign > 0 else "highest"
    if any(each.verdict is Verdict.EXPLORATION for each in comparison.rows):
        reason = (
            "The settings were tried by a search, which is not a test. Give the command of the "
            "search again to confirm what it chose on fresh seeds."
        )
    elif uncounted := describe_uncounted(comparison):
        reason = f"No setting is tested. {uncounted}"
    else:
        reason = (
            "No setting was compared with a baseline on the same seeds, so which setting is better "
            "is not known."
        )
    return [f"{place}, {setting} has the {order} {metric.name}, {value}, {when}.", reason]
