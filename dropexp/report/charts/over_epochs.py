"""Generalisation curves: training and validation over epochs, and the gap between them."""

from collections.abc import Collection, Mapping, Sequence

import altair as alt

from dropexp.compare.highlights import at_surroundings, featured, surroundings
from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.results import Comparison, Row
from dropexp.report.charts.palette import Look, looks
from dropexp.report.charts.parts import (
    HEIGHT,
    HIDDEN,
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
    label_room,
    layered,
    plain,
    spaced,
    spread,
    text_colours,
    without_hidden,
    zoomable,
)
from dropexp.report.charts.words import around, is_share, number_format, quantity

_MOST_EPOCHS, _MOST_POINTS = 100, 4000
"""Points of a curve, and of a panel; with more, nobody sees a difference and pages get heavy."""

_LABEL_PIXELS = 15
_HALF = 350


def curve_figures(comparison: Comparison, rows: Sequence[Row] | None = None) -> list[Figure]:
    """The curves of loss or accuracy, whichever decides, and their gap.

    Args:
        comparison: whose settings.
        rows: to draw; without, the settings that are worth looking at first.
    """
    first = featured(comparison)
    named = {row.setting.name for row in first}
    rows = [row for row in (rows or first) if row.setting.members]
    if not rows:
        return []
    kind = "acc" if is_share(comparison.metric.value) else "loss"
    columns = {f"train_{kind}": "Training", f"val_{kind}": "Validation", f"{kind}_gap": "Gap"}
    look = looks([row.setting for row in comparison.rows])
    look = {row.setting.name: look[row.setting.name] for row in rows}
    values = {column: _values(comparison, rows, column) for column in columns}
    train, val, gap = columns
    shared = domain(_ends(values[train]) + _ends(values[val]))
    about = _about(comparison, rows)
    own = domain(_ends(values[gap]), zero=True)

    def panel(column: str, title: str, limits: tuple[float, float], width: int) -> Panel:
        return _panel(column, title, about, values[column], look, limits, named, width)

    # Beside long labels, half of the width has no room for curves.
    width = _HALF if label_room(look, named) < _HALF / 2 else WIDTH
    sides = [panel(each, f"{columns[each]} over epochs", shared, width) for each in (train, val)]
    figures = [Figure(tuple(sides))] if width == _HALF else [Figure((each,)) for each in sides]
    return [*figures, Figure((panel(gap, "The generalisation gap over epochs", own, WIDTH),))]


def _about(comparison: Comparison, rows: Sequence[Row]) -> str:
    words = [f"mean over seeds and {comparison.confidence:.0%} interval, in eval mode"]
    if len(rows) < len(comparison.rows):
        words.append(around(surroundings(comparison)))
    if len(rows) < len(at_surroundings(comparison)):
        words.append("best of each kind")
    return "; ".join(filter(None, words))


def _values(comparison: Comparison, rows: Sequence[Row], column: str) -> Values:
    found: Values = []
    most = max(min(_MOST_EPOCHS, _MOST_POINTS // len(rows)), 10)
    for row in rows:
        name = row.setting.name
        curve = mean_curve(row.setting, column, comparison.confidence)
        found += [
            {"setting": name, "epoch": epoch, **spread(estimate)}
            for epoch, estimate in curve.thinned(most).items()
        ]
    return found


def _ends(values: Values) -> list[float | None]:
    return [value[key] for value in values for key in ("mean", "low", "high")]


def _panel(
    column: str,
    title: str,
    about: str,
    values: Values,
    look: Mapping[str, Look],
    limits: tuple[float, float],
    named: Collection[str],
    width: int,
) -> Panel:
    is_gap = column.endswith("_gap")
    data = Datasets(column)
    last = max((value["epoch"] for value in values), default=1)
    room = beside_labels(column, look, named)
    along = alt.Scale(domain=[1, max(last, 2)], range=room, nice=False)
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=along,
        axis=alt.Axis(grid=False, tickMinStep=1, tickCount=10, format="d"),
    )
    y = alt.Y(
        "mean:Q",
        title=quantity(column),
        scale=alt.Scale(domain=list(limits), nice=False, zero=False),
        axis=alt.Axis(format=".2~%" if is_share(column) else "", tickCount=6),
    )
    base = without_hidden(alt.Chart(data("curves", values)).encode(x=x, color=colours(look)))
    band = base.mark_area(opacity=0.15, clip=True).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=dashes(look))
    below = [band]
    if is_gap:
        level = alt.Chart(data("zero", [{"zero": 0, "from": 1, "to": last}]))
        zero = level.mark_rule(color=RULE).encode(
            x=alt.X("from:Q", scale=along), x2="to:Q", y="zero:Q"
        )
        below.insert(0, zero)
    labels = _labels(data, values, look, limits, named, last)
    hidden = alt.param(name=HIDDEN, value=[])
    still, live = (
        layered(*below, *lines, labels)
        .add_params(hidden, across(column, width))
        .properties(width=width, height=HEIGHT)
        for lines in ([line], [zoomable(line, column), _hover(base, y, column)])
    )
    return Panel(column, title, about, data.values, still, live)


def _hover(base: alt.Chart, y: alt.Y, column: str) -> alt.Chart:
    """The dot nearest to the pointer, and what its numbers are."""
    near = alt.selection_point(
        name=f"{column}_near", on="pointerover", nearest=True, empty=False, clear="pointerout"
    )
    form = number_format(column)
    dots: alt.Chart = (
        base.mark_point(filled=True, size=55, clip=True)
        .encode(
            y=y,
            opacity=alt.condition(near, alt.value(1), alt.value(0)),
            tooltip=[
                alt.Tooltip("setting:N"),
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("mean:Q", title=quantity(column), format=form),
                alt.Tooltip("low:Q", title="interval from", format=form),
                alt.Tooltip("high:Q", title="to", format=form),
                alt.Tooltip("n:Q", title="seeds"),
            ],
        )
        .add_params(near)
    )
    return dots


def _labels(
    data: Datasets,
    values: Values,
    look: Mapping[str, Look],
    limits: tuple[float, float],
    named: Collection[str],
    last: int,
) -> alt.Chart:
    """Each setting's name at the height of its curve's end, for those that are seen at first.

    All at the last epoch: beside a curve that early stopping ended, words would hide others.
    """
    ends: dict[str, dict[str, object]] = {}
    for value in values:
        if value["mean"] is not None and value["setting"] in named:
            ends[value["setting"]] = value
    least = _LABEL_PIXELS / HEIGHT * (limits[1] - limits[0])
    wanted = [float(str(end["mean"])) for end in ends.values()]
    places = spaced(wanted, least, limits[0] + least / 2)
    labelled = [
        {
            "setting": name,
            "epoch": last,
            "mean": plain(place),
            "text": look[name].text,
            "label": look[name].label,
        }
        for name, place in zip(ends, places, strict=True)
    ]
    labels = end_label(alt.Chart(data("labels", labelled)))
    return without_hidden(
        labels.encode(x="epoch:Q", y="mean:Q", text="label:N", color=text_colours())
    )
