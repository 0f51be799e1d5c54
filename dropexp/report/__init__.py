"""A comparison in; a page, Markdown or pictures out. Computes no number of its own.

Imports Altair and Jinja, so only the commands that draw import this package.
"""

from dropexp.report.markdown import render_markdown
from dropexp.report.page import render_page
from dropexp.report.plot import plot

__all__ = ["plot", "render_markdown", "render_page"]
