"""A comparison as a page or as Markdown. Computes nothing: every number is the comparison's.

Imports altair and jinja2: only the commands that draw or report import this room.
"""

from dropexp.report.markdown import markdown
from dropexp.report.page import html
from dropexp.report.plot import plot
from dropexp.report.provenance import Provenance, provenance

__all__ = ["Provenance", "html", "markdown", "plot", "provenance"]
