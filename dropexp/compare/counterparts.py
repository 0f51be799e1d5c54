"""Where a loss and an accuracy of the same images say the opposite of a setting."""

from collections.abc import Mapping

from dropexp.compare.results import Comparison
from dropexp.runs.metric_types import Metric, Unit
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Verdict
from dropexp.terminal.numbers import list_few

_PAIRS = (("test_loss", "test_acc"), ("val_loss", "val_acc"), ("train_loss", "train_acc"))

_COUNTERPARTS: Mapping[str, str] = dict(_PAIRS) | {acc: loss for loss, acc in _PAIRS}

OPPOSITES: Mapping[Verdict, Verdict] = {
    Verdict.BETTER: Verdict.WORSE,
    Verdict.WORSE: Verdict.BETTER,
}


def find_counterpart(metric: Metric) -> Metric | None:
    """Return the accuracy of a loss or the loss of an accuracy; None where it has none."""
    key = _COUNTERPARTS.get(metric.key)
    return None if key is None else METRIC_REGISTRY[key]


def describe_opposites(comparison: Comparison) -> list[str]:
    """Return sentences on rows of which the counterpart of the deciding metric says the opposite.

    Label smoothing and mixup make a network less sure and as often right, so that its loss alone
    would make them look bad.
    """
    metric, counterpart = comparison.metric, find_counterpart(comparison.metric)
    if counterpart is None:
        return []
    loss, accuracy = sorted((metric, counterpart), key=lambda each: each.unit is Unit.FRACTION)
    sentences = []
    for verdict, opposite in OPPOSITES.items():
        names = [
            row.setting.name for row in comparison.rows if row.is_opposed and row.verdict is verdict
        ]
        if names:
            sentences.append(
                f"{verdict.capitalize()} in {metric.name} and {opposite} in {counterpart.name}, by "
                f"the same test: {list_few(names)}. {loss.name.capitalize()} also measures how "
                f"sure a network is of its answers, {accuracy.name} only how often it is right."
            )
    return sentences
