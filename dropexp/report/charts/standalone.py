"""Figures as one chart of Altair's with its own data, for notebooks."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import altair as alt

from dropexp.report.charts.panels import CONFIG, WIDTH, Figure, Panel

_TITLE_LETTER, _SUBTITLE_LETTER = 8.3, 6.1  # pixels of a mean letter

_OWN_LOOKS = {"resolve": {"scale": {"color": "independent", "strokeDash": "independent"}}}
"""Panels may give one colour to different things, which Vega-Lite would make one scale of."""

Chart = alt.LayerChart | alt.VConcatChart


def compose_chart(figures: Sequence[Figure]) -> Chart:
    """Return figures below each other as one chart, with tooltips and zoom where they have them.

    Args:
        figures: at least one.
    """
    rows = [[_specify(panel) for panel in figure.panels] for figure in figures]
    data = {
        name: values
        for figure in figures
        for panel in figure.panels
        for name, values in panel.data.items()
    }
    shared = {"config": CONFIG, "datasets": data}
    if len(rows) == 1 and len(rows[0]) == 1:
        single: Chart = alt.LayerChart.from_dict(rows[0][0] | shared, validate=False)
        return single
    # Altair's own vconcat would give a selection to every layer, which Vega refuses.
    params = {each["name"]: each for row in rows for one in row for each in one.pop("params", ())}
    beside = [row[0] if len(row) == 1 else {"hconcat": row, **_OWN_LOOKS} for row in rows]
    several: Chart = alt.VConcatChart.from_dict(
        {"vconcat": beside, "params": list(params.values()), **_OWN_LOOKS, **shared}, validate=False
    )
    return several


def _specify(panel: Panel) -> dict[str, Any]:
    """Return a panel's chart with its title as plain values of Vega-Lite."""
    chart = panel.live or panel.chart
    specification: dict[str, Any] = chart.to_dict(validate=False)
    width = specification.get("width", WIDTH)
    specification["title"] = {
        "text": wrap(panel.title, int(width / _TITLE_LETTER)),
        "subtitle": wrap(panel.subtitle, int(width / _SUBTITLE_LETTER)),
    }
    for key in ("$schema", "config"):
        specification.pop(key, None)
    return specification
