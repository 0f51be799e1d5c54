"""The answer of a comparison in a few sentences that claim no more than was found."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from dropexp.compare.highlights import find_best, find_context_axes, find_headline
from dropexp.compare.notes import describe_extension, describe_forecast
from dropexp.compare.results import Comparison, Row, Setting
from dropexp.config.classics import CLASSICS, describe_classic
from dropexp.report.wording import describe_epoch
from dropexp.runs.metric_types import Metric, Notation
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import MOST_MORE_SEEDS, Estimate, SeedForecast, Verdict

_MOST_NAMED = 4  # settings that a sentence lists by name


def answer(comparison: Comparison) -> list[str]:
    """Return the sentences at the top of a report; the first one is the answer."""
    row = find_headline(comparison)
    if row is None:
        return _answer_without_baseline(comparison)
    sentences = [_describe_result(comparison, row), *_describe_planning(comparison, row)]
    sentences += _describe_other_rows(comparison, row)
    if comparison.metric.caveat:
        sentences.append(comparison.metric.caveat)
    return sentences


def describe_data(fields: Mapping[str, Any], others: Iterable[str] = ()) -> str:
    """Return what was trained on: ``digits with 400 images and 20 % noisy labels``.

    Args:
        fields: the fields of a setting, or those that settings share.
        others: further fields to name, for example because settings differ in them.
    """
    parts = []
    if isinstance(fields.get("data.train_size"), int):
        parts.append(f"{fields['data.train_size']:,} images")
    if fields.get("data.label_noise"):
        parts.append(f"{100 * fields['data.label_noise']:g} % noisy labels")
    known = ("data.name", "data.train_size", "data.label_noise")
    rest = [f"{key}={fields[key]}" for key in others if key not in known and key in fields]
    data = str(fields.get("data.name", "the data"))
    text = f"{data} with {' and '.join(parts)}" if parts else data
    return f"{text} ({', '.join(rest)})" if rest else text


def describe_setting(setting: Setting) -> str:
    """Return the regulariser with its p, ``dropout2d at p = 0.5``, or else the classics."""
    if not setting.has_regulariser:
        return setting.kind
    classics = [describe_classic(name, setting.fields) for name in setting.classics]
    text = f"{setting.without_classics(setting.classics).kind} at p = {setting.p:g}"
    return f"{text} with {' and '.join(classics)}" if classics else text


def describe_baseline(comparison: Comparison, row: Row) -> str:
    """Return the name of a row's baseline, without the fields that it shares with the row."""
    if row.baseline is None:
        return "the baseline"
    own, baseline = row.setting.fields, comparison.row(row.baseline).setting
    classics = [CLASSICS[name] for name in comparison.classics]
    differs_in_method_only = all(
        own.get(key) == baseline.fields.get(key)
        for key in {**own, **baseline.fields}
        if not key.startswith("regulariser.") and not any(each.owns(key) for each in classics)
    )
    return describe_setting(baseline) if differs_in_method_only else row.baseline


# --- the headline -------------------------------------------------------------------------


def _describe_result(comparison: Comparison, row: Row) -> str:
    data = f"On {describe_data(row.setting.fields, find_context_axes(comparison))}, "
    setting, change = describe_setting(row.setting), _describe_change(comparison, row)
    baseline = describe_baseline(comparison, row)
    if row.verdict is Verdict.BETTER:
        return f"{data}{setting} {change}{_describe_cost(comparison, row)}."
    if row.verdict is Verdict.WORSE:
        return (
            f"{data}no setting is better than {baseline}. The nearest is {setting}, which "
            f"{change}: worse."
        )
    unclear = _describe_unclear(comparison, row)
    return f"{data}no setting is clearly better than {baseline}. {unclear}"


def _describe_unclear(comparison: Comparison, row: Row) -> str:
    """Return the sentence on the row that gains most, where no row is clearly better."""
    setting, difference = describe_setting(row.setting), row.difference
    if row.verdict is Verdict.NO_CLEAR_DIFFERENCE:
        verdict = "which is no clear difference"
    else:
        verdict = "but these are too few seeds" if row.verdict else "which was not tested"
    if difference is None or math.isnan(difference.value):
        return f"{setting} {_describe_change(comparison, row)}, {verdict}."
    rises, metric = difference.value > 0, comparison.metric
    size = difference if rises else _negate(difference)
    return (
        f"The best mean difference is that of {setting}: its {metric.name} is "
        f"{metric.describe_size(size.value)} {'higher' if rises else 'lower'}"
        f"{_interval(size, metric)}, better in {row.pairs_better} of {len(row.pairs)} seeds"
        f"{_describe_lost_pairs(row)}, {verdict}."
    )


def _describe_change(comparison: Comparison, row: Row) -> str:
    """Return ``raises the test accuracy by 6.1 points [4.9, 7.3] against none, better in …``."""
    difference, baseline = row.difference, describe_baseline(comparison, row)
    if difference is None or math.isnan(difference.value):
        return f"has no seed in which both it and {baseline} completed{_describe_lost_pairs(row)}"
    rises = difference.value > 0
    size = difference if rises else _negate(difference)
    metric = comparison.metric
    return (
        f"{'raises' if rises else 'lowers'} the {metric.name} by "
        f"{metric.describe_size(size.value)}{_interval(size, metric)} against {baseline}, "
        f"better in {row.pairs_better} of {len(row.pairs)} seeds{_describe_lost_pairs(row)}"
    )


def _negate(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low, estimate.n)


def _interval(estimate: Estimate, metric: Metric) -> str:
    """Return `` [4.9, 7.3]``; empty where there is no finite interval."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    low, high = (
        metric.format(end, Notation.DOCUMENT, is_signed=False)
        for end in (estimate.low, estimate.high)
    )
    return f" [{low}, {high}]"


def _describe_lost_pairs(row: Row) -> str:
    """Return the pairs that the mean lacks, `` (it diverged in 2 of 6 seeds)``; empty for none."""
    own = sum(pair.value is None for pair in row.pairs)
    others = sum(pair.baseline is None for pair in row.pairs)
    parts = [f"it diverged in {own} of {len(row.pairs)} seeds"] if own else []
    if others:
        parts.append(f"the baseline in {others}" if own else f"the baseline diverged in {others}")
    return f" ({', '.join(parts)})" if parts else ""


def _describe_cost(comparison: Comparison, row: Row) -> str:
    """Return `` (test accuracy 83.0 → 89.1 %); cost: +2 % time per epoch``, as far as measured."""
    baseline = comparison.row(row.baseline) if row.baseline else None
    if baseline is None:
        return ""

    def means(key: str) -> tuple[float, float] | None:
        before, after = baseline.estimates.get(key), row.estimates.get(key)
        return (before.value, after.value) if before and after else None

    text = ""
    accuracy = METRIC_REGISTRY["test_acc"]
    if comparison.metric is not accuracy and (accuracies := means(accuracy.key)):
        first, second = (accuracy.format(each, Notation.DOCUMENT) for each in accuracies)
        text += f" ({accuracy.name} {first} → {second} %)"
    text += _describe_time(baseline.setting, row.setting)
    if (epochs := means("epochs")) and round(epochs[0]) != round(epochs[1]):
        text += f", {epochs[1]:.0f} epochs instead of {epochs[0]:.0f}"
    return text


def _describe_time(baseline: Setting, setting: Setting) -> str:
    """Return ``; cost: +2 % time per epoch``, the median over pairs of runs on equal hardware."""
    by_seed = {run.seed: run for run in baseline.completed}
    pairs = [(by_seed[run.seed], run) for run in setting.completed if run.seed in by_seed]
    ratios = [
        after.seconds_per_epoch / before.seconds_per_epoch
        for before, after in pairs
        if (before.threads, before.device) == (after.threads, after.device) and before.seconds > 0
    ]
    if ratios:
        more = round(100 * (median(ratios) - 1))
        return f"; cost: {more:+d} % time per epoch".replace("-", "−")  # never −0
    if all(before.device != after.device for before, after in pairs):
        return "; cost not comparable: the runs used different devices" if pairs else ""
    return "; cost not comparable: the runs used different numbers of threads"


def _describe_planning(comparison: Comparison, row: Row) -> list[str]:
    sentences = []
    if row.verdict is Verdict.TOO_FEW_SEEDS:
        tests = sum(bool(each.pairs) for each in comparison.rows)
        sentences.append(
            f"With {_count(len(row.pairs), 'seed')} and {_count(tests, 'setting')} to test, no "
            f"result can have a p-value below {row.smallest_p:.2g}; a verdict needs "
            f"{comparison.alpha:g}."
        )
    if row.forecast:
        sentences.append(_describe_forecast(comparison, row.forecast))
    return sentences


def _describe_forecast(comparison: Comparison, forecast: SeedForecast) -> str:
    last = forecast.high or MOST_MORE_SEEDS
    return (
        f"About {describe_forecast(forecast)} more seeds would decide it with "
        f"{forecast.power:.0%} probability, from a large to a small plausible effect; after {last} "
        f"more the chance that it is still open is {forecast.still_open:.0%}. Add them with "
        f"{describe_extension(comparison)}."
    )


# --- the other rows -----------------------------------------------------------------------


def _describe_other_rows(comparison: Comparison, headline: Row) -> list[str]:
    others = [row for row in comparison.rows if row is not headline]
    sentences = []
    better = [row for row in others if row.verdict is Verdict.BETTER]
    if better:
        sentences.append(
            f"Also better than {_name_baselines(comparison, better)}: {_list_names(better)}. "
            f"Which of the better settings is best was not tested."
        )
    worse = [row for row in others if row.verdict is Verdict.WORSE]
    if worse:
        sentences.append(f"Worse than {_name_baselines(comparison, worse)}: {_list_names(worse)}.")
    underfit = [row for row in comparison.rows if row.underfits]
    if underfit:
        sentences.append(
            f"Underfitting (worse on training images with their true labels too): "
            f"{_list_names(underfit)}."
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _answer_without_baseline(comparison: Comparison) -> list[str]:
    row = find_best(comparison, comparison.rows)
    if row is None:
        return ["No run completed, so there is nothing to compare."]
    metric = comparison.metric
    estimate = row.estimates[metric.key]
    order = "lowest" if metric.sign > 0 else "highest"
    data = describe_data(row.setting.fields, find_context_axes(comparison))
    setting = describe_setting(row.setting)
    value = f"{metric.describe_value(estimate.value)}{_interval(estimate, metric)}"
    if len(comparison.rows) == 1:
        return [
            f"On {data}, the {metric.name} of {setting} is {value}, "
            f"{describe_epoch(comparison.at)}.",
            "There is no other setting to compare it with.",
        ]
    return [
        f"On {data}, {setting} has the {order} {metric.name}, {value}, "
        f"{describe_epoch(comparison.at)}.",
        "No setting was compared with a baseline on the same seeds, so which setting is better is "
        "not known.",
    ]
