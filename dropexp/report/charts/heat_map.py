"""A heat map of paired differences: regulariser × axis, blue where better than the baseline."""

import math
from collections.abc import Iterable
from typing import Any

import altair as alt

from dropexp.compare.highlights import (
    find_context_axes,
    find_headline_context,
    select_rows_in_context,
)
from dropexp.compare.results import Comparison, Row
from dropexp.config.setting import P_KEY, sort_key, to_number
from dropexp.report.charts.domains import choose_domain
from dropexp.report.charts.encodings import number_format, round_digits
from dropexp.report.charts.panels import (
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    make_width_parameter,
    name_width_parameter,
)
from dropexp.report.charts.tooltips import SETTING, Shown, make_tooltip
from dropexp.report.wording import describe_field, describe_fields, describe_metric
from dropexp.runs.metric_types import Unit
from dropexp.statistics import Verdict

_ROW_PIXELS, _ROW_PIXELS_OF_TWO_LINES = 30, 42
_WIDE = 560
"""The pixels of a chart from which on the name of a row has one line."""
_NUMBER_PIXELS = 46
"""The narrowest cell in which a number fits."""

_NO_PAIR = "–"

_BETTER, _EQUAL, _WORSE = "#2b7bba", "#f3f3f3", "#d9741b"


def build_heat_map_figures(comparison: Comparison) -> list[Figure]:
    """Build a heat map for each axis with several regularisers and several values."""
    figures = []
    for key in [*(key for key in comparison.axes if key == P_KEY), *find_context_axes(comparison)]:
        cells = _list_cells(comparison, key)
        if len({cell["line"] for cell in cells}) > 1 and len({cell["x"] for cell in cells}) > 1:
            figures.append(Figure((_build_panel(comparison, key, cells),)))
    return figures


def _list_cells(comparison: Comparison, key: str) -> Values:
    return [
        {
            "setting": row.setting.name,
            "line": row.setting.kind if key == P_KEY else row.setting.label,
            "x": _make_place(row.setting.fields[key]),
            "difference": round_digits(row.difference.value),
            "better": round_digits(-comparison.metric.sign * row.difference.value),
            "verdict": row.verdict,
            "text": _format_difference(comparison, row, row.difference.value),
        }
        for row in select_rows_in_context(comparison, without=key)
        if row.difference is not None
        and key in row.setting.fields
        and (key != P_KEY or row.setting.has_regulariser)
    ]


def _format_difference(comparison: Comparison, row: Row, value: float) -> str:
    if math.isnan(value):
        return _NO_PAIR
    number = f"{value:+.1%}" if comparison.metric.unit is Unit.FRACTION else f"{value:+.3f}"
    if not number.strip("+-0.%"):
        number = number[1:]  # neither +0 nor −0
    star = " *" if row.verdict in (Verdict.BETTER, Verdict.WORSE) else ""
    return number.replace("-", "−") + star


def _build_panel(comparison: Comparison, key: str, cells: Values) -> Panel:
    name = f"map_{key.replace('.', '_')}"
    data = Datasets(name)
    fixed = describe_fields(find_headline_context(comparison, without=key))
    is_whole = all(cell["text"] != _NO_PAIR for cell in cells)
    missing = "" if is_whole else f"; {_NO_PAIR}: no seed in which both runs completed"
    chart = _draw(comparison, key, cells, name, data)
    return Panel(
        name,
        f"Difference in {describe_metric(comparison.metric)} against the baseline: "
        f"regulariser × {describe_field(key)}",
        f"mean paired difference{fixed and f'; {fixed}'}; blue is {comparison.metric.improvement}; "
        f"* is better or worse after correction{missing}",
        data.values,
        chart,
        narrow=(_WIDE, _ROW_PIXELS_OF_TWO_LINES * len({cell["line"] for cell in cells})),
    )


def _draw(
    comparison: Comparison, key: str, cells: Values, name: str, data: Datasets
) -> alt.LayerChart:
    lines = list(dict.fromkeys(cell["line"] for cell in cells))
    places = _sort_places(cell["x"] for cell in cells)
    furthest = _find_furthest(comparison, cells)
    base = alt.Chart(data.add("cells", cells)).encode(
        x=alt.X("x:O", sort=places, title=describe_field(key), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(
            "line:N",
            sort=lines,
            title=None,
            axis=alt.Axis(
                labelLimit=260,
                labelExpr=f"{name_width_parameter(name)} > {_WIDE} ? datum.label "
                ": split(datum.label, ' ')",
            ),
        ),
    )
    colour = alt.Color(
        "better:Q",
        legend=None,  # every cell shows its number
        scale=alt.Scale(
            domain=[-furthest, 0, furthest], range=[_WORSE, _EQUAL, _BETTER], clamp=True
        ),
    )
    number = number_format(comparison.metric, is_difference=True)
    rectangles = base.mark_rect(stroke="white", strokeWidth=2).encode(
        color=colour,
        tooltip=make_tooltip(
            SETTING, Shown("difference", "difference", number), Shown("verdict", "verdict")
        ),
    )
    has_room = f"{name_width_parameter(name)} > {_NUMBER_PIXELS * (len(places) + 2)}"
    numbers = base.mark_text(
        fontSize=12, color="black", opacity=alt.expr(f"{has_room} ? 1 : 0")
    ).encode(text="text:N")
    chart: alt.LayerChart = (
        alt.LayerChart(layer=[rectangles, numbers])
        .add_params(make_width_parameter(name))
        .properties(width=WIDTH, height=_ROW_PIXELS * len(lines))
    )
    return chart


def _find_furthest(comparison: Comparison, cells: Values) -> float:
    """Return the difference with the full colour: a setting that diverged does not pale others."""
    extents = {
        f"{number}": (-comparison.metric.sign * cell["better"],) * 2
        for number, cell in enumerate(cells)
        if cell["better"] is not None
    }
    domain = choose_domain(extents, comparison.metric, zero=True, ideal=0.0)
    kept = [abs(extents[name][0]) for name in extents if name not in domain.outside]
    return max(kept, default=0.0) or 1.0


def _make_place(value: Any) -> Any:
    """Return what names a column: of a list, the number that it stands for, or its text."""
    if not isinstance(value, list | tuple):
        return value
    number = to_number(value)
    return str(value) if number is None else number


def _sort_places(values: Iterable[Any]) -> list[Any]:
    return sorted(dict.fromkeys(values), key=sort_key)
