"""How charts name what they show."""

from collections.abc import Mapping
from typing import Any

from dropexp.compare.results import At, Metric

_QUANTITIES = {
    "loss": "loss (nats)",
    "acc": "accuracy",
}
_SETS = {"train": "training", "val": "validation", "test": "test"}
_GAPS = {
    Metric.LOSS_GAP: "loss gap (validation − training, nats)",
    Metric.ACC_GAP: "accuracy gap (training − validation)",
}
_MEMORISED = "noisy_label_acc"
_SAMPLED = {
    Metric.MC_TEST_LOSS: "test loss of mc_dropout (nats)",
    Metric.MC_TEST_ACC: "test accuracy of mc_dropout",
    Metric.MC_TEST_ECE: "calibration error of mc_dropout",
    Metric.MC_TEST_ENTROPY: "predictive entropy of mc_dropout (nats)",
}
_AXES = {
    "regulariser.p": "p (drop probability)",
    "data.train_size": "training images",
    "data.label_noise": "share of wrong training labels",
}
_EPOCHS = {
    At.BEST: "at the epoch of the lowest validation loss",
    At.LAST: "at the last epoch",
    At.MATCHED: "at the same training loss",
}


def quantity(column: str) -> str:
    """A column of metrics.csv or a metric with its unit: ``test loss (nats)``."""
    if column == _MEMORISED:
        return "accuracy on wrong labels"
    named = {**_GAPS, **_SAMPLED}
    if column in set(Metric) and Metric(column) in named:
        return named[Metric(column)]
    dataset, _, what = column.partition("_")
    return f"{_SETS[dataset]} {_QUANTITIES[what]}"


def is_share(column: str) -> bool:
    """Whether a column is an accuracy or a difference of two, and shown in percent."""
    return "acc" in column.split("_")


def number_format(column: str, *, is_difference: bool = False) -> str:
    """The format (of d3) that a chart's axis has for a column."""
    sign = "+" if is_difference else ""
    return f"{sign}.1%" if is_share(column) else f"{sign}.3f"


def axis_title(key: str) -> str:
    """A config field as the title of an axis."""
    return _AXES.get(key, key)


def moment(at: At) -> str:
    """The epoch compared at, in words."""
    return _EPOCHS[at]


def around(fields: Mapping[str, Any]) -> str:
    """Values of fields in words: ``400 training images, 20 % wrong labels, model.width=32``."""
    return ", ".join(map(_in_words, fields.items()))


def _in_words(item: tuple[str, Any]) -> str:
    match item:
        case "data.train_size", None:
            return "all training images"
        case "data.train_size", int(size):
            return f"{size:,} training images"
        case "data.label_noise", share:
            return f"{100 * share:g} % wrong labels"
        case key, value:
            return f"{key}={value}"
