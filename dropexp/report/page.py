"""A comparison as one HTML page that works offline."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from textwrap import wrap
from typing import Any

import vl_convert
from jinja2 import Environment, StrictUndefined

from dropexp import __version__
from dropexp.compare.columns import make_detail_table, make_main_table
from dropexp.compare.effects import Effects
from dropexp.compare.effects.output import describe_effects, make_effects_table
from dropexp.compare.highlights import select_featured_rows
from dropexp.compare.learning import LearningCurves
from dropexp.compare.learning.sentences import (
    answer_all,
    describe_curves,
    describe_laws,
    explain_worth,
)
from dropexp.compare.notes import describe_open_rows, describe_problems, describe_times
from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison, Row
from dropexp.report.answer import answer
from dropexp.report.charts import HIDDEN, Panel, assign_looks_of, build_sections
from dropexp.report.charts.interactions import build_effect_figures
from dropexp.report.charts.learning_curves import build_learning_figures
from dropexp.report.charts.panels import CONFIG, Figure
from dropexp.report.charts.pictures import follow_width
from dropexp.report.charts.search import build_search_figures, describe_search
from dropexp.report.phrases import describe_data
from dropexp.report.wording import describe_method
from dropexp.runs.searches import SearchRecord
from dropexp.statistics import Verdict
from dropexp.terminal.numbers import format_count
from dropexp.terminal.plain_text import make_printable

SECTIONS = ("search", "curves", "differences", "axes", "effects", "learning")
_TEMPLATES = files("dropexp.report") / "templates"
_SCRIPTS = ("points.js", "saving.js", "report.js")
_SUBTITLE_LETTERS = 130  # of a line in a saved picture
_BADGES = {
    Verdict.BETTER: "good",
    Verdict.WORSE: "bad",
    Verdict.PRACTICALLY_EQUAL: "equal",
    Verdict.NO_CLEAR_DIFFERENCE: "plain",
    Verdict.TOO_FEW_SEEDS: "note",
    Verdict.EXPLORATION: "plain",
}
"""Verdict → the class of its badge in report.css."""


def render_page(
    comparison: Comparison,
    provenance: Provenance,
    search: SearchRecord | None = None,
    learning: LearningCurves | None = None,
    effects: Effects | None = None,
) -> str:
    """Return the report as HTML: answer, tables, charts, audits, missing runs, commands.

    Args:
        comparison: to report on.
        provenance: how to reproduce it.
        search: the search that the compared runs are of; None where they are of none.
        learning: the learning curves of the comparison; None where it has none.
        effects: of a factorial study; None of another one.
    """
    return _render(
        comparison,
        search,
        learning=learning,
        effects=effects,
        main=make_main_table(comparison),
        details=make_detail_table(comparison),
        audit=None if comparison.source else _summarise_audits(comparison),
        open_rows=[note.text for note in describe_open_rows(comparison)],
        times=[note.text for note in describe_times(comparison)],
        missing=[note.text for note in describe_problems(comparison)],
        provenance=provenance,
    )


def render_charts_page(
    comparison: Comparison, sections: Mapping[str, list[Figure]] | None = None, title: str = ""
) -> str:
    """Return an HTML page with the answer and the charts only.

    Args:
        comparison: to draw.
        sections: the charts of each section of the page; None for all.
        title: the heading of the page; empty for the default one.
    """
    if sections is None:
        sections = build_sections(comparison, comparison.rows)
    return _render(comparison, None, dict(sections), title=title, main=None)


def _render(
    comparison: Comparison,
    search: SearchRecord | None,
    sections: dict[str, list[Figure]] | None = None,
    title: str = "",
    learning: LearningCurves | None = None,
    effects: Effects | None = None,
    **parts: Any,
) -> str:
    sections = sections or build_sections(comparison, comparison.rows)
    if search is not None:
        sections["search"] = build_search_figures(search)
    if effects is not None:
        sections["effects"] = build_effect_figures(effects)
    if learning is not None:
        sections["learning"] = build_learning_figures(learning)
    panels = [
        _describe_panel(panel, is_toggled=name == "curves")
        for name, figures in sections.items()
        for figure in figures
        for panel in figure.panels
    ]
    page = json.dumps(
        {"hidden": HIDDEN, "config": {**CONFIG, "background": None}, "panels": panels}
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_make_safe)
    template = environment.from_string(_read("report.html.j2"))
    return template.render(
        title=title or _write_title(comparison),
        version=__version__,
        sentences=answer(comparison),
        method=describe_method(comparison),
        legend=_list_legend(comparison),
        badges=_BADGES,
        shared=comparison.shared,
        # A setting's name that contains "</script>" must not end the script element.
        page=page.replace("<", "\\u003c"),
        style=_read("report.css"),
        script="\n".join(map(_read, _SCRIPTS)),
        libraries=_bundle_libraries(),
        about_search=describe_search(search) if search else "",
        about_effects=_describe_effects(effects) if effects else {},
        about_learning=_describe_learning(learning) if learning else {},
        **{name: [] for name in SECTIONS} | sections,
        **parts,
    )


def _make_safe(value: Any) -> Any:
    """Escape control characters in a text that a run may hold; what is markup has none of them."""
    return make_printable(value, keep_lines=True) if type(value) is str else value


def _describe_effects(effects: Effects) -> dict[str, Any]:
    """Return what stands beside the chart of effects: how to read it, the table, notes."""
    return {
        "method": describe_effects(effects),
        "table": make_effects_table(effects),
        "notes": effects.notes,
    }


def _describe_learning(curves: LearningCurves) -> dict[str, Sequence[str]]:
    """Return what learning curves say beside their chart: answers, how to read them, their laws."""
    return {
        "answers": answer_all(curves),
        "method": [text for text in (describe_curves(curves), explain_worth(curves)) if text],
        "laws": describe_laws(curves),
        "notes": curves.notes,
    }


def _write_title(comparison: Comparison) -> str:
    runs = sum(len(row.setting.runs) for row in comparison.rows)
    where = comparison.source or describe_data(comparison.shared)
    settings = format_count(len(comparison.rows), "setting")
    return f"dropexp: {settings}, {format_count(runs, 'run')}, {where}"


def _summarise_audits(comparison: Comparison) -> dict[str, Any]:
    """Return the settings whose runs all passed their audit, and the others."""
    proven = [row for row in comparison.rows if not row.setting.unproven_seeds]
    unproven = [row for row in comparison.rows if row.setting.unproven_seeds]
    runs = format_count(sum(len(row.setting.runs) for row in proven), "run")
    settings = format_count(len(proven), "setting")
    of = f"the other {settings}" if unproven else settings
    every = "" if runs == "1 run" else "all "
    return {
        "proven": [_summarise_audit(row) for row in proven],
        "unproven": [_summarise_audit(row) for row in unproven],
        "sentence": f"Passed by {every}{runs} of {of}.",
    }


def _summarise_audit(row: Row) -> dict[str, str]:
    """Return whether all runs of a setting passed their audit, or how many did not."""
    setting = row.setting
    runs = len(setting.runs)
    unproven = len(setting.unproven_seeds)
    text = f"not passed, {unproven} of {runs}" if unproven else f"passed, {runs} of {runs}"
    return {"name": setting.name, "text": text, "badge": "bad" if unproven else "good"}


def _describe_panel(panel: Panel, *, is_toggled: bool) -> dict[str, Any]:
    """Return what report.js needs of a panel; its specification is as wide as the page."""
    chart = (panel.live or panel.chart).properties(
        width="container", autosize={"type": "fit-x", "contains": "padding"}
    )
    specification = {**chart.to_dict(validate=False), "datasets": panel.data}
    follow_width(specification, panel.name)
    return {
        "name": panel.name,
        "toggles": is_toggled,
        "spec": specification,
        "narrow": panel.narrow,
        "height": panel.chart.height,
        "title": panel.title,
        "subtitle": wrap(panel.subtitle, _SUBTITLE_LETTERS),
    }


def _list_legend(comparison: Comparison) -> list[dict[str, Any]]:
    shown_first = {row.setting.name for row in select_featured_rows(comparison)}
    looks = assign_looks_of(comparison)
    return [
        {
            "name": row.setting.name,
            "look": looks[row.setting.name],
            "featured": row.setting.name in shown_first,
        }
        for row in comparison.rows
        if row.setting.completed
    ]


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _bundle_libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return script.replace("</script", "<\\/script")
