"""The answer as a chart: each seed's value with the baseline and with the headline's setting."""

from typing import Any

import altair as alt

from dropexp.compare.headline import find_headline
from dropexp.compare.results import Comparison, Row
from dropexp.report.answer import answer
from dropexp.report.charts.domains import choose_domain
from dropexp.report.charts.encodings import make_metric_axis, round_digits
from dropexp.report.charts.palette import choose_colour
from dropexp.report.charts.panels import HEIGHT, RULE, WIDTH, Datasets, Figure, Panel, Values
from dropexp.report.charts.tooltips import SETTING, Shown, make_tooltip, show_mean
from dropexp.report.wording import describe_epoch, describe_metric

_NAME = "answer"
_NAMES = alt.Axis(labelAngle=0, labelLimit=0, labelExpr="split(datum.label, ' ')", domain=False)


def build_pair_figures(comparison: Comparison) -> list[Figure]:
    """Build the figure of the headline's pairs; none without a headline that has a whole pair."""
    row = find_headline(comparison)
    if row is None or row.baseline is None:
        return []
    pairs = _list_pairs(row)
    if not pairs:
        return []
    data = Datasets(_NAME)
    lost = len(row.pairs) - len(pairs) // 2
    left_out = f"; {lost} of {len(row.pairs)} pairs diverged" if lost else ""
    panel = Panel(
        _NAME,
        answer(comparison)[0],
        f"{describe_metric(comparison.metric)} {describe_epoch(comparison)}; a line for each "
        f"seed, the thick line is their mean{left_out}",
        data.values,
        _draw(comparison, row, pairs, data),
    )
    return [Figure((panel,))]


def _list_pairs(row: Row) -> Values:
    """Return two data rows for each seed of which both runs completed."""
    return [
        {"setting": name, "seed": pair.seed, "mean": round_digits(value, 6)}
        for pair in row.pairs
        if pair.baseline is not None and pair.value is not None
        for name, value in ((row.baseline, pair.baseline), (row.setting.name, pair.value))
    ]


def _draw(comparison: Comparison, row: Row, pairs: Values, data: Datasets) -> alt.LayerChart:
    metric, colour = comparison.metric, choose_colour(row.setting.method)
    names = [row.baseline or "", row.setting.name]
    means = [_mean_row(name, pairs) for name in names]
    extents = {str(number): (each["mean"],) * 2 for number, each in enumerate(pairs)}
    limits = choose_domain(extents, metric, limits=metric.limits).limits
    x = alt.X("setting:N", sort=names, title=None, axis=_NAMES)
    y = alt.Y(
        "mean:Q",
        title=describe_metric(metric),
        scale=alt.Scale(domain=list(limits), nice=False, zero=False),
        axis=make_metric_axis(metric),
    )
    seeds = alt.Chart(data.add("seeds", pairs)).encode(x=x, y=y, detail="seed:N")
    mean = alt.Chart(data.add("means", means)).encode(x=x, y=y)
    number = ".1%" if metric.unit.value == "fraction" else ".3f"
    layers = [
        seeds.mark_line(strokeWidth=1.2, opacity=0.55, color=RULE, clip=True),
        seeds.mark_point(filled=True, size=36, opacity=0.7, color=colour, clip=True).encode(
            tooltip=make_tooltip(
                SETTING, Shown("seed", "seed"), Shown(describe_metric(metric), "mean", number)
            )
        ),
        mean.mark_line(strokeWidth=3.5, color=colour, clip=True),
        mean.mark_point(filled=True, size=130, shape="diamond", color=colour, opacity=1).encode(
            tooltip=make_tooltip(SETTING, *show_mean(metric))
        ),
    ]
    chart: alt.LayerChart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT)
    return chart


def _mean_row(name: str, pairs: Values) -> dict[str, Any]:
    """Return the mean over the pairs that are drawn."""
    values = [each["mean"] for each in pairs if each["setting"] == name]
    mean = sum(values) / len(values)
    return {"setting": name, "mean": round_digits(mean, 6), "n": len(values)}
