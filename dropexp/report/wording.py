"""How a report names metrics, config fields and epochs."""

from collections.abc import Collection, Mapping
from typing import Any

from dropexp.compare.results import Comparison
from dropexp.runs.metric_types import EpochChoice, Metric, Unit

_FIELDS = {
    "regulariser.p": "p (drop probability)",
    "data.train_size": "training images",
    "data.label_noise": "label noise",
    "model.hidden": "units of each hidden layer",
    "model.width": "width (channels)",
}
_EPOCHS = {
    EpochChoice.BEST: "at the epoch of the lowest validation loss",
    EpochChoice.LAST: "at the last epoch",
    EpochChoice.MATCHED: "at the same training loss",
}


LEAST_SEEDS = 3
"""Charts draw an interval from so many seeds on: that of two is nine times their distance."""


def describe_metric(metric: Metric) -> str:
    """Return a metric's name with its unit, ``test loss (nats)``; a fraction has no unit."""
    has_unit = metric.unit not in (Unit.FRACTION, Unit.UNKNOWN)
    return f"{metric.name} ({metric.unit})" if has_unit else metric.name


def describe_field(key: str) -> str:
    """Return the name of a config field as the title of an axis."""
    return _FIELDS.get(key, key)


def describe_fields(fields: Mapping[str, Any]) -> str:
    """Return fields with values: ``400 training images, 20% noisy labels, model.width=32``."""
    return ", ".join(_describe_value(key, value) for key, value in fields.items())


def describe_means(comparison: Comparison, seeds: Collection[int]) -> str:
    """Return what a chart's lines or points are: means with intervals, or one seed.

    Args:
        comparison: that is drawn.
        seeds: of each line or point.
    """
    if all(n <= 1 for n in seeds):
        return "one seed"
    if all(n < LEAST_SEEDS for n in seeds):
        return "mean of two seeds, too few to draw an interval"
    few = " from three seeds on" if any(0 < n < LEAST_SEEDS for n in seeds) else ""
    return f"mean over seeds with {comparison.confidence:.0%} t interval{few}"


def describe_method(comparison: Comparison) -> list[str]:
    """Return the sentences above a report's table: the method, and what its intervals cover."""
    has_intervals = any(row.n > 1 for row in comparison.rows)
    pool = "Intervals cover new seeds on the same data, not new data."
    return [*comparison.sentences, *([pool] if has_intervals else [])]


def describe_epoch(comparison: Comparison) -> str:
    """Return the epoch at which runs are compared, or the file, as part of a sentence."""
    return f"in {comparison.source}" if comparison.source else _EPOCHS[comparison.at]


def _describe_value(key: str, value: Any) -> str:
    match key, value:
        case "data.train_size", None:
            return "all training images"
        case "data.train_size", int(size):
            return f"{size:,} training images"
        case "data.label_noise", share:
            return f"{100 * share:g}% noisy labels"
        case _:
            return f"{key}={value}"
