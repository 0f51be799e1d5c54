"""A factorial study: its effects seed by seed, and the means of every two fields."""

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import altair as alt

from dropexp.compare.effects.factors import REGULARISER, Factor
from dropexp.compare.effects.results import Effects
from dropexp.report.charts.encodings import (
    encode_colour,
    encode_dash,
    encode_estimate,
    make_metric_axis,
    pad_domain,
)
from dropexp.report.charts.labels import leave_label_room, make_end_labels, measure_name
from dropexp.report.charts.palette import COLOURS, Look, choose_colour
from dropexp.report.charts.panels import (
    RULE,
    WIDTH,
    Datasets,
    Figure,
    Panel,
    make_width_parameter,
)
from dropexp.report.wording import describe_metric

_IN_ROW = 2
_ROW_PIXELS = 26
_HALF = 360  # pixels: the width of a panel that shares its row
_HEIGHT = 200
_ROOM = 0.25  # beside the first and the last level, in distances of levels
_MOST_NAME_PIXELS = 320  # of the name of an effect


def build_effect_figures(effects: Effects) -> list[Figure]:
    """Build the figure of all effects, then the panels of every two fields, two in a row."""
    panels = [
        _build_two_way(effects, first, second)
        for first, second in combinations(range(len(effects.factors)), 2)
    ]
    rows = [panels[start : start + _IN_ROW] for start in range(0, len(panels), _IN_ROW)]
    return [Figure((_build_forest(effects),)), *(Figure(tuple(row)) for row in rows)]


def _build_forest(effects: Effects) -> Panel:
    name, metric = "effects", effects.metric
    data = Datasets(name)
    order = [effect.name for effect in effects.effects]
    means = [
        {
            "effect": effect.name,
            "kind": "interaction" if effect.is_interaction else "main",
            **encode_estimate(effect.difference),
        }
        for effect in effects.effects
    ]
    seeds = [
        {"effect": effect.name, "value": difference}
        for effect in effects.effects
        for difference in effect.pairs.differences
    ]
    ends = [row[key] for row in means for key in ("low", "high", "mean")]
    values = [*ends, *(row["value"] for row in seeds)]
    limits = pad_domain(values, zero=True)
    x = alt.X(
        "mean:Q",
        title=f"effect on {describe_metric(metric)}",
        scale=alt.Scale(domain=list(limits), nice=False),
        axis=make_metric_axis(metric, is_difference=True),
    )
    # A browser draws names in its own font, which may be wider than the one they were measured in.
    room = min(max(map(measure_name, order)), _MOST_NAME_PIXELS)
    names = alt.Axis(labelLimit=_MOST_NAME_PIXELS, minExtent=room, grid=False)
    y = alt.Y("effect:N", sort=order, title=None, axis=names)
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=["main", "interaction"], range=[COLOURS["dropout2d"], "#a84800"]),
        legend=None,
    )
    of_means = alt.Chart(data.add("means", means)).encode(y=y)
    layers = [
        alt.Chart(data.add("zero", [{"x": 0.0}])).mark_rule(color=RULE).encode(x="x:Q"),
        alt.Chart(data.add("seeds", seeds))
        .mark_point(filled=True, size=14, opacity=0.35, color=RULE)
        .encode(x="value:Q", y=y),
        of_means.mark_rule(strokeWidth=2, clip=True).encode(
            x=alt.X("low:Q"), x2="high:Q", color=colour
        ),
        of_means.mark_point(filled=True, size=70, opacity=1).encode(x=x, color=colour),
    ]
    chart = (
        alt.LayerChart(layer=layers)
        .add_params(make_width_parameter(name))
        .properties(width=WIDTH, height=_ROW_PIXELS * len(order))
    )
    confidence = f"{effects.rule.confidence:.0%}"
    about = f"a dot for each seed, mean with {confidence} interval; blue: main, orange: interaction"
    return Panel(name, "Effects and interactions", about, data.values, chart)


def _build_two_way(effects: Effects, first: int, second: int) -> Panel:
    """Build the panel of two factors: the first as lines, the second along the x axis."""
    metric = effects.metric
    lines, along = effects.factors[first], effects.factors[second]
    name = f"interaction_{first}_{second}"
    data = Datasets(name)
    looks = _assign_looks(lines)
    means = effects.estimate_two_way(first, second)
    points: list[dict[str, Any]] = [
        {"setting": lines.describe(one), "x": other, **encode_estimate(estimate)}
        for (one, other), estimate in means.items()
    ]
    limits = pad_domain([point[key] for point in points for key in ("low", "mean", "high")])
    last = len(along.levels) - 1
    names = json.dumps([_escape(level) for level in along.levels])
    x = alt.X(
        "x:Q",
        title=along.name,
        scale=alt.Scale(
            domain=[-_ROOM, last + _ROOM], range=leave_label_room(name, looks, looks), nice=False
        ),
        axis=alt.Axis(
            grid=False,
            values=list(range(last + 1)),
            labelExpr=f"{names}[datum.value]",
        ),
    )
    y = alt.Y(
        "mean:Q",
        title=describe_metric(metric),
        scale=alt.Scale(domain=list(limits), nice=False, zero=False),
        axis=make_metric_axis(metric),
    )
    chart = alt.Chart(data.add("points", points)).encode(x=x, color=encode_colour(looks))
    ends: Mapping[str, Mapping[str, Any]] = {
        point["setting"]: {**point, "x": last + _ROOM, "point": last}
        for point in points
        if point["x"] == last
    }
    layers = [
        chart.mark_rule(strokeWidth=1.6, opacity=0.8).encode(y=alt.Y("low:Q"), y2="high:Q"),
        chart.mark_line(strokeWidth=2.2).encode(y=y, strokeDash=encode_dash(looks)),
        chart.mark_point(filled=True, size=55, opacity=1).encode(y=y),
        *make_end_labels(data, ends, looks, limits, "x", _HEIGHT),
    ]
    layered = (
        alt.LayerChart(layer=layers)
        .add_params(make_width_parameter(name, _HALF))
        .properties(width=_HALF, height=_HEIGHT)
    )
    title = f"{lines.name} × {along.name}"
    about = "means over the other fields; intervals within seeds; parallel lines: they add up"
    return Panel(name, title, about, data.values, layered, limits=limits)


def _escape(level: str) -> str:
    return level.replace("<", "‹")  # of a page's script


def _assign_looks(factor: Factor) -> dict[str, Look]:
    """Return level → look: the reference is grey, a regulariser has its own colour."""
    looks = {}
    for place, level in enumerate(factor.levels):
        method = level.split(" ")[0] if factor.key == REGULARISER else f"{factor.key} {place}"
        colour = COLOURS["none"] if place == 0 else choose_colour(method)
        text = factor.describe(place)
        looks[text] = Look(colour, colour, (1, 0) if place else (5, 3), text)
    return looks
