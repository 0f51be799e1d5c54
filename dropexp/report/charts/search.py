"""A search: what it has tried, against the strength, and its confirmation as a growing interval.

The search's file holds every number; nothing is computed here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from dropexp.report.charts.encodings import make_count_axis, pad_domain, round_digits
from dropexp.report.charts.palette import choose_colour
from dropexp.report.charts.panels import HEIGHT, RULE, WIDTH, Datasets, Figure, Panel, Values
from dropexp.report.charts.tooltips import SETTING, Shown, make_tooltip
from dropexp.report.wording import describe_field
from dropexp.runs.searches import ConfirmedSetting, SearchRecord, TriedSetting

_SIDE_BY_SIDE = 2
_FORMAT = "+.3f"
_DIFFERENCE_AXIS: dict[str, Any] = {
    "format": "+,f",
    "labelExpr": "datum.value === 0 ? '0' : datum.label",
}
_MOST_SPREAD = 3.0
"""The axis of differences reaches this far above 0, in sizes of the best mean's distance or of
0.05 nats: beyond are the settings that nobody will choose."""


def build_search_figures(record: SearchRecord) -> list[Figure]:
    """Build the charts of what was tried, one a regulariser, and of each confirmation."""
    key = _find_numeric_key(record.tried)
    figures = []
    if key is not None:
        names = list(dict.fromkeys(one.regulariser for one in record.tried))
        axes = _find_axes(record.tried, key)
        panels = [
            _build_tried_panel(number, name, key, record.tried, axes)
            for number, name in enumerate(names)
        ]
        figures += [
            Figure(tuple(panels[start : start + _SIDE_BY_SIDE]))
            for start in range(0, len(panels), _SIDE_BY_SIDE)
        ]
    figures += [
        Figure((_build_confirmation_panel(number, one),))
        for number, one in enumerate(record.confirmed)
        if one.pairs
    ]
    return figures


def describe_search(record: SearchRecord) -> str:
    """Return what was searched and how, in two sentences."""
    pairs = sum(len(one.pairs) for one in record.confirmed)
    return (
        f"Within a budget of {record.budget} the search tried {len(record.tried)} settings by "
        f"their validation loss against none, on the same seeds; that is exploration, and no test. "
        f"The chosen setting was then compared with none on fresh seeds, which took no part in "
        f"choosing ({pairs} pairs of runs)."
    )


def _find_numeric_key(tried: Sequence[TriedSetting]) -> str | None:
    """Return the key on the x axis: p, or the first one whose values are numbers."""
    keys = dict.fromkeys(key for one in tried for key in one.values)
    numeric = [key for key in keys if all(_is_number(one.values.get(key, "0")) for one in tried)]
    return "p" if "p" in numeric else next(iter(numeric), None)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _mean(one: TriedSetting) -> float | None:
    """Return the mean difference; None where a run diverged or failed."""
    values = [value for value in one.differences.values() if value is not None]
    return sum(values) / len(values) if len(values) == len(one.differences) and values else None


@dataclass(frozen=True)
class _Axes:
    """The ends of the axes, the same in all panels of what was tried."""

    strength: tuple[float, float]
    difference: tuple[float, float]
    is_log: bool


def _find_axes(tried: Sequence[TriedSetting], key: str) -> _Axes:
    values = [value for one in tried for value in one.differences.values() if value is not None]
    lowest = min([0.0, *values])
    highest = min(max([0.0, *values]), _MOST_SPREAD * max(0.05, -lowest))
    places = [float(one.values[key]) for one in tried if key in one.values]
    low, high = min(places), max(places)
    is_log = low > 0 and high >= 30 * low
    ends = (low / 1.3, high * 1.3) if is_log else pad_domain([low, high])
    return _Axes(ends, pad_domain([lowest, highest]), is_log)


def _build_tried_panel(
    number: int,
    regulariser: str,
    key: str,
    tried: Sequence[TriedSetting],
    axes: _Axes,
) -> Panel:
    name = f"tried_{number}"
    data = Datasets(name)
    own = [one for one in tried if one.regulariser == regulariser and key in one.values]
    colour = choose_colour(regulariser)
    x = alt.X(
        "x:Q",
        title=describe_field("regulariser.p" if key == "p" else key),
        scale=alt.Scale(
            domain=list(axes.strength), nice=False, type="log" if axes.is_log else "linear"
        ),
        axis=alt.Axis(grid=False, tickCount=6),
    )
    y = alt.Y(
        "difference:Q",
        title="validation loss - none (nats)",
        scale=alt.Scale(domain=list(axes.difference), clamp=True),
        axis=alt.Axis(tickCount=6, **_DIFFERENCE_AXIS),
    )
    seeds = alt.Chart(data.add("seeds", _list_seeds(own, key)))
    means = alt.Chart(data.add("means", _list_means(own, key)))
    layers = [
        _draw_zero(data),
        seeds.mark_circle(size=34, opacity=0.35, color=colour).encode(
            x=x,
            y=y,
            tooltip=make_tooltip(
                SETTING, Shown("seed", "seed"), Shown("difference", "difference", _FORMAT)
            ),
        ),
        means.mark_point(filled=True, size=90, shape="diamond", opacity=1).encode(
            x=x,
            y=y,
            color=alt.condition("datum.complete", alt.value(colour), alt.value(RULE), empty=False),
            tooltip=make_tooltip(
                SETTING,
                Shown("mean", "difference", _FORMAT),
                Shown("seeds", "seeds"),
                Shown("state", "state"),
            ),
        ),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH // 2, height=HEIGHT)
    subtitle = "dots: seeds; diamonds: means, grey where the setting was dropped early"
    values = [value for one in own for value in one.differences.values() if value is not None]
    if values and max(values) > axes.difference[1]:
        subtitle += f"; at the upper end: up to +{max(values):.3g}"
    return Panel(name, f"Tried: {regulariser}", subtitle, data.values, chart)


def _list_seeds(tried: Sequence[TriedSetting], key: str) -> Values:
    return [
        {
            "setting": one.name,
            "x": float(one.values[key]),
            "seed": seed,
            "difference": round_digits(value),
        }
        for one in tried
        for seed, value in one.differences.items()
        if value is not None
    ]


def _list_means(tried: Sequence[TriedSetting], key: str) -> Values:
    return [
        {
            "setting": one.name,
            "x": float(one.values[key]),
            "difference": round_digits(mean),
            "seeds": len(one.differences),
            "complete": one.is_complete,
            "state": "tried on all seeds" if one.is_complete else "dropped",
        }
        for one in tried
        if (mean := _mean(one)) is not None
    ]


def _build_confirmation_panel(number: int, one: ConfirmedSetting) -> Panel:
    name = f"confirmed_{number}"
    data = Datasets(name)
    pairs = _list_pairs(one)
    colour = choose_colour(one.regulariser)
    x = alt.X(
        "pairs:Q",
        scale=alt.Scale(domain=[0.5, len(pairs) + 0.5], nice=False),
        **make_count_axis("pairs of runs on fresh seeds", str(WIDTH)),
    )
    y = alt.Y(
        "mean:Q",
        title="test loss - none (nats)",
        scale=alt.Scale(domain=list(_find_pair_limits(pairs)), clamp=True),
        axis=alt.Axis(tickCount=6, **_DIFFERENCE_AXIS),
    )
    grown = alt.Chart(data.add("pairs", pairs)).encode(x=x)
    bounded = alt.Chart(
        data.add("intervals", [each for each in pairs if each["low"] is not None])
    ).encode(x=x)
    tooltip = make_tooltip(
        Shown("pairs", "pairs"),
        Shown("last seed", "seed"),
        Shown("mean", "mean", _FORMAT),
        Shown("interval from", "low", _FORMAT),
        Shown("to", "high", _FORMAT),
    )
    layers = [
        _draw_zero(data),
        bounded.mark_area(opacity=0.2, color=colour).encode(y=alt.Y("low:Q"), y2="high:Q"),
        grown.mark_circle(size=34, opacity=0.45, color=colour).encode(y=alt.Y("difference:Q")),
        grown.mark_line(strokeWidth=2.2, color=colour).encode(y=y),
        grown.mark_point(filled=True, size=50, color=colour, opacity=1).encode(
            y=y, tooltip=tooltip
        ),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT)
    subtitle = (
        "line: mean so far, with its anytime interval, which holds at every look; dots: seeds; "
        "below 0 is better than none"
    )
    return Panel(name, f"Confirmed: {one.name}, {one.verdict}", subtitle, data.values, chart)


def _list_pairs(one: ConfirmedSetting) -> Values:
    return [
        {
            "pairs": count,
            "seed": pair.seed,
            "difference": round_digits(pair.difference),
            "mean": round_digits(pair.mean),
            "low": round_digits(pair.low),
            "high": round_digits(pair.high),
        }
        for count, pair in enumerate(one.pairs, start=1)
    ]


def _find_pair_limits(pairs: Values) -> tuple[float, float]:
    """Return the ends of the axis: all means and dots, and the last interval in full."""
    shown = [each[field] for each in pairs for field in ("difference", "mean")]
    last: Mapping[str, float | None] = pairs[-1]
    return pad_domain([*shown, last["low"], last["high"], 0.0])


def _draw_zero(data: Datasets) -> alt.Chart:
    rule: alt.Chart = (
        alt.Chart(data.add("zero", [{"zero": 0}]))
        .mark_rule(color=RULE, strokeDash=[4, 3])
        .encode(y="zero:Q")
    )
    return rule
