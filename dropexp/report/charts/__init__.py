"""A comparison comes in; its charts go out, each defined once for pages and for pictures.

This package imports Altair, so only the commands that draw import it.
"""

from dropexp.report.docstrings import keep_docstrings

keep_docstrings("altair")  # before the modules below import it
# ruff: noqa: E402

from dropexp.report.charts.figures import build_figures, build_sections
from dropexp.report.charts.palette import Look, assign_looks, assign_looks_of
from dropexp.report.charts.panels import HIDDEN, Figure, Panel
from dropexp.report.charts.pictures import SUFFIXES, render_picture

__all__ = [
    "HIDDEN",
    "SUFFIXES",
    "Figure",
    "Look",
    "Panel",
    "assign_looks",
    "assign_looks_of",
    "build_figures",
    "build_sections",
    "render_picture",
]
