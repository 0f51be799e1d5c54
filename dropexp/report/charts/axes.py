"""The metric against p, training-set size, label noise or any other axis of numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from dropexp.compare.highlights import P, at_surroundings, other_axes, strengths, surroundings
from dropexp.compare.results import Comparison, Row, Setting
from dropexp.report.charts.palette import Look, looks
from dropexp.report.charts.parts import (
    HEIGHT,
    RULE,
    WIDTH,
    Datasets,
    Figure,
    Panel,
    Values,
    across,
    beside_labels,
    colours,
    dashes,
    domain,
    end_label,
    layered,
    plain,
    spaced,
    spread,
    text_colours,
)
from dropexp.report.charts.words import (
    around,
    axis_title,
    is_share,
    moment,
    number_format,
    quantity,
)

_MEMORISED = "noisy_label_acc"
_LABEL_PIXELS = 15
_BESIDE = 0.007  # of the axis: how far intervals of two lines at one place stand apart


def axis_figures(comparison: Comparison) -> list[Figure]:
    """A figure for each axis that has at least two numbers."""
    found = []
    if len({row.setting.p for row in _regularised(comparison)}) > 1:
        found.append(Figure((_against_p(comparison),)))
    for key, values in other_axes(comparison).items():
        if len(_numbers(values)) > 1:
            found.append(Figure((_against(comparison, key, comparison.metric.value),)))
            if key == "data.label_noise" and _is_known(comparison, _MEMORISED):
                found.append(Figure((_against(comparison, key, _MEMORISED),)))
    for key, classic in strengths(comparison).items():
        found.append(Figure((_against(comparison, key, comparison.metric.value, classic),)))
    return found


def _regularised(comparison: Comparison) -> list[Row]:
    """The rows of the chart against p; those without a p are levels in it and no points."""
    return [
        row
        for row in at_surroundings(comparison)
        if row.setting.has_regulariser and comparison.metric.value in row.estimates
    ]


def _is_known(comparison: Comparison, column: str) -> bool:
    return any(column in row.estimates for row in comparison.rows)


def _numbers(values: Iterable[Any]) -> list[float]:
    return sorted(float(v) for v in values if isinstance(v, int | float) and v is not True)


def _name_of(column: str) -> str:
    if column == _MEMORISED:
        return "accuracy on the wrong labels alone"
    return quantity(column)


def _title(column: str) -> str:
    if column == _MEMORISED:
        return "Memorisation"
    name = quantity(column)
    return name[0].upper() + name[1:]


# --- against p ----------------------------------------------------------------------------


def _against_p(comparison: Comparison) -> Panel:
    column = comparison.metric.value
    rows = [row for row in at_surroundings(comparison) if column in row.estimates]
    curves = _regularised(comparison)
    kinds = list(dict.fromkeys(row.setting.kind for row in curves))
    look = _look_of_kinds(rows)
    places = _numbers(row.setting.p for row in curves)
    values = [_point(row, row.setting.kind, row.setting.p, column) for row in curves]
    _set_apart(values, kinds, places)
    levels = [row for row in rows if not row.setting.has_regulariser]
    data = Datasets("p")
    layers = _levels(data, levels, column, places, look) if levels else []
    ends = [_point(row, row.setting.kind, domain(places)[1], column) for row in levels]
    x = alt.X(
        "x:Q",
        title=axis_title(P),
        scale=alt.Scale(
            domain=list(domain(places)),
            range=beside_labels("p", look, look),
            nice=False,
            zero=False,
        ),
        axis=alt.Axis(grid=False, values=sorted(set(places)), format=".2~f"),
    )
    title = f"{_title(column)} against p"
    about = _about(comparison, column)
    return _panel("p", title, about, data, layers, values, look, x, column, ends)


def _levels(
    data: Datasets,
    rows: Sequence[Row],
    column: str,
    places: Sequence[float],
    look: Mapping[str, Look],
) -> list[alt.Chart]:
    """Results that have no p, as lines over all p; the first, the plain network's, with a band."""
    low, high = domain(places)
    points = [
        {"setting": row.setting.kind, **spread(row.estimates[column]), "from": low, "to": high}
        for row in rows
    ]
    first, base = (
        alt.Chart(data(name, values)).encode(x=alt.X("from:Q"), x2="to:Q")
        for name, values in (("level", points[:1]), ("levels", points))
    )
    return [
        first.mark_rect(color=RULE, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("mean:Q"), color=colours(look)),
    ]


def _look_of_kinds(rows: Sequence[Row]) -> dict[str, Look]:
    """Kind of regulariser → its look at full strength, whichever p its points have."""
    first: dict[str, Setting] = {}
    for row in rows:
        first.setdefault(row.setting.kind, row.setting)
    of_setting = looks(list(first.values()))
    single = {kind: of_setting[setting.name] for kind, setting in first.items()}
    return {kind: Look(each.colour, each.text, each.dash, kind) for kind, each in single.items()}


# --- against another axis -----------------------------------------------------------------


def _against(comparison: Comparison, key: str, column: str, classic: str = "") -> Panel:
    """The panel of an axis; where that is a classic's strength, the lines are without it."""
    rows = [row for row in at_surroundings(comparison, without=key) if column in row.estimates]
    rows = [row for row in rows if _numbers([row.setting.fields.get(key)])]
    rows = [replace(row, setting=row.setting.without([classic])) for row in rows]
    lines: dict[str, Setting] = {}
    for row in rows:
        lines.setdefault(row.setting.label, row.setting)
    by_setting = looks(list(lines.values()))
    look = {name: by_setting[setting.name] for name, setting in lines.items()}
    values = [
        _point(row, row.setting.label, float(row.setting.fields[key]), column) for row in rows
    ]
    places = sorted({value["x"] for value in values})
    is_log = key == "data.train_size" and min(places) > 0 and max(places) >= 4 * min(places)
    if not is_log:
        _set_apart(values, list(lines), places)
    name = f"{key.replace('.', '_')}_{column}"
    scale = {"type": "log", "nice": False} if is_log else {"nice": False, "zero": False}
    limits = [min(places), max(places)] if is_log else list(domain(places))
    x = alt.X(
        "x:Q",
        title=axis_title(key),
        scale=alt.Scale(domain=limits, range=beside_labels(name, look, look), **scale),
        axis=alt.Axis(grid=False, values=places, format=".0%" if "noise" in key else ",~f"),
    )
    title = f"{_title(column)} against {axis_title(key)}"
    about = _about(comparison, column, without=key)
    return _panel(name, title, about, Datasets(name), [], values, look, x, column)


# --- both ---------------------------------------------------------------------------------


def _about(comparison: Comparison, column: str, without: str = "") -> str:
    if column == _MEMORISED:
        when = "; training images with a wrong label, against that label"
    else:
        when = f", {moment(comparison.at)}"
    where = around(surroundings(comparison, without))
    return f"mean over seeds and {comparison.confidence:.0%} interval{when}{where and f'; {where}'}"


def _point(row: Row, line: str, x: float, column: str) -> dict[str, Any]:
    return {
        "setting": line,
        "name": row.setting.name,
        "x": x,
        "value": x,
        **spread(row.estimates[column]),
    }


def _set_apart(values: Values, lines: Sequence[str], places: Sequence[float]) -> None:
    """Move the points of each line a little aside, so that no interval hides another."""
    step = _BESIDE * (max(places) - min(places))
    for value in values:
        value["x"] += step * (lines.index(value["setting"]) - (len(lines) - 1) / 2)


def _panel(
    name: str,
    title: str,
    about: str,
    data: Datasets,
    layers: list[alt.Chart],
    values: Values,
    look: dict[str, Look],
    x: alt.X,
    column: str,
    other_ends: Sequence[dict[str, Any]] = (),
) -> Panel:
    base = alt.Chart(data("lines", values)).encode(x=x, color=colours(look))
    named = [*values, *other_ends]
    ends = [value[key] for value in named for key in ("mean", "low", "high")]
    y = alt.Y(
        "mean:Q",
        title=_name_of(column),
        scale=alt.Scale(zero=False),
        axis=alt.Axis(format=".2~%" if is_share(column) else "", tickCount=6),
    )
    form = number_format(column)
    tooltip = [
        alt.Tooltip("name:N", title="setting"),
        alt.Tooltip("mean:Q", title=_name_of(column), format=form),
        alt.Tooltip("low:Q", title="interval from", format=form),
        alt.Tooltip("high:Q", title="to", format=form),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    chart = layered(
        *layers,
        base.mark_rule(strokeWidth=1.6, opacity=0.8).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(strokeWidth=2.2).encode(y=y, strokeDash=dashes(look)),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, tooltip=tooltip),
        _labels(data, named, look, domain(ends)),
    )
    return Panel(
        name,
        title,
        about,
        data.values,
        chart.add_params(across(name, WIDTH)).properties(width=WIDTH, height=HEIGHT),
    )


def _labels(
    data: Datasets, values: Values, look: dict[str, Look], limits: tuple[float, float]
) -> alt.Chart:
    """Each line's name at its right end."""
    ends: dict[str, dict[str, Any]] = {}
    for value in values:
        known = ends.get(value["setting"])
        if value["mean"] is not None and (known is None or value["x"] > known["x"]):
            ends[value["setting"]] = value
    least = _LABEL_PIXELS / HEIGHT * (limits[1] - limits[0])
    wanted = [end["mean"] for end in ends.values()]
    places = spaced(wanted, least, limits[0] + least / 2)
    labelled = [
        {**end, "mean": plain(place), "text": look[name].text, "label": look[name].label}
        for (name, end), place in zip(ends.items(), places, strict=True)
    ]
    labels: alt.Chart = end_label(alt.Chart(data("labels", labelled))).encode(
        x="x:Q", y="mean:Q", text="label:N", color=text_colours()
    )
    return labels
