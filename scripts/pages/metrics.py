"""The tables of docs/reference/metrics.md, from the registries of metrics and of columns."""

from dropexp.compare.columns import list_columns
from dropexp.compare.results import Comparison
from dropexp.compare.rules import Rule, TestInForce, TestKind
from dropexp.runs.metric_types import Direction, EpochChoice, Metric
from dropexp.runs.metrics import METRIC_REGISTRY

PAGE = "reference/metrics.md"
_BETTER = {Direction.LOWER: "lower", Direction.HIGHER: "higher", Direction.NEITHER: ""}


def write_metrics() -> str:
    """Return the tables of metrics: those that ``--metric`` accepts, then all others."""
    deciding = [metric for metric in METRIC_REGISTRY.values() if metric.can_decide]
    others = [metric for metric in METRIC_REGISTRY.values() if not metric.can_decide]
    head = "| key | what | unit | better is | known at |\n|---|---|---|---|---|"
    return "\n".join(
        [
            "`--metric` accepts these:\n",
            head,
            *map(_row, deciding),
            "\nThese are shown and not tested:\n",
            head,
            *map(_row, others),
        ]
    )


def _row(metric: Metric) -> str:
    epochs = ", ".join(f"`{epoch}`" for epoch in metric.epochs)
    better = _BETTER[metric.direction]
    what = metric.meaning if not metric.caveat else f"{metric.meaning}. {metric.caveat}"
    return f"| `{metric.key}` | {what} | {metric.unit} | {better} | {epochs} |"


def write_columns() -> str:
    """Return the table of the columns that do not show a metric, in their order."""
    metric = METRIC_REGISTRY["test_loss"]
    test = TestInForce(TestKind.ANYTIME, "")
    empty = Comparison((), metric, EpochChoice.BEST, test, Rule(test.kind), 0, (), ())
    headings = {each.heading for each in METRIC_REGISTRY.values()}
    columns = [each for each in list_columns(empty) if each.heading not in headings]
    rows = [
        f"| `{each.heading}` | {each.meaning.replace(metric.name, 'the deciding metric')} |"
        for each in columns
    ]
    return "\n".join(["| column | what |\n|---|---|", *rows])
