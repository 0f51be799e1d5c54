"""Phrases on data, settings and differences that the sentences of a report share."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dropexp.compare.results import Comparison, Row
from dropexp.compare.settings import Setting
from dropexp.config.classics import CLASSICS, describe_classic
from dropexp.config.setting import is_of_regulariser
from dropexp.runs.metric_types import Metric, Notation
from dropexp.statistics import Estimate


def describe_data(fields: Mapping[str, Any], others: Iterable[str] = ()) -> str:
    """Return what was trained on: ``digits with 400 images and 20% noisy labels``.

    Args:
        fields: the fields of a setting, or those that settings share.
        others: further fields to name, for example because settings differ in them.
    """
    parts = []
    if isinstance(fields.get("data.train_size"), int):
        parts.append(f"{fields['data.train_size']:,} images")
    if fields.get("data.label_noise"):
        parts.append(f"{100 * fields['data.label_noise']:g}% noisy labels")
    known = ("data.name", "data.train_size", "data.label_noise")
    rest = [f"{key}={fields[key]}" for key in others if key not in known and key in fields]
    data = str(fields.get("data.name", "the data"))
    text = f"{data} with {' and '.join(parts)}" if parts else data
    return f"{text} ({', '.join(rest)})" if rest else text


def describe_place(comparison: Comparison, fields: Mapping[str, Any], others: Iterable[str]) -> str:
    """Return where results are from, as the start of a sentence: ``On digits`` or ``In x.csv``.

    Args:
        comparison: that the sentence is about.
        fields: as for describe_data.
        others: likewise.
    """
    if comparison.source:
        return f"In {comparison.source}"
    return f"On {describe_data(fields, others)}"


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
        if not is_of_regulariser(key) and not any(each.owns(key) for each in classics)
    )
    return describe_setting(baseline) if differs_in_method_only else row.baseline


def describe_effect(metric: Metric, difference: Estimate, *, with_interval: bool = True) -> str:
    """Return ``lowers the test loss by 0.181 nats [0.143, 0.219]``."""
    verb = "raises" if difference.value > 0 else "lowers"
    size = describe_size(metric, difference, with_interval=with_interval)
    return f"{verb} the {metric.name} by {size}"


def describe_size(metric: Metric, difference: Estimate, *, with_interval: bool = True) -> str:
    """Return the size of a difference in its own direction: ``0.181 nats [0.143, 0.219]``."""
    size = _orient(difference)
    interval = describe_interval(metric, size) if with_interval else ""
    return f"{metric.describe_size(size.value)}{interval}"


def describe_change(metric: Metric, difference: Estimate) -> str:
    """Return ``0.003 nats lower [−0.020, 0.026]``; the interval is in the same direction."""
    size = _orient(difference)
    side = "higher" if difference.value >= 0 else "lower"
    return f"{metric.describe_size(size.value)} {side}{describe_interval(metric, size)}"


def describe_interval(metric: Metric, estimate: Estimate) -> str:
    """Return `` [4.9, 7.3]``; empty where there is no finite interval."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    low, high = (
        metric.format(end, Notation.DOCUMENT, is_signed=False)
        for end in (estimate.low, estimate.high)
    )
    return f" [{low}, {high}]"


def _orient(difference: Estimate) -> Estimate:
    """Return a difference as a size, with its interval in the same direction."""
    if difference.value >= 0:
        return difference
    return Estimate(-difference.value, -difference.high, -difference.low, difference.n)
