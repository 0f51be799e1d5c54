"""How often images with a right and with a wrong label were forgotten: a panel for each setting."""

from collections.abc import Mapping, Sequence

import altair as alt

from dropexp.compare.forgotten import CountShare
from dropexp.report.charts.encodings import encode_estimate
from dropexp.report.charts.panels import WIDTH, Datasets, Figure, Panel
from dropexp.report.charts.tooltips import Shown, make_tooltip

RIGHT, WRONG = "right label", "wrong label"
_COLOURS = {RIGHT: "#8fb8d8", WRONG: "#d55e00"}
_INTERVAL = "#3c4248"
_HEIGHT = 180


def build_forgetting_figures(shares: Mapping[str, Sequence[CountShare]]) -> list[Figure]:
    """Build the figures of settings, two panels in a row.

    Args:
        shares: the name of each setting → how often its images were forgotten.
    """
    panels = [
        _build_panel(f"forgetting{number}", name, of_setting)
        for number, (name, of_setting) in enumerate(shares.items())
    ]
    return [Figure(tuple(panels[start : start + 2])) for start in range(0, len(panels), 2)]


def _build_panel(name: str, setting: str, shares: Sequence[CountShare]) -> Panel:
    kinds = [WRONG if share.is_wrong else RIGHT for share in shares]
    data = Datasets(name)
    rows = [
        {"count": share.count, "kind": kind, **encode_estimate(share.share)}
        for share, kind in zip(shares, kinds, strict=True)
    ]
    shown = [kind for kind in _COLOURS if kind in kinds]
    base = alt.Chart(data.add("shares", rows)).encode(
        x=alt.X(
            "count:N",
            sort=list(dict.fromkeys(share.count for share in shares)),
            title="forgetting events of an image",
            axis=alt.Axis(labelAngle=0, grid=False),
        ),
        xOffset=alt.XOffset("kind:N", sort=shown),
    )
    share_axis = alt.Axis(format="%", tickCount=5)
    bars = base.mark_bar().encode(
        y=alt.Y(
            "mean:Q",
            title="share of these images",
            axis=share_axis,
            scale=alt.Scale(domain=[0, 1]),
        ),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=shown, range=[_COLOURS[kind] for kind in shown]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=make_tooltip(
            Shown("labels", "kind"),
            Shown("forgetting events", "count"),
            Shown("share of these images", "mean", ".1%"),
        ),
    )
    intervals = base.mark_rule(color=_INTERVAL, strokeWidth=1.5).encode(y="low:Q", y2="high:Q")
    layers = [bars, intervals] if any(share.share.n > 1 for share in shares) else [bars]
    chart: alt.LayerChart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=_HEIGHT)
    seeds = max(share.share.n for share in shares)
    over = f"mean over {seeds} seeds with a 95% interval" if seeds > 1 else "one seed"
    return Panel(name, setting, f"share of the training images; {over}", data.values, chart)
