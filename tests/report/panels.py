"""Builds the panels of a comparison."""

from dropexp.compare.results import Comparison
from dropexp.report.charts import Panel, build_figures


def build_panels(study: Comparison) -> dict[str, Panel]:
    """Return the panels of all figures by name."""
    return {panel.name: panel for figure in build_figures(study) for panel in figure.panels}
