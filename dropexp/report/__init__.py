"""A comparison comes in; a page, Markdown or pictures go out. No number is computed here.

This package imports Altair and Jinja, so only the commands that draw import it.
"""

from dropexp.report.markdown import render_markdown
from dropexp.report.page import render_page
from dropexp.report.plot import PlotOptions, plot, plot_figures

__all__ = ["PlotOptions", "plot", "plot_figures", "render_markdown", "render_page"]
