"""Builds the panels of a comparison."""

from functools import cache

from dropexp.compare.results import Comparison
from dropexp.report.charts import Panel, build_figures
from tests.made_up import STUDIES


def build_panels(study: Comparison) -> dict[str, Panel]:
    """Return the panels of all figures by name."""
    return {panel.name: panel for figure in build_figures(study) for panel in figure.panels}


@cache
def build_panels_of(name: str) -> dict[str, Panel]:
    """Return the panels of one of STUDIES; drawing them takes half a second."""
    return build_panels(STUDIES[name]())
