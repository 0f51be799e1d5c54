"""A map of paired differences: regulariser × axis, blue where it is better than the baseline."""

from typing import Any

import altair as alt

from dropexp.compare.highlights import P, at_surroundings, other_axes, surroundings
from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.parts import (
    ACROSS,
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    across,
    layered,
    plain,
)
from dropexp.report.charts.words import around, axis_title, is_share, number_format, quantity
from dropexp.statistics import Verdict

_ROW_PIXELS = 42
_NARROWEST = 38  # pixels of a cell that has room for its number
_BETTER, _NEITHER, _WORSE = "#2b7bba", "#f3f3f3", "#d9741b"


def heat_map_figures(comparison: Comparison) -> list[Figure]:
    """A map for each axis along which at least two settings were compared with a baseline."""
    found = []
    for key in [*(key for key in comparison.axes if key == P), *other_axes(comparison)]:
        values = _values(comparison, key)
        if len({value["line"] for value in values}) > 1 and len({v["x"] for v in values}) > 1:
            found.append(Figure((_panel(comparison, key, values),)))
    return found


def _values(comparison: Comparison, key: str) -> Values:
    rows = at_surroundings(comparison, without=key)
    return [
        {
            "setting": row.setting.name,
            "line": row.setting.kind if key == P else row.setting.label,
            "x": row.setting.fields[key],
            "difference": plain(row.difference.value),
            "better": plain(-comparison.metric.sign * row.difference.value),
            "verdict": row.verdict,
            "words": _words(comparison, row),
        }
        for row in rows
        if row.difference is not None
        and key in row.setting.fields
        and (key != P or row.setting.has_regulariser)
    ]


def _words(comparison: Comparison, row: Row) -> str:
    assert row.difference is not None
    value = row.difference.value
    number = f"{value:+.1%}" if is_share(comparison.metric.value) else f"{value:+.2f}"
    return number.replace("-", "−") + (
        " *" if row.verdict in (Verdict.BETTER, Verdict.WORSE) else ""
    )


def _panel(comparison: Comparison, key: str, values: Values) -> Panel:
    metric = comparison.metric
    furthest = max((abs(value["better"] or 0) for value in values), default=0) or 1.0
    lines = list(dict.fromkeys(value["line"] for value in values))
    places = list(dict.fromkeys(value["x"] for value in values))
    name = f"map_{key.replace('.', '_')}"
    data = Datasets(name)
    base = alt.Chart(data("cells", values)).encode(
        x=alt.X("x:O", sort=_ordered(places), title=axis_title(key), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(
            "line:N", sort=lines, title=None, axis=alt.Axis(labelExpr="split(datum.label, ' ')")
        ),
    )
    color = alt.Color(
        "better:Q",
        legend=None,  # every cell has its number
        scale=alt.Scale(domain=[-furthest, 0, furthest], range=[_WORSE, _NEITHER, _BETTER]),
    )
    form = number_format(metric.value, is_difference=True)
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(
        color=color,
        tooltip=[
            alt.Tooltip("setting:N"),
            alt.Tooltip("difference:Q", format=form),
            alt.Tooltip("verdict:N"),
        ],
    )
    room = alt.expr(f"{name}{ACROSS} > {_NARROWEST * (len(places) + 2)} ? 1 : 0")
    numbers = base.mark_text(fontSize=12, color="black", opacity=room).encode(text="words:N")
    chart: alt.LayerChart = (
        layered(cells, numbers)
        .add_params(across(name, WIDTH))
        .properties(width=WIDTH, height=_ROW_PIXELS * len(lines))
    )
    what = "better" if metric.is_result else "smaller"
    where = around(surroundings(comparison, without=key))
    return Panel(
        name,
        f"Difference in {quantity(metric)} to the baseline: regulariser × {axis_title(key)}",
        f"mean of paired differences{where and f'; {where}'}; blue is {what}, orange is not; "
        f"* clear after correction",
        data.values,
        chart,
    )


def _ordered(values: list[Any]) -> list[Any]:
    numbers = sorted(value for value in values if isinstance(value, int | float))
    return numbers + [value for value in values if not isinstance(value, int | float)]
