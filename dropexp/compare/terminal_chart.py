"""Validation curves of a few settings, small enough for a terminal."""

from rich.text import Text

from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.results import Comparison, Row
from dropexp.terminal.chart import MIN_WIDTH, draw_line_chart

_MOST_SETTINGS = 4  # lines that a reader can tell apart in a terminal
_HEIGHT = 15  # lines


def draw_curves(comparison: Comparison, width: int) -> Text:
    """Draw the mean validation loss over epochs of the baselines and the settings that gain most.

    Args:
        comparison: the comparison whose settings to draw.
        width: the width of the chart, in characters.

    Returns:
        The chart; an empty text if there is no room for it, or nothing to draw.
    """
    compared = [row for row in comparison.rows if row.difference is not None]
    chosen = [row for row in comparison.rows if row.difference is None]
    chosen += sorted(compared, key=lambda row: comparison.metric.sign * _difference(row))
    lines = {
        row.setting.name: [one.value for one in mean_curve(row.setting, "val_loss").estimates]
        for row in chosen[:_MOST_SETTINGS]
        if row.setting.completed
    }
    longest = max(map(len, lines), default=0)
    if width < MIN_WIDTH + longest:
        return Text()
    return draw_line_chart(
        lines, width=width, height=_HEIGHT, x_label="epoch", y_label="mean validation loss in nats"
    )


def _difference(row: Row) -> float:
    assert row.difference is not None
    return row.difference.value
