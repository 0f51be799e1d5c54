"""How charts name what they show."""

from collections.abc import Mapping
from typing import Any

from dropexp.runs.metrics import METRIC_REGISTRY, EpochChoice, Unit

_AXES = {
    "regulariser.p": "p (drop probability)",
    "data.train_size": "training images",
    "data.label_noise": "share of wrong training labels",
}
_EPOCHS = {
    EpochChoice.BEST: "at the epoch of the lowest validation loss",
    EpochChoice.LAST: "at the last epoch",
    EpochChoice.MATCHED: "at the same training loss",
}


def quantity(key: str) -> str:
    """Return the name of a metric with its unit: ``test loss (nats)``, ``test accuracy``."""
    metric = METRIC_REGISTRY[key]
    return metric.name if is_share(key) else f"{metric.name} ({metric.unit})"


def is_share(key: str) -> bool:
    """Return whether a metric is a fraction, which charts show in percent."""
    return METRIC_REGISTRY[key].unit is Unit.FRACTION


def number_format(key: str, *, is_difference: bool = False) -> str:
    """Return the format (of d3) in which a chart writes a metric."""
    sign = "+" if is_difference else ""
    return f"{sign}.1%" if is_share(key) else f"{sign}.3f"


def axis_title(key: str) -> str:
    """A config field as the title of an axis."""
    return _AXES.get(key, key)


def moment(at: EpochChoice) -> str:
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
