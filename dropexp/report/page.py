"""A comparison as one page of HTML that needs nothing else, or as Markdown."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from dropexp import __version__
from dropexp.compare.highlights import featured
from dropexp.compare.results import Comparison, Row
from dropexp.compare.table import diverged_sentences, missing_sentences
from dropexp.report.answer import answer, place
from dropexp.report.cells import detail_table, main_table
from dropexp.report.charts import HIDDEN, Panel, looks, sections
from dropexp.report.charts.parts import ACROSS, CONFIG
from dropexp.report.provenance import Provenance

_TEMPLATES = files("dropexp.report") / "templates"
_SNIPPET = "window.vegaEmbed = vegaEmbed;"
_ON_A_PAGE = {**CONFIG, "background": None}


def html(comparison: Comparison, known: Provenance) -> str:
    """The page: answer, tables, charts, audit, what is missing, commands and versions."""
    return _rendered(
        comparison,
        main=main_table(comparison),
        details=detail_table(comparison),
        audit=[audit_badge(row) for row in comparison.rows],
        missing=lacking(comparison),
        provenance=known,
    )


def charts_html(comparison: Comparison) -> str:
    """A page with the answer and the charts only."""
    return _rendered(comparison, main=None)


def lacking(comparison: Comparison) -> list[str]:
    """What failed, is missing or was left out, in sentences."""
    return [
        *diverged_sentences(comparison),
        *missing_sentences(comparison),
        *comparison.left_out,
    ]


def _rendered(comparison: Comparison, **parts: Any) -> str:
    drawn = sections(comparison, comparison.rows)
    panels = [
        _panel(panel, toggles=name == "curves")
        for name, figures in drawn.items()
        for figure in figures
        for panel in figure.panels
    ]
    page = json.dumps({"hidden": HIDDEN, "config": _ON_A_PAGE, "panels": panels})
    return (
        _environment()
        .from_string(_read("report.html.j2"))
        .render(
            title=title(comparison),
            version=__version__,
            sentences=answer(comparison),
            method=comparison.sentences,
            legend=_legend(comparison),
            shared=comparison.shared,
            # The page must not end where a name has "</script>" in it.
            page=page.replace("<", "\\u003c"),
            style=_read("report.css"),
            script=_read("report.js"),
            libraries=_libraries(),
            **drawn,
            **parts,
        )
    )


def title(comparison: Comparison) -> str:
    """What was studied."""
    runs = sum(row.n + len(row.setting.diverged) for row in comparison.rows)
    where = place(comparison.shared)
    return f"dropexp: {len(comparison.rows)} settings, {runs} runs, {where}"


def audit_badge(row: Row) -> dict[str, str]:
    """A setting's audits: all passed, or how many of its runs are not proven."""
    setting = row.setting
    runs = row.n + len(setting.diverged)
    unproven = len(setting.unproven)
    text = f"passed, {runs} of {runs}" if not unproven else f"not passed, {unproven} of {runs}"
    return {"name": setting.name, "text": text, "badge": "bad" if unproven else "good"}


def _panel(panel: Panel, *, toggles: bool) -> dict[str, Any]:
    chart = (panel.live or panel.chart).properties(
        width="container", autosize={"type": "fit-x", "contains": "padding"}
    )
    spec = {**chart.to_dict(validate=False), "datasets": panel.data}
    for parameter in spec.get("params", ()):
        if parameter["name"].endswith(ACROSS):
            del parameter["value"]
            parameter["expr"] = "width"
    return {"name": panel.name, "toggles": toggles, "spec": spec}


def _legend(comparison: Comparison) -> list[dict[str, Any]]:
    first = {row.setting.name for row in featured(comparison)}
    look = looks([row.setting for row in comparison.rows])
    return [
        {
            "name": row.setting.name,
            "look": look[row.setting.name],
            "featured": row.setting.name in first,
        }
        for row in comparison.rows
        if row.setting.members
    ]


def _environment() -> Environment:
    return Environment(autoescape=True, undefined=StrictUndefined)


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    script = str(vl_convert.javascript_bundle(_SNIPPET))
    return script.replace("</script", "<\\/script")
